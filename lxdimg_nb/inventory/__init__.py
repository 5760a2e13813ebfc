"""The inventory: images as pandas frames, of one server, of many, over time, and plans for them."""

from __future__ import annotations

from lxdimg_nb.inventory.frame import InventoryFrame, frame, frame_from_json

__all__ = ["InventoryFrame", "frame", "frame_from_json"]
