"""The notebooks run from top to bottom, on the demo server and on real ones, and are kept small."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

from tests.kit import factory
from tests.kit.daemons import Kind
from tests.kit.outputs import FOLDER, KEPT, KEY, NOTEBOOKS, digest, execute, readable, shape
from tests.kit.servers import RunningServer

# jupyter_client and nbclient leave sockets and tasks to the garbage collector.
QUIET = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


def places() -> Iterator[tuple[Kind, Path]]:
    """Where which notebook runs: all on the demo server and on a real daemon, the tour on both of them."""
    for number, path in enumerate(NOTEBOOKS):
        yield "demo", path
        for kind in ("lxd", "incus") if path.stem == "tour" else (("lxd", "incus")[number % 2],):
            yield kind, path


@pytest.mark.slow
@QUIET
@pytest.mark.parametrize(
    ("kind", "path"),
    [
        pytest.param(kind, path, marks=() if kind == "demo" else pytest.mark.real, id=f"{kind}-{path.stem}")
        for kind, path in places()
    ],
)
def test_a_notebook_runs_from_top_to_bottom_and_tidies_up(
    request: pytest.FixtureRequest, kind: Kind, path: Path
) -> None:
    server: RunningServer = request.getfixturevalue(kind)
    kept = server.add_image(factory.small(77), aliases=["mine-before"])
    before = server.get(f"images/{kept}")

    executed = execute(path, server.url)

    for cell in executed.cells:
        for output in cell.get("outputs", []):
            assert output.output_type != "error"
    assert server.get("images?recursion=1") == [before]
    # Nobody keeps a notebook of megabytes: what it shows is small.
    assert len(nbformat.writes(executed)) < 400_000
    # What is kept in it is what it still shows.
    assert shape(readable(executed)) == shape(nbformat.read(path, as_version=4))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_notebook_is_kept_with_what_its_cells_showed_on_a_demo_server(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)

    nbformat.validate(notebook)
    assert notebook.metadata[KEY]["shown"] == digest(notebook), f"python -m tests.kit.outputs {path.stem}"
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert len(outputs) > 4
    # Readable on a page without JavaScript and without a kernel.
    assert {output.output_type for output in outputs} <= {"stream", "display_data", "execute_result"}
    assert {kind for output in outputs for kind in output.get("data", {})} <= set(KEPT)
    assert "widgets" not in notebook.metadata
    for output in outputs:
        assert "<script" not in output.get("data", {}).get("text/html", "")
        assert len(output.get("data", {}).get("text/html", "")) < 30_000
    assert path.stat().st_size < 300_000


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_notebook_tells_nothing_of_the_machine_it_was_made_on(path: Path) -> None:
    text = path.read_text()

    assert {place for place in ("/home/", str(FOLDER.parent)) if place in text} == set()
    assert not re.search(r"(?<!rootfs)/root\b", text)
    assert set(re.findall(r"/tmp/\w+", text)) <= {"/tmp/lxdimg", "/tmp/tmp"}
    assert set(re.findall(r"lxdimg-\w+/unix", text)) <= {"lxdimg-demo/unix"}
    assert set(re.findall(r"127\.0\.0\.1:\d+", text)) <= {"127.0.0.1:8443"}
    for cell in nbformat.reads(text, as_version=4).cells:
        assert "/tmp/" not in cell.source


def test_the_readme_leads_to_every_notebook() -> None:
    readme = (FOLDER.parent / "README.md").read_text()

    assert sorted(re.findall(r"\]\(notebooks/([a-z-]+)\.ipynb\)", readme)) == [path.stem for path in NOTEBOOKS]


def test_the_picture_of_the_panel_is_small_enough_for_a_page_and_wide_enough_to_read() -> None:
    data = (FOLDER / "panel.png").read_bytes()

    width, height = struct.unpack(">II", data[16:24])
    assert (len(data) < 200_000, width, 600 < height < 1_200) == (True, 1400, True)
