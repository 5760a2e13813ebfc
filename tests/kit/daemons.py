"""LXD and Incus as private processes, without systemd.

Each lives in a short folder of its own and is started with `setpriv --pdeathsig`, so it ends with the tests however
they end. Source: tried on LXD 5.0.2 and Incus 6.0.4.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from tests.kit.sockets import UnixConnection
from tests.kit.waiting import until

Kind = Literal["demo", "lxd", "incus"]

INCUSD = "/usr/libexec/incus/incusd"
START_SECONDS = 60.0
STOP_SECONDS = 30.0


class ServerDiedError(RuntimeError):
    """A daemon did not come up; the first line says so, the rest is the end of its log."""


def why_not(kind: Kind) -> str | None:
    """Why such a server cannot be started here, in words that follow "because"; None when it can."""
    if kind == "demo":
        return None
    name, program = ("LXD", "lxd") if kind == "lxd" else ("Incus", INCUSD)
    if shutil.which(program) is None:
        return f"{name} is not installed (as root on Debian, tests/run installs it)"
    if os.geteuid() != 0:
        return f"a private {name} needs root"
    return None


def start(kind: Kind, folder: Path, socket: Path, program: Path | None = None) -> subprocess.Popen[bytes]:
    """Start a daemon and wait until it can work.

    Args:
        kind: `lxd` or `incus`.
        folder: its own; the log is written there.
        socket: where it will answer.
        program: the daemon, instead of the one that is installed.

    Raises:
        ServerDiedError: it does not come up.
    """
    installed, variable = ("lxd", "LXD_DIR") if kind == "lxd" else (INCUSD, "INCUS_DIR")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("LXD_", "INCUS_"))}
    environment[variable] = str(folder)
    helpers = "/usr/libexec/incus" if program is None else program.parent
    environment["PATH"] = f"{helpers}:{environment.get('PATH', os.defpath)}"
    log = folder / "daemon.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", program or installed, "--group", "root"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
    up = until(lambda: process.poll() is not None or ready(socket), timeout=START_SECONDS)
    if not up or process.poll() is not None:
        end(process, signal.SIGTERM)
        unmount(folder)
        lines = log.read_text(errors="replace").splitlines() or ["(no log)"]
        reason = f"the private {kind} does not come up here: {lines[-1]}"
        raise ServerDiedError("\n".join([reason, *lines[-12:]]))
    return process


def ready(socket: Path) -> bool:
    """Whether a server answers on its socket and can work."""
    # Both daemons answer /1.0 before they can work; /internal/ready is what their own `waitready` asks.
    # The demo server has no such path, and is ready once it answers at all.
    try:
        with contextlib.closing(UnixConnection(socket, 10.0)) as connection:
            connection.request("GET", "/internal/ready")
            return connection.getresponse().status in (200, 404)
    except (OSError, http.client.HTTPException):
        return False


def end(process: subprocess.Popen[bytes], how: signal.Signals) -> None:
    """End a daemon, and whatever it started."""
    if process.poll() is not None:
        return
    process.send_signal(how)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(STOP_SECONDS)
    # Whatever it started lives in its process group, which is its own session.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def unmount(folder: Path) -> None:
    """Unmount what a daemon mounted below its folder."""
    for mount in reversed(list(_mounts(folder))):
        subprocess.run(["umount", "--lazy", mount], check=False, stderr=subprocess.DEVNULL)


def _mounts(folder: Path) -> Iterator[str]:
    below = f"{folder.resolve()}/"
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        mount = line.split()[4]
        if mount.startswith(below):
            yield mount
