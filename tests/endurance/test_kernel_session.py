"""A kernel that is used all day: lines of %lxdimg and panels by the hundred, and the kernel holds what it held before.

500 rounds in `tests/run --long`, fewer by default.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit import factory, servers
from tests.kit.counts import count, long_run
from tests.kit.kernel import Kernel, running

pytestmark = pytest.mark.slow

ROUNDS, WARM = (500, 50) if long_run() else (6, 2)
LINES = (
    *("list", "list os=Debian -o df", "info web", "show web", "status", "alias list", "used-by web", "contents web"),
    *("set-property web k {n}", "unset-property web k", "alias create other{n} web", "alias delete other{n}"),
    *("import {file} --alias new{n}", "set new{n} public=yes --yes", "delete new{n} --yes", "check {file}"),
    *("export web {folder}", "connect {url}", "connect {url} --project default", "monitor --help"),
)
WRONG = ("list nothing=of=this", "info none", "frobnicate")
# What a kernel does in a day. Lines that fail say so and go on.
DAY = """
import gc, weakref
import lxdimg_nb
from IPython.utils.capture import capture_output
from IPython.display import display
from tests.kit.usage import usage, grown
failed, panels = [], []
def line(text):
    with capture_output():
        try:
            get_ipython().run_line_magic("lxdimg", text)
        except Exception as error:
            failed.append(text)
def rounds(count):
    for n in range(count):
        for text in (*LINES, *WRONG):
            line(text.format(n=n, file=FILE, folder=FOLDER, url=URL))
        for open in ("panel", "panel web"):
            panel = get_ipython().run_line_magic("lxdimg", open)
            with capture_output():
                display(panel)
            panels.append(weakref.ref(panel))
            panel.close()
            assert panel.actor.join(60)
def client():
    return lxdimg_nb.connect(URL)
def alive():
    gc.collect()
    return sum(ref() is not None for ref in panels)
"""


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory, temporary: Path) -> Iterator[Kernel]:
    """A kernel of this module's own, where everything was done before."""
    folder, out = tmp_path_factory.mktemp("kernel"), tmp_path_factory.mktemp("out")
    file, none = folder / "new.tar.gz", str(folder / "none")
    file.write_bytes(factory.small(2))
    server = servers.start_demo(temporary / "server")
    server.add_image(factory.small(1), aliases=["web"])
    given = {"FILE": str(file), "FOLDER": str(out), "URL": server.url, "LINES": LINES, "WRONG": WRONG}
    with running(folder, LXD_CONF=none, INCUS_CONF=none, HOME=str(folder)) as started:
        started.run("\n".join(f"{name} = {value!r}" for name, value in given.items()))
        started.run(f"{DAY}\n%load_ext lxdimg_nb\nline('connect {server.url}')\nrounds({WARM})")
        yield started
    server.stop()


def test_lines_and_panels_leave_nothing_behind(kernel: Kernel) -> None:
    kernel.run(f"failed.clear()\nbefore = usage()\nrounds({ROUNDS})")

    left, alive = kernel.value(f"grown(before, resident={long_run()}), alive()")
    count("a long day: lines of %lxdimg", inputs=ROUNDS * (len(LINES) + len(WRONG)), lost=alive)
    assert left == []
    assert alive == 0
    assert kernel.value(f"failed == {ROUNDS} * list(WRONG)") is True


def test_what_a_kernel_keeps_is_noticed(kernel: Kernel) -> None:
    kernel.run("kept, before = [], usage()")

    kernel.run(
        "from ipywidgets import IntSlider\nfor _ in range(3):\n    kept += [IntSlider(), client().images.live()]"
    )
    kernel.run("kept.append(client().images.panel())\npanels.append(weakref.ref(kept[-1]))")

    left, alive = kernel.value("grown(before, timeout=0.1), alive()")
    assert alive == 1
    for name in ("descriptors", "comms", "widgets", "threads"):
        assert any(line.startswith(name) for line in left), (name, left)
    kernel.run("for one in kept:\n    one.close()\ndel kept, one")
