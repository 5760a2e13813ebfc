"""What Binder would make of this repository: its environment, built from `binder/`, and the notebooks in it.

There is no LXD in it and nobody is root: the programs run as a user who owns nothing but a home.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest

from tests.conftest import missing
from tests.kit.requirements import closure
from tests.kit.sockets import free_port
from tests.kit.waiting import until

pytestmark = pytest.mark.long

ROOT = Path(__file__).resolve().parents[2]
FILES = ("binder", "licenses", "lxdimg_nb", "lxdimg_nb.cdx.json", "notebooks", "pyproject.toml", "README.md", "LICENSE")
NOBODY = 65534
PARTS = "import sqlite3, ssl, sys, venv; sys.exit(sys.version_info < (3, 11))"


@dataclass(frozen=True)
class Binder:
    """A checkout, an environment made from it, and a home."""

    folder: Path

    @property
    def checkout(self) -> Path:
        return self.folder / "checkout"

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def start(self, command: Sequence[str], *, output: int | None = None) -> subprocess.Popen[str]:
        """`binder/start` with a command, as a user without rights, where nothing of ours is set."""
        environment = {
            "HOME": str(self.home),
            "PATH": f"{self.folder / 'env' / 'bin'}:{os.defpath}",
            "PYTHONPYCACHEPREFIX": str(self.home / "pycache"),
            "TMPDIR": str(self.home),
        }
        return subprocess.Popen(
            [*_unprivileged(), "binder/start", *command], cwd=self.checkout, env=environment, text=True,
            stdin=subprocess.DEVNULL, stdout=output, stderr=output and subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip


def _unprivileged() -> list[str]:
    """What to put before a command to take its rights away; nothing for who has none."""
    if os.geteuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        missing("setpriv, which takes root's rights away, is not installed")
    return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--no-new-privs"]


def _python() -> str:
    """A Python that a user without rights may run: this one may lie in root's home."""
    names = [f"{folder}/{name}" for folder in os.get_exec_path() for name in ("python3.11", "python3")]
    for name in dict.fromkeys([os.path.realpath(sys.executable), *names, "/usr/bin/python3"]):
        # By way of env: setpriv itself still has root's rights when it looks for what it is to run.
        command = [*_unprivileged(), "env", name, "-c", PARTS]
        if subprocess.run(command, cwd="/", env={"PATH": os.defpath}, capture_output=True, check=False).returncode == 0:
            return name
    return missing("there is no Python 3.11 that other users than root may run")


