"""notebooks/start and tests/run as a user has them: typed in a terminal, ended with Ctrl-C."""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

from tests.kit import factory
from tests.kit.servers import RunningServer
from tests.kit.sockets import free_port
from tests.kit.waiting import until

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
START = ROOT / "notebooks" / "start"
TOKEN = "a-token-for-one-test"
MARK = "LXDIMG_TEST_MARK"
# What tests/conftest.py imports.
KIT = ("counts.py", "daemons.py", "factory.py", "leak_scan.py", "newer.py", "servers.py", "sockets.py", "waiting.py")


class Terminal:
    """A program with a terminal of its own, which can be told Ctrl-C; knows every process that came of it."""

    def __init__(self, *command: str | Path, **environment: str) -> None:
        self.mark = uuid.uuid4().hex
        self.seen = ""
        self._ours, theirs = os.openpty()
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("LXD", "INCUS"))}
        self.process = subprocess.Popen(
            ["setsid", "--ctty", *command],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=kept | environment | {MARK: self.mark},
        )
        os.close(theirs)

    def read_until(self, text: str, timeout: float) -> bool:
        """Whether the text appears within the seconds; False as well when the program ends before."""
        return until(lambda: self.read() or text in self.seen, timeout=timeout) and text in self.seen

    def read(self) -> bool:
        """Take in what is there; True when nothing more will come."""
        while select.select([self._ours], [], [], 0)[0]:
            try:
                data = os.read(self._ours, 65536)
            except OSError:  # EIO: the last process has closed its side
                return True
            self.seen += data.decode(errors="replace")
        return False

    def control_c(self) -> None:
        """What the key does: the terminal signals its foreground processes."""
        os.write(self._ours, b"\x03")

    def ended(self, timeout: float) -> bool:
        """Whether the program itself ends within the seconds; its output is taken in meanwhile."""
        return until(lambda: (self.read() and False) or self.process.poll() is not None, timeout=timeout)

    def processes(self) -> list[str]:
        """The living processes that came of the program, itself included, as pid and command line."""
        return [f"{pid} {command}" for pid, command in marked(self.mark)]

    def close(self) -> None:
        """End all of it."""
        for pid, _ in marked(self.mark):
            os.kill(pid, signal.SIGKILL)
        self.process.wait(30)
        os.close(self._ours)


def marked(mark: str) -> Iterator[tuple[int, str]]:
    """The processes that inherited the mark."""
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            if f"{MARK}={mark}".encode() in (folder / "environ").read_bytes():
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                yield int(folder.name), command
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """The environment of a user who never was here: nothing local answers, so the demo server is started."""
    variables = {"HOME": str(tmp_path), "LXD_DIR": str(tmp_path / "no-lxd"), "INCUS_DIR": str(tmp_path / "no-incus")}
    for name in ("JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR"):
        variables[name] = str(tmp_path / name.lower())
    return variables


def listening(port: int) -> bool:
    """Whether somebody takes connections there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def lab(path: str, port: int, *, body: object = None) -> object:
    """One request to Lab's REST API; a body makes it a POST."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"token {TOKEN}"},
    )
    with urllib.request.urlopen(request, timeout=30) as reply:  # noqa: S310 (a literal http URL)
        return json.load(reply)


def test_ctrl_c_ends_lab_its_kernels_and_the_demo_server(home: dict[str, str]):
    port = free_port()
    terminal = Terminal(
        START, "--no-browser", f"--port={port}", "--ip=127.0.0.1", f"--IdentityProvider.token={TOKEN}", **home
    )
    try:
        assert terminal.read_until(f":{port}/lab", 300), terminal.seen
        assert "this is a demo server, at unix://" in terminal.seen
        assert until(lambda: listening(port)), "Lab names its address a moment before it listens there"
        lab("kernels", port, body={"name": "python3"})
        alive = terminal.processes()
        assert any("ipykernel" in line for line in alive), alive
        assert any("demo.start" in line for line in alive), alive

        terminal.control_c()

        assert terminal.ended(60), terminal.seen
        assert terminal.process.returncode == 130
        assert until(lambda: not terminal.processes()), terminal.processes()
    finally:
        terminal.close()


def test_the_browser_is_sent_to_the_tour(home: dict[str, str], tmp_path: Path):
    browser, opened = tmp_path / "browser", tmp_path / "opened"
    browser.write_text(f'#!/bin/sh\ncat "${{1#file://}}" >"{opened}.part" && mv "{opened}.part" "{opened}"\n')
    browser.chmod(0o755)
    terminal = Terminal(START, f"--port={free_port()}", "--ip=127.0.0.1", **home, BROWSER=f"{browser} %s")
    try:
        assert until(lambda: terminal.read() or opened.exists(), timeout=300), terminal.seen

        assert "/lab/tree/tour.ipynb" in opened.read_text()
    finally:
        terminal.control_c()
        terminal.ended(60)
        terminal.close()


