"""The inventory: images as pandas frames, of one server, of many, over time, and plans for them."""

from __future__ import annotations

from lxdimg_nb.inventory import plan
from lxdimg_nb.inventory.changes import diff
from lxdimg_nb.inventory.explain import explain
from lxdimg_nb.inventory.fleet import Fleet
from lxdimg_nb.inventory.frame import InventoryFrame, frame, frame_from_json
from lxdimg_nb.inventory.history import History
from lxdimg_nb.inventory.plans import Plan
from lxdimg_nb.inventory.questions import Questions

__all__ = [
    "Fleet",
    "History",
    "InventoryFrame",
    "Plan",
    "Questions",
    "diff",
    "explain",
    "frame",
    "frame_from_json",
    "plan",
]
