"""The steps of LXD's and Incus' own test suites that touch images: the table of them, and `step`, by which a test
shows one.

The table is `tests/suites/steps.md`: what each step shows in words of ours, in which suite of which project it stands,
and which test shows it here, or why none can.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.kit import counts

TESTS = Path(__file__).resolve().parents[1]
SUITES = TESTS / "suites"
TABLE = SUITES / "steps.md"
KIND = "steps of LXD's and Incus' suites"
NOT_HERE = "not here: "


@dataclass(frozen=True)
class Step:
    """A line of the table.

    Attributes:
        name: what a test calls it.
        lxd: the suite of LXD it stands in, or empty.
        incus: the suite of Incus it stands in, or empty.
        what: what it shows.
        where: a file of tests/suites, `folder/file.py::test` elsewhere in tests, or `not here: ` and the reason.
    """

    name: str
    lxd: str
    incus: str
    what: str
    where: str


def read(text: str) -> list[Step]:
    """The lines of a table in Markdown, without its two lines of heading."""
    rows = [re.split(r"\s*\|\s*", line.strip().strip("|").strip()) for line in text.splitlines() if line[:1] == "|"]
    return [Step(row[0], *row[1:]) for row in rows[2:]]


@cache
def table() -> dict[str, Step]:
    """The steps by name."""
    return {one.name: one for one in read(TABLE.read_text())}


@contextmanager
def step(name: str) -> Iterator[None]:
    """What a test does for one step; counts it, and says which it was when it fails."""
    what = table()[name]
    try:
        yield
    except BaseException as error:
        error.add_note(f"step {name!r} of {' and '.join(filter(None, (what.lxd, what.incus)))}: {what.what}")
        raise
    counts.count(KIND, inputs=1)


def shown_in(source: str) -> list[str]:
    """The names of the steps that a test file shows, in its order."""
    calls = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    found = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "step"]
    return [ast.literal_eval(call.args[0]) for call in sorted(found, key=lambda call: call.lineno)]


def faults(steps: list[Step], folder: Path) -> list[str]:
    """What is wrong with a table, as sentences: steps that no test shows, tests that are not there, steps twice.

    Args:
        steps: its lines.
        folder: the tests.
    """
    found = [f"{one.name} stands twice" for one in steps if [other.name for other in steps].count(one.name) > 1]
    found += [f"{one.name}: no suite is named" for one in steps if not one.lxd and not one.incus]
    shown = {path.name: shown_in(path.read_text()) for path in sorted((folder / "suites").glob("test_*_steps.py"))}
    known = {one.name: one.where for one in steps}
    for name, names in shown.items():
        found += [f"{name} shows {one}, which is not in the table" for one in names if known.get(one) != name]
    for one in steps:
        file, _, test = one.where.partition("::")
        if one.where.startswith(NOT_HERE):
            found += [f"{one.name}: no reason"] if len(one.where) < len(NOT_HERE) + 10 else []
        elif not test:
            found += [f"{one.name}: {file} does not show it"] if one.name not in shown.get(file, ()) else []
        elif not _has(folder / file, test):
            found.append(f"{one.name}: there is no {one.where}")
    return found


def _has(path: Path, test: str) -> bool:
    if not path.exists():
        return False
    return any(
        isinstance(node, ast.FunctionDef) and node.name == test for node in ast.walk(ast.parse(path.read_text()))
    )
