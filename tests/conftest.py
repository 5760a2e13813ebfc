"""The servers that tests run against, and what happens where one cannot be had.

`server` runs a test three times: on the demo server, on a real LXD and on a real Incus. Each is started once
a session and is empty at the start of every test. Where a daemon or a browser cannot be had the test is
skipped and the summary says how many were; with `CI=true` it fails instead.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest
from hypothesis import settings

from tests.kit import counts, daemons, factory, leak_scan, newer, servers
from tests.kit.daemons import Kind
from tests.kit.servers import RunningServer

if TYPE_CHECKING:
    from lxdimg_nb import Client
    from tests.kit.kernel import Kernel
    from tests.kit.proxy import Proxy
    from tests.kit.streams import Site

MISSING = "missing here: "
# What runs on newer servers as well in a long run.
CONTRACT = [Path(__file__).parent / name for name in ("client", "inventory", "kit")]
LEAKS = pytest.StashKey[leak_scan.LeakScan]()
# Of folders whose tests are quick, but many.
MANY = [
    Path(__file__).parent / name for name in ("client/hostile", "client/newer", "client/verdicts", "fuzz", "suites")
]
BROWSER = Path(__file__).parent / "browser"
# Whose tests run on one of what they could, in turn.
TURNS = {BROWSER: {"server", "real", "way"}, Path(__file__).parent / "suites": {"driver"}}

# jsonschema, which comes with Jupyter, does without it; with it, every process compiles 38 grammars for two seconds.
sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]

# How long an example takes is the machine's affair.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
# Tables fit the terminal; whoever runs the tests has one of any width, or none.
os.environ["COLUMNS"] = "100"
# In the background of a script interrupts are ignored, and would be by every program that a test starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def missing(reason: str) -> NoReturn:
    """End the test because this machine lacks something: skipped, but failed in CI."""
    if os.environ.get("CI", "").lower() in ("1", "true", "yes"):
        pytest.fail(f"with CI set a test may not be skipped; {MISSING}{reason}", pytrace=False)
    pytest.skip(f"{MISSING}{reason.splitlines()[0]}")


def _session(
    kind: Kind, start: Callable[[Path], RunningServer], config: pytest.Config | None = None
) -> Iterator[RunningServer]:
    reason = daemons.why_not(kind)
    if reason is not None:
        missing(reason)
    # A short path, whatever TMPDIR says: a unix socket's may have 107 bytes.
    folder = Path(tempfile.mkdtemp(prefix=f"lxi-{kind}-", dir="/tmp"))
    try:
        server = start(folder)
        yield server
        server.stop()
    except daemons.ServerDiedError as error:
        missing(str(error))
    finally:
        if config is not None:
            config.stash[LEAKS].scan.folders(folder)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def demo_daemon(pytestconfig: pytest.Config) -> Iterator[RunningServer]:
    """The session's demo server, as the test before left it; what it wrote is scanned for secrets."""
    yield from _session("demo", servers.start_demo, pytestconfig)


@pytest.fixture(scope="session")
def lxd_daemon() -> Iterator[RunningServer]:
    """The session's LXD, as the test before left it."""
    yield from _session("lxd", servers.start_lxd)


@pytest.fixture(scope="session")
def incus_daemon() -> Iterator[RunningServer]:
    """The session's Incus, as the test before left it."""
    yield from _session("incus", servers.start_incus)


def _emptied(server: RunningServer) -> Iterator[RunningServer]:
    if server.demo is not None:
        server.demo.faults.clear()
        # It keeps ten thousand: a test that counts from where it begins would see no more after them.
        server.demo.requests.clear()
    if not server.alive:
        server.restart()
    server.clean()
    yield server
    if not server.expected_down and not server.alive:
        pytest.fail(f"the {server.kind} server did not live through this test", pytrace=False)


@pytest.fixture
def demo(demo_daemon: RunningServer) -> Iterator[RunningServer]:
    """An empty demo server."""
    yield from _emptied(demo_daemon)


@pytest.fixture
def lxd(lxd_daemon: RunningServer) -> Iterator[RunningServer]:
    """An empty real LXD."""
    yield from _emptied(lxd_daemon)


@pytest.fixture
def incus(incus_daemon: RunningServer) -> Iterator[RunningServer]:
    """An empty real Incus."""
    yield from _emptied(incus_daemon)