def test_check_executes_the_tour_on_the_demo_server_and_prints_the_frame(home: dict[str, str]):
    run = check(home)

    assert run.returncode == 0, run.stderr
    assert "this is a demo server, at unix://" in run.stderr
    lines = run.stdout.splitlines()
    assert max(map(len, lines)) <= 100
    assert re.match(r"19 images · [\d.]+ KiB · unix://.*, project default$", lines[0])
    assert lines[1].split()[:5] == ["fingerprint", "alias", "description", "size", "public"]
    assert re.search(r"^[0-9a-f]{12}  noble +Ubuntu noble", run.stdout, re.MULTILINE)
    assert re.match(r"The tour ran without an error: \d+ cells in \d+ s\.", lines[-1])


def test_check_takes_the_tour_to_the_server_it_is_told(home: dict[str, str], project: Path, lxd: RunningServer):
    lxd.add_image(factory.small(1), ["only-here"])
    write_tour(project, "import lxdimg_nb", "df = lxdimg_nb.connect().images.df()")

    run = check(home | {"LXDIMG_URL": lxd.url}, project / "notebooks" / "start")

    assert run.returncode == 0, run.stderr
    assert "demo server" not in run.stderr
    assert "only-here" in run.stdout


def test_check_takes_the_tour_to_the_server_that_answers_here(home: dict[str, str], project: Path, lxd: RunningServer):
    lxd.add_image(factory.small(2), ["local-one"])
    write_tour(project, "import lxdimg_nb", "df = lxdimg_nb.connect().images.df()")

    run = check(home | {"LXD_DIR": str(lxd.folder)}, project / "notebooks" / "start")

    assert run.returncode == 0, run.stderr
    assert "connected to lxd" in run.stderr
    assert "local-one" in run.stdout


def test_ctrl_c_ends_a_check_and_its_kernel(home: dict[str, str]):
    terminal = Terminal(START, "--check", **home)
    try:
        kernel = until(lambda: terminal.read() or any("ipykernel" in one for one in terminal.processes()), timeout=300)
        assert kernel, terminal.seen

        terminal.control_c()

        assert terminal.ended(60), terminal.seen
        assert terminal.process.returncode == 130
        assert until(lambda: not terminal.processes()), terminal.processes()
    finally:
        terminal.close()


def test_a_server_that_was_named_and_does_not_answer_is_an_error_and_no_demo(home: dict[str, str]):
    run = check(home | {"LXDIMG_URL": f"unix://{home['HOME']}/nobody.socket"})

    assert run.returncode == 1
    assert "nobody.socket" in run.stderr
    assert "demo server" not in run.stderr
    assert run.stdout == ""


def test_check_fails_with_the_error_of_the_cell(home: dict[str, str], project: Path, demo: RunningServer):
    write_tour(project, "df = 'a frame'", "1 / 0", "print('not reached')")

    run = check(home | {"LXDIMG_URL": demo.url}, project / "notebooks" / "start")

    assert run.returncode == 1
    assert "ZeroDivisionError" in run.stderr
    assert run.stdout == ""


