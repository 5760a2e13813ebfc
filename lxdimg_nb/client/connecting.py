"""`connect()`: a local socket, a path, a URL or the name of a remote becomes a connected client."""

from __future__ import annotations

import os
import ssl
import sys
from typing import Literal, Protocol
from urllib.parse import unquote

from lxdimg_nb.client.client import Client
from lxdimg_nb.client.config.client_config import Remote
from lxdimg_nb.client.config.local_sockets import (
    SILENT,
    Attempt,
    LocalSocket,
    access_to,
    local_sockets,
    unreachable_error,
)
from lxdimg_nb.client.config.remotes import default_remotes, find_remote, find_remote_by_address, local_project
from lxdimg_nb.client.http.endpoint import Endpoint, https_base, read_pem
from lxdimg_nb.client.http.transport import READ_TIMEOUT, Transport
from lxdimg_nb.client.project import open_project
from lxdimg_nb.client.verbs.read.cluster_members import know_members
from lxdimg_nb.errors import InvalidRequestError, LxdImageError, ServerUnreachableError
from lxdimg_nb.text.secret import hide_address, hide_addresses
from lxdimg_nb.values.validation import expanded_path

__all__ = ["connect"]

_PathLike = str | os.PathLike[str]
_KeyPair = tuple[_PathLike, _PathLike]


def connect(
    server: _PathLike | Remote | None = None,
    *,
    project: str | None = None,
    cert: _KeyPair | None = None,
    server_cert: _PathLike | None = None,
    timeout: float = READ_TIMEOUT,
    demo: bool | Literal["fallback"] = False,
) -> Client:
    """Connect to LXD, Incus, or a simplestreams server, or to a demo server if you ask for one.

    Args:
        server: None for the server of `$LXDIMG_URL`, else the local daemon, else the default remote of lxc or
            incus; the path of a socket or `unix://…`; `https://host:8443`; the name of a remote of lxc, incus or
            `enroll` (`lxc:images` and `incus:images` where both have one); `simplestreams+https://host/path` for a
            catalogue without a name.
        project: the project to work in; None is that of the remote, else `default`.
        cert: paths of the client's certificate and key, for `https://`; None takes those of the remote with that
            address.
        server_cert: the one server certificate to accept, as a path or PEM text; None takes that of the remote
            with that address, else the certificate authorities of the system decide.
        timeout: seconds without an answer after which a control request fails.
        demo: True starts a demo server in this process, whatever else there is, and connects to it; closing the
            client ends it. "fallback" does so only where no server is named and none is found, and prints a line
            that says so.

    Returns:
        A client; for a simplestreams server a `CatalogueClient`, which is read-only and otherwise the same.

    Raises:
        ServerUnreachableError: nobody answers; `advice` says what to do, and `tried` names the places.
        UnexpectedReplyError: the server is neither LXD nor Incus.
        NotFoundError: no such project.
        NotAllowedError: the server does not trust this client's certificate.
        InvalidRequestError: an impossible address, or an unknown remote.
    """
    server = hide_address(server)
    cert, server_cert = hide_addresses(cert), hide_address(server_cert)
    if not isinstance(demo, bool) and demo != "fallback":
        raise InvalidRequestError(f"demo is True, False or 'fallback', and not {demo!r}")
    if demo is True:
        if server is not None or cert is not None or server_cert is not None:
            raise InvalidRequestError("demo=True starts a server of its own; leave out the server, or demo=True")
        return _connect_demo(project, timeout)
    if server is None:
        server = hide_address(os.environ.get("LXDIMG_URL") or None)
    if server is None:
        return _connect_local_or_demo(project, timeout) if demo else _connect_local(project, timeout)
    if server in ("unix://", "unix:"):
        return _connect_local(project, timeout)
    if isinstance(server, Remote):
        return _connect_remote(server, project, cert, server_cert, timeout)
    address = os.fspath(server) if isinstance(server, os.PathLike) else server
    if not isinstance(address, str):
        raise InvalidRequestError(f"a server is named by a text or a path, not by {type(server).__name__}")
    if address.startswith("simplestreams+https://"):
        if cert is not None or project not in (None, "default"):
            raise InvalidRequestError("a simplestreams server has no projects and asks for no client certificate")
        return _connect_catalogue(hide_address(address.removeprefix("simplestreams+")), server_cert, timeout)
    scheme = address.partition(":")[0].lower() if ":" in address else ""
    if scheme == "https":
        known = find_remote_by_address(address) if cert is None and server_cert is None else None
        if known is not None:
            return _open(_remote_endpoint(known, address, None, None), project or known.project, timeout)
        return _open(_https_endpoint(address, cert, server_cert), project, timeout)
    if scheme == "http":
        raise InvalidRequestError("LXD and Incus speak https; write https://host:8443")
    if "/" not in address and scheme != "unix":
        remote = find_remote(address.removesuffix(":"))
        if address.removesuffix(":") == "local" and remote.local and cert is None and server_cert is None:
            return _connect_local(project, timeout)
        return _connect_remote(remote, project, cert, server_cert, timeout)
    if cert is not None or server_cert is not None:
        raise InvalidRequestError("certificates go with an https:// address; a unix socket needs none")
    if scheme == "unix" or "://" not in address:
        return _open(_unix_endpoint(address), project, timeout)
    raise InvalidRequestError(f"{address!r} is neither a socket's path nor an https:// address")