@pytest.fixture(
    params=[
        "demo",
        pytest.param("lxd", marks=pytest.mark.real),
        pytest.param("incus", marks=pytest.mark.real),
        *newer.names(),
    ]
)
def server(request: pytest.FixtureRequest) -> Iterator[RunningServer]:
    """Each of the three servers in turn, empty; in a long run, newer ones as well."""
    if request.param in newer.names():
        yield from _newer(request, request.param)
        return
    running = request.getfixturevalue(request.param)
    assert isinstance(running, RunningServer)
    yield running


def _newer(request: pytest.FixtureRequest, name: str) -> Iterator[RunningServer]:
    try:
        started = request.getfixturevalue("newer_servers")(name)
    except (newer.UnavailableError, daemons.ServerDiedError) as error:
        # Not a failure in CI either: Debian may have moved on, or not be reached.
        pytest.skip(f"{MISSING}{str(error).splitlines()[0]}")
    yield from _emptied(started)


@pytest.fixture
def newer_daemon(request: pytest.FixtureRequest, which: str) -> Iterator[RunningServer]:
    """The real daemon of a newer Debian suite that the fixture `which` names, empty."""
    yield from _newer(request, f"real-{which}")


@pytest.fixture(scope="session")
def newer_servers() -> Iterator[Callable[[str], RunningServer]]:
    """Starts the server of a name in `newer.names()`, once."""
    yield from newer.running()


@pytest.fixture(params=["lxd", "incus"])
def real(request: pytest.FixtureRequest) -> RunningServer:
    """Each of the two real daemons in turn, empty: a process of its own, with a store and memory of its own."""
    running = request.getfixturevalue(request.param)
    assert isinstance(running, RunningServer)
    return running


@pytest.fixture
def client(server: RunningServer) -> Iterator[Client]:
    """A client of `server`, closed after the test."""
    import lxdimg_nb

    with lxdimg_nb.connect(server.url) as connected:
        yield connected


