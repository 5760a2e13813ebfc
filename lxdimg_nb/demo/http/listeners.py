"""The demo server's own certificate, and a TLS listener that lets strangers show theirs.

LXD accepts any client certificate and decides by its fingerprint afterwards. Python's `ssl` can only verify
one or not ask for it; so each certificate a client presents is taken up as an authority of its own while
the handshake reads it, which makes every self-signed one verify. Trust is decided later, by fingerprint.

Source: RFC 8446 4.4.2 and RFC 5246 7.4.6 for the Certificate message.
"""

from __future__ import annotations

import datetime
import hashlib
import ipaddress
import os
import ssl
from pathlib import Path
from typing import Any

__all__ = ["Identity", "fingerprint_of", "pem_of"]

_HANDSHAKE = 22
_CERTIFICATE = 11


def fingerprint_of(der: bytes) -> str:
    """The SHA-256 of a certificate, by which servers know it."""
    return hashlib.sha256(der).hexdigest()


def pem_of(der: bytes) -> str:
    """A certificate as PEM."""
    return ssl.DER_cert_to_PEM_cert(der)


class Identity:
    """The certificate and key in the server's folder, made on first use."""

    def __init__(self, folder: Path) -> None:
        self._certificate = folder / "server.crt"
        self._key = folder / "server.key"
        if not (self._certificate.exists() and self._key.exists()):
            self._make()
        self.certificate = self._certificate.read_text(encoding="ascii")
        self.der = ssl.PEM_cert_to_DER_cert(self.certificate)
        self.fingerprint = fingerprint_of(self.der)

    def _make(self) -> None:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.x509.oid import ExtendedKeyUsageOID

        key = ec.generate_private_key(ec.SECP384R1())
        name = x509.Name(
            [
                x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "lxdimg_nb demo server"),
                x509.NameAttribute(x509.NameOID.COMMON_NAME, "demo@localhost"),
            ]
        )
        now = datetime.datetime.now(datetime.UTC)
        hosts: list[x509.GeneralName] = [x509.DNSName("localhost")]
        hosts += [x509.IPAddress(ipaddress.ip_address(text)) for text in ("127.0.0.1", "::1")]
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=3650))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName(hosts), critical=False)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .sign(key, hashes.SHA384())
        )
        secret = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        with open(os.open(self._key, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(secret)
        self._certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def context(self) -> ssl.SSLContext:
        """The settings of a listener that asks for a client certificate and takes any."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self._certificate, self._key)
        context.verify_mode = ssl.CERT_OPTIONAL
        context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN

        def take_up(connection: Any, direction: str, _version: Any, content: Any, message: Any, data: bytes) -> None:
            if direction == "read" and content == _HANDSHAKE and message == _CERTIFICATE:
                newer = getattr(connection, "version", str)() != "TLSv1.2"
                for der in _certificates(data, newer=newer):
                    try:
                        context.load_verify_locations(cadata=der)
                    except ssl.SSLError:
                        # No certificate: the handshake itself refuses it in a moment.
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
