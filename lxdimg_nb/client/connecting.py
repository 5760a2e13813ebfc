"""From what a user writes to a connected client: sockets in the products' own order, paths, URLs, remotes."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote, urlsplit

from lxdimg_nb.client.client import Client, server_info
from lxdimg_nb.client.transport import READ_TIMEOUT, Endpoint, Transport, read_pem
from lxdimg_nb.errors import InvalidRequestError, LxdImageError, ServerUnreachableError

__all__ = ["connect", "local_sockets"]

_PathLike = str | os.PathLike[str]


def connect(
    server: str | os.PathLike[str] | None = None,
    *,
    project: str | None = None,
    cert: tuple[_PathLike, _PathLike] | None = None,
    server_cert: _PathLike | None = None,
    timeout: float = READ_TIMEOUT,
) -> Client:
    """Connect to LXD or Incus.

    Args:
        server: None for the local daemon; a socket's path or `unix://…`; `https://host:8443`.
        project: works in this project; None is the remote's own, else `default`.
        cert: paths of the client's certificate and key, for `https://`.
        server_cert: the server's certificate to accept, and no other: a path or PEM text. Without it
            the certificate authorities of the system decide.
        timeout: seconds without an answer after which a control request fails.

    Raises:
        ServerUnreachableError: nobody answers; the message names each place that was tried.
        UnexpectedReplyError: somebody answers who is neither LXD nor Incus.
        NotFoundError: no such project.
        InvalidRequestError: an address that makes no sense.
    """
    if server is None:
        return _local(project, timeout)
    address = os.fspath(server)
    parts = urlsplit(address)
    if parts.scheme == "https":
        pinned = read_pem(os.fspath(server_cert)) if server_cert is not None else ""
        return _open(_https(address, cert, pinned), project, timeout)
    if parts.scheme == "http":
        raise InvalidRequestError("LXD and Incus speak https; write https://host:8443")
    if cert is not None or server_cert is not None:
        raise InvalidRequestError("certificates go with an https:// address; a unix socket needs none")
    if parts.scheme == "unix":
        return _open(
            _unix(unquote(parts.netloc + parts.path) if "%" in address else parts.netloc + parts.path),
            project,
            timeout,
        )
    if "/" in address and "://" not in address:
        return _open(_unix(address), project, timeout)
    raise InvalidRequestError(f"{address!r} is neither a socket's path nor an https:// address")


def local_sockets() -> list[tuple[str, str | None]]:
    """Where a local daemon may listen, in the products' own order, each with the project that goes with it.

    Source: LXD client/connection.go, Incus client/connection.go.
    """
    found: list[tuple[str, str | None]] = []
    environment = os.environ
    if environment.get("LXD_SOCKET"):
        found.append((environment["LXD_SOCKET"], None))
    if environment.get("LXD_DIR"):
        found.append((f"{environment['LXD_DIR']}/unix.socket", None))
    if not found:
        found += [
            ("/var/snap/lxd/common/lxd/unix.socket", None),
            ("/var/lib/lxd/unix.socket", None),
            ("/var/snap/lxd/common/lxd-user/unix.socket", f"user-{os.geteuid()}"),
        ]
    lxd = list(found)
    incus: list[tuple[str, str | None]] = []
    if environment.get("INCUS_SOCKET"):
        incus.append((environment["INCUS_SOCKET"], None))
    if environment.get("INCUS_DIR"):
        incus.append((f"{environment['INCUS_DIR']}/unix.socket", None))
    if not incus:
        for folder in ("/run/incus", "/var/lib/incus"):
            incus += [(f"{folder}/unix.socket", None), (f"{folder}/unix.socket.user", f"user-{os.geteuid()}")]
    # A variable that was set for one product comes before the other's usual places.
    wanted = [k for k in ("INCUS_SOCKET", "INCUS_DIR") if environment.get(k)]
    if wanted and not any(environment.get(k) for k in ("LXD_SOCKET", "LXD_DIR")):
        return incus + lxd
    return lxd + incus


def _local(project: str | None, timeout: float) -> Client:
    tried: list[str] = []
    for path, own_project in local_sockets():
        if not os.path.exists(path):
            tried.append(f"{path} (no such socket)")
            continue
        if not os.access(path, os.W_OK):
            tried.append(f"{path} (you may not open it)")
            continue
        try:
            return _open(_unix(path), project or own_project, timeout)
        except ServerUnreachableError as error:
            tried.append(f"{path} (does not answer)")
            cause: LxdImageError = error
    raise ServerUnreachableError(
        "no LXD or Incus answers on this machine. Tried: " + ", ".join(tried) + ". Give a socket or URL: "
        "connect('https://host:8443'), or try the demo: connect(lxdimg_nb.demo.start().url)"
    ) from (cause if "cause" in locals() else None)


def _unix(path: str) -> Endpoint:
    full = Path(path).expanduser()
    if full.is_dir():
        full = full / "unix.socket"
    return Endpoint(base="", socket=str(full.absolute()))


def _https(address: str, cert: tuple[_PathLike, _PathLike] | None, pinned: str) -> Endpoint:
    parts = urlsplit(address)
    if not parts.hostname or parts.username or parts.path not in ("", "/") or parts.query:
        raise InvalidRequestError(f"{address!r} is no server's address; write https://host:8443")
    try:
        port = parts.port or 8443
    except ValueError as error:
        raise InvalidRequestError(f"{address!r} has no proper port; write https://host:8443") from error
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    pair = None
    if cert is not None:
        pair = (str(Path(cert[0]).expanduser()), str(Path(cert[1]).expanduser()))
        for file in pair:
            if not os.access(file, os.R_OK):
                raise InvalidRequestError(f"cannot read {file}, named as part of the client's certificate")
    return Endpoint(base=f"https://{host}:{port}", cert=pair, pinned=pinned)


def _open(endpoint: Endpoint, project: str | None, timeout: float) -> Client:
    transport = Transport(endpoint, timeout=timeout, authenticated=endpoint.cert is not None)
    try:
        return Client(transport, server_info(transport, project or "default"))
    except BaseException:
        transport.close()
        raise