@pytest.fixture(scope="session")
def configuration(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder where lxc keeps its remotes, as far as the kernel knows; at the start of a file there are none."""
    return tmp_path_factory.mktemp("lxc")


@pytest.fixture(scope="session")
def running_kernel(tmp_path_factory: pytest.TempPathFactory, configuration: Path) -> Iterator[Kernel]:
    """The session's kernel, as the test before left it."""
    from tests.kit.kernel import running

    home = {"LXD_CONF": str(configuration), "INCUS_CONF": str(configuration / "none")}
    with running(tmp_path_factory.mktemp("kernel"), **home, HOME=str(configuration)) as kernel:
        yield kernel


@pytest.fixture(scope="module")
def shared_kernel(running_kernel: Kernel, configuration: Path) -> Iterator[Kernel]:
    """A kernel with the magics, connected to nothing, and without a variable of another file's."""
    for path in configuration.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    running_kernel.run("%load_ext lxdimg_nb")
    yield running_kernel
    running_kernel.run("%unload_ext lxdimg_nb\n%reset -f")
    # A thread that goes on belongs to a file's test, not to whichever counts threads next.
    assert running_kernel.threads_left() == []


@pytest.fixture
def kernel(shared_kernel: Kernel, server: RunningServer) -> Kernel:
    """The kernel, connected to the server."""
    shared_kernel.run(f"%config LxdimgMagics.debug = False\n%lxdimg connect {server.url}")
    return shared_kernel


@pytest.fixture
def web(server: RunningServer) -> str:
    """The fingerprint of an image on `server` with the alias web."""
    return server.add_image(factory.small(1), aliases=["web"])


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user without any configuration, on a machine without a daemon."""
    folder = tmp_path / "home"
    folder.mkdir()
    for name in list(os.environ):
        if name.startswith(("LXD_", "LXC_", "INCUS_", "LXDIMG_", "XDG_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(folder))
    for name in ("LXD_GLOBAL_CONF", "INCUS_GLOBAL_CONF"):
        monkeypatch.setenv(name, str(tmp_path / "etc" / name[:3].lower()))
    monkeypatch.setenv("LXD_SOCKET", str(tmp_path / "no-lxd"))
    monkeypatch.setenv("INCUS_SOCKET", str(tmp_path / "no-incus"))
    return folder


@pytest.fixture
def listening(server: RunningServer, home: Path) -> Iterator[RunningServer]:
    """Each server with its TLS address, and a user without a configuration."""
    server.listen()
    yield server


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """An empty web server over TLS."""
    from tests.kit import streams

    with streams.serving(tmp_path / "site") as served:
        yield served


@pytest.fixture
def proxy(real: RunningServer) -> Iterator[Proxy]:
    """Between a client and a real daemon: counts, and spoils what it is told to."""
    from tests.kit.proxy import Proxy

    with Proxy(real.socket, real.folder) as running:
        yield running


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """What broke is tried again at once, for tests of how it ends."""
    from lxdimg_nb.client.http import retry

    monkeypatch.setattr(retry, "PAUSE", 0.001)


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of a Chromium."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        found = shutil.which(name)
        if found is not None:
            return found
    missing("Chromium is not installed (as root on Debian, tests/run installs it)")


def _in_contract(item: pytest.Item) -> bool:
    """Whether a test is one for all servers, or does not ask for a newer one."""
    asked = getattr(getattr(item, "callspec", None), "params", {}).get("server", "")
    return asked not in newer.names() or any(folder in item.path.parents for folder in CONTRACT)


def pytest_configure(config: pytest.Config) -> None:
    """Scan what the tests write and print for the secrets that they use."""
    config.stash[LEAKS] = leak_scan.LeakScan(config)
    config.pluginmanager.register(config.stash[LEAKS])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by the fixtures they ask for and by their folder, and put the longest first."""
    if counts.long_run():
        items[:] = filter(_in_contract, items)
    else:
        items[:] = _one_server_each([item for item in items if item.get_closest_marker("long") is None])
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        if {"lxd_daemon", "incus_daemon", "real"} & set(fixtures):
            item.add_marker(pytest.mark.real)
        if "chromium" in fixtures:
            item.add_marker(pytest.mark.browser)
        if item.path.parent in MANY:
            item.add_marker(pytest.mark.slow)
    # A worker takes a file at a time: a long file that is begun last would keep one busy while the others have ended.
    kernel = {item.path for item in items if "running_kernel" in getattr(item, "fixturenames", ())}
    browser, slow = ({item.path for item in items if item.get_closest_marker(name)} for name in ("browser", "slow"))
    items.sort(
        key=lambda item: (
            item.path not in browser,
            item.path not in kernel,
            item.path not in slow,
        )
    )


def _one_server_each(items: list[pytest.Item]) -> list[pytest.Item]:
    """Leave each test in a browser one of its servers, in turn: what is clicked is the same on all of them.

    So each story of the suites is told by one of its drivers.
    """
    tests: dict[tuple[str, ...], list[pytest.Item]] = {}
    for item in items:
        parameters = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
        kinds = TURNS.get(item.path.parent, set()) & parameters.keys()
        if kinds:
            others = (str(value) for name, value in parameters.items() if name not in kinds)
            tests.setdefault((item.nodeid.partition("[")[0], *others), []).append(item)
    left = {id(group[number % len(group)]) for number, group in enumerate(tests.values())}
    parametrized = {id(item) for group in tests.values() for item in group}
    return [item for item in items if id(item) in left or id(item) not in parametrized]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Attach what a test counted to its report, which a worker sends to where the table is printed."""
    counts.take()
    try:
        return (yield)
    finally:
        item.user_properties.append((counts.PROPERTY, counts.take()))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was counted, how many tests were not run and why, and what failed before pytest began."""
    reports = [r for name in ("passed", "failed") for r in terminalreporter.stats.get(name, []) if r.when == "call"]
    leaks = terminalreporter.config.stash[LEAKS].scan
    counted = [found for report in reports for found in report.user_properties]
    if leaks.files:
        counted.append((counts.PROPERTY, [("files and outputs without secrets", leaks.files, 0, len(leaks.found))]))
    lines = counts.table(counted)
    if lines:
        terminalreporter.section("counts" if counts.long_run() else "counts (tests/run --long tries more)")
    for line in lines:
        terminalreporter.write_line(line)
    reasons = Counter[str]()
    for report in terminalreporter.stats.get("skipped", []):
        text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if MISSING in text:
            reasons[text.split(MISSING, 1)[1].splitlines()[0]] += 1
    for reason, count in sorted(reasons.items()):
        tests = "test" if count == 1 else "tests"
        terminalreporter.write_line(f"skipped {count} {tests} because {reason}", yellow=True)
    failed = os.environ.get("LXDIMG_FAILED_CHECKS", "").rstrip(",")
    if failed:
        terminalreporter.write_line(f"tests/run: failed before the tests: {failed}", red=True)
