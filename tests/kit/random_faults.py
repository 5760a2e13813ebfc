"""One case of random faults: an action on a server, what goes wrong meanwhile, and what must hold afterwards.

Everything follows from the seed, so that a case can be run again: `LXDIMG_SEED=17 tests/run tests/faults`.
"""

from __future__ import annotations

import contextlib
import itertools
import random
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from pathlib import Path
from unittest import mock

from lxdimg_nb import History
from lxdimg_nb.errors import LxdImageError
from lxdimg_nb.values import Progress
from tests.kit import factory
from tests.kit.interrupts import interrupted
from tests.kit.leftovers import only_right
from tests.kit.proxy import Fault, Proxy
from tests.kit.random_actions import ACTIONS, OTHER, SIZE, TIMEOUT, World, halves, images, new
from tests.kit.servers import RunningServer
from tests.kit.waiting import until

__all__ = ["FAULTS", "IN_PROCESS", "Case", "choose", "nothing_lost", "run"]

# The same with the package in a process of its own, which can be killed.
CHILD = """
import sys
from pathlib import Path
from lxdimg_nb import connect
from tests.kit.random_actions import ACTIONS, World
url, action, folder, kept = sys.argv[1:]
with connect(url, timeout=5) as client:
    print("ready", flush=True)
    ACTIONS[action].act(World(client, Path(folder), kept))
"""


class CancelledByTestError(Exception):
    """Raised by the user's own progress function."""


@dataclass(frozen=True)
class Case:
    """What a seed stands for."""

    seed: int
    action: str
    fault: str
    random: random.Random = field(compare=False, repr=False)


Setting = Callable[["Trouble"], "contextlib.AbstractContextManager[None]"]


@dataclass
class Trouble:
    """What a fault works with."""

    random: random.Random
    server: RunningServer
    proxy: Proxy
    world: World
    path: str = ""

    def inject(self, fault: Fault) -> None:
        """Have it meet some request of the action."""
        method = self.random.choice(["", "", "GET", "POST", "PATCH"])
        self.proxy.inject(fault, self.random.choice(["", "images", "/export", "/operations", "/events"]), method)


def _offset(chance: random.Random) -> int:
    return chance.choice([0, chance.randrange(200), chance.randrange(2000), chance.randrange(SIZE)])


@contextlib.contextmanager
def _cut(trouble: Trouble) -> Iterator[None]:
    direction = trouble.random.choice(["up", "down"])
    times = trouble.random.choice([1, 1, 2, 9])
    trouble.inject(Fault("cut", direction, _offset(trouble.random), times=times))  # type: ignore[arg-type]
    yield


@contextlib.contextmanager
def _silence(trouble: Trouble) -> Iterator[None]:
    trouble.inject(Fault("stall", "down", _offset(trouble.random)))
    with mock.patch("lxdimg_nb.client.verbs.read.listing.LIST_TIMEOUT", TIMEOUT):
        yield


@contextlib.contextmanager
def _delay(trouble: Trouble) -> Iterator[None]:
    """Some requests or replies come late: in time, or too late for this client."""
    late, direction = trouble.random.choice([0.05, 0.3, 3.0]), trouble.random.choice(["up", "down"])
    pause, times = threading.Event(), trouble.random.choice([1, 3])
    fault = Fault("call", direction, _offset(trouble.random), times=times, action=lambda: pause.wait(late))  # type: ignore[arg-type]
    trouble.inject(fault)
    yield


@contextlib.contextmanager
def _reset(trouble: Trouble) -> Iterator[None]:
    """A TLS connection is reset in the middle."""
    relay = trouble.world.relay
    assert relay is not None
    direction = trouble.random.choice(["up", "down"])
    relay.reset_after(_offset(trouble.random), direction, times=trouble.random.choice([1, 1, 2, 9]))  # type: ignore[arg-type]
    yield


