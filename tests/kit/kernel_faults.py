"""One case of faults in a Jupyter kernel: a cell, what befalls the kernel meanwhile, and what must hold afterwards.

Everything follows from the seed but the speed of the machine: half of the faults meet a byte of a request or a reply,
the others a share of the time that the cell took when it was last left alone.
"""

from __future__ import annotations

import os
import random
import re
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

from lxdimg_nb import errors
from tests.kit.kernel import Cell, Kernel
from tests.kit.kernel_cells import CELLS, CellAction, begin
from tests.kit.proxy import Fault, Proxy
from tests.kit.random_actions import SIZE, World
from tests.kit.random_faults import Case, nothing_lost
from tests.kit.servers import RunningServer
from tests.kit.waiting import until

__all__ = ["FAULTS", "UNCHANGED", "Notebook", "at_work", "check_said", "choose", "few", "run"]

# What befalls the kernel, with how often: a new one takes seconds.
FAULTS = {"interrupt": 12, "interrupted twice": 4, "killed": 3, "restarted": 3}
OURS = {name for name in dir(errors) if name.endswith("Error")}
# What a line of %lxdimg says when it was interrupted and nothing was done.
UNCHANGED = ("nothing was changed", "keeps nothing")
# What a cell began goes on behind it.
END = """
for one in transfers:
    assert one.wait(60), one
if "panel" in globals():
    panel.close()
    assert panel.actor.join(60)
"""
LIBRARIES = re.compile(r"/(urllib3|requests|http/client|tqdm|ipywidgets)")


def choose(seed: int, *, kind: str) -> Case:
    """The case of a seed on a kind of server."""
    chance = random.Random(f"kernel {kind} {seed}")
    fault = chance.choices(list(FAULTS), list(FAULTS.values()))[0]
    return Case(seed, chance.choice(list(CELLS)), fault, chance)


def few(kind: str, count: int) -> list[int]:
    """Some seeds, most of which need no new kernel: interrupts, and on the demo server and LXD one end of a kernel."""
    ends = {"demo": "killed", "lxd": "restarted"}.get(kind)
    faults = [(seed, choose(seed, kind=kind).fault) for seed in range(100)]
    interrupts = [seed for seed, fault in faults if fault.startswith("interrupt")]
    return interrupts[:count] + [seed for seed, fault in faults if fault == ends][:1]


@dataclass
class Notebook:
    """A kernel that works with a server through a proxy.

    Attributes:
        took: the seconds that a cell takes when it is left alone.
    """

    kernel: Kernel
    server: RunningServer
    proxy: Proxy
    world: World
    took: dict[str, float] = field(default_factory=dict)

    def begin(self) -> None:
        """Run the first cell."""
        self.kernel.run(begin(self.world, self.proxy.url))

    def perform(self, action: CellAction, given_up: Callable[[], bool] | None = None) -> Cell | None:
        """Run the cell to its end, or click and wait until it is done; None when the kernel ended first."""
        if action.message is None:
            return self.kernel.outcome(self.kernel.client.execute(action.cell, allow_stdin=False), given_up=given_up)
        message = action.message | {"view": "test", "number": 2, "key": f"default/{self.world.kept}"}
        if action.message["type"] == "export":
            message |= {"folder": str(self.world.out)}
        self.kernel.say(self._comm, message)
        ends = given_up or (lambda: False)
        assert until(lambda: self._clicked(action) or ends() or not self.kernel.manager.is_alive())
        return None

    def _clicked(self, action: CellAction) -> bool:
        if action.message == {"type": "export"}:
            return any(not path.name.startswith(".") for path in self.world.out.iterdir())
        return action.done(self.server, self.world)

    def undo(self, action: CellAction) -> None:
        """As it was before."""
        for path in self.world.out.iterdir():
            path.unlink()
        action.undo(self.server, self.world)

    def afresh(self, action: CellAction) -> None:
        """After a failure: with a new kernel."""
        self.kernel.restart(now=True)
        self.begin()
        self.undo(action)

    def prepare(self, action: CellAction) -> None:
        """Run what comes before, undisturbed."""
        if action.before:
            self.kernel.run(action.before)
        if action.message is not None:
            self.kernel.run(action.cell)
            self._comm = self.kernel.value("panel.model_id")
            self.kernel.say(self._comm, {"type": "hello", "view": "test", "number": 1})
            self.kernel.until_told(self._comm, lambda parts: parts.get("list", {}).get("state") == "ready")


