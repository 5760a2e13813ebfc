"""From what a user writes to a connected client: sockets in the products' own order, paths, URLs, remotes."""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from urllib.parse import unquote, urlsplit

from lxdimg_nb.client.client import Client
from lxdimg_nb.client.config.remotes import Remote, default_remotes, find_remote, find_remote_by_address, local_project
from lxdimg_nb.client.http.endpoint import Endpoint, read_pem
from lxdimg_nb.client.http.transport import READ_TIMEOUT, Transport
from lxdimg_nb.client.project import Project, server_info
from lxdimg_nb.errors import InvalidRequestError, LxdImageError, ServerUnreachableError

__all__ = ["connect", "local_sockets"]

_PathLike = str | os.PathLike[str]
_Pair = tuple[_PathLike, _PathLike]

_STREAMS = "simplestreams+https://"


def connect(
    server: _PathLike | Remote | None = None,
    *,
    project: str | None = None,
    cert: _Pair | None = None,
    server_cert: _PathLike | None = None,
    timeout: float = READ_TIMEOUT,
) -> Client:
    """Connect to LXD, Incus, or a simplestreams server.

    Args:
        server: None for the local daemon, else the default remote of lxc or incus; a socket's path or
            `unix://…`; `https://host:8443`; the name of a remote of lxc, incus or `enroll` (`lxc:images` and
            `incus:images` where both have one); `simplestreams+https://host/path` for a catalogue without a name.
        project: works in this project; None is the remote's own, else `default`.
        cert: paths of the client's certificate and key, for `https://`; None takes those of a remote with that
            address.
        server_cert: the server's certificate to accept, and no other: a path or PEM text. Without it
            that of a remote with that address, else the certificate authorities of the system decide.
        timeout: seconds without an answer after which a control request fails.

    Returns:
        A client. Of a simplestreams server it is a `CatalogueClient`: read-only, otherwise the same.

    Raises:
        ServerUnreachableError: nobody answers; the message names each place that was tried.
        UnexpectedReplyError: somebody answers who is neither LXD nor Incus.
        NotFoundError: no such project.
        NotAllowedError: the server does not trust this client's certificate.
        InvalidRequestError: an address that makes no sense, an unknown remote.
    """
    if server is None or server in ("unix://", "unix:"):
        return _local(project, timeout)
    if isinstance(server, Remote):
        return _remote(server, project, cert, server_cert, timeout)
    address = os.fspath(server) if isinstance(server, os.PathLike) else server
    if not isinstance(address, str):
        raise InvalidRequestError(f"a server is named by a text or a path, not by {type(server).__name__}")
    parts = urlsplit(address)
    if address.startswith(_STREAMS):
        if cert is not None or project not in (None, "default"):
            raise InvalidRequestError("a simplestreams server has no projects and asks for no client certificate")
        return _catalogue(address.removeprefix("simplestreams+"), server_cert, timeout)
    if parts.scheme == "https":
        known = find_remote_by_address(address) if cert is None and server_cert is None else None
        if known is not None:
            endpoint = _endpoint(known, address, None, None)
            return _open(endpoint, project or known.project, timeout)
        return _open(_https(address, cert, _pinned(server_cert)), project, timeout)
    if parts.scheme == "http":
        raise InvalidRequestError("LXD and Incus speak https; write https://host:8443")
    named = "/" not in address and "://" not in address and parts.scheme != "unix"
    if named:
        address = address.removesuffix(":")
        remote = find_remote(address)
        if address == "local" and remote.local and cert is None and server_cert is None:
            return _local(project, timeout)
        return _remote(remote, project, cert, server_cert, timeout)
    if cert is not None or server_cert is not None:
        raise InvalidRequestError("certificates go with an https:// address; a unix socket needs none")
    if parts.scheme == "unix":
        return _open(
            _unix(unquote(parts.netloc + parts.path) if "%" in address else parts.netloc + parts.path),
            project,
            timeout,
        )
    if "://" not in address:
        return _open(_unix(address), project, timeout)
    raise InvalidRequestError(f"{address!r} is neither a socket's path nor an https:// address")