@contextlib.contextmanager
def _garbage(trouble: Trouble) -> Iterator[None]:
    """Bytes that are no HTTP or no JSON; what a server got and kept wrongly nobody could tell without TLS."""
    noise = trouble.random.randbytes(trouble.random.randrange(1, 3000))
    whole = trouble.random.random() < 0.5
    trouble.inject(Fault("rewrite", rewrite=lambda reply: noise + b"\r\n\r\n" if whole else reply.render(body=noise)))
    yield


@contextlib.contextmanager
def _refusal(trouble: Trouble) -> Iterator[None]:
    status = trouble.random.choice([500, 503])
    body = trouble.random.choice([b"", b"{}", b'{"type":"error","error":"database is locked","error_code":500}'])
    times = trouble.random.choice([1, 2, 9])
    trouble.inject(Fault("rewrite", times=times, rewrite=lambda reply: reply.render(status=status, body=body)))
    yield


@contextlib.contextmanager
def _death(trouble: Trouble) -> Iterator[None]:
    """The daemon is killed in the middle, and comes back later."""
    trouble.inject(Fault("call", "down", _offset(trouble.random), action=trouble.server.kill))
    try:
        yield
    finally:
        if not trouble.server.alive:
            trouble.server.restart()


@contextlib.contextmanager
def _restart(trouble: Trouble) -> Iterator[None]:
    """The daemon is killed in the middle, and comes back at once."""
    returns: list[Future[None]] = []

    def die() -> None:
        trouble.server.kill()
        returns.append(_KEEPER.submit(trouble.server.restart))

    trouble.inject(Fault("call", "down", _offset(trouble.random), action=die))
    try:
        yield
    finally:
        wait(returns)
        for done in returns:
            done.result()


