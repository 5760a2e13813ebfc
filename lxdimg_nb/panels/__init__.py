"""Panels: browse images, switch, edit, upload and export them in a notebook. `client.images.panel()` makes one.

The rooms behind are entered when the first panel is made: our extension of the Jupyter server lives here, too,
and needs none of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lxdimg_nb.client import Image, Images
    from lxdimg_nb.panels.browser import BrowserPanel
    from lxdimg_nb.panels.single import ImagePanel
    from lxdimg_nb.panels.transfers import Transfers

__all__ = ["all_transfers", "browser_panel", "image_panel"]


def browser_panel(images: Images) -> BrowserPanel:
    """The browser of a project's images."""
    from lxdimg_nb.panels.browser import BrowserPanel

    return BrowserPanel(images)


def image_panel(image: Image) -> ImagePanel:
    """The panel of one image."""
    from lxdimg_nb.panels.single import ImagePanel

    return ImagePanel(image)


def all_transfers() -> Transfers:
    """What is being sent, fetched and checked in this kernel, and what has been."""
    from lxdimg_nb.panels.transfers import transfers

    return transfers
