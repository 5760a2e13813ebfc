"""Where a daemon of this machine listens, and what to do when none answers; for `connect()`."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass

from lxdimg_nb.client.http.diagnosis.socket_advice import permission_advice, start_advice
from lxdimg_nb.errors import ServerUnreachableError

__all__ = [
    "FORBIDDEN",
    "MISSING",
    "SILENT",
    "Attempt",
    "LocalSocket",
    "access_to",
    "local_sockets",
    "unreachable_error",
]

MISSING, FORBIDDEN, SILENT = "no such socket", "you may not open it", "does not answer"

_TITLES = {"lxd": "LXD", "incus": "Incus"}
_PROGRAMS = {"lxd": ("lxd", "lxc"), "incus": ("incusd", "incus")}
_VARIABLES = ("LXD_SOCKET", "LXD_DIR", "INCUS_SOCKET", "INCUS_DIR")
_ELSEWHERE = "or use another server: connect('https://host:8443'), or the name of a remote of lxc or incus"
_DEMO = "or try things out on a demo server: connect(demo=True)"


@dataclass(frozen=True, slots=True)
class LocalSocket:
    """A path where a daemon may listen, the product that does, and the project it is for; None is its default."""

    path: str
    product: str
    project: str | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One place where a server was looked for, and what was found there.

    Attributes:
        place: a path, or a remote with its addresses.
        outcome: `MISSING`, `FORBIDDEN` or `SILENT`.
        socket: the socket, unless it is a remote.
    """

    place: str
    outcome: str
    socket: LocalSocket | None = None

    def __str__(self) -> str:
        return f"{self.place} ({self.outcome})"


def local_sockets(product: str = "") -> list[LocalSocket]:
    """The sockets of a local daemon, in the order that lxc and incus try them.

    Args:
        product: `lxd` or `incus`; empty is both.

    Source: LXD client/connection.go, Incus client/connection.go.
    """
    if product:
        return _sockets_of(product)
    lxd, incus = _sockets_of("lxd"), _sockets_of("incus")
    # A product whose variable is set comes before the usual sockets of the other.
    wanted = any(os.environ.get(k) for k in ("INCUS_SOCKET", "INCUS_DIR"))
    return incus + lxd if wanted and not any(os.environ.get(k) for k in ("LXD_SOCKET", "LXD_DIR")) else lxd + incus


def _sockets_of(product: str) -> list[LocalSocket]:
    prefix = product.upper()
    named = [os.environ.get(f"{prefix}_SOCKET") or ""]
    if os.environ.get(f"{prefix}_DIR"):
        named.append(f"{os.environ[f'{prefix}_DIR']}/unix.socket")
    if any(named):
        return [LocalSocket(path, product) for path in named if path]
    user = f"user-{os.geteuid()}"
    if product == "lxd":
        snap = "/var/snap/lxd/common"
        found: list[tuple[str, str | None]] = [
            (f"{snap}/lxd/unix.socket", None),
            ("/var/lib/lxd/unix.socket", None),
            (f"{snap}/lxd-user/unix.socket", user),
        ]
    else:
        folders = ("/run/incus", "/var/lib/incus")
        ends = (("unix.socket", None), ("unix.socket.user", user))
        found = [(f"{folder}/{name}", project) for folder in folders for name, project in ends]
    return [LocalSocket(path, product, project) for path, project in found]


def access_to(socket: LocalSocket) -> str:
    """What keeps this process from opening a socket: `MISSING`, `FORBIDDEN`, or empty for nothing."""
    try:
        os.stat(socket.path)
    except PermissionError:
        return FORBIDDEN  # a folder above it may not be entered
    except (OSError, ValueError):
        return MISSING
    return "" if os.access(socket.path, os.W_OK) else FORBIDDEN


def unreachable_error(attempts: Sequence[Attempt], product: str = "") -> ServerUnreachableError:
    """The error that no server was found: what is wrong in one sentence, and at most four lines of what to do.

    Args:
        attempts: all that was tried.
        product: the only product that was looked for; empty is both.
    """
    forbidden = next((a for a in attempts if a.outcome == FORBIDDEN), None)
    silent = next((a for a in attempts if a.outcome == SILENT), None)
    either = _TITLES.get(product, "LXD or Incus")
    if forbidden is not None and forbidden.socket is not None:
        message = f"you may not use the {_TITLES[forbidden.socket.product]} on this machine, at {forbidden.place}"
        first = permission_advice(forbidden.socket.path)
    elif silent is not None and silent.socket is not None:
        message = f"the {_TITLES[silent.socket.product]} on this machine, at {silent.place}, does not answer"
        first = start_advice(silent.place) or "start it again: its socket is there, but nobody listens"
    else:
        message = f"no {either} answers on this machine"
        message += f", nor does the default remote {silent.place}" if silent is not None else ""
        first = _start_advice(product)
    tried = tuple(str(attempt) for attempt in attempts)
    places = "the place" if len(tried) == 1 else f"the {len(tried)} places"
    advice = (first, _ELSEWHERE, _DEMO, f"error.tried names {places} that were tried")
    return ServerUnreachableError(message, advice=advice, tried=tried)


def _start_advice(product: str) -> str:
    """How to start what is installed here, or install one."""
    named = [name for name in _VARIABLES if os.environ.get(name) and name.startswith(product.upper())]
    if named:
        return f"start it, or correct {' and '.join(f'${name}' for name in named)}, where it was looked for"
    wanted = [product] if product else ["lxd", "incus"]
    installed = [name for name in wanted if any(shutil.which(program) for program in _PROGRAMS[name])]
    commands = [f"sudo systemctl start {name}" for name in installed]
    if "lxd" in wanted and os.path.isdir("/snap/lxd"):
        commands = ["sudo snap start lxd", *(c for c in commands if not c.endswith(" lxd"))]
    if commands:
        return f"start it: {', or '.join(commands)}"
    ways = {"lxd": "sudo snap install lxd", "incus": "sudo apt install incus"}
    return f"install one: {', or '.join(ways[name] for name in wanted)}"