def _connect_local(project: str | None, timeout: float, product: str = "") -> Client:
    """Connect to the daemon of this machine; without one, and unless a product is named, to the default remote."""
    attempts: list[Attempt] = []
    cause: LxdImageError | None = None
    for socket in local_sockets(product):
        closed = access_to(socket)
        if not closed:
            try:
                return _open_local(socket, project, timeout)
            except ServerUnreachableError as error:
                cause = error
        attempts.append(Attempt(socket.path, closed or SILENT, socket))
    for remote in () if product else default_remotes():
        try:
            return _connect_remote(remote, project, None, None, timeout)
        except ServerUnreachableError as error:
            attempts.append(Attempt(f"{remote.full_name} at {' and '.join(remote.addresses)}", SILENT))
            cause = error
    raise unreachable_error(attempts, product) from cause


def _connect_local_or_demo(project: str | None, timeout: float) -> Client:
    """Connect as without a name, or else to a new demo server, after a line that says so."""
    try:
        return _connect_local(project, timeout)
    except ServerUnreachableError as error:
        client = _connect_demo(project, timeout)
        reason = error.message[:1].upper() + error.message[1:]
        sys.stdout.write(f"{reason}. This is a demo server with small images, at {client.url}.\n")
        return client


def _connect_demo(project: str | None, timeout: float) -> Client:
    """Start a demo server that ends with its client."""
    server = _start_demo()
    try:
        return Client(_open(_unix_endpoint(server.url), project, timeout).server_project, on_close=server.close)
    except BaseException:
        server.close()
        raise


class _DemoServer(Protocol):
    """What is used of a demo server."""

    url: str

    def close(self) -> None: ...


def _start_demo() -> _DemoServer:
    """Start a demo server in this process."""
    from lxdimg_nb.demo import start

    return start()


def _open_local(socket: LocalSocket, project: str | None, timeout: float) -> Client:
    """A local daemon; when no project is asked for, in the one that lxc or incus is switched to."""
    client = _open(_unix_endpoint(socket.path), project or socket.project, timeout)
    switched = "" if project or socket.project else local_project(client.info.product)
    if switched in ("", client.project):
        return client
    try:
        return client.in_project(switched)
    except BaseException:
        client.close()
        raise


