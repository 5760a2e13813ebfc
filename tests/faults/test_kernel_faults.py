"""Real kernels that are interrupted, killed and restarted in the middle of a cell: all is right or absent afterwards.

`tests/run --long` tries 300; a failing seed is printed and
`LXDIMG_SEED=… tests/run tests/faults/test_kernel_faults.py -k demo` runs it alone.
"""

from __future__ import annotations

import contextlib
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import lxdimg_nb
from tests.kit import factory
from tests.kit.counts import count, long_run
from tests.kit.kernel import Cell, Kernel
from tests.kit.kernel_cells import CELLS, CellAction
from tests.kit.kernel_faults import FAULTS, Notebook, check_said, choose, few, run
from tests.kit.proxy import Proxy
from tests.kit.random_actions import OTHER, PROPERTIES, SIZE, World
from tests.kit.random_faults import Case
from tests.kit.servers import RunningServer

pytestmark = pytest.mark.slow

SHARE, FEW = 100, 4


@contextlib.contextmanager
def notebook(kernel: Kernel, server: RunningServer, folder: Path) -> Iterator[Notebook]:
    """A kernel with a client of a server that has one image to keep."""
    (folder / "out").mkdir(parents=True)
    for seed, name in enumerate(("kept", "new")):
        factory.big(folder / f"{name}.tar", SIZE, seed=seed)
    for name, half in zip(("meta", "root"), factory.split(3), strict=True):
        (folder / f"{name}.tar").write_bytes(half)
    server.add_project(OTHER)
    server.listen()
    kept = server.add_image((folder / "kept.tar").read_bytes(), ["web"], properties=PROPERTIES)
    with Proxy(server.socket, server.folder) as proxy, lxdimg_nb.connect(proxy.url) as client:
        made = Notebook(kernel, server, proxy, World(client, folder, kept))
        made.begin()
        yield made
        kernel.run("client.close()\n%unload_ext lxdimg_nb\n%reset -f\n%load_ext lxdimg_nb")


def test_whatever_befalls_a_kernel_the_outcome_is_right_or_absent_and_the_cell_tells_the_truth(
    shared_kernel: Kernel, server: RunningServer, tmp_path: Path
) -> None:
    alone = os.environ.get("LXDIMG_SEED")
    seeds = [int(alone)] if alone else (range(SHARE) if long_run() else few(server.kind, FEW))
    wrong = []
    with notebook(shared_kernel, server, tmp_path) as made:
        for seed in seeds:
            case = choose(seed, kind=server.kind)
            try:
                failed = run(case, made)
            except Exception as error:
                wrong.append(f"LXDIMG_SEED={seed} on {server.kind}: {case.action}, {case.fault}: {error!r}"[:900])
                print(wrong[-1])
                if alone:
                    raise
                made.afresh(CELLS[case.action])
            else:
                count(f"kernel faults on {server.kind}", inputs=1, survived=int(failed))
    assert not wrong, "\n".join(wrong)


def planted(cell: str, **more: Any) -> CellAction:
    return CellAction(cell, lambda *_: True, **more)


@pytest.mark.parametrize(
    "action",
    [
        planted("images.get('web').delete()"),
        planted("(OUT / 'image.tar').write_bytes((FOLDER / 'kept.tar').read_bytes()[:1000])"),
        planted("(OUT / f'.{KEPT}.part').touch(0o600)"),
        planted("history.record(images.df().iloc[:0])"),
        planted("%lxdimg frobnicate"),
    ],
)
def test_a_planted_fault_is_noticed(
    shared_kernel: Kernel, demo: RunningServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, action: CellAction
) -> None:
    monkeypatch.setitem(CELLS, "planted", action)
    with notebook(shared_kernel, demo, tmp_path) as made, pytest.raises((AssertionError, KeyError)):
        run(Case(0, "planted", "interrupt", random.Random(0)), made)


TRACEBACK = [{"error": {"traceback": ["File /python/urllib3/connectionpool.py:787, in urlopen"]}}]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (
            "%lxdimg set-property web note after",
            Cell("error", "UsageError", stderr="UsageError: nothing was changed\n"),
        ),
        ("%lxdimg export web", Cell("error", "UsageError", stderr="UsageError: stopped\nTraceback:\n")),
        ("%lxdimg export web", Cell("error", "KeyboardInterrupt", outputs=TRACEBACK)),
        ("%lxdimg export web", Cell("error", "ProtocolError")),
        ("images.all()", Cell("error", "AttributeError")),
    ],
)
def test_a_cell_that_lies_or_is_not_clear_is_noticed(code: str, said: Cell) -> None:
    with pytest.raises(AssertionError):
        check_said(said, planted(code), None, None)  # type: ignore[arg-type]
    check_said(Cell("error", "UsageError", stderr="UsageError: stopped\n"), planted("%lxdimg list"), None, None)  # type: ignore[arg-type]


def test_every_cell_and_every_fault_of_a_kernel_has_its_turn() -> None:
    cases = [choose(seed, kind=kind) for kind in ("demo", "lxd", "incus") for seed in range(SHARE)]
    assert {case.action for case in cases} == set(CELLS)
    assert {case.fault for case in cases} == set(FAULTS)
