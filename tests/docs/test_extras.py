"""Without extras everything works but what they are for, and that call names the extra and the command."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import lxdimg_nb
from lxdimg_nb import Client, cli, demo
from lxdimg_nb.errors import InvalidRequestError

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = ("matplotlib", "pyarrow", "zstandard", "PySquashfsImage", "dask", "distributed", "jupyterlab")
ZSTD = b"\x28\xb5\x2f\xfd" + bytes(300)


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is installed that only an extra brings."""
    for name in [*sys.modules, *EXTRAS]:
        if name.split(".")[0] in EXTRAS:
            monkeypatch.setitem(sys.modules, name, None)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def stocked() -> Any:
    """A client of a demo server with its stock."""
    with demo.start() as server, lxdimg_nb.connect(server.url) as client:
        yield client


@pytest.mark.parametrize(
    ("extra", "call"),
    [
        ("plot", lambda client, _folder: client.images.df().lxdimg.plot.usage()),
        ("plot", lambda client, _folder: client.images.df().lxdimg.plot.uploads()),
        ("parquet", lambda client, folder: lxdimg_nb.History(folder).record(client.images.df())),
    ],
)
def test_a_call_that_needs_an_extra_names_it_with_the_command(
    bare: None, stocked: Client, tmp_path: Path, extra: str, call: Callable[[Client, Path], object]
) -> None:
    with pytest.raises(InvalidRequestError, match=rf"pip install 'lxdimg-nb\[{extra}\]'"):
        call(stocked, tmp_path)

    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_read_without_an_extra_is_no_fault_of_the_file(bare: None, stocked: Client) -> None:
    verdict = stocked.images.check(ZSTD)
    inside = stocked.images.check(b"hsqs" + bytes(600))

    assert "pip install 'lxdimg-nb[zstd]'" in " ".join(verdict.notes)
    assert "pip install 'lxdimg-nb[inside]'" in " ".join(inside.notes)


def test_lab_without_jupyterlab_names_its_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "find_spec", lambda _name: None)

    assert cli.main(["lab"]) == 1
    assert "pip install 'lxdimg-nb[lab]'" in capsys.readouterr().err


def test_client_frames_panels_and_plans_need_no_extra(bare: None, stocked: Client) -> None:
    frame = stocked.images.df(all_projects=True, used_by=True)

    assert len(frame) > 20
    assert len(frame.lxdimg.unused()) > 0
    assert len(lxdimg_nb.plan.prune(frame, keep_last=1)) > 0
    panel = stocked.images.panel()
    panel.close()
    with stocked.images.live() as live:
        assert len(live.df()) > 5
    assert "metadata.yaml" in stocked.images.get("debian/12").contents().files.index


def test_every_extra_that_is_named_is_declared_and_nothing_of_one_is_imported_at_the_top() -> None:
    sources = [path.read_text() for path in (ROOT / "lxdimg_nb").rglob("*.py")]
    named = {extra for text in sources for extra in re.findall(r"lxdimg-nb\[(\w+)\]", text)}
    at_the_top = {
        (node.module if isinstance(node, ast.ImportFrom) else alias.name).split(".")[0]  # type: ignore[union-attr]
        for text in sources
        for node in ast.parse(text).body
        if isinstance(node, ast.Import | ast.ImportFrom) and not getattr(node, "level", 0)
        for alias in node.names
    }

    assert named <= set(PROJECT["optional-dependencies"])
    assert at_the_top.isdisjoint(EXTRAS)
