"""The notebooks run from top to bottom, on the demo server and on real ones, and are kept small."""

from __future__ import annotations

import os
import re
import struct
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from tests import factory
from tests.servers import RunningServer

FOLDER = Path(__file__).parent.parent / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def execute(path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> nbformat.NotebookNode:
    monkeypatch.setenv("LXDIMG_URL", url)
    monkeypatch.setenv("PYTHONPATH", os.fspath(FOLDER.parent))
    notebook = nbformat.read(path, as_version=4)
    runner = NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": os.fspath(FOLDER)}}
    )
    runner.execute()
    return notebook


# jupyter_client and nbclient leave sockets and tasks to the garbage collector.
QUIET = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


@QUIET
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_notebook_runs_from_top_to_bottom_and_tidies_up(
    server: RunningServer, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = server.add_image(factory.small(77), aliases=["mine-before"])
    before = server.get(f"images/{kept}")

    executed = execute(path, server.url, monkeypatch)

    for cell in executed.cells:
        for output in cell.get("outputs", []):
            assert output.output_type != "error"
    assert server.get("images?recursion=1") == [before]
    # Nobody keeps a notebook of megabytes: what it shows is small.
    assert len(nbformat.writes(executed)) < 400_000


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_a_notebook_is_kept_without_outputs_and_paths(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)

    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
        for place in ("/home/", "/root", "/tmp/"):
            assert place not in cell.source


def test_the_readme_leads_to_every_notebook() -> None:
    readme = (FOLDER.parent / "README.md").read_text()

    assert sorted(re.findall(r"\]\(notebooks/([a-z-]+)\.ipynb\)", readme)) == [path.stem for path in NOTEBOOKS]


def test_the_picture_of_the_panel_is_small_enough_for_a_page_and_wide_enough_to_read() -> None:
    data = (FOLDER / "panel.png").read_bytes()

    width, height = struct.unpack(">II", data[16:24])
    assert (len(data) < 200_000, width, 600 < height < 1_200) == (True, 1400, True)
