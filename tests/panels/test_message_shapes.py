"""The kernel's half of messages.json: what it sends is in every other test here; this is about what it reads."""

from __future__ import annotations

from typing import Any

import pytest

import lxdimg_nb
from tests.kit import factory
from tests.kit.frontend import FrontEnd, browser, opened, panels
from tests.kit.message_shapes import faults, fields, messages

__all__ = ["panels"]


class Recording(dict[str, Any]):
    """A message that remembers which of its fields were read."""

    def __init__(self, content: dict[str, Any], read: set[str]) -> None:
        super().__init__(content)
        self.read = read

    def get(self, key: str, default: Any = None) -> Any:
        self.read.add(key)
        return super().get(key, default)

    def __getitem__(self, key: str) -> Any:
        self.read.add(key)
        return super().__getitem__(key)

    def __or__(self, other: Any) -> Recording:
        return Recording({**self, **other}, self.read)


# Of whatever message they are, as far as a shape has them.
VALUES = {
    "key": "", "field": "properties", "value": "new", "confirmed": True, "name": "note", "before": "old", "notice": 1,
    "job": 1, "query": "web", "chips": ["public"], "column": "size", "page": 0, "size": 20, "columns": ["alias"],
    "keys": [], "what": "page", "on": True, "project": "default", "chip": "public", "action": "property",
    "path": "/no/such", "second": "/no/such", "aliases": "", "public": False, "slot": "image", "modified": 7,
    "count": 1, "offset": 0, "restart": False, "ok": True, "folder": "/no/such", "target": "/no/such.socket",
    "auto_update": False, "os": "", "release": "", "architecture": "", "image": "",
}  # fmt: skip
ENVELOPE = {"type", "view", "number", "buffers"}


def test_every_message_of_a_view_is_handled_and_nothing_else_is_read_of_it(demo, panels, tmp_path):
    fingerprint = demo.add_image(factory.small(1), properties={"note": "old"})
    with lxdimg_nb.connect(demo.url) as client:
        view = browser(client, panels)
        view.panel.upload.spool.folder = tmp_path
        # What only acknowledges a view's sign of life has no handler.
        assert set(view.panel._handlers) == set(messages("toKernel")) - {"here"}
        odd = {}
        # Those that end what the others are about come last.
        for kind in sorted(view.panel._handlers, key=lambda kind: (kind in ("delete", "bye"), kind)):
            opened(view, fingerprint)
            content = {name: VALUES[name] for name in fields(kind)} | ({"name": "f"} if kind == "file-begin" else {})
            if "key" in content:
                content["key"] = f"default/{fingerprint}"
            if kind == "set":
                content |= {"field": "public", "value": True}
            assert faults("toKernel", kind, content) == []

            read: set[str] = set()
            view.panel._handle_custom_msg(Recording({"type": kind} | content, read), [])
            view.settle()
            view.settle()

            odd[kind] = read - fields(kind) - ENVELOPE
        assert {kind: names for kind, names in odd.items() if names} == {}


@pytest.mark.parametrize("kind", ["image", "fleet"])
def test_other_panels_handle_some_of_the_same_messages(demo, panels, kind):
    fingerprint = demo.add_image(factory.small(1))
    with lxdimg_nb.connect(demo.url) as client:
        image = client.images.get(fingerprint)
        panel = image.panel() if kind == "image" else lxdimg_nb.Fleet({"one": client}).panel()
        panels(panel)
        FrontEnd(panel).begin()

        assert set(panel._handlers) < set(messages("toKernel"))


@pytest.mark.parametrize(
    ("kind", "content", "says"),
    [
        ("heard", {"number": 1, "told": 0, "more": 2}, "more"),
        ("heard", {"number": "1", "told": 0}, "'1' is not of type 'integer'"),
        ("part", {}, "no message part"),
        ("parts", {"parts": {"list": {"state": "ready", "columns": []}}}, "parts parts/list: "),
        ("parts", {"parts": {"notices": [{"number": 1, "text": None, "good": True}]}}, "None is not of type"),
    ],
)
def test_a_message_of_another_shape_is_found(kind, content, says):
    assert says in "".join(faults("fromKernel", kind, content))
