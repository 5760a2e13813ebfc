"""Listeners on the socket and on loopback TLS, where strangers may show their certificates.

LXD accepts any client certificate and decides by its fingerprint afterwards. Python's `ssl` can only verify
a certificate or not ask for one. So each certificate that a client presents is loaded as an authority while
the handshake reads it, which makes every self-signed one verify. Trust is decided later, by fingerprint.

Source: RFC 8446 4.4.2 and RFC 5246 7.4.6 for the Certificate message.
"""

from __future__ import annotations

import socket
import ssl
from typing import Any

from tornado import web
from tornado.httpserver import HTTPServer

from ..store.trust_store import Identity

__all__ = ["http_server", "loopback"]

_HANDSHAKE = 22
_CERTIFICATE = 11


def loopback(port: int) -> socket.socket:
    """A listening socket on 127.0.0.1.

    Raises:
        RuntimeError: the port is taken or not allowed.
    """
    try:
        listener = socket.create_server(("127.0.0.1", port))
    except OSError as error:
        reason = (error.strerror or str(error)).partition(" (")[0]
        raise RuntimeError(f"port {port} of 127.0.0.1: {reason}; give another, or 0 for any free one") from error
    listener.setblocking(False)
    return listener


class _Server(HTTPServer):
    """Forgets a client that is gone before it was taken up: Python 3.11's `ssl` and tornado would leave its socket."""

    def _handle_connection(self, connection: socket.socket, address: Any) -> None:
        try:
            connection.getpeername()
        except OSError:
            connection.close()
        else:
            super()._handle_connection(connection, address)


def http_server(app: web.Application, listener: socket.socket, identity: Identity | None = None) -> HTTPServer:
    """Serve on a listening socket, with TLS where an identity is given."""
    context = None if identity is None else _tls_context(identity)
    server = _Server(app, ssl_options=context, max_body_size=1 << 60, chunk_size=256 << 10)
    server.add_sockets([listener])
    return server


def _tls_context(identity: Identity) -> ssl.SSLContext:
    """The settings of a listener that asks for a client certificate and accepts any."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(identity.certificate_file, identity.key_file)
    context.verify_mode = ssl.CERT_OPTIONAL
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN

    def take_up(connection: Any, direction: str, _version: Any, content: Any, message: Any, data: bytes) -> None:
        if direction == "read" and content == _HANDSHAKE and message == _CERTIFICATE:
            newer = getattr(connection, "version", str)() != "TLSv1.2"
            for der in _certificates(data, newer=newer):
                try:
                    context.load_verify_locations(cadata=der)
                except ssl.SSLError:
                    # Not a certificate: the handshake will fail.
                    return

    context._msg_callback = take_up  # type: ignore[attr-defined]
    return context


def _certificates(message: bytes, *, newer: bool) -> list[bytes]:
    """The DER certificates in a handshake message of TLS 1.3 (`newer`) or 1.2."""
    found: list[bytes] = []
    at = 4
    if newer:
        at += 1 + message[at]
    at += 3
    while at + 3 <= len(message):
        size = int.from_bytes(message[at : at + 3], "big")
        found.append(message[at + 3 : at + 3 + size])
        at += 3 + size
        if newer:
            at += 2 + int.from_bytes(message[at : at + 2], "big")
    return found
