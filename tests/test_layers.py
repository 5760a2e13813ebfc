"""The arrows of the house: who may import whom, by whatever kind of import, read from the source itself."""

from __future__ import annotations

import ast
import graphlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

import lxdimg_nb

HOUSE = Path(lxdimg_nb.__file__).parent

# folder → its floors, the plainest first. A file imports from its own group and from lower floors of each folder
# that it stands in; groups side by side on one floor (|) know nothing of each other.
STREETS = {
    "": ["errors", "text", "values", "filters", "client", "inventory", "panels | demo", "magics", "cli"],
    "client": [
        "http | files",
        "config",
        "project dialect operations events",
        "verbs",
        "image images image_reader aliases live client",
        "simplestreams",
        "connecting enrolling",
    ],
    "client/http": [
        "endpoint response_body retry single_flight envelope",
        "diagnosis | connection_pool request_body multipart_reader",
        "transport",
        "web_client",
    ],
    "client/files": [
        "temporary_folder source progress part_file hashing hashing_writer folder_archive",
        "formats",
        "inside bundle",
        "inspection layers",
        "image_files root_source",
        "root_tarball metadata",
    ],
    "client/verbs": ["read", "write"],
    "inventory": ["frame", "fleet", "plot_style", "plots", "questions", "history", "plans"],
    "panels": ["base", "image", "upload", "images"],
    "magics": ["session", "show", "line", "verbs", "extension shell_command"],
    "demo": [
        "versions",
        "store",
        "http",
        "stock",
        "api",
        "filling folders log_filter demo_server command_line __main__",
    ],
}
# Where a call of the user's leads up: the function is one import and one call.
DOORS = {
    ("client/connecting", "_start_demo"): "demo",
    ("client/image_reader", "df"): "inventory",
    ("client/live", "df"): "inventory",
    ("client/images", "panel"): "panels",
    ("client/image", "panel"): "panels",
    ("inventory/fleet/fleet", "panel"): "panels",
}
# package of somebody else → the rooms or files that may import it at all.
OUTSIDE = {
    "click": {"magics", "cli"},
    "requests": {"client/http"},
    "requests_unixsocket": {"client/http"},
    "urllib3": {"client/http"},
    "websocket": {"client/events"},
    "cryptography": {"client", "demo"},
    "yaml": {"client", "inventory", "magics", "demo"},
    "zstandard": {"client", "demo"},
    "PySquashfsImage": {"client/files/inside/squashfs"},
    "tqdm": {"client", "magics"},
    "pandas": {
        "text/column_formats",
        "text/styled_frame",
        "client/verbs/read/file_frame",
        "inventory",
        "panels",
        "magics",
    },
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
    "html": {"text", "demo"},  # what escapes is in one place
}
# What costs time to load is imported where it is used.
LAZY = {
    "zstandard",
    "PySquashfsImage",
    "tqdm",
    "pyarrow",
    "matplotlib",
    "dask",
    "distributed",
    "cryptography",
    "websocket",
}


@dataclass(frozen=True)
class Import:
    """One import of a file.

    Attributes:
        target: the dotted name.
        function: the function that it stands in; empty at the top of the file.
        typing: whether it is made for type checkers only.
    """

    target: str
    function: str = ""
    typing: bool = False


def modules(house: Path) -> list[Path]:
    """Every file but the front door, whose names are found lazily (tests/docs/test_public_api.py)."""
    return sorted(path for path in house.rglob("*.py") if path != house / "__init__.py" and "front" not in path.parts)


def name_of(house: Path, path: Path) -> str:
    return path.relative_to(house).with_suffix("").as_posix()


def imports(house: Path, path: Path) -> tuple[Import, ...]:
    """Every import of a file: at its top, inside functions, under TYPE_CHECKING, by name with importlib."""
    return _imports(path.read_text(), ("lxdimg_nb", *path.relative_to(house).parts[:-1]))


