"""The arrows of the house: who may import whom, read from the source itself."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import lxdimg_nb

HOUSE = Path(lxdimg_nb.__file__).parent

# room → the rooms it may import when it is loaded.
ARROWS = {
    "errors": set(),
    "text": {"values", "filters"},
    "values": {"errors", "text"},
    "filters": {"errors", "text", "values"},
    "client": {"errors", "text", "values", "filters"},
    "inventory": {"errors", "text", "values", "filters", "client"},
    "panels": {"errors", "text", "values", "filters", "client", "inventory"},
    "magics": {"errors", "text", "values", "filters", "client", "inventory", "panels"},
    "cli": {"errors", "text", "values", "filters", "client", "inventory", "panels", "magics", "demo"},
    "demo": set(),
}
# The doors: calls on a client's objects that lead up to a room, opened only when they are used.
# What reads well as `client.images.df()` must start somewhere; nothing else may look up.
DOORS = {
    "client": {"inventory", "panels"},
    "inventory": {"panels"},
    "magics": {"demo"},
    "values": {"text"},
}
# package of somebody else → the rooms (or files) that may import it at all.
OUTSIDE = {
    "click": {"magics", "cli"},
    "requests": {"client/http"},
    "urllib3": {"client/http"},
    "websocket": {"client"},
    "cryptography": {"client", "demo"},
    "yaml": {"client", "inventory", "magics", "demo"},
    "zstandard": {"client", "demo"},
    "tqdm": {"client", "magics"},
    "pandas": {"text/styled_frame", "client/verbs/read/file_frame", "inventory", "panels", "magics"},
    "numpy": {"inventory", "panels", "magics"},
    "pyarrow": {"inventory"},
    "matplotlib": {"inventory"},
    "dask": {"inventory"},
    "distributed": {"inventory"},
    "ipywidgets": {"panels"},
    "anywidget": {"panels"},
    "traitlets": {"panels", "magics"},
    "IPython": {"panels", "magics", "cli"},
    "ipykernel": {"panels"},
    "comm": {"panels"},
    "jupyter_server": {"panels"},
    "tornado": {"demo", "panels"},
}
# What costs time to load and may only be imported where it is used.
LAZY = {
    "zstandard",
    "tqdm",
    "pyarrow",
    "matplotlib",
    "dask",
    "distributed",
    "cryptography",
    "websocket",
    "jupyter_server",
}


def modules() -> list[Path]:
    """Every file but the front door, whose names are found lazily (tests/test_public_api.py)."""
    return sorted(path for path in HOUSE.rglob("*.py") if path.parent != HOUSE or path.stem != "__init__")


def name_of(path: Path) -> str:
    return path.relative_to(HOUSE).with_suffix("").as_posix()


def room_of(path: Path) -> str:
    return path.relative_to(HOUSE).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """Every import of a file as a dotted name, and whether it happens when the file is loaded."""
    tree = ast.parse(path.read_text())
    typing_only = {
        id(child)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for child in ast.walk(node)
    }
    inner = {
        id(child)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for child in ast.walk(node)
    }
    package = ["lxdimg_nb", *path.relative_to(HOUSE).parts[:-1]]
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        at_load = id(node) not in inner
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, at_load
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (base, node.module) if part)
            for alias in node.names:
                yield f"{module}.{alias.name}", at_load


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_imports_point_at_the_plainer_room_only(path: Path) -> None:
    room = room_of(path)
    assert room in ARROWS, f"{room} is a new room: enter it in ARROWS and in the README"

    for name, at_load in imports(path):
        parts = name.split(".")
        if parts[0] != "lxdimg_nb" or len(parts) < 2 or parts[1] == room or parts[1].startswith("__"):
            continue
        allowed = ARROWS[room] if at_load else ARROWS[room] | DOORS.get(room, set())
        assert parts[1] in allowed, f"{name_of(path)} imports {name}"


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_each_foreign_package_has_its_place(path: Path) -> None:
    room, name = room_of(path), name_of(path)

    for imported, at_load in imports(path):
        package = imported.split(".")[0]
        if package in OUTSIDE:
            places = OUTSIDE[package]
            assert room in places or any(name.startswith(place) for place in places), f"{name} imports {package}"
        if package in LAZY and room != "panels":
            assert not at_load, f"{name} loads {package} before it is needed"


def test_the_demo_server_knows_nothing_of_the_rest() -> None:
    for path in (HOUSE / "demo").rglob("*.py"):
        ours = {n for n, _ in imports(path) if n.startswith("lxdimg_nb") and not n.startswith("lxdimg_nb.demo")}
        assert ours == set()


def test_html_is_escaped_in_one_place() -> None:
    users = {name_of(p) for p in modules() for n, _ in imports(p) if n.split(".")[0] == "html"}

    assert {u.split("/")[0] for u in users} <= {"text", "demo"}


def test_no_file_grows_a_second_subject() -> None:
    long = {name_of(p): n for p in modules() if (n := len(p.read_text().splitlines())) > 400}

    assert long == {}
