"""Many servers as one frame; whoever does not answer costs a row of the status and nothing else."""

from __future__ import annotations

import gc
import socket
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import lxdimg_nb
from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.inventory import Fleet
from lxdimg_nb.inventory.fleet.server_query import MAX_THREADS, DaemonThreadExecutor
from tests.kit import factory, servers
from tests.kit.inventories import Canned, image
from tests.kit.servers import RunningServer

LEVELS = ["server", "project", "fingerprint"]


@pytest.fixture
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], RunningServer]]:
    """Starts demo servers of a test's own."""
    running: list[RunningServer] = []

    def one() -> RunningServer:
        folder = Path(tempfile.mkdtemp(prefix="lxi-fleet-", dir="/tmp"))
        running.append(servers.start_demo(folder))
        return running[-1]

    yield one
    for server in running:
        server.remove()


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a server that takes connections and says nothing."""
    folder = Path(tempfile.mkdtemp(prefix="lxi-silent-", dir="/tmp"))
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "unix.socket"))
        listener.listen()
        yield f"unix://{folder}/unix.socket"
    (folder / "unix.socket").unlink()
    folder.rmdir()


def test_servers_become_one_frame(start: Callable[[], RunningServer]) -> None:
    one, two = start(), start()
    common = one.add_image(factory.small(1), aliases=["web"])
    assert two.add_image(factory.small(1)) == common
    other = two.add_image(factory.small(2))

    fleet = Fleet({"one": one.url, "two": two.url})
    df = fleet.df()

    assert df.index.names == LEVELS
    assert sorted(df.index) == sorted(
        [("one", "default", common), ("two", "default", common), ("two", "default", other)]
    )
    assert df.loc[("one", "default", common), "alias"] == "web"
    assert df.attrs["server"] == "2 of 2 servers"
    assert df.attrs["unanswered"] == []
    assert df.attrs["servers"]["one"]["url"] == one.url
    assert df.attrs["servers"]["one"]["identity"]
    status = fleet.status()
    assert status["state"].to_dict() == {"one": "ok", "two": "ok"}
    assert status["images"].to_dict() == {"one": 1, "two": 2}


def test_the_frame_has_the_columns_of_one_servers_frame(start: Callable[[], RunningServer]) -> None:
    server = start()
    server.add_image(factory.small(1))
    with lxdimg_nb.connect(server.url) as client:
        alone = client.images.df(all_projects=True)
        df = Fleet([client]).df(all_projects=True)

    pd.testing.assert_series_equal(df.dtypes, alone.dtypes)
    pd.testing.assert_frame_equal(pd.DataFrame(df.droplevel("server")), pd.DataFrame(alone))


@pytest.mark.slow
def test_dead_slow_untrusted_and_broken_servers_cost_their_row_and_nothing_else(
    start: Callable[[], RunningServer], silent: str
) -> None:
    alive, dead = start(), start()
    fingerprint = alive.add_image(factory.small(1))
    dead.stop()
    fleet = Fleet(
        {
            "alive": alive.url,
            "dead": dead.url,
            "slow": silent,
            "stranger": lambda: Canned(image(5), trusted=False),
            "buggy": lambda: Canned(broken=True),
        },
        timeout=5,
    )

    df = fleet.df(used_by=True)

    status = fleet.status()
    assert status["state"].to_dict() == {
        "alive": "ok",
        "dead": "unreachable",
        "slow": "timeout",
        "stranger": "untrusted",
        "buggy": "failed",
    }
    assert "ZeroDivisionError" in status.loc["buggy", "error"]
    assert status.loc["slow", "error"] == "no complete answer within 5 s"
    assert ("alive", "default", fingerprint) in df.index
    assert df.attrs["unanswered"] == ["dead", "slow", "buggy"]


def test_half_an_answer_is_shown_and_told() -> None:
    fleet = Fleet({"half": Canned(image(1), missing=2), "whole": Canned(image(2))})

    df = fleet.df()

    assert len(df) == 2
    assert fleet.status()["state"].to_dict() == {"half": "partial", "whole": "ok"}
    assert fleet.status().loc["half", "error"] == "some are missing"
    assert df.attrs["unanswered"] == []


def test_strangers_show_public_images_only_and_the_status_says_so(start: Callable[[], RunningServer]) -> None:
    server = start()
    public = server.add_image(factory.small(1), public=True)
    server.add_image(factory.small(2))
    assert server.https_url

    def stranger() -> Any:
        return lxdimg_nb.connect(server.https_url, server_cert=lxdimg_nb.connect(server.url).info.certificate)

    fleet = Fleet({"stranger": stranger})
    df = fleet.df()

    assert df.index.get_level_values("fingerprint").tolist() == [public]
    assert fleet.status().loc["stranger", "state"] == "untrusted"


def test_a_fleet_that_nobody_answers_is_an_empty_frame_of_the_same_shape(silent: str) -> None:
    fleet = Fleet({"gone": "unix:///nowhere/at/all.socket", "slow": silent}, timeout=1)

    df = fleet.df()

    assert len(df) == 0
    assert df.index.names == LEVELS
    pd.testing.assert_index_equal(df.columns, Fleet({"none": Canned()}).df().columns)
    assert fleet.status()["state"].to_dict() == {"gone": "unreachable", "slow": "timeout"}


def test_two_servers_of_one_name_are_refused() -> None:
    with pytest.raises(InvalidRequestError, match=r"two servers .* 'unix:///a'"):
        Fleet(["unix:///a", "unix:///a"])
    with pytest.raises(InvalidRequestError, match="two servers"):
        Fleet([Canned(), Canned()])
    with pytest.raises(InvalidRequestError, match="at least one"):
        Fleet([])
    with pytest.raises(InvalidRequestError, match="has no name"):
        Fleet([lambda: Canned()])


def test_what_the_servers_sent_is_not_kept_beside_the_frame() -> None:
    canned = Canned(image(1), image(2))

    fleet = Fleet({"a": canned})
    df = fleet.df()
    gc.collect()

    assert len(df) == 2
    assert [sent() for sent in canned.sent] == [None, None]
    assert fleet.status().loc["a", "images"] == 2


def test_a_filter_is_checked_before_anybody_is_asked() -> None:
    asked: list[int] = []
    fleet = Fleet({"a": lambda: asked.append(1) or Canned(image(1, public=True), image(2))})

    with pytest.raises(InvalidRequestError):
        fleet.df(filter="size>big")
    assert asked == []
    assert len(fleet.df(filter="public=yes")) == 1


def test_status_asks_when_nobody_did() -> None:
    assert Fleet({"a": Canned(image(1))}).status().loc["a", "images"] == 1


def test_clients_that_were_given_are_left_open_until_close_and_own_ones_are_closed() -> None:
    given, made = Canned(), Canned()

    with Fleet({"given": given, "made": lambda: made}) as fleet:
        fleet.df()
        assert (given.closed, made.closed) == (False, True)

    assert given.closed


@pytest.mark.slow
@pytest.mark.parametrize("kind", [ThreadPoolExecutor, ProcessPoolExecutor])
def test_any_executor_will_do(kind: Any, start: Callable[[], RunningServer]) -> None:
    import multiprocessing

    server = start()
    server.add_image(factory.small(1))
    options = {} if kind is ThreadPoolExecutor else {"mp_context": multiprocessing.get_context("spawn")}

    with kind(2, **options) as executor:
        fleet = Fleet({"a": server.url, "dead": "unix:///nowhere.socket"}, executor=executor)
        df = fleet.df()

    assert len(df) == 1
    assert fleet.status()["state"].to_dict() == {"a": "ok", "dead": "unreachable"}


def test_a_client_cannot_travel_and_the_error_says_what_can(start: Callable[[], RunningServer]) -> None:
    import multiprocessing

    server = start()
    with (
        lxdimg_nb.connect(server.url) as client,
        ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as executor,
        pytest.raises(InvalidRequestError, match="give the fleet remotes or addresses"),
    ):
        Fleet([client], executor=executor).df()


@pytest.mark.slow
def test_a_dask_cluster_is_an_executor(start: Callable[[], RunningServer]) -> None:
    import distributed

    server = start()
    server.add_image(factory.small(1))

    with (
        distributed.LocalCluster(n_workers=1, threads_per_worker=2, dashboard_address=None) as cluster,
        distributed.Client(cluster) as dask,
    ):
        fleet = Fleet({"a": server.url, "dead": "unix:///nowhere.socket"}, executor=dask.get_executor())
        df = fleet.df()

    assert len(df) == 1
    assert fleet.status()["state"].to_dict() == {"a": "ok", "dead": "unreachable"}


def test_threads_work_at_the_same_time_and_pass_errors_on() -> None:
    import threading

    together = threading.Barrier(4, timeout=60)
    threads = DaemonThreadExecutor()

    futures = [threads.submit(together.wait) for _ in range(4)]

    assert sorted(f.result(60) for f in futures) == [0, 1, 2, 3]
    with pytest.raises(ZeroDivisionError):
        threads.submit(lambda: 1 / 0).result(60)
    assert MAX_THREADS >= 16


def test_a_fleet_from_the_configuration(
    start: Callable[[], RunningServer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start()
    server.add_image(factory.small(1))
    for home in ("lxc", "incus"):
        (tmp_path / home).mkdir()
    (tmp_path / "lxc" / "config.yml").write_text(
        "default-remote: lab\nremotes:\n"
        f"  lab: {{addr: 'unix://{server.socket}', protocol: lxd}}\n"
        "  both: {addr: 'unix:///nowhere.socket', protocol: lxd}\n"
        "  images: {addr: 'https://images.example', protocol: simplestreams, public: true}\n"
    )
    (tmp_path / "incus" / "config.yml").write_text(
        "remotes:\n  both: {addr: 'unix:///nowhere/else.socket', protocol: incus}\n"
    )
    monkeypatch.setenv("LXD_CONF", str(tmp_path / "lxc"))
    monkeypatch.setenv("INCUS_CONF", str(tmp_path / "incus"))
    monkeypatch.setenv("HOME", str(tmp_path))

    fleet = Fleet.from_config()

    assert sorted(fleet.names) == ["incus:both", "lab", "lxc:both"]
    assert fleet.df().index.get_level_values("server").tolist() == ["lab"]
    assert fleet.status()["state"].to_dict() == {"lab": "ok", "lxc:both": "unreachable", "incus:both": "unreachable"}
    assert Fleet.from_config(["lab"]).names == ["lab"]
    for wrong, says in (("lba", "no remote 'lba'"), ("images", "no remote 'images'"), ("both", "no remote 'both'")):
        with pytest.raises(InvalidRequestError, match=says):
            Fleet.from_config([wrong])
    with pytest.raises(InvalidRequestError, match="named twice"):
        Fleet.from_config(["lab", "lab"])


def test_a_fleets_frame_reads_well() -> None:
    seen = repr(Fleet({"a": Canned(image(1)), "b": "unix:///nowhere.socket"}).df())

    assert "1 image · 100 B · 1 of 2 servers" in seen
    assert "server" in seen.splitlines()[1]
    assert repr(Fleet({"a": Canned()})) == "<Fleet of 1 server: a>"