@cache
def _imports(text: str, package: tuple[str, ...]) -> tuple[Import, ...]:
    def visit(node: ast.AST, function: str, typing: bool) -> Iterator[Import]:
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, function, typing) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            start = ".".join([*base, *([node.module] if node.module else [])])
            yield from (Import(f"{start}.{alias.name}", function, typing) for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in (
            "import_module",
            "__import__",
        ):
            names = (arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str))
            yield from (Import(name, function, typing) for name in names)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            function = function or node.name
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            typing = True
        for child in ast.iter_child_nodes(node):
            yield from visit(child, function, typing)

    return tuple(visit(ast.parse(text), "", False))


def resolve(house: Path, target: str) -> str:
    """The file of ours that a dotted name stands for, as `name_of` has it; empty for what is not ours."""
    first, *parts = target.split(".")
    while first == "lxdimg_nb" and parts:
        place = house.joinpath(*parts)
        if place.with_suffix(".py").is_file():
            return "/".join(parts)
        if place.is_dir():
            return "/".join([*parts, "__init__"])
        parts.pop()
    return ""


def floor(folder: str, child: str) -> tuple[int, int]:
    """On which floor of a street, and in which group there, a file or folder stands; a package's face is on top."""
    if child == "__init__":
        return len(STREETS[folder]), 0
    for number, groups in enumerate(STREETS[folder]):
        for side, group in enumerate(groups.split("|")):
            if child in group.split():
                return number, side
    raise AssertionError(f"{folder}/{child} has no place in STREETS: enter it there")


def points_back(name: str, target: str) -> bool:
    """Whether an import from one file to another runs up its street, or across it."""
    mine, theirs = name.split("/"), target.split("/")
    for depth, (one, other) in enumerate(zip(mine, theirs, strict=False)):
        folder = "/".join(mine[:depth])
        if folder not in STREETS:
            return False
        here, there = floor(folder, one), floor(folder, other)
        if here != there:
            return there[0] >= here[0]
        if one != other:
            return False
    return False


def is_door(path: Path, name: str, function: str, target: str) -> bool:
    """Whether an import is that of a door, whose function is one import and one call."""
    if DOORS.get((name, function)) != target.split("/")[0]:
        return False
    (node,) = (
        n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.FunctionDef) and n.name == function
    )
    body = [statement for statement in node.body if not isinstance(statement, ast.Expr)]
    return [type(statement) for statement in body] == [ast.ImportFrom, ast.Return] and isinstance(
        getattr(body[1], "value", None), ast.Call
    )


def arrows(house: Path) -> dict[str, set[str]]:
    """Which file of ours imports which, doors left out."""
    found: dict[str, set[str]] = {}
    for path in modules(house):
        name = name_of(house, path)
        targets = ((i, resolve(house, i.target)) for i in imports(house, path))
        found[name] = {t for i, t in targets if t and t != name and not is_door(path, name, i.function, t)}
    return found