def _connect_remote(
    remote: Remote,
    project: str | None,
    cert: _KeyPair | None,
    server_cert: _PathLike | None,
    timeout: float,
) -> Client:
    """Connect to a remote at the first of its addresses that answers."""
    project = project or remote.project or None
    if remote.protocol == "oci":
        raise InvalidRequestError(
            f"{remote.name} is an OCI registry: it lists no images, and only an Incus can fetch them"
        )
    if remote.protocol not in ("lxd", "incus", "simplestreams") or not remote.addresses:
        what = f"speaks {remote.protocol}" if remote.addresses else "has no address"
        raise InvalidRequestError(f"the remote {remote.name} {what}; it cannot be connected to")
    failures: list[str] = []
    for address in remote.addresses:
        try:
            if remote.protocol == "simplestreams":
                url = hide_address(address.replace("://", f"://{remote.userinfo}@", 1) if remote.userinfo else address)
                return _connect_catalogue(url, server_cert or remote.server_cert or None, timeout)
            if remote.local:
                return _connect_local(project, timeout, remote.product)
            if address.startswith("unix:"):
                return _open(_unix_endpoint(address), project, timeout)
            return _open(_remote_endpoint(remote, address, cert, server_cert), project, timeout)
        except ServerUnreachableError as error:
            if len(remote.addresses) == 1:
                raise
            failures.append(error.message)
    raise ServerUnreachableError(f"the remote {remote.name} is not reachable: " + "; ".join(failures))


def _connect_catalogue(url: str, server_cert: _PathLike | None, timeout: float) -> Client:
    from lxdimg_nb.client.simplestreams import catalogue_client

    return catalogue_client.connect(url, pinned=_read_pinned(server_cert), timeout=timeout)


def _read_pinned(server_cert: _PathLike | None) -> str:
    return read_pem(server_cert) if server_cert is not None else ""


def _unix_endpoint(address: str) -> Endpoint:
    """From a path or `unix:` address; a folder stands for the socket in it."""
    if address.startswith("unix:"):
        address = unquote(address.removeprefix("unix:").removeprefix("//"))
    path = expanded_path(address)
    if os.path.isdir(path):
        path /= "unix.socket"
    try:
        return Endpoint(base="", socket=str(path.absolute()))
    except OSError as error:
        raise InvalidRequestError(f"{path} is not a whole path, and the current folder is gone") from error


def _remote_endpoint(remote: Remote, address: str, cert: _KeyPair | None, server_cert: _PathLike | None) -> Endpoint:
    """An address of a remote, with its certificates or those given instead."""
    pinned = server_cert or remote.server_cert or None
    if remote.auth_type == "oidc" and cert is None:
        return _https_endpoint(address, None, pinned, ca=remote.ca, bearer=remote.bearer())
    pair = cert or remote.cert
    if pair is None and not remote.public:
        raise InvalidRequestError(
            f"there is no client certificate for the remote {remote.name}; get a trust token there and use "
            f"enroll({address!r}, token=…)"
        )
    return _https_endpoint(address, pair, pinned, ca=remote.ca)


def _https_endpoint(
    address: str, cert: _KeyPair | None, server_cert: _PathLike | None, *, ca: str = "", bearer: str = ""
) -> Endpoint:
    pinned = _read_pinned(server_cert)
    base = https_base(address)
    if not base:
        raise InvalidRequestError(f"{address!r} is no server's address; write https://host:8443")
    pair = check_key_pair(cert) if cert is not None else None
    return Endpoint(base, cert=pair, pinned=pinned, ca=ca, bearer=bearer)


def check_key_pair(cert: _KeyPair) -> tuple[str, str]:
    """The paths of a client's certificate and key, checked that they can be used.

    Raises:
        InvalidRequestError: they cannot be read, do not belong together, or the key is encrypted.
    """
    if isinstance(cert, str | bytes) or len(cert) != 2:
        raise InvalidRequestError("cert is a pair of paths: (certificate, key)")
    if any(isinstance(part, str) and "-----BEGIN" in part for part in cert):
        # Their text, which an error must not show.
        raise InvalidRequestError("cert is a pair of paths; write the certificate and the key to files (key: 0600)")
    pair = (str(expanded_path(cert[0])), str(expanded_path(cert[1])))
    for file in pair:
        if not (os.path.isfile(file) and os.access(file, os.R_OK)):
            raise InvalidRequestError(f"cannot read the file {file}, named as part of the client's certificate")

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
        opened = open_project(transport, project or "default")
        know_members(opened)
        return Client(opened)
    except BaseException:
        transport.close()
        raise
