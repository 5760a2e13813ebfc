"""`enroll()`: with a trust token, the server's certificate is pinned and the client's is added on the server.

The token is sent only to the server whose certificate's fingerprint is in it, and is in no error.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lxdimg_nb.client.config import config_writer
from lxdimg_nb.client.config.client_certificate import ensure_key_pair
from lxdimg_nb.client.config.client_config import ClientConfig, Remote, client_configs
from lxdimg_nb.client.connecting import check_key_pair
from lxdimg_nb.client.dialect import Dialect
from lxdimg_nb.client.http.endpoint import Endpoint, https_base, pem_fingerprint, server_certificate
from lxdimg_nb.client.http.transport import Transport
from lxdimg_nb.client.project import server_info
from lxdimg_nb.errors import (
    ApiError,
    ConflictError,
    FingerprintMismatchError,
    InvalidRequestError,
    LxdImageError,
    NotAllowedError,
    ServerUnreachableError,
)
from lxdimg_nb.text.secret import Secret, hide_address, hide_addresses, hide_values, inner_frames_hidden
from lxdimg_nb.values import FINGERPRINT, ServerInfo, parse_time

__all__ = ["enroll"]

MAX_TOKEN = 64 * 1024
MAX_ADDRESSES = 32


@dataclass(frozen=True, slots=True)
class TrustToken:
    """The content of a trust token. `text` is the token itself, which is never shown."""

    text: str = field(repr=False)
    fingerprint: str
    addresses: tuple[str, ...]
    expires_at: datetime | None
    kind: str = ""

    @classmethod
    def parse(cls, text: str) -> TrustToken:
        """Read what `lxc config trust add` or `incus config trust add` printed.

        Raises:
            InvalidRequestError: it is not a trust token.
        """
        text = Secret("".join(text.split()))
        wrong = "this is no trust token; make one on the server with 'lxc config trust add' or 'incus config trust add'"
        data = _decoded(text)
        fingerprint = data.get("fingerprint")
        if not isinstance(fingerprint, str) or not FINGERPRINT.fullmatch(fingerprint) or not data.pop("secret", ""):
            raise InvalidRequestError(wrong)
        if "server_name" in data and "client_name" not in data:
            raise InvalidRequestError("this token lets a server join a cluster; a client needs a trust token")
        found = data.get("addresses")
        addresses = [a for a in found if isinstance(a, str)] if isinstance(found, list) else []
        kind = data.get("type")
        return cls(
            text,
            fingerprint,
            tuple(addresses[:MAX_ADDRESSES]),
            parse_time(data.get("expires_at")),
            kind if isinstance(kind, str) else "",
        )


def _decoded(token: Secret) -> dict[str, Any]:
    """The JSON object in a token, empty if there is none; no error, which would hold the token, leaves here."""
    if len(token) <= MAX_TOKEN:
        with suppress(binascii.Error, ValueError, RecursionError), inner_frames_hidden():
            data = json.loads(base64.b64decode(token, validate=True), object_hook=hide_values)
            return data if isinstance(data, dict) else {}
    return {}


def enroll(
    server: str,
    token: str | None = None,
    *,
    name: str | None = None,
    cert: tuple[str | os.PathLike[str], str | os.PathLike[str]] | None = None,
    exist_ok: bool = False,
    timeout: float = 30.0,
) -> Remote:
    """Make a server trust this client, with a token from that server. Afterwards `connect(server)` works.

    The server's certificate is compared with the token before anything is sent, then pinned. A client certificate
    is made if there is none.

    Args:
        server: `https://host:8443`, or the token itself; then the addresses in it are tried.
        token: what `lxc config trust add` or `incus config trust add` printed on the server.
        name: add the server under this name to the configuration of lxc or incus, whichever the server is, with
            their client certificate, so that `lxc list name:` works, too. None adds it to this package's own
            configuration, where it is found by its address.
        cert: paths of a client certificate and key to use instead of the configured ones.
        exist_ok: if the server trusts the certificate already, add the remote and do not use the token.
        timeout: seconds without an answer.

    Returns:
        The remote, for `connect(remote)`; `connect(remote.name)` and `connect("https://host:8443")` do the same.

    Raises:
        FingerprintMismatchError: the server is not the one that made the token; nothing was sent.
        NotAllowedError: the server does not accept the token: it was used or withdrawn, or has expired.
        ConflictError: the server trusts this certificate already, or the name is taken; the token was not used.
        ServerUnreachableError: nobody answers at any of the addresses.
        InvalidRequestError: no token, no address, or an impossible name.

    Source: POST /1.0/certificates (LXD, Incus), POST /1.0/auth/identities/tls (LXD 6).
    """
    # From the second line on no variable shows a token to whatever interrupts.
    server, token, cert = hide_address(server, token is None), token and Secret(token), hide_addresses(cert)
    server, token = (server, token) if token is not None else ("", Secret(server))
    trust_token = TrustToken.parse(token)
    if name is not None:
        config_writer.check_remote_name(name)
    base, pinned = _find_server(_addresses(server, trust_token), trust_token)
    with closing(Transport(Endpoint(base, pinned=pinned), timeout=timeout)) as transport:
        info = server_info(transport, "default")
    config = _config(info, name)
    chosen = name or _name_of(base)
    known = config.remotes().get(chosen)
    # The entry of the same server is renewed.
    if known is not None and not ((name is None or exist_ok) and base in known.addresses):
        raise ConflictError(
            f"there is a remote {chosen!r} already ({config.name}); choose another name. The token was not used",
            status_code=409,
        )
    pair = _key_pair(config, cert, shared=name is not None)
    pin = config_writer.write_server_certificate(config, chosen, pinned)
    try:
        _send_token(Endpoint(base, cert=pair, pinned=pinned), trust_token, exist_ok=exist_ok, timeout=timeout)
        entry = {"addr": base, "auth_type": "tls", "protocol": info.product, "public": False}
        if cert is not None and name is None:
            entry |= {"cert": pair[0], "key": pair[1]}
        config_writer.write_remote(config, chosen, entry)
    except BaseException:
        if chosen not in config.remotes():
            pin.unlink(missing_ok=True)
        raise
    return config.remotes()[chosen]


def _addresses(server: str, trust_token: TrustToken) -> list[str]:
    """The addresses to try, as https URLs."""
    found = [https_base(text) for text in ([server] if server else [f"https://{a}" for a in trust_token.addresses])]
    if not all(found):
        # Without the address in the message, which may be a token in the wrong place.
        raise InvalidRequestError("a client is enrolled at an https address, with a token: https://host:8443")
    if not found:
        raise InvalidRequestError("the token names no address; give it: enroll('https://host:8443', token=…)")
    return found


def _find_server(addresses: list[str], trust_token: TrustToken) -> tuple[str, str]:
    """The first address where the token's server answers, and its certificate in PEM."""
    mismatch: FingerprintMismatchError | None = None
    for base in addresses:
        parts = urlsplit(base)
        try:
            pem = server_certificate(parts.hostname or "", parts.port or 8443)
        except ServerUnreachableError:
            continue
        shown = pem_fingerprint(pem)
        if shown == trust_token.fingerprint:
            return base, pem
        mismatch = mismatch or FingerprintMismatchError(
            f"{base} shows the certificate {shown[:12]}…, the token is for a server with "
            f"{trust_token.fingerprint[:12]}…; nothing was sent. Is it the right address, and nobody in between?",
            expected=trust_token.fingerprint,
            actual=shown,
        )
    if mismatch is not None:
        raise mismatch
    raise ServerUnreachableError(
        f"no server answers at {', '.join(addresses)}; give an address that can be reached from here: "
        "enroll('https://host:8443', token=…)"
    )