class KernelFault:
    """An interrupt or an end of the kernel, at a moment that the seed chooses.

    Attributes:
        struck: it has come; who restarts the kernel waits for that.
    """

    def __init__(self, case: Case, notebook: Notebook) -> None:
        self.struck = threading.Event()
        self._over = threading.Event()
        self._case = case
        self._pid = notebook.kernel.pid
        self._left = case.random.choice([0, 0, 0, 1, 2, 4])
        self._again = case.random.uniform(0, 0.05)
        self._timers: list[threading.Timer] = []
        self._lock = threading.Lock()

    @contextmanager
    def armed(self, notebook: Notebook) -> Iterator[None]:
        """Have it come while this runs."""
        chance = self._case.random
        if chance.random() < 0.5:
            self._after(chance.random() * notebook.took[self._case.action], self.strike)
        else:
            at = chance.choice([0, 0, chance.randrange(300), chance.randrange(SIZE)])
            fault = Fault("call", chance.choice(["up", "down"]), at, times=9, action=self._count)
            notebook.proxy.inject(fault, chance.choice(["", "", "", "images", "/export", "/operations"]))
        try:
            yield
        finally:
            # From here on nothing is sent: the cells that follow are not to be met.
            with self._lock:
                self._over.set()
            for timer in self._timers:
                timer.cancel()
            notebook.proxy.heal()

    def _after(self, seconds: float, call: Callable[[], None]) -> None:
        timer = threading.Timer(seconds, call)
        timer.daemon = True
        self._timers.append(timer)
        timer.start()

    def _count(self) -> None:
        self._left -= 1
        if self._left < 0:
            self.strike()

    def strike(self) -> None:
        """Interrupt or end the kernel now."""
        if self.struck.is_set():
            return
        self.struck.set()
        if self._case.fault == "killed":
            self._send(signal.SIGKILL)
        elif self._case.fault == "restarted":
            # What is under way stays there until the kernel is asked to end.
            self._over.wait(10)
        else:
            self._send(signal.SIGINT)
            if self._case.fault == "interrupted twice":
                self._after(self._again, lambda: self._send(signal.SIGINT))

    def _send(self, number: signal.Signals) -> None:
        """Send the kernel's group a signal, as its manager does."""
        with self._lock:
            if not self._over.is_set():
                os.killpg(self._pid, number)


def run(case: Case, notebook: Notebook) -> bool:
    """Do it and check what must hold.

    Returns:
        Whether it failed, or the kernel did.

    Raises:
        AssertionError: something is wrong or lost.
    """
    action, kernel, server, world = CELLS[case.action], notebook.kernel, notebook.server, notebook.world
    if case.action not in notebook.took:
        _alone(case, notebook, action)
        notebook.undo(action)
    notebook.prepare(action)
    fault, ends = KernelFault(case, notebook), case.fault in ("killed", "restarted")
    with fault.armed(notebook):
        cell = notebook.perform(action, given_up=lambda: case.fault == "restarted" and fault.struck.is_set())
        if ends and fault.struck.is_set():
            kernel.restart(now=case.fault == "killed")
            cell = None
    assert until(lambda: not at_work(server)), "an operation does not end"
    if ends and fault.struck.is_set():
        notebook.begin()
    else:
        kernel.run(END)
    if cell is not None and cell.status != "lost":
        check_said(cell, action, server, world, twice=case.fault == "interrupted twice")
    nothing_lost(server, world)
    # It goes on: a listing, and the same again.
    listed = kernel.run("%lxdimg list")
    assert world.kept[:12] in listed.text, listed.text
    if action.message is not None:
        # What a click does shows only where it was not done.
        notebook.undo(action)
    _alone(case, notebook, action)
    nothing_lost(server, world)
    assert not [path.name for path in world.out.iterdir() if path.name.startswith(".")], "half a file is left"
    notebook.undo(action)
    return fault.struck.is_set() and (cell is None or cell.status != "ok")


def at_work(server: RunningServer) -> list[str]:
    """The operations that run; tokens, which wait for somebody who may come, do not."""
    groups: dict[str, list[dict[str, Any]]] = server.get("operations?recursion=1&all-projects=true")
    running = groups.get("running", []) + groups.get("pending", [])
    return [one["id"] for one in running if one["class"] != "token"]


def _alone(case: Case, notebook: Notebook, action: CellAction) -> None:
    notebook.prepare(action)
    begun = monotonic()
    cell = notebook.perform(action)
    notebook.took[case.action] = monotonic() - begun
    notebook.kernel.run(END)
    assert cell is None or cell.status == "ok", f"without the fault: {cell.ename} {cell.evalue}{cell.stderr}"
    assert action.done(notebook.server, notebook.world), "it is not done without the fault"


def check_said(cell: Cell, action: CellAction, server: RunningServer, world: World, *, twice: bool = False) -> None:
    """What the cell said is so, and clear.

    Args:
        twice: the second interrupt may have met what tells of the first.

    Raises:
        AssertionError: it is not.
    """
    if cell.status == "ok":
        assert action.done(server, world), "it says that it was done"
        return
    raised = "\n".join(line for one in cell.outputs if "error" in one for line in one["error"]["traceback"])
    if not action.magic:
        assert cell.ename in OURS | {"KeyboardInterrupt"}, f"{cell.ename}: {cell.evalue}"
    elif cell.ename == "UsageError":
        assert "Traceback" not in cell.stderr, cell.stderr
        assert cell.stderr.startswith("UsageError: "), cell.stderr
        assert cell.stderr.count("\n") == 1, cell.stderr
        promised = any(words in cell.stderr for words in UNCHANGED)
        assert not promised or not action.seen(server, world), f"it was done: {cell.stderr}"
    else:
        # Before or after the line of ours: where IPython itself is interrupted, or displays the result.
        assert cell.ename == "KeyboardInterrupt", f"{cell.ename}: {cell.evalue}"
        assert twice or not LIBRARIES.search(raised), raised
        assert twice or "lxdimg_nb/magics" not in raised, raised
