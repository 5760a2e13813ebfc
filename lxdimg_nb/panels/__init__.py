"""Panels: browse, edit, upload and export images in a notebook. `client.images.panel()` opens one.

The widgets are imported when the first panel is opened, because the extension of the Jupyter server lives in
this package too and needs none of them.
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

__all__ = ["all_transfers", "fleet_panel", "image_panel", "images_panel"]


def images_panel(images: Images) -> ImagesPanel:
    """Return the panel of a project's images."""
    from lxdimg_nb.panels.images.images_panel import ImagesPanel

    return ImagesPanel(images)


def image_panel(image: Image) -> ImagePanel:
    """Return the panel of one image."""
    from lxdimg_nb.panels.image.image_panel import ImagePanel

    return ImagePanel(image)


def fleet_panel(servers: Mapping[str, Any]) -> FleetPanel:
    """Return the panel of several servers: by name a client, a remote, an address or a function that connects."""
    from lxdimg_nb.panels.images.fleet_panel import FleetPanel

    return FleetPanel(servers)


def all_transfers() -> Transfers:
    """Return the transfers of this kernel: those that run, and those that have ended."""
    from lxdimg_nb.panels.base.transfers import transfers

    return transfers
