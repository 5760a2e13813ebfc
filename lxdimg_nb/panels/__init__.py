"""Panels: browse images, switch, edit, upload and export them in a notebook. `client.images.panel()` makes one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lxdimg_nb.panels.browser import BrowserPanel
from lxdimg_nb.panels.single import ImagePanel
from lxdimg_nb.panels.transfers import Transfer, Transfers, transfers

if TYPE_CHECKING:
    from lxdimg_nb.client import Image, Images

__all__ = ["BrowserPanel", "ImagePanel", "Transfer", "Transfers", "browser_panel", "image_panel", "transfers"]


def browser_panel(images: Images) -> BrowserPanel:
    """The browser of a project's images."""
    return BrowserPanel(images)


def image_panel(image: Image) -> ImagePanel:
    """The panel of one image."""
    return ImagePanel(image)
