"""Random faults on all three servers: every outcome is right or absent, and nothing is lost.

`tests/run --long` tries 2,000; a failing seed is printed and `LXDIMG_SEED=… tests/run tests/faults` runs it alone.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import lxdimg_nb
from lxdimg_nb.errors import ServerUnreachableError
from tests.kit import certificates, factory
from tests.kit.counts import count, long_run
from tests.kit.proxy import Proxy
from tests.kit.random_actions import ACTIONS, OTHER, PROPERTIES, SIZE, TIMEOUT, World
from tests.kit.random_faults import FAULTS, IN_PROCESS, Case, choose, run
from tests.kit.relay import Relay
from tests.kit.servers import RunningServer

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")]

SHARES = {"demo": 700, "lxd": 650, "incus": 650}
QUICK = 20


@contextlib.contextmanager
def world(server: RunningServer, folder: Path) -> Iterator[tuple[Proxy, World]]:
    """A server with one image to keep, a proxy in front of it and a client behind that."""
    (folder / "out").mkdir(parents=True)
    for seed, name in enumerate(("kept", "new")):
        factory.big(folder / f"{name}.tar", SIZE, seed=seed)
    for name, half in zip(("meta", "root"), factory.split(3), strict=True):
        (folder / f"{name}.tar").write_bytes(half)
    kept = server.add_image((folder / "kept.tar").read_bytes(), ["web"], properties=PROPERTIES)
    # Python imports it when it is first used, which nobody can where there is no file descriptor.
    importlib.import_module("pyarrow.pandas_compat")
    address = server.listen()
    pair = certificates.trusted(server, folder / "certificates")
    with (
        Proxy(server.socket, server.folder) as proxy,
        Relay(address) as relay,
        lxdimg_nb.connect(proxy.url, timeout=TIMEOUT) as client,
        lxdimg_nb.connect(relay.url, timeout=TIMEOUT, cert=pair, server_cert=certificates.of_server(address)) as tls,
    ):
        yield proxy, World(client, folder, kept, tls=tls, relay=relay)


def test_whatever_goes_wrong_the_outcome_is_right_or_absent_and_nothing_is_lost(
    server: RunningServer, tmp_path: Path
) -> None:
    alone = os.environ.get("LXDIMG_SEED")
    seeds = [int(alone)] if alone else range(SHARES[server.kind] if long_run() else QUICK)
    server.add_project(OTHER)
    wrong = []
    with world(server, tmp_path) as (proxy, made):
        for seed in seeds:
            case = choose(seed, kind=server.kind)
            try:
                failed = run(case, server, proxy, made)
            except Exception as error:
                wrong.append(f"LXDIMG_SEED={seed} on {server.kind}: {case.action}, {case.fault}: {error!r}"[:600])
                if alone:
                    raise
            else:
                count(f"random faults on {server.kind}", inputs=1, survived=int(failed))
    assert not wrong, "\n".join(wrong)


def test_every_action_and_every_fault_has_its_turn() -> None:
    for kind, share in SHARES.items():
        cases = [choose(seed, kind=kind) for seed in range(share)]
        assert {case.action for case in cases} == set(ACTIONS)
        assert {case.fault for case in cases} == {*FAULTS} - (IN_PROCESS if kind == "demo" else set())


def test_the_relay_resets_connections(demo: RunningServer, tmp_path: Path) -> None:
    demo.add_project(OTHER)
    with world(demo, tmp_path) as (_, made):
        assert made.tls is not None
        assert made.relay is not None
        for direction in ("up", "down"):
            made.relay.reset_after(0, direction, times=9)  # type: ignore[arg-type]
            before = made.relay.resets

            with pytest.raises(ServerUnreachableError):
                made.tls.images.all()

            assert made.relay.resets > before
            made.relay.heal()
        assert made.tls.images.get("web").fingerprint == made.kept


def lose_the_image(world: World) -> bool:
    return bool(world.client.images.delete(world.kept))


def say_what_is_not_so(_: World) -> bool:
    return True


def leave_half_a_file(world: World) -> bool:
    (world.out / "image.tar").write_bytes((world.folder / "kept.tar").read_bytes()[:1000])
    return False


def fail_without_words(_: World) -> bool:
    raise ValueError


@pytest.mark.parametrize("planted", [lose_the_image, say_what_is_not_so, leave_half_a_file, fail_without_words])
def test_a_planted_fault_is_noticed(
    demo: RunningServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, planted: Callable[[World], bool]
) -> None:
    monkeypatch.setitem(ACTIONS, "update", replace(ACTIONS["update"], act=planted))
    demo.add_project(OTHER)
    with world(demo, tmp_path) as (proxy, made), pytest.raises((AssertionError, KeyError, ValueError)):
        run(Case(0, "update", "clock", random.Random(0)), demo, proxy, made)
