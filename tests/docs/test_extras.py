"""Without extras everything works but what they are for, and that call names the extra and the command."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from lxdimg_nb import cli

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = ("matplotlib", "pyarrow", "zstandard", "dask", "distributed", "jupyterlab")
# In a process of its own: pandas looks for pyarrow when it is loaded.
SCRIPT = """
import json, sys
sys.modules |= dict.fromkeys(sys.argv[1].split())
import lxdimg_nb
said = {}
def told(name, call):
    try:
        said[name] = call() or "done"
    except Exception as error:
        said[name] = f"{type(error).__name__}: {error}"
with lxdimg_nb.connect(demo=True) as client:
    frame = client.images.df(all_projects=True, used_by=True)
    told("frame", lambda: f"{len(frame) > 20}")
    told("questions", lambda: f"{len(frame.lxdimg.unused()) > 0}")
    told("plan", lambda: f"{len(lxdimg_nb.plan.prune(frame, keep_last=1)) > 0}")
    told("panel", lambda: client.images.panel().close())
    with client.images.live() as live:
        told("live", lambda: f"{len(live.df()) > 5}")
    told("contents", lambda: f"{'metadata.yaml' in client.images.get('debian/12').contents().files.index}")
    for name in ("ages", "size", "uploads", "usage"):
        told(f"plot.{name}", getattr(frame.lxdimg.plot, name))
    told("history", lambda: lxdimg_nb.History("history").record(frame))
    told("zstd", lambda: " ".join(client.images.check(b"\\x28\\xb5\\x2f\\xfd" + bytes(300)).notes))
json.dump(said, sys.stdout)
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What calls say where nothing is installed that only an extra brings."""
    folder = tmp_path_factory.mktemp("bare")
    command = [sys.executable, "-c", SCRIPT, " ".join(EXTRAS)]
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(
        command, capture_output=True, text=True, cwd=folder, env=environment, timeout=120, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert list(folder.iterdir()) == []
    found: dict[str, str] = json.loads(ended.stdout)
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("call", "extra"),
    [
        *((f"plot.{name}", "plot") for name in ("ages", "size", "uploads", "usage")),
        ("history", "parquet"),
    ],
)
def test_a_call_that_needs_an_extra_names_it_with_the_command(said: dict[str, str], call: str, extra: str) -> None:
    assert said[call].startswith("InvalidRequestError: ")
    assert f"pip install 'lxdimg-nb[{extra}]'" in said[call]


def test_what_cannot_be_read_without_an_extra_is_no_fault_of_the_file(said: dict[str, str]) -> None:
    assert "pip install 'lxdimg-nb[zstd]'" in said["zstd"]
    assert "Error" not in said["zstd"]


@pytest.mark.parametrize("call", ["frame", "questions", "plan", "panel", "live", "contents"])
def test_client_frames_panels_and_plans_need_no_extra(said: dict[str, str], call: str) -> None:
    assert said[call] in ("True", "done")


def test_lab_without_jupyterlab_names_its_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "find_spec", lambda _name: None)

    assert cli.main(["lab"]) == 1
    assert "pip install 'lxdimg-nb[lab]'" in capsys.readouterr().err


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