@pytest.fixture(scope="module")
def binder() -> Iterator[Binder]:
    python = _python()
    # Not pytest's own folder, which is closed to other users.
    folder = Path(tempfile.mkdtemp(prefix="lxi-binder-", dir="/tmp"))
    try:
        made = Binder(folder)
        made.checkout.mkdir()
        for name in FILES:
            if (ROOT / name).is_dir():
                unwanted = shutil.ignore_patterns("__pycache__", "node_modules", ".*")
                shutil.copytree(ROOT / name, made.checkout / name, ignore=unwanted)
            else:
                shutil.copy2(ROOT / name, made.checkout / name)
        made.home.mkdir()
        subprocess.run([python, "-m", "venv", "--without-pip", folder / "env"], check=True)
        _install(made)
        subprocess.run(["chmod", "-R", "a+rX", folder], check=True)
        if os.geteuid() == 0:
            os.chown(made.home, NOBODY, NOBODY)
        yield made
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _install(binder: Binder) -> None:
    """Install what `binder/requirements.txt` asks for and what that needs.

    The package is built and installed by pip. The rest is copied from this environment, where pip would take a minute
    to put the same files there. Nothing comes along that the requirements do not lead to.
    """
    pip = [sys.executable, "-m", "pip", "--python", binder.folder / "env" / "bin" / "python", "install", "--no-deps"]
    done = subprocess.run(
        [*pip, "--quiet", "--no-compile", "--disable-pip-version-check", "."],
        cwd=binder.checkout, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if "Failed to establish a new connection" in done.stderr or "Temporary failure in name" in done.stderr:
        missing("the package index does not answer")
    assert done.returncode == 0, done.stderr[-3000:]

    lines = (binder.checkout / "binder" / "requirements.txt").read_text().splitlines()
    wanted = [line.replace(".[", "lxdimg-nb[") for line in lines if line and not line.startswith("#")]
    site = next((binder.folder / "env" / "lib").glob("python3*/site-packages"))
    for distribution in closure(wanted):
        for file in distribution.files or ():
            if "__pycache__" not in file.parts:
                _copy(Path(str(distribution.locate_file(file))), Path(os.path.normpath(site / file)), binder)


def _copy(source: Path, target: Path, binder: Binder) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.parent == binder.folder / "env" / "bin":
        # A script names its Python in the first line.
        _, _, rest = source.read_bytes().partition(b"\n")
        target.write_bytes(f"#!{target.parent / 'python'}\n".encode() + rest)
        target.chmod(0o755)
    else:
        shutil.copyfile(source, target)


def test_what_is_installed_has_the_bundle_of_panels_without_its_sources(binder: Binder) -> None:
    (installed,) = (binder.folder / "env" / "lib").glob("python3*/site-packages/lxdimg_nb")

    assert sorted(path.name for path in (installed / "panels" / "bundle").iterdir()) == [
        "loader.js", "panel.css", "panel.js",
    ]  # fmt: skip
    assert not (installed / "panels" / "front").exists()


def test_every_notebook_runs_for_a_user_without_rights_on_the_demo_server_of_binder(binder: Binder) -> None:
    done = binder.home / "done"
    notebooks = sorted(path.relative_to(binder.checkout) for path in (binder.checkout / "notebooks").glob("*.ipynb"))

    convert = ["python", "-m", "nbconvert", "--to", "notebook", "--execute", f"--output-dir={done}"]
    # Not on TCP: between the choice of a port and its use, another process may be given it.
    convert += ["--KernelManager.transport=ipc"]
    processes = [
        binder.start(
            [*convert, f"--KernelManager.ip={binder.home}/half{half}", *map(str, notebooks[half::2])],
            output=subprocess.PIPE,
        )
        for half in range(2)
    ]
    try:
        outputs = [process.communicate(timeout=300)[0] for process in processes]
    finally:
        for process in processes:
            _stop(process)

    for process, output in zip(processes, outputs, strict=True):
        assert process.returncode == 0, output[-3000:]
        assert until(lambda leader=process.pid: not _session(leader)), "something outlives Jupyter"
    assert [path.name for path in sorted(done.glob("*.ipynb"))] == [path.name for path in notebooks]
    for path in done.glob("*.ipynb"):
        text = path.read_text()
        # All of them found the one that `binder/start` started, and none made another to take its place.
        assert "no LXD or Incus answers" not in text, path.name
        nbformat.validate(nbformat.reads(text, as_version=4))
    assert "26 images" in (done / "inventory.ipynb").read_text()


def test_jupyter_comes_up_with_our_extension_and_nothing_else_can_be_reached_from_outside(binder: Binder) -> None:
    port, token = free_port(), secrets.token_hex(16)

    process = binder.start(
        ["jupyter", "lab", "--no-browser", "--ip=0.0.0.0", f"--port={port}", f"--IdentityProvider.token={token}"],
        output=subprocess.DEVNULL,
    )
    try:
        base = f"http://127.0.0.1:{port}"
        assert until(lambda: _status(f"{base}/api?token={token}") == 200, timeout=60), "JupyterLab does not come up"
        listening = _listening(process.pid)

        assert [where for where in listening if not where.startswith("127.")] == [f"0.0.0.0:{port}"]
        assert len(listening) == 2, "Jupyter's and, on this machine alone, the demo server's"
        # Panels' own handler knows no DELETE; where it is missing there would be nothing at that address.
        assert _status(f"{base}/lxdimg/spool/none?token={token}", method="DELETE") == 405
        assert _status(f"{base}/lxdimg/nothing?token={token}", method="DELETE") == 404
    finally:
        _stop(process)
    assert until(lambda: not _session(process.pid)), "something outlives Jupyter"


def test_binder_gets_a_python_and_a_kernel_that_panels_work_with() -> None:
    runtime = (ROOT / "binder" / "runtime.txt").read_text().strip()
    requirements = (ROOT / "binder" / "requirements.txt").read_text().splitlines()

    assert re.fullmatch(r"python-3\.1[1-9]", runtime)
    # With a folder binder/ nothing else is installed, not even the package itself.
    assert ".[lab,plot,parquet]" in requirements
    assert "ipykernel>=7.1" in requirements
    assert os.access(ROOT / "binder" / "start", os.X_OK)


def _status(url: str, *, method: str = "GET") -> int | None:
    """The status of a reply, None without one."""
    try:
        request = urllib.request.Request(url, method=method)  # noqa: S310 - ours
        with urllib.request.urlopen(request, timeout=5) as reply:  # noqa: S310
            return int(reply.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code
    except OSError:
        return None


def _session(leader: int) -> list[int]:
    """The processes that were started by a process which leads a session, and itself."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == leader and fields[0] != "Z":
            found.append(int(folder.name))
    return found


def _listening(leader: int) -> list[str]:
    """The addresses that a session's processes listen at for TCP."""
    inodes = set()
    for process in _session(leader):
        for link in Path(f"/proc/{process}/fd").glob("*"):
            try:
                target = os.readlink(link)
            except OSError:
                continue
            inodes.update(re.findall(r"^socket:\[(\d+)\]$", target))
    found = []
    for name in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{name}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in inodes:
                address, _, port = fields[1].partition(":")
                words = ".".join(str(b) for b in reversed(bytes.fromhex(address))) if name == "tcp" else address
                found.append(f"{words}:{int(port, 16)}")
    return sorted(found)


def _stop(process: subprocess.Popen[str]) -> None:
    """End it as Binder does, and all that it started."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(15)