def local_sockets() -> list[tuple[str, str | None]]:
    """Where a local daemon may listen, in the products' own order, each with the project that goes with it.

    Source: LXD client/connection.go, Incus client/connection.go.
    """
    lxd, incus = _sockets("lxd"), _sockets("incus")
    # A variable that was set for one product comes before the other's usual places.
    wanted = any(os.environ.get(k) for k in ("INCUS_SOCKET", "INCUS_DIR"))
    return incus + lxd if wanted and not any(os.environ.get(k) for k in ("LXD_SOCKET", "LXD_DIR")) else lxd + incus


def _sockets(product: str) -> list[tuple[str, str | None]]:
    """Where one product's daemon may listen."""
    prefix = product.upper()
    found: list[tuple[str, str | None]] = []
    if os.environ.get(f"{prefix}_SOCKET"):
        found.append((os.environ[f"{prefix}_SOCKET"], None))
    if os.environ.get(f"{prefix}_DIR"):
        found.append((f"{os.environ[f'{prefix}_DIR']}/unix.socket", None))
    if found:
        return found
    user = f"user-{os.geteuid()}"
    if product == "lxd":
        snap = "/var/snap/lxd/common"
        return [
            (f"{snap}/lxd/unix.socket", None),
            ("/var/lib/lxd/unix.socket", None),
            (f"{snap}/lxd-user/unix.socket", user),
        ]
    for folder in ("/run/incus", "/var/lib/incus"):
        found += [(f"{folder}/unix.socket", None), (f"{folder}/unix.socket.user", user)]
    return found


def _local(project: str | None, timeout: float, product: str = "") -> Client:
    """The daemon of this machine; without one, unless a product was named, the user's default remote."""
    tried: list[str] = []
    cause: LxdImageError | None = None
    for path, own_project in _sockets(product) if product else local_sockets():
        if not os.path.exists(path):
            tried.append(f"{path} (no such socket)")
            continue
        if not os.access(path, os.W_OK):
            tried.append(f"{path} (you may not open it)")
            continue
        try:
            return _at_home(path, project, own_project, timeout)
        except ServerUnreachableError as error:
            tried.append(f"{path} (does not answer)")
            cause = error
    for remote in () if product else default_remotes():
        try:
            return _remote(remote, project, None, None, timeout)
        except ServerUnreachableError as error:
            tried.append(f"{remote.full_name} at {' and '.join(remote.addresses)} (does not answer)")
            cause = error
    raise ServerUnreachableError(
        "no LXD or Incus answers on this machine. Tried: " + ", ".join(tried) + ". Give a socket or URL: "
        "connect('https://host:8443'), or try the demo: connect(lxdimg_nb.demo.start().url)"
    ) from cause


def _at_home(path: str, project: str | None, own_project: str | None, timeout: float) -> Client:
    """A local daemon, in the project that lxc or incus was switched to when none is asked for."""
    client = _open(_unix(path), project or own_project, timeout)
    switched = "" if project or own_project else local_project(client.info.product)
    if switched in ("", client.project):
        return client
    try:
        return client.in_project(switched)
    except BaseException:
        client.close()
        raise