def _config(info: ServerInfo, name: str | None) -> ClientConfig:
    wanted = "lxdimg" if name is None else "incus" if info.product == "incus" else "lxc"
    return next(config for config in client_configs() if config.name == wanted)


def _name_of(base: str) -> str:
    return re.sub(r"[^A-Za-z0-9.]+", "-", base.removeprefix("https://")).strip("-.")[-63:]


def _key_pair(config: ClientConfig, cert: Any, *, shared: bool) -> tuple[str, str]:
    if cert is None:
        return check_key_pair(ensure_key_pair(config))
    pair = check_key_pair(cert)
    own = config.folder / "client.crt"
    if shared and not (own.is_file() and own.samefile(pair[0])):
        raise InvalidRequestError(f"{config.name} uses one certificate for all, {own}; leave out cert= or name=")
    return str(Path(pair[0]).absolute()), str(Path(pair[1]).absolute())


def _send_token(endpoint: Endpoint, trust_token: TrustToken, *, exist_ok: bool, timeout: float) -> None:
    """Send the token, unless the server trusts the certificate already; check that it trusts it in the end."""
    with closing(Transport(endpoint, timeout=timeout)) as transport:
        info = server_info(transport, "default")
        if info.trusted:
            if exist_ok:
                return
            raise _trusted_already(endpoint)
        path, body = _request(Dialect(info), trust_token)
        try:
            transport.request("POST", path, json=body)
        except ApiError as error:
            if server_info(transport, "default").trusted:
                # Another process with the same certificate was quicker.
                raise _trusted_already(endpoint) from None
            raise _refused(error, trust_token, endpoint) from None
        if not server_info(transport, "default").trusted:
            raise NotAllowedError(f"{endpoint.url} took the token and does not trust this client; ask there")


def _request(dialect: Dialect, trust_token: TrustToken) -> tuple[str, dict[str, Any]]:
    """Path and body of the request with the token; the server takes the certificate from the connection."""
    if trust_token.kind and not dialect.incus:
        return "/1.0/auth/identities/tls", {"trust_token": trust_token.text}
    return "/1.0/certificates", {"type": "client", dialect.token_field: trust_token.text}


def _trusted_already(endpoint: Endpoint) -> ConflictError:
    return ConflictError(
        f"{endpoint.url} trusts this client's certificate already; the token was not used. exist_ok=True adds the "
        "remote all the same",
        status_code=409,
    )


def _refused(error: ApiError, trust_token: TrustToken, endpoint: Endpoint) -> LxdImageError:
    """The error to raise, without the token, which a server could have echoed."""
    if not isinstance(error, NotAllowedError):
        text = error.message.replace(trust_token.text, "***")[:300]
        return ApiError(f"{endpoint.url} did not enroll this client: {text}", status_code=error.status_code)
    why = "it was used already, was withdrawn or has expired"
    if trust_token.expires_at is not None and trust_token.expires_at < datetime.now(UTC):
        now = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
        why = f"it expired at {trust_token.expires_at:%Y-%m-%d %H:%M} UTC, and this machine's clock says {now}"
    return NotAllowedError(
        f"{endpoint.url} does not take the token: {why}. Make another there with 'lxc config trust add' or "
        "'incus config trust add'",
        status_code=error.status_code,
    )
