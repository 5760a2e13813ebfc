"""Certificates: the server's own, and those of the clients it trusts."""

from __future__ import annotations

import datetime
import hashlib
import ipaddress
import os
import sqlite3
import ssl
from collections.abc import Callable
from pathlib import Path

from .database import Store

__all__ = ["Identity", "find_trusted", "fingerprint_of", "trust"]


def fingerprint_of(der: bytes) -> str:
    """The SHA-256 of a certificate, by which servers know it."""
    return hashlib.sha256(der).hexdigest()


def trust(store: Store, der: bytes, *, name: str, restricted: bool = False, projects: list[str] | None = None) -> str:
    """Add a certificate to the trust store and return its fingerprint."""
    fingerprint = fingerprint_of(der)
    with store.transaction():
        store.delete("certificates", fingerprint=fingerprint)
        store.insert(
            "certificates",
            fingerprint=fingerprint,
            name=name,
            type="client",
            restricted=int(restricted),
            projects=projects or [],
            certificate=ssl.DER_cert_to_PEM_cert(der),
        )
    return fingerprint


def find_trusted(store: Store, der: bytes) -> sqlite3.Row | None:
    """The entry of a client certificate, or None for a stranger's."""
    return store.find("certificates", fingerprint=fingerprint_of(der))


class Identity:
    """The server's certificate and key, made in its folder on first use."""

    def __init__(self, folder: Path) -> None:
        self.certificate_file = folder / "server.crt"
        self.key_file = folder / "server.key"
        if not (self.certificate_file.exists() and self.key_file.exists()):
            self._make()
        self.certificate = self.certificate_file.read_text(encoding="ascii")
        self.fingerprint = fingerprint_of(ssl.PEM_cert_to_DER_cert(self.certificate))

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
        pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        _write_new(self.key_file, lambda: key.private_bytes(pem, form, serialization.NoEncryption()), 0o600)
        _write_new(self.certificate_file, lambda: certificate.public_bytes(pem), 0o644)


def _write_new(path: Path, content: Callable[[], bytes], mode: int) -> None:
    """Write a file in the place of an older one or of a link, with its mode from the first byte on.

    The content is made when it is written, so that no traceback shows a key.
    """
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode), "wb") as file:
        file.write(content())
