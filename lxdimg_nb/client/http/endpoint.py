"""The address of a server, and certificates in PEM."""

from __future__ import annotations

import hashlib
import os
import socket as socketlib
import ssl
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from lxdimg_nb.errors import InvalidRequestError, ServerUnreachableError
from lxdimg_nb.values.validation import expanded_path

__all__ = [
    "CONNECT_TIMEOUT",
    "Endpoint",
    "https_base",
    "pem_fingerprint",
    "read_pem",
    "server_certificate",
    "unix_socket",
]

CONNECT_TIMEOUT = 10.0
# A large send buffer wakes both sides up less often during an upload.
SEND_BUFFER_SIZE = 1024 * 1024
MAX_PEM = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The address of a server and the certificates that go with it.

    Attributes:
        base: https URL without a path; unused with a socket.
        socket: path of a unix socket; empty for https.
        cert: paths of the client's certificate and key.
        pinned: PEM text of the one server certificate to accept; empty lets authorities decide.
        ca: path of the authority to trust; empty for those of the system.
        bearer: token to log in with.
    """

    base: str
    socket: str = ""
    cert: tuple[str, str] | None = None
    pinned: str = field(default="", repr=False)
    ca: str = ""
    bearer: str = field(default="", repr=False)

    @property
    def url(self) -> str:
        """The address as people write it."""
        return f"unix://{self.socket}" if self.socket else self.base


def unix_socket(path: str) -> socketlib.socket:
    """Connect to a unix socket.

    Raises:
        OSError: nobody answers.
    """
    sock = socketlib.socket(socketlib.AF_UNIX, socketlib.SOCK_STREAM)
    try:
        sock.settimeout(CONNECT_TIMEOUT)
        sock.setsockopt(socketlib.SOL_SOCKET, socketlib.SO_SNDBUF, SEND_BUFFER_SIZE)
        sock.connect(path)
    except BaseException:
        sock.close()
        raise
    return sock


def pem_fingerprint(pem: str) -> str:
    """SHA-256 of the first certificate in a PEM text, 64 hexadecimal digits.

    Raises:
        InvalidRequestError: there is no certificate in it.
    """
    begin, end = pem.find("-----BEGIN CERTIFICATE-----"), pem.find("-----END CERTIFICATE-----")
    try:
        if begin < 0 or end < 0:
            raise ValueError("no PEM block")
        der = ssl.PEM_cert_to_DER_cert(pem[begin : end + len("-----END CERTIFICATE-----")])
    except ValueError as error:
        raise InvalidRequestError("the server certificate is no PEM certificate; give its file or text") from error
    return hashlib.sha256(der).hexdigest()


def read_pem(value: str | os.PathLike[str]) -> str:
    """A certificate in PEM, given as text or as the path of a file.

    Raises:
        InvalidRequestError: no such file, or there is no certificate in it.
    """
    text = value if isinstance(value, str) else ""
    if "-----BEGIN" not in text:
        path = expanded_path(value)
        try:
            # Not a pipe, which may wait for ever, or a device without end.
            if path.exists() and not path.is_file():
                raise InvalidRequestError(f"the certificate {path} is no file")
            with path.open("rb") as file:
                text = file.read(MAX_PEM).decode()
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidRequestError(f"cannot read the certificate {path}: {error}") from error
    pem_fingerprint(text)
    return text


def server_certificate(host: str, port: int) -> str:
    """The certificate of a server in PEM, not verified: to be compared with a known fingerprint.

    Raises:
        ServerUnreachableError: nobody answers, or does not speak TLS.
    """
    try:
        return ssl.get_server_certificate((host, port), timeout=CONNECT_TIMEOUT)
    except (OSError, ValueError) as error:
        raise ServerUnreachableError(f"no TLS server answers at {host}:{port}: {error}") from error


def https_base(address: str) -> str:
    """`https://host:port` of a server's https address, port 8443 when it names none; empty for anything else."""
    try:
        parts = urlsplit(address)
        port = parts.port or 8443
    except ValueError:
        return ""
    if parts.scheme != "https" or not parts.hostname or parts.username or parts.path not in ("", "/") or parts.query:
        return ""
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"https://{host}:{port}"
