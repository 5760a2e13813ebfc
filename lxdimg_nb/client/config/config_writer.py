"""Writing the configuration files of lxc, incus and `enroll`: remotes and certificates. Only `enroll` does.

Files appear whole or not at all.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lxdimg_nb.client.config.client_config import ClientConfig, read_config
from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.text.secret import Secret, inner_frames_hidden

__all__ = ["check_remote_name", "write_file", "write_remote", "write_server_certificate"]

_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")


def check_remote_name(name: str) -> None:
    """Raise unless a remote can have that name.

    Raises:
        InvalidRequestError: lxc and incus would not understand it, or it would lead to another folder.
    """
    if not _NAME.match(name) or ".." in name:
        raise InvalidRequestError(f"{name[:100]!r} cannot be a remote's name; use letters, digits, dots and dashes")


def write_server_certificate(config: ClientConfig, name: str, pem: str) -> Path:
    """Pin the certificate of a remote's server; returns its path."""
    path = config.folder / "servercerts" / f"{name}.crt"
    _make_folder(config.folder)
    write_file(path, pem, mode=0o644)
    return path


def write_remote(config: ClientConfig, name: str, entry: Mapping[str, Any]) -> None:
    """Add a remote to the configuration; everything else in it stays.

    Raises:
        InvalidRequestError: it cannot be read or written.
    """
    import yaml

    class Dumper(yaml.SafeDumper):
        """Writes a `Secret` as the text that it is."""

    Dumper.add_representer(Secret, lambda dumper, text: dumper.represent_str(str(text)))
    path = config.folder / "config.yml"
    content = dict(read_config(config.folder))
    known = content.get("remotes")
    if not isinstance(known, dict):
        # lxc and incus know their built-in remotes only as long as there is no file.
        content.setdefault("default-remote", "local" if config.default_variable else name)
        known = {k: dict(v) for k, v in config.built_in.items() if k in ("local", "images")}
    content["remotes"] = known | {name: dict(entry)}
    content.setdefault("aliases", {})
    mode = path.stat().st_mode & 0o777 if path.is_file() else 0o600
    with inner_frames_hidden():
        text = Secret(yaml.dump(content, Dumper=Dumper, sort_keys=False, allow_unicode=True))
    write_file(path, text, mode=mode)


def write_file(path: Path, text: str, *, mode: int, replace: bool = True) -> None:
    """Write a file under a temporary name, sync and rename it; without `replace` an existing one stays.

    A missing folder is made for the user alone. A key is given as a `Secret`.

    Raises:
        InvalidRequestError: it cannot be written.
    """
    _make_folder(path.parent)
    # A configuration that is a symbolic link stays one: its target is replaced.
    final = path.resolve() if replace else path
    temporary = final.with_name(f".{final.name}.{secrets.token_hex(6)}")
    try:
        fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            with open(fd, "wb") as file:
                file.write(text.encode())
                os.fchmod(file.fileno(), mode)
                file.flush()
                os.fsync(file.fileno())
            if replace:
                temporary.replace(final)
            else:
                os.link(temporary, final)
        finally:
            temporary.unlink(missing_ok=True)
    except FileExistsError:
        pass  # another process made it meanwhile
    except OSError as error:
        raise InvalidRequestError(f"cannot write {path}: {error.strerror}") from error


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidRequestError(f"cannot make the folder {path}: {error.strerror}") from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise InvalidRequestError(f"cannot write in {path}; it is not yours")