def _remote(
    remote: Remote,
    project: str | None,
    cert: _Pair | None,
    server_cert: _PathLike | None,
    timeout: float,
) -> Client:
    """A remote, by the first of its addresses that answers."""
    project = project or remote.project or None
    if remote.protocol == "oci":
        raise InvalidRequestError(
            f"{remote.name} is an OCI registry: it lists no images, and only an Incus can fetch them"
        )
    if remote.protocol not in ("lxd", "incus", "simplestreams") or not remote.addresses:
        what = f"speaks {remote.protocol}" if remote.addresses else "has no address"
        raise InvalidRequestError(f"the remote {remote.name} {what}; it cannot be connected to")
    tried: list[str] = []
    for address in remote.addresses:
        try:
            if remote.protocol == "simplestreams":
                url = address.replace("://", f"://{remote.userinfo}@", 1) if remote.userinfo else address
                return _catalogue(url, server_cert or remote.server_cert or None, timeout)
            if remote.local:
                return _local(project, timeout, remote.product)
            if address.startswith("unix:"):
                return _open(_unix(address.removeprefix("unix:").removeprefix("//")), project, timeout)
            return _open(_endpoint(remote, address, cert, server_cert), project, timeout)
        except ServerUnreachableError as error:
            if len(remote.addresses) == 1:
                raise
            tried.append(error.message)
    raise ServerUnreachableError(f"the remote {remote.name} is not reachable: " + "; ".join(tried))


def _catalogue(url: str, server_cert: _PathLike | None, timeout: float) -> Client:
    from lxdimg_nb.client.simplestreams import catalogue_client

    return catalogue_client.connect(url, pinned=_pinned(server_cert), timeout=timeout)


def _pinned(server_cert: _PathLike | None) -> str:
    return read_pem(os.fspath(server_cert)) if server_cert is not None else ""


def _endpoint(remote: Remote, address: str, cert: _Pair | None, server_cert: _PathLike | None) -> Endpoint:
    """Where a remote listens, with its certificates or those given instead."""
    pinned = _pinned(server_cert or remote.server_cert or None)
    if remote.auth_type == "oidc" and cert is None:
        return _https(address, None, pinned, ca=remote.ca, bearer=remote.bearer())
    pair = cert or remote.cert
    if pair is None and not remote.public:
        raise InvalidRequestError(
            f"there is no client certificate for the remote {remote.name}; get a trust token there and use "
            f"enroll({address!r}, token=…)"
        )
    return _https(address, pair, pinned, ca=remote.ca)


def _unix(path: str) -> Endpoint:
    full = Path(path).expanduser()
    if full.is_dir():
        full = full / "unix.socket"
    return Endpoint(base="", socket=str(full.absolute()))


def _https(address: str, cert: _Pair | None, pinned: str, *, ca: str = "", bearer: str = "") -> Endpoint:
    parts = urlsplit(address)
    if not parts.hostname or parts.username or parts.path not in ("", "/") or parts.query:
        raise InvalidRequestError(f"{address!r} is no server's address; write https://host:8443")
    try:
        port = parts.port or 8443
    except ValueError as error:
        raise InvalidRequestError(f"{address!r} has no proper port; write https://host:8443") from error
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    pair = check_key_pair(cert) if cert is not None else None
    return Endpoint(base=f"https://{host}:{port}", cert=pair, pinned=pinned, ca=ca, bearer=bearer)


def check_key_pair(cert: _Pair) -> tuple[str, str]:
    """The paths of a client's certificate and key that can be used.

    Raises:
        InvalidRequestError: they cannot be read, do not belong together, or the key is encrypted.
    """
    pair = (str(Path(cert[0]).expanduser()), str(Path(cert[1]).expanduser()))
    for file in pair:
        if not os.access(file, os.R_OK):
            raise InvalidRequestError(f"cannot read {file}, named as part of the client's certificate")

    def encrypted() -> str:
        raise InvalidRequestError(
            f"the key {pair[1]} is encrypted; OpenSSL would ask for its password on the terminal. Use one that is not"
        )

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(*pair, password=encrypted)
    except (ssl.SSLError, OSError) as error:
        raise InvalidRequestError(f"{pair[0]} and {pair[1]} are no certificate and its key in PEM") from error
    return pair


def _open(endpoint: Endpoint, project: str | None, timeout: float) -> Client:
    signed = endpoint.cert is not None or bool(endpoint.bearer)
    transport = Transport(endpoint, timeout=timeout, authenticated=signed)
    try:
        return Client(Project(transport, server_info(transport, project or "default")))
    except BaseException:
        transport.close()
        raise