def write_tour(project: Path, *cells: str) -> None:
    """Put a tour of these cells into the project."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbformat.write(notebook, project / "notebooks" / "tour.ipynb")


def check(environment: dict[str, str], start: Path = START) -> subprocess.CompletedProcess[str]:
    """notebooks/start --check, from a folder that is not the project's."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("LXD", "INCUS"))}
    return subprocess.run(
        [start, "--check"],
        capture_output=True,
        text=True,
        env=kept | environment,
        cwd=environment["HOME"],
        check=False,
        timeout=900,
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A checkout of next to nothing, with the real scripts, which find it installed already."""
    folder = tmp_path / "project"
    for name in ("lxdimg_nb/text", "tests/kit", "notebooks"):
        (folder / name).mkdir(parents=True)
    for name in ("run", "environment.sh", "conftest.py", "__init__.py"):
        shutil.copy(ROOT / "tests" / name, folder / "tests" / name)
    for name in KIT:
        shutil.copy(ROOT / "tests" / "kit" / name, folder / "tests" / "kit" / name)
    shutil.copy(START, folder / "notebooks" / "start")
    shutil.copy(ROOT / "pyproject.toml", folder / "pyproject.toml")
    (folder / "tests" / "kit" / "__init__.py").touch()
    (folder / "tests" / "test_one.py").write_text('"""One."""\n\n\ndef test_one():\n    assert True\n')
    (folder / "lxdimg_nb" / "__init__.py").write_text('"""Next to nothing."""\n')
    # What is scanned for after the tests.
    for name in ("__init__.py", "secret.py"):
        shutil.copy(ROOT / "lxdimg_nb" / "text" / name, folder / "lxdimg_nb" / "text" / name)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / ".venv"], check=True)
    libraries = next((folder / ".venv" / "lib").glob("python3*/site-packages"))
    (libraries / "ours.pth").write_text("\n".join([*(path for path in sys.path if "site-packages" in path), str(ROOT)]))
    subprocess.run(["bash", "-c", ". tests/environment.sh && stamp >.venv/.installed-test"], cwd=folder, check=True)
    return folder


@pytest.fixture(scope="module", autouse=True)
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One cache of mypy's for all projects, which reads Python's own types once; and no options of the run around."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MYPY_CACHE_DIR", str(tmp_path_factory.mktemp("mypy")))
        patch.delenv("PYTEST_ADDOPTS", raising=False)
        yield


def run_tests(project: Path, *arguments: str, workers: str = "0") -> subprocess.CompletedProcess[str]:
    """tests/run of a project, from another folder; without workers, which only cost time where there is one test."""
    return subprocess.run(
        [project / "tests" / "run", *arguments],
        capture_output=True,
        text=True,
        env=os.environ | {"LXDIMG_TESTS_WORKERS": workers},
        cwd="/",
        check=False,
        timeout=300,
    )


def test_a_run_without_a_fault_ends_with_pytests_closing_line(project: Path):
    run = run_tests(project, workers="")

    assert run.returncode == 0, run.stdout + run.stderr
    for name in ("ruff check", "ruff format --check", "mypy", "pytest"):
        assert f"== {name}" in run.stdout
    assert "workers [1 item]" in run.stdout
    assert "1 passed" in run.stdout.splitlines()[-1]


def test_faults_before_the_tests_are_named_again_at_the_end_and_fail_the_run(project: Path):
    (project / "lxdimg_nb" / "__init__.py").write_text('"""Next to nothing."""\n\nimport os\nx : int  = "one"\n')

    run = run_tests(project)

    assert run.returncode == 1, run.stdout + run.stderr
    *_, said, closing = run.stdout.splitlines()
    assert said == "tests/run: failed before the tests: ruff check, ruff format --check, mypy"
    assert "1 passed" in closing


def test_one_fault_before_the_tests_fails_the_run(project: Path):
    (project / "lxdimg_nb" / "__init__.py").write_text('"""Next to nothing."""\n\nx: int = "one"\n')

    run = run_tests(project)

    assert run.returncode == 1, run.stdout + run.stderr
    assert run.stdout.splitlines()[-2] == "tests/run: failed before the tests: mypy"


@pytest.mark.parametrize("arguments", [(), ("quick",), ("tests",)])
def test_a_failing_test_fails_the_run(project: Path, arguments: tuple[str, ...]):
    (project / "tests" / "test_one.py").write_text('"""One."""\n\n\ndef test_one():\n    assert not 1\n')

    run = run_tests(project, *arguments)

    assert run.returncode == 1
    assert "1 failed" in run.stdout.splitlines()[-1]


def test_a_quick_run_leaves_out_what_needs_a_daemon_or_a_browser_or_is_slow(project: Path):
    (project / "tests" / "test_one.py").write_text(
        '"""Several."""\n\nimport pytest\n\n\ndef test_one():\n    assert True\n\n\n'
        "def test_two(incus):\n    assert incus\n\n\ndef test_three(chromium):\n    assert chromium\n\n\n"
        "@pytest.mark.slow\ndef test_four():\n    assert True\n"
    )

    run = run_tests(project, "quick")

    assert run.returncode == 0, run.stdout + run.stderr
    assert "== mypy" in run.stdout
    assert "1 passed" in run.stdout.splitlines()[-1]


def test_a_long_run_says_so_and_prints_what_all_workers_counted(project: Path):
    (project / "tests" / "test_one.py").write_text(
        '"""Counts."""\n\nimport pytest\n\nfrom tests.kit.counts import count, long_run\n\n\n'
        '@pytest.mark.parametrize("number", [3, 4])\ndef test_one(number):\n'
        '    count("example", inputs=number, survived=1)\n    assert long_run()\n'
    )

    run = run_tests(project, "--long", "tests", "-n", "2")

    assert run.returncode == 0, run.stdout + run.stderr
    assert ["example", "7", "2", "0"] in [line.split() for line in run.stdout.partition("= counts =")[2].splitlines()]


def test_arguments_are_pytests_and_nothing_else_is_run(project: Path):
    (project / "lxdimg_nb" / "__init__.py").write_text("import os\n")

    run = run_tests(project, "tests/test_one.py", "-k", "nothing_like_it")

    assert run.returncode == 5, "pytest's own status for no test"
    assert "ruff" not in run.stdout
