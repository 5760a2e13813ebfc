"""The client's own certificate, and the remotes it is trusted by: kept in the files that lxc and incus keep them in.

Written only when `enroll` is asked to; files appear whole or not at all, the key readable by the user alone.
"""

from __future__ import annotations

import getpass
import os
import re
import secrets
import socket
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lxdimg_nb.client.config.remotes import ClientConfig, built_in_remotes, read_config
from lxdimg_nb.errors import InvalidRequestError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

__all__ = ["check_remote_name", "ensure_key_pair", "write_remote", "write_server_certificate"]

_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")


def check_remote_name(name: str) -> str:
    """The name, when a remote can have it.

    Raises:
        InvalidRequestError: lxc and incus would not understand it, or it would lead to another folder.
    """
    if not _NAME.match(name) or ".." in name:
        raise InvalidRequestError(f"{name[:100]!r} cannot be a remote's name; use letters, digits, dots and dashes")
    return name


def ensure_key_pair(home: ClientConfig) -> tuple[str, str]:
    """Paths of the client's certificate and key there; made (EC P-384, ten years) when there are none.

    Raises:
        InvalidRequestError: the folder cannot be written, or holds a certificate without its key.
    """
    cert, key = home.folder / "client.crt", home.folder / "client.key"
    if cert.is_file() and key.is_file():
        return str(cert), str(key)
    if cert.exists():
        raise InvalidRequestError(f"{cert} is there without its key {key.name}; move it away, then enroll again")
    folder(home.folder)
    if not key.exists():
        _write(key, _new_key(), mode=0o600, replace=False)
    # A key without a certificate is what an interrupted first time leaves.
    _write(cert, _self_signed(key), mode=0o644, replace=False)
    return str(cert), str(key)


def write_server_certificate(home: ClientConfig, name: str, pem: str) -> Path:
    """Keep a server's certificate as the one to accept under that name; returns its path."""
    path = home.folder / "servercerts" / f"{name}.crt"
    folder(home.folder)
    folder(path.parent)
    _write(path, pem.encode(), mode=0o644)
    return path


def write_remote(home: ClientConfig, name: str, entry: Mapping[str, Any]) -> None:
    """Add a remote to the configuration; everything else in it stays.

    Raises:
        InvalidRequestError: it cannot be read or written.
    """
    import yaml

    path = home.folder / "config.yml"
    config = dict(read_config(home.folder))
    known = config.get("remotes")
    if not isinstance(known, dict):
        # lxc and incus know what is built in only as long as there is no file.
        config.setdefault("default-remote", "local" if home.default_variable else name)
        known = {k: dict(v) for k, v in built_in_remotes(home).items() if k in ("local", "images")}
    config["remotes"] = known | {name: dict(entry)}
    config.setdefault("aliases", {})
    folder(home.folder)
    mode = path.stat().st_mode & 0o777 if path.is_file() else 0o600
    _write(path, yaml.safe_dump(config, sort_keys=False, allow_unicode=True).encode(), mode=mode)


def folder(path: Path) -> None:
    """Make a folder that only the user can enter, unless it is there.

    Raises:
        InvalidRequestError: it cannot be made or written.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidRequestError(f"cannot make the folder {path}: {error.strerror}") from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise InvalidRequestError(f"cannot write in {path}; it is not yours")


def _write(path: Path, content: bytes, *, mode: int, replace: bool = True) -> None:
    """A file that appears whole, durably, under its name; without `replace` an existing one wins."""
    # A configuration that is a link stays one: its target is replaced.
    place = path.resolve() if replace else path
    temporary = place.with_name(f".{place.name}.{secrets.token_hex(6)}")
    try:
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            with open(fd, "wb") as file:
                file.write(content)
                os.fchmod(file.fileno(), mode)
                file.flush()
                os.fsync(file.fileno())
            if replace:
                temporary.replace(place)
            else:
                os.link(temporary, place)
        finally:
            temporary.unlink(missing_ok=True)
    except FileExistsError:
        pass  # another process made it meanwhile
    except OSError as error:
        raise InvalidRequestError(f"cannot write {path}: {error.strerror}") from error


def _new_key() -> bytes:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP384R1()).private_bytes(
        # The form that LXD and Incus write; their old versions read no other.
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )


def _self_signed(key: Path) -> bytes:
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
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(signer.public_key())
        .serial_number(x509.random_serial_number())
        # A server whose clock is behind must not find it too young.
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=3650))
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(signer, hashes.SHA384())
    )
    return made.public_bytes(serialization.Encoding.PEM)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.geteuid())