def faults(house: Path) -> list[str]:
    """What is wrong with the imports of a house, one sentence each."""
    graph = arrows(house)
    said = [f"{name} imports {target}" for name in graph for target in sorted(graph[name]) if points_back(name, target)]
    said += [
        f"{name} imports {target}"
        for name in graph
        for target in graph[name]
        if name.split("/")[0] == "demo" != target.split("/")[0]
    ]
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        said.append("circle: " + " → ".join(error.args[1]))
    for path in modules(house):
        name = name_of(house, path)
        for one in imports(house, path):
            package = one.target.split(".")[0]
            places = OUTSIDE.get(package)
            if (
                places is not None
                and not one.typing
                and not any(f"{name}/".startswith(f"{place}/") for place in places)
            ):
                said.append(f"{name} imports {package}")
            if package in LAZY and not one.function and not one.typing and not name.startswith("panels"):
                said.append(f"{name} loads {package} before it is needed")
    return said


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A copy of the package to plant faults in."""
    copy = tmp_path / "lxdimg_nb"
    shutil.copytree(HOUSE, copy, ignore=shutil.ignore_patterns("*.pyc", "__pycache__", "front"))
    return copy


def test_imports_point_at_the_plainer_room_only() -> None:
    assert faults(HOUSE) == []


@pytest.mark.parametrize(
    ("file", "text", "says"),
    [
        ("values/alias.py", "import lxdimg_nb.client.project\n", "values/alias imports client/project"),
        ("text/formats.py", "def f():\n    from lxdimg_nb import filters\n", "text/formats imports filters/__init__"),
        (
            "filters/terms.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from lxdimg_nb.inventory import Fleet\n",
            "filters/terms imports inventory/__init__",
        ),
        ("text/formats.py", "from ..values import alias\n", "text/formats imports values/alias"),
        (
            "values/alias.py",
            "import importlib\nimportlib.import_module('lxdimg_nb.panels.base')\n",
            "values/alias imports panels/base/__init__",
        ),
        (
            "client/http/retry.py",
            "from lxdimg_nb.client.files import source\n",
            "client/http/retry imports client/files/source",
        ),
        ("client/project.py", "from lxdimg_nb.client.client import Client\n", "client/project imports client/client"),
        ("client/image.py", "from lxdimg_nb.client import Client\n", "client/image imports client/__init__"),
        (
            "client/verbs/read/listing.py",
            "from lxdimg_nb.client.verbs.write.create import create_image\n",
            "client/verbs/read/listing imports client/verbs/write/create",
        ),
        (
            "inventory/frame/frame.py",
            "from lxdimg_nb.inventory import plots\n",
            "inventory/frame/frame imports inventory/plots",
        ),
        (
            "panels/base/actor.py",
            "from lxdimg_nb.panels.image import detail\n",
            "panels/base/actor imports panels/image/detail",
        ),
        (
            "magics/session/session.py",
            "import lxdimg_nb.magics.line.words\n",
            "magics/session/session imports magics/line/words",
        ),
        ("demo/store/database.py", "import lxdimg_nb.demo.api.copies\n", "demo/store/database imports demo/api/copies"),
        ("demo/api/copies.py", "from lxdimg_nb.text import formats\n", "demo/api/copies imports text/formats"),
        ("client/aliases.py", "from lxdimg_nb.client import image\n", ""),
        ("client/image.py", "from lxdimg_nb.client import aliases\nx = aliases\n", ""),
        ("client/dialect.py", "import requests\n", "client/dialect imports requests"),
        (
            "client/config/remotes.py",
            "import cryptography\n",
            "client/config/remotes loads cryptography before it is needed",
        ),
        (
            "client/aliases.py",
            "def df(self):\n    from lxdimg_nb.inventory import make_frame\n    return make_frame(self)\n",
            "client/aliases imports inventory/__init__",
        ),
    ],
)
def test_a_planted_fault_is_found(house: Path, file: str, text: str, says: str) -> None:
    with (house / file).open("a") as planted:
        planted.write(text)

    assert says in faults(house) if says else faults(house) == []


def test_a_planted_circle_is_found_within_a_folder(house: Path) -> None:
    with (house / "client/operations.py").open("a") as planted:
        planted.write("def f():\n    import lxdimg_nb.client.project\n")

    assert any("client/operations" in fault and "client/project" in fault for fault in faults(house))


def test_a_door_does_nothing_but_open(house: Path) -> None:
    file = house / "client/image.py"
    file.write_text(
        file.read_text().replace("        return image_panel(self)", "        x = image_panel(self)\n        return x")
    )

    assert "client/image imports panels/__init__" in faults(house)


def test_each_door_is_there() -> None:
    for (name, function), room in DOORS.items():
        path = HOUSE / f"{name}.py"
        targets = [resolve(HOUSE, i.target) for i in imports(HOUSE, path) if i.function == function]
        assert [is_door(path, name, function, target) for target in targets] == [True], (name, function, room)
