"""Panels: browse images, switch, edit, upload and export them in a notebook. `client.images.panel()` makes one.

The rooms behind are entered when the first panel is made: our extension of the Jupyter server lives here, too,
and needs none of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lxdimg_nb.client import Image, Images
    from lxdimg_nb.panels.base.transfers import Transfers
    from lxdimg_nb.panels.image.image_panel import ImagePanel
    from lxdimg_nb.panels.images.fleet_panel import FleetPanel
    from lxdimg_nb.panels.images.images_panel import ImagesPanel

__all__ = ["all_transfers", "browser_panel", "fleet_panel", "image_panel"]


def browser_panel(images: Images) -> ImagesPanel:
    """The browser of a project's images."""
    from lxdimg_nb.panels.images.images_panel import ImagesPanel

    return ImagesPanel(images)


def image_panel(image: Image) -> ImagePanel:
    """The panel of one image."""
    from lxdimg_nb.panels.image.image_panel import ImagePanel

    return ImagePanel(image)


def fleet_panel(servers: Mapping[str, Any]) -> FleetPanel:
    """The browser of several servers: by name a client, a remote's name, an address or a call that connects."""
    from lxdimg_nb.panels.images.fleet_panel import FleetPanel

    return FleetPanel(servers)


def all_transfers() -> Transfers:
    """What is being sent, fetched and checked in this kernel, and what has been."""
    from lxdimg_nb.panels.base.transfers import transfers

    return transfers
