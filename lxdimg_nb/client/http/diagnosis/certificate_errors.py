"""Why TLS with a server failed, read from the dates and names of certificates; for the transport."""

from __future__ import annotations

import ssl
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from requests.utils import DEFAULT_CA_BUNDLE_PATH

from lxdimg_nb.client.http.diagnosis.connection_errors import exception_chain, without_request
from lxdimg_nb.client.http.endpoint import Endpoint, pem_fingerprint, server_certificate
from lxdimg_nb.errors import LxdImageError, ServerUnreachableError
from lxdimg_nb.text.formats import timestamp

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

__all__ = ["client_certificate_dates", "tls_error"]

# X509_V_ERR_CERT_NOT_YET_VALID, …_HAS_EXPIRED; …_HOSTNAME_MISMATCH, …_IP_ADDRESS_MISMATCH (openssl/x509_vfy.h).
_DATES, _NAMES = (9, 10), (62, 64)
_PIN = "compare it with what 'lxc info' or 'incus info' says on the server, then pin it: server_cert="


def tls_error(endpoint: Endpoint, error: BaseException) -> ServerUnreachableError:
    """The error that TLS failed, as a rule because of the server's certificate, which is looked at to name it."""
    parts, url, pem = urlsplit(endpoint.base), endpoint.url, ""
    with suppress(LxdImageError):
        pem = server_certificate(parts.hostname or "", parts.port or 443)
    shown = pem_fingerprint(pem) if pem else ""
    pinned = pem_fingerprint(endpoint.pinned) if endpoint.pinned else ""
    if pinned and shown not in ("", pinned):
        return ServerUnreachableError(
            f"{url} shows another certificate than the pinned one: expected {pinned}, got {shown}",
            advice=(
                "somebody may be in between: compare with what 'lxc info' or 'incus info' says on the server",
                "if the server has a new one, pin that: enroll(…) with a trust token, or server_cert=",
            ),
        )
    failed = next((e for e in exception_chain(error) if isinstance(e, ssl.SSLCertVerificationError)), None)
    if not shown or shown == pinned or failed is None:
        own = client_certificate_dates(endpoint)
        reason = f"{without_request(error)}" + (f"; {own}" if own else "")
        return ServerUnreachableError(f"{url} refused the connection: {reason}")
    if failed.verify_code in _DATES:
        return ServerUnreachableError(
            f"{url} shows a certificate {_wrong_dates(pem, endpoint, failed.verify_code)}: {shown}",
            advice=(
                "set this machine's clock if it is wrong; if it is right, the server needs another certificate",
                f"or {_PIN}, whose dates do not matter",
            ),
        )
    if failed.verify_code in _NAMES:
        return ServerUnreachableError(
            f"{url} shows a certificate for {_names(pem)} and not for {parts.hostname}: {shown}",
            advice=("connect to a name that is in it", f"or {_PIN}, whose names do not matter"),
        )
    return ServerUnreachableError(
        f"{url} shows a certificate that no authority of this system vouches for: {shown}", advice=(_PIN,)
    )


def client_certificate_dates(endpoint: Endpoint) -> str:
    """What is wrong with the dates of the client's own certificate; empty when nothing is, or it cannot be read."""
    with suppress(OSError, ValueError):
        if endpoint.cert is not None:
            found = _dates(_certificates(Path(endpoint.cert[0]).read_bytes())[:1])
            return f"your client certificate {endpoint.cert[0]} {found}" if found else ""
    return ""


def _wrong_dates(pem: str, endpoint: Endpoint, code: int) -> str:
    """What is wrong with the dates of a server's certificate, or else of the authority that signed it."""
    with suppress(OSError, ValueError):
        shown = _certificates(pem.encode())[0]
        if found := _dates([shown]):
            return f"that {found}"
        known = _certificates(Path(endpoint.ca or DEFAULT_CA_BUNDLE_PATH).read_bytes())
        if found := _dates([one for one in known if one.subject == shown.issuer]):
            return f"of an authority whose own certificate {found}"
    how = "has expired" if code == _DATES[1] else "is not valid yet"
    return f"of an authority whose own certificate {how}; this machine's clock says {timestamp(datetime.now(UTC))}"


def _dates(certificates: list[Certificate]) -> str:
    """What is wrong with the dates of the first certificate that has expired or is not yet valid."""
    now = datetime.now(UTC)
    for one in certificates:
        clock = f", and this machine's clock says {timestamp(now)}"
        if one.not_valid_after_utc < now:
            return f"expired at {timestamp(one.not_valid_after_utc)}{clock}"
        if one.not_valid_before_utc > now:
            return f"is not valid before {timestamp(one.not_valid_before_utc)}{clock}"
    return ""


def _names(pem: str) -> str:
    """The names in a server's certificate, the first few."""
    from cryptography import x509

    with suppress(ValueError, x509.ExtensionNotFound):
        extensions = x509.load_pem_x509_certificate(pem.encode()).extensions
        names = [str(name.value) for name in extensions.get_extension_for_class(x509.SubjectAlternativeName).value]
        if names:
            return ", ".join(name[:80] for name in names[:5]) + (" …" if len(names) > 5 else "")
    return "no name"


def _certificates(pem: bytes) -> list[Certificate]:
    """The certificates in a PEM text.

    Raises:
        ValueError: there is none, or one is damaged.
    """
    from cryptography import x509

    return x509.load_pem_x509_certificates(pem)
