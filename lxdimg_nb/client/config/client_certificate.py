"""The client's own certificate and key, made and kept where lxc and incus keep theirs."""

from __future__ import annotations

import getpass
import os
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from lxdimg_nb.client.config.client_config import ClientConfig
from lxdimg_nb.client.config.config_writer import write_file
from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.text.secret import Secret

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

__all__ = ["ensure_key_pair"]


def ensure_key_pair(config: ClientConfig) -> tuple[str, str]:
    """Paths of the client's certificate and key there; made (EC P-384, ten years) when there are none.

    Raises:
        InvalidRequestError: the folder cannot be written, or holds a certificate without its key.
    """
    cert, key = config.folder / "client.crt", config.folder / "client.key"
    if cert.is_file() and key.is_file():
        return str(cert), str(key)
    if cert.exists():
        raise InvalidRequestError(f"{cert} is there without its key {key.name}; move it away, then enroll again")
    # A key without a certificate is what an interrupted first attempt leaves.
    if not key.exists():
        write_file(key, _new_key(), mode=0o600, replace=False)
    write_file(cert, _self_signed(key), mode=0o644, replace=False)
    return str(cert), str(key)


def _new_key() -> Secret:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    # The form that LXD and Incus write; their old versions read no other.
    form = serialization.PrivateFormat.TraditionalOpenSSL
    key = ec.generate_private_key(ec.SECP384R1())
    return Secret(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode())


def _self_signed(key: Path) -> str:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    try:
        private = serialization.load_pem_private_key(key.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise InvalidRequestError(f"{key} is no key that can be used; move it away, then enroll again") from error
    signer: EllipticCurvePrivateKey = private  # type: ignore[assignment]  # any kind signs
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "lxdimg_nb"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"{_user()}@{socket.gethostname()}"[:64]),
        ]
    )
    now = datetime.now(UTC).replace(microsecond=0)
    usage = x509.KeyUsage(True, False, True, False, False, False, False, False, False)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(signer.public_key())
        .serial_number(x509.random_serial_number())
        # Valid, too, for a server whose clock is behind.
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=3650))
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(signer, hashes.SHA384())
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.geteuid())
