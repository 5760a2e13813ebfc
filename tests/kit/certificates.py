"""Client certificates for tests, and servers' own."""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.kit import leak_scan
from tests.kit.servers import RunningServer


def pair(
    folder: Path,
    name: str = "client",
    *,
    until: timedelta = timedelta(days=1),
    since: timedelta = timedelta(days=-1),
    signer: tuple[Path, Path] | None = None,
    authority: bool = False,
    host: str = "localhost",
) -> tuple[Path, Path]:
    """A certificate and its key, as files `<name>.crt` and `<name>.key`.

    It is a client's, or that of a web server at localhost.

    Args:
        until: it expires so long from now.
        since: it is valid so long from now on.
        signer: the files of an authority that signs it; None is itself.
        authority: whether it may sign others.
        host: the name of the server, beside 127.0.0.1 if it is localhost.
    """
    key = ec.generate_private_key(ec.SECP384R1())
    subject = issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signing = key
    if signer is not None:
        issuer = x509.load_pem_x509_certificate(signer[0].read_bytes()).subject
        loaded = serialization.load_pem_private_key(signer[1].read_bytes(), password=None)
        assert isinstance(loaded, ec.EllipticCurvePrivateKey)
        signing = loaded
    names: list[x509.GeneralName] = [x509.DNSName(host)]
    if host == "localhost":
        names.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + since)
        .not_valid_after(now + until)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
    )
    if authority:
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    made = builder.sign(signing, hashes.SHA256())
    folder.mkdir(parents=True, exist_ok=True)
    cert, secret = folder / f"{name}.crt", folder / f"{name}.key"
    cert.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8
    pem = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    leak_scan.register_key(pem.decode())
    secret.unlink(missing_ok=True)
    secret.touch(mode=0o600)
    secret.write_bytes(pem)
    return cert, secret


def fingerprint(pem: str) -> str:
    """The SHA-256 of a certificate."""
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()


def of_server(url: str) -> str:
    """What a server shows at an address, as PEM."""
    parts = urlsplit(url)
    assert parts.hostname
    assert parts.port
    return ssl.get_server_certificate((parts.hostname, parts.port))


def trusted(server: RunningServer, folder: Path) -> tuple[Path, Path]:
    """A certificate that the server trusts."""
    cert, key = pair(folder, "trusted")
    der = ssl.PEM_cert_to_DER_cert(cert.read_text())
    document = {"type": "client", "name": "trusted", "certificate": base64.b64encode(der).decode()}
    reply = server.raw("POST", "/1.0/certificates", json=document)
    assert reply.status in (200, 201), reply.body
    return cert, key


def restricted(server: RunningServer, folder: Path, project: str) -> tuple[Path, Path]:
    """A certificate that the server trusts in one project and nowhere else."""
    cert, key = pair(folder, f"only-{project}")
    der = ssl.PEM_cert_to_DER_cert(cert.read_text())
    document = {
        "type": "client",
        "name": f"only-{project}",
        "certificate": base64.b64encode(der).decode(),
        "restricted": True,
        "projects": [project],
    }
    reply = server.raw("POST", "/1.0/certificates", json=document)
    assert reply.status in (200, 201), reply.body
    return cert, key
