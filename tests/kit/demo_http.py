"""Requests to demo servers and daemons with nothing of the package, for the tests of the demo server."""

from __future__ import annotations

import contextlib
import http.client
import json
import ssl
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.kit.sockets import UnixConnection

Headers = dict[str, str]


class Said:
    """One reply: status, headers, body, and what the envelope says."""

    def __init__(self, status: int, headers: http.client.HTTPMessage, body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def metadata(self) -> Any:
        """The metadata of the envelope."""
        return self.json["metadata"]

    @property
    def error(self) -> tuple[int, str]:
        """The code and the text of an error envelope."""
        return self.json["error_code"], self.json["error"]


def connection(place: str | Path, cert: tuple[str, str] | None = None) -> http.client.HTTPConnection:
    """A connection to a socket's path, or to an https URL of loopback, whose certificate nobody checks."""
    if not str(place).startswith("https://"):
        return UnixConnection(place)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if cert is not None:
        context.load_cert_chain(*cert)
    return http.client.HTTPSConnection(urlsplit(str(place)).netloc, timeout=30, context=context)


def ask(
    place: str | Path,
    method: str,
    path: str,
    body: Any = None,
    headers: Headers | None = None,
    *,
    cert: tuple[str, str] | None = None,
) -> Said:
    """One request; a body that is no bytes goes as JSON."""
    sent = dict(headers or {})
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
        sent.setdefault("Content-Type", "application/json")
    with contextlib.closing(connection(place, cert)) as opened:
        opened.request(method, path, body=body, headers=sent)
        reply = opened.getresponse()
        return Said(reply.status, reply.headers, reply.read())


def finished(place: str | Path, said: Said) -> dict[str, Any]:
    """The operation of a 202 when it has ended; a failure told as an error reads as one."""
    assert said.status == 202, said.body
    ended = ask(place, "GET", said.json["operation"] + "/wait?timeout=30").json
    if ended["type"] == "error":
        return {"status": "Failure", "err": ended["error"], "metadata": None}
    operation: dict[str, Any] = ended["metadata"]
    return operation


def upload(place: str | Path, data: bytes, headers: Headers | None = None, query: str = "") -> dict[str, Any]:
    """Import a unified image and return the ended operation."""
    sent = {"Content-Type": "application/octet-stream", **(headers or {})}
    return finished(place, ask(place, "POST", f"/1.0/images{query}", data, sent))
