"""The inventory: images as pandas frames, of one server, of many, over time, and plans for them."""

from __future__ import annotations

from lxdimg_nb.inventory.fleet.fleet import Fleet
from lxdimg_nb.inventory.frame.frame import InventoryFrame, frame_from_json, make_frame
from lxdimg_nb.inventory.history.difference import diff
from lxdimg_nb.inventory.history.history import History
from lxdimg_nb.inventory.plans import planning as plan
from lxdimg_nb.inventory.plans.plan import Plan
from lxdimg_nb.inventory.questions.accessor import InventoryAccessor
from lxdimg_nb.inventory.questions.explanation import explain

__all__ = [
    "Fleet",
    "History",
    "InventoryAccessor",
    "InventoryFrame",
    "Plan",
    "diff",
    "explain",
    "frame_from_json",
    "make_frame",
    "plan",
]
