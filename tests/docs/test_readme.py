"""The README's examples run, on the demo server as if it were the local LXD."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

import lxdimg_nb
from tests.kit.minute import blocks, run_examples

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
BLOCKS = blocks(README)


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[InteractiveShell]:
    monkeypatch.chdir(tmp_path)
    for name in ("LXD_DIR", "INCUS_DIR", "INCUS_SOCKET", "LXDIMG_URL"):
        monkeypatch.delenv(name, raising=False)
    shell = InteractiveShell()
    with lxdimg_nb.demo.start() as server:
        monkeypatch.setenv("LXD_SOCKET", str(server.socket))
        yield shell
        shell.run_line_magic("unload_ext", "lxdimg_nb")
        client: Any = shell.user_ns.get("client")
        client.close()
    InteractiveShell.clear_instance()


def test_every_python_and_ipython_example_runs_from_top_to_bottom(shell: InteractiveShell) -> None:
    assert run_examples(shell, README) > 5


def test_every_block_is_of_a_kind_that_is_checked() -> None:
    assert {kind for kind, _ in BLOCKS} <= {"python", "ipython", "sh", "text"}
    assert [kind for kind, _ in BLOCKS].count("python") >= 4


def test_every_command_line_is_there() -> None:
    for kind, code in BLOCKS:
        if kind == "sh":
            for line in code.splitlines():
                program = ROOT / line.split()[0]
                assert program.stat().st_mode & 0o100, line


def test_on_a_package_index_the_description_points_at_nothing_that_only_a_checkout_has() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    text = README
    for one in project["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]["substitutions"]:
        text = re.sub(one["pattern"], one["replacement"], text)

    assert not re.search(r"\]\((?!https:)", text)
    assert "| tour | five minutes" in text
    assert "# lxdimg_nb\n\nManage" in text


def test_every_picture_is_there() -> None:
    for target in re.findall(r"!\[[^]]*\]\(([^)]+)\)", README):
        assert (ROOT / target).is_file(), target