@contextlib.contextmanager
def _limited(what: int, limit: int) -> Iterator[None]:
    before = resource.getrlimit(what)
    resource.setrlimit(what, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(what, before)


def _full_disk(trouble: Trouble) -> contextlib.AbstractContextManager[None]:
    """No file of this process grows beyond some size."""
    return _limited(resource.RLIMIT_FSIZE, trouble.random.randrange(SIZE))


def _no_descriptors(trouble: Trouble) -> contextlib.AbstractContextManager[None]:
    used = len(list(Path("/proc/self/fd").iterdir()))
    return _limited(resource.RLIMIT_NOFILE, used + trouble.random.randrange(6))


@contextlib.contextmanager
def _unwritable(trouble: Trouble) -> Iterator[None]:
    trouble.world.unwritable = True
    try:
        yield
    finally:
        trouble.world.unwritable = False


@contextlib.contextmanager
def _clock(trouble: Trouble) -> Iterator[None]:
    """The clock jumps before or during the action: seconds, hours, years."""
    jump, real = trouble.random.choice([-1, 1]) * trouble.random.choice([30, 7200, 10 * 365 * 86400]), time.time
    after = trouble.random.choice([0, 1, 3, 10])
    calls = itertools.count()
    with mock.patch("time.time", lambda: real() + (jump if next(calls) >= after else 0)):
        yield


@contextlib.contextmanager
def _cancel(trouble: Trouble) -> Iterator[None]:
    after = trouble.random.randrange(5)
    calls = iter(range(10**9))

    def stop(_: Progress) -> None:
        if next(calls) >= after:
            raise CancelledByTestError

    trouble.world.progress = stop
    try:
        yield
    finally:
        trouble.world.progress = None


FAULTS: dict[str, Setting] = {
    "delay": _delay,
    "silence": _silence,
    "garbage": _garbage,
    "refusal": _refusal,
    "death": _death,
    "restart": _restart,
    "full disk": _full_disk,
    "no descriptors": _no_descriptors,
    "unwritable": _unwritable,
    "clock": _clock,
    "cancel": _cancel,
    "interrupt": lambda _: contextlib.nullcontext(),
    "killed": lambda _: contextlib.nullcontext(),
    "cut": _cut,
    "reset": _reset,
}
# Those that take seconds are rarer.
_WEIGHTS = {"silence": 1, "killed": 1, "death": 2, "restart": 2, "cut": 12, "reset": 6, "refusal": 6, "garbage": 6}
_USUAL = 4
IN_PROCESS = frozenset({"death", "restart", "no descriptors"})
# A daemon ends with the thread that started it, so that is one that lives on.
_KEEPER = ThreadPoolExecutor(1)


def choose(seed: int, *, kind: str) -> Case:
    """The case of a seed on a kind of server."""
    chance = random.Random(f"{kind} {seed}")
    # The demo server is a thread of the test: what befalls this process befalls it, too.
    names = [name for name in FAULTS if kind != "demo" or name not in IN_PROCESS]
    fault = chance.choices(names, [_WEIGHTS.get(name, _USUAL) for name in names])[0]
    return Case(seed, chance.choice(list(ACTIONS)), fault, chance)


# A case


def run(case: Case, server: RunningServer, proxy: Proxy, world: World) -> bool:
    """Do it and check what must hold.

    Returns:
        Whether the action failed.

    Raises:
        AssertionError: something is wrong or lost.
    """
    action = ACTIONS[case.action]
    if case.fault == "reset":
        assert world.tls is not None
        world = replace(world, client=world.tls)
    trouble = Trouble(case.random, server, proxy, world)
    said = failed = False
    try:
        with FAULTS[case.fault](trouble):
            if case.fault == "interrupt":
                failed = interrupted(case.random.uniform(0.0005, 0.08), lambda: action.act(world))
            elif case.fault == "killed":
                _killed(case, world)
                failed = True
            else:
                said = action.act(world)
    except (LxdImageError, CancelledByTestError) as error:
        failed = True
        assert str(error) or isinstance(error, CancelledByTestError), "an error without words"
    finally:
        proxy.heal()
        if world.relay is not None:
            world.relay.heal()
    assert server.alive, "the server does not answer any more"
    assert until(lambda: not {"running", "pending"} & set(server.get("operations")), timeout=30)
    assert not said or action.done(server, world), "it says that it was done"
    nothing_lost(server, world)
    # The same client goes on, and the same action succeeds.
    assert world.kept in {image.fingerprint for image in world.client.images.all()}
    if case.action != "panel":
        assert action.act(world), "it does not succeed without the fault"
        assert action.done(server, world)
        nothing_lost(server, world)
    action.undo(server, world)
    return failed


def _killed(case: Case, world: World) -> None:
    """The action in another process, which is killed after a while."""
    url, root = world.client.url, Path(__file__).resolve().parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, url, case.action, str(world.folder), world.kept],
        cwd=root, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    with process:
        assert process.stdout is not None
        process.stdout.readline()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(case.random.uniform(0, 0.3))
        process.kill()


def nothing_lost(server: RunningServer, world: World) -> None:
    """What was there is there, nothing is half there, and the history tells what was."""
    there = images(server)
    kept = there.pop(world.kept)
    assert kept["size"] == (world.folder / "kept.tar").stat().st_size
    assert "web" in {alias["name"] for alias in kept["aliases"]}
    assert kept["properties"]["os"] == "Debian", kept["properties"]
    assert kept["properties"]["note"] in ("before", "after")
    ours = {factory.fingerprint(*new(world)), factory.fingerprint(*halves(world))}
    assert set(there) <= ours, "an image that nobody made"
    assert set(images(server, OTHER)) <= {world.kept}
    assert only_right(world.folder / "out", (world.folder / "kept.tar").read_bytes())
    _records_are_whole(world)


def _records_are_whole(world: World) -> None:
    folder = world.folder / "history"
    if folder.exists():
        history = History(folder)
        for record in history.records():
            assert world.kept in history.at(record.taken).index.get_level_values("fingerprint")
