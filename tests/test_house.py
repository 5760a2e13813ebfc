"""The house stays one that can be walked: short files, few files a folder, one name for one thing, a docstring each."""

from __future__ import annotations

import ast
import os
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "lxdimg_nb"
TESTS = ROOT / "tests"
MOST_LINES = 400
MOST_MODULES = 12
SOURCES = {".py", ".js", ".jsx", ".css"}
# What others wrote, and what is built.
NOT_OURS = {"node_modules", "bundle"}
# File names that may stand in several folders, each with the reason.
SHARED_NAMES: dict[str, str] = {
    "__init__.py": "what makes a folder a package",
    "__main__.py": "what `python -m` runs",
}


def sources(*folders: Path) -> Iterator[Path]:
    """The source files below these folders."""
    for folder in folders:
        for top, folders, names in os.walk(folder):
            folders[:] = sorted(set(folders) - NOT_OURS)
            yield from (Path(top, name) for name in sorted(names) if Path(name).suffix in SOURCES)


def too_long(*folders: Path) -> list[str]:
    """The files of more than 400 lines."""
    counted = ((path, len(path.read_text().splitlines())) for path in sources(*folders))
    return [f"{path.name}: {count} lines" for path, count in counted if count > MOST_LINES]


def too_full(package: Path) -> list[str]:
    """The folders of more than a dozen modules, where a folder's __init__.py does not count."""
    modules: dict[Path, int] = defaultdict(int)
    for path in sources(package):
        modules[path.parent] += path.suffix == ".py" and path.name != "__init__.py"
    found = sorted((folder.relative_to(package.parent), count) for folder, count in modules.items())
    return [f"{folder}: {count} modules" for folder, count in found if count > MOST_MODULES]


def twice(package: Path) -> list[str]:
    """The file names that stand in several folders."""
    places: dict[str, list[str]] = defaultdict(list)
    for path in sources(package):
        places[path.name].append(str(path.parent.relative_to(package.parent)))
    found = sorted((name, where) for name, where in places.items() if len(where) > 1 and name not in SHARED_NAMES)
    return [f"{name}: {', '.join(where)}" for name, where in found]


def silent(*folders: Path) -> list[str]:
    """The modules without a docstring; the tests' folders need none."""
    modules = (path for path in sources(*folders) if path.suffix == ".py")
    needing = (path for path in modules if path.name != "__init__.py" or TESTS not in path.parents)
    found = (path for path in needing if not ast.get_docstring(ast.parse(path.read_text())))
    return [str(path.relative_to(path.parents[1])) for path in found]


def test_no_file_is_too_long_to_read() -> None:
    assert too_long(PACKAGE, TESTS) == []


def test_no_folder_holds_more_than_a_dozen_modules() -> None:
    assert too_full(PACKAGE) == []


def test_a_file_name_stands_for_one_thing() -> None:
    assert twice(PACKAGE) == []


@pytest.mark.slow
def test_every_module_says_what_is_in_it() -> None:
    assert silent(PACKAGE, TESTS) == []


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package as it should be: two folders, each with a module and a script of the browser's."""
    for name in ("one", "two"):
        folder = tmp_path / "package" / name
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text(f'"""Folder {name}."""\n')
        (folder / f"{name}.py").write_text('"""What is in it."""\n' + "x = 1\n" * (MOST_LINES - 1))
        (folder / f"{name}.js").write_text("// What is in it.\n")
    return tmp_path / "package"


def test_a_house_in_order_passes(package: Path) -> None:
    assert (too_long(package), too_full(package), twice(package), silent(package)) == ([], [], [], [])


@pytest.mark.parametrize("name", ["one.py", "long.py", "long.js", "long.css"])
def test_a_line_too_many_is_found(package: Path, name: str) -> None:
    (package / "one" / name).write_text('"""What is in it."""\n' + "x = 1\n" * MOST_LINES)

    assert too_long(package) == [f"{name}: 401 lines"]


def test_a_thirteenth_module_is_found(package: Path) -> None:
    for i in range(12):
        (package / "one" / f"more{i}.py").write_text('"""What is in it."""\n')

    assert too_full(package) == ["package/one: 13 modules"]


@pytest.mark.parametrize("name", ["one.py", "one.js"])
def test_a_name_that_stands_twice_is_found(package: Path, name: str) -> None:
    (package / "two" / name).write_text('"""What is in it."""\n')

    assert twice(package) == [f"{name}: package/one, package/two"]


@pytest.mark.parametrize("name", ["new.py", "__init__.py"])
@pytest.mark.parametrize("text", ["", "x = 1\n", '""""""\n', "# Words that are no docstring.\n"])
def test_a_module_without_a_docstring_is_found(package: Path, name: str, text: str) -> None:
    (package / "two" / name).write_text(text)

    assert silent(package) == [f"two/{name}"]
