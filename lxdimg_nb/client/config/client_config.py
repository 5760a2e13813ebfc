"""The configuration files of lxc, incus and `enroll`, read into remotes. `config_writer.py` writes them.

Source: lxc/config of LXD, shared/cliconfig of Incus, and the files that LXD 5.0.2 and Incus 6.0.4 write.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lxdimg_nb.errors import InvalidRequestError, NotAllowedError
from lxdimg_nb.text.secret import Secret, hide_address, hide_addresses, inner_frames_hidden
from lxdimg_nb.values import parse_time

__all__ = ["ClientConfig", "Remote", "client_configs", "read_config"]

MAX_CONFIG = 4 * 1024 * 1024
_LOCAL = {"addr": "unix://", "public": False}
_STREAMS = {"protocol": "simplestreams", "public": True}
_UBUNTU = "https://cloud-images.ubuntu.com"
_BUILT_IN: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "lxc": {
        "local": _LOCAL,
        "images": {"addr": "https://images.lxd.canonical.com", **_STREAMS},
        "ubuntu": {"addr": f"{_UBUNTU}/releases", **_STREAMS},
        "ubuntu-daily": {"addr": f"{_UBUNTU}/daily", **_STREAMS},
        "ubuntu-minimal": {"addr": f"{_UBUNTU}/minimal/releases", **_STREAMS},
        "ubuntu-minimal-daily": {"addr": f"{_UBUNTU}/minimal/daily", **_STREAMS},
    },
    "incus": {"local": _LOCAL, "images": {"addr": "https://images.linuxcontainers.org", **_STREAMS}},
    "lxdimg": {},
}


@dataclass(frozen=True, slots=True)
class Remote:
    """A name for a server, as a user's configuration has it.

    Attributes:
        name: as in `lxc remote list`.
        home: whose configuration: `lxc`, `incus`, or `lxdimg` for what `enroll` keeps on its own.
        protocol: `lxd`, `incus`, `simplestreams` or `oci`.
        addresses: `https://host:8443` or `unix://…`, the one that worked last first.
        public: asked as a stranger, without a client certificate.
        project: the remote's own project; empty is `default`.
        auth_type: `tls` or `oidc`; empty for public ones.
        cert: paths of the client's certificate and key; None when there is none.
        server_cert: path of the pinned server certificate; empty when authorities decide.
        ca: path of the authority of a closed setup; empty when there is none.
        folder: the folder of the configuration; empty for a built-in remote.
    """

    name: str
    home: str
    protocol: str
    addresses: tuple[str, ...]
    public: bool = False
    project: str = ""
    auth_type: str = ""
    cert: tuple[str, str] | None = None
    server_cert: str = ""
    ca: str = ""
    folder: str = ""
    userinfo: str = field(default="", repr=False)

    @property
    def full_name(self) -> str:
        """The name that is never ambiguous: `lxc:images`, `incus:images`."""
        return f"{self.home}:{self.name}"

    @property
    def product(self) -> str:
        """`lxd` or `incus`: whose rules apply where the configuration says nothing."""
        return "incus" if "incus" in (self.home, self.protocol if self.home == "lxdimg" else "") else "lxd"

    @property
    def local(self) -> bool:
        """Whether it is the daemon of this machine, wherever its socket is."""
        return self.addresses in (("unix://",), ("unix:",))

    def bearer(self) -> Secret:
        """The token of an earlier login by OIDC.

        Raises:
            NotAllowedError: there is none, or it has expired.
        """
        program = "incus" if self.product == "incus" else "lxc"
        path = Path(self.folder) / "oidctokens" / f"{self.name}.json"
        try:
            stored = json.loads(path.read_text())
            token = stored["access_token"]
            expiry = parse_time(stored.get("expiry"))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            token, expiry = "", None
        if not isinstance(token, str) or not token or (expiry is not None and expiry < datetime.now(UTC)):
            raise NotAllowedError(
                f"the remote {self.name} wants a login by OIDC; run '{program} info {self.name}:' once, then connect"
            )
        return Secret(token)


@dataclass(frozen=True, slots=True)
class ClientConfig:
    """The configuration of one program.

    Attributes:
        name: `lxc`, `incus` or `lxdimg`.
        folders: the user's; the first that has a remote wins.
        shared: the machine's.
        default_variable: environment variable with the default remote; empty when there is none.
        project_variable: environment variable with the project.
    """

    name: str
    folders: tuple[Path, ...]
    shared: tuple[Path, ...] = ()
    default_variable: str = ""
    project_variable: str = ""

    @property
    def folder(self) -> Path:
        """The folder to write to: the first with a configuration, else the first that exists, else the first."""
        configured = (path for path in self.folders if os.path.isfile(path / "config.yml"))
        return next(configured, next(filter(os.path.isdir, self.folders), self.folders[0]))

    @property
    def built_in(self) -> Mapping[str, Mapping[str, Any]]:
        """The remotes that the program knows without a configuration."""
        return _BUILT_IN[self.name]

    def remotes(self) -> dict[str, Remote]:
        """Every remote by its name: the user's, then the machine's, then the built-in ones.

        Raises:
            InvalidRequestError: a configuration that cannot be read.
        """
        found: dict[str, Remote] = {}
        for folder in (*self.folders, *self.shared):
            entries = read_config(folder).get("remotes")
            for name, entry in entries.items() if isinstance(entries, dict) else ():
                if not isinstance(entry, dict):
                    continue
                own = folder if folder in self.folders else self.folder
                # YAML reads an unquoted number or "on" as something else than text.
                found.setdefault(str(name), self._remote(str(name), entry, folder, own))
        for name, known in self.built_in.items():
            found.setdefault(name, self._remote(name, known, None, self.folder))
        return found

    def default(self) -> Remote | None:
        """The remote that the program uses when none is named.

        Raises:
            InvalidRequestError: it names a remote that does not exist.
        """
        variable = os.environ.get(self.default_variable, "") if self.default_variable else ""
        written = (read_config(folder).get("default-remote") for folder in self.folders)
        name = variable or next((str(text) for text in written if isinstance(text, str) and text), "")
        known = self.remotes()
        if name and name not in known:
            raise InvalidRequestError(f"the default remote of {self.name} is {name!r}, and there is no such remote")
        return known.get(name or "local")

    def _remote(self, name: str, entry: Mapping[str, Any], folder: Path | None, own: Path) -> Remote:
        written = [hide_address(part) for part in _text(entry, "addr").split(",")]
        last = entry.get("last_working_address")
        parts = sorted((hide_address(part.strip()) for part in written if part.strip()), key=lambda part: part != last)
        addresses = [_split_userinfo(address) for address in parts]
        protocol = _text(entry, "protocol") or ("incus" if self.name == "incus" else "lxd")
        public = entry.get("public") is True
        signed = protocol in ("lxd", "incus") and not public and not all(a.startswith("unix:") for a, _ in addresses)
        safe = "/" not in name and name not in ("", ".", "..")
        return Remote(
            name=name,
            home=self.name,
            protocol=protocol,
            addresses=tuple(address for address, _ in addresses),
            public=public,
            project=os.environ.get(self.project_variable, "") or _text(entry, "project"),
            auth_type=_text(entry, "auth_type") or ("tls" if signed else ""),
            cert=self._key_pair(name, own, entry) if signed and safe else None,
            server_cert=_existing((folder or own) / "servercerts" / f"{name}.crt") if safe else "",
            ca=_existing(own / "client.ca") if signed else "",
            folder=str(folder or ""),
            userinfo=next((userinfo for _, userinfo in addresses if userinfo), Secret("")),
        )

    def _key_pair(self, name: str, own: Path, entry: Mapping[str, Any]) -> tuple[str, str] | None:
        pairs = [(own / "client.crt", own / "client.key")]
        if self.name == "incus":
            pairs.insert(0, (own / "clientcerts" / f"{name}.crt", own / "clientcerts" / f"{name}.key"))
        if self.name == "lxdimg" and _text(entry, "cert") and _text(entry, "key"):
            pairs.insert(0, (Path(_text(entry, "cert")), Path(_text(entry, "key"))))
        return next(((str(c), str(k)) for c, k in pairs if os.path.isfile(c) and os.path.isfile(k)), None)


def client_configs() -> tuple[ClientConfig, ...]:
    """The configurations on this machine: of lxc (also as a snap), of incus, and what `enroll` keeps."""
    home = Path(os.path.expanduser("~"))
    if not home.is_absolute():
        home = Path("/nonexistent")  # a user without a home, as the number without a name of a container
    config = home / ".config"
    base = Path(os.environ.get("XDG_CONFIG_HOME") or config)
    snap = home / "snap/lxd/common/config"
    global_snap = Path("/var/snap/lxd/common/global-conf")
    return (
        ClientConfig(
            "lxc",
            _from_environment("LXD_CONF") or (config / "lxc", snap),
            _from_environment("LXD_GLOBAL_CONF") or (Path("/etc/lxd"), global_snap),
            "LXC_REMOTE",
        ),
        ClientConfig(
            "incus",
            _from_environment("INCUS_CONF") or tuple(dict.fromkeys((base / "incus", config / "incus"))),
            _from_environment("INCUS_GLOBAL_CONF") or (Path("/etc/incus"),),
            "INCUS_REMOTE",
            "INCUS_PROJECT",
        ),
        ClientConfig("lxdimg", _from_environment("LXDIMG_CONF") or (base / "lxdimg_nb",)),
    )


def _from_environment(variable: str) -> tuple[Path, ...]:
    value = os.environ.get(variable, "")
    return (Path(os.path.expanduser(value)),) if value else ()


def read_config(folder: Path) -> Mapping[str, Any]:
    """The `config.yml` of a folder; empty when there is none. Addresses with a password are a `Secret`.

    Raises:
        InvalidRequestError: it cannot be read.
    """
    path = folder / "config.yml"
    try:
        if not path.is_file():
            return {}
        if path.stat().st_size > MAX_CONFIG:
            raise InvalidRequestError(f"{path} is too large for a list of remotes")
        loaded = _load_yaml(path)
    except OSError as error:
        raise InvalidRequestError(f"cannot read the remotes in {path}: {error}") from error
    if isinstance(loaded, str):
        raise InvalidRequestError(f"{path} {loaded}")
    return loaded


def _load_yaml(path: Path) -> Mapping[str, Any] | str:
    """The content of a file, or what is wrong. Errors of yaml quote the file, whose addresses may hold passwords."""
    import yaml

    with inner_frames_hidden():
        try:
            loaded = hide_addresses(yaml.safe_load(path.read_bytes()))
        except (yaml.YAMLError, RecursionError, ValueError):
            return "is no proper YAML; lxc and incus cannot read it either"
    return loaded or {} if loaded is None or isinstance(loaded, dict) else "is no list of remotes"


def _text(entry: Mapping[str, Any], key: str) -> str:
    value = entry.get(key)
    return value if isinstance(value, str) else ""


def _existing(path: Path) -> str:
    return str(path) if os.path.isfile(path) else ""


def _split_userinfo(address: str) -> tuple[str, Secret]:
    """The address without, and the name and password that the address of a simplestreams server may hold."""
    userinfo = Secret(address.partition("://")[2].partition("/")[0].rpartition("@")[0])
    return (address.replace(f"{userinfo}@", "", 1), userinfo) if userinfo else (address, userinfo)
