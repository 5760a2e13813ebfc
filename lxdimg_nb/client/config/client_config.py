"""Remotes: the servers that lxc, incus and this package have names for. Only read here; `enroll` writes.

Source: lxc/config of LXD, shared/cliconfig of Incus, and the files that LXD 5.0.2 and Incus 6.0.4 write.
"""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lxdimg_nb.errors import InvalidRequestError, NotAllowedError
from lxdimg_nb.values import parse_time

__all__ = [
    "ClientConfig",
    "Remote",
    "built_in_remotes",
    "client_configs",
    "default_remotes",
    "find_remote",
    "find_remote_by_address",
    "local_project",
    "read_config",
    "remotes",
    "remotes_by_name",
]

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
        folder: where the configuration lies; empty for a remote that is built in.
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
        """`lxd` or `incus`: whose rules hold for what is not said."""
        if self.home == "lxdimg":
            return "incus" if self.protocol == "incus" else "lxd"
        return "incus" if self.home == "incus" else "lxd"

    @property
    def local(self) -> bool:
        """Whether it is the daemon of this machine, wherever that listens."""
        return self.addresses in (("unix://",), ("unix:",))

    def bearer(self) -> str:
        """The token of an earlier login by OIDC.

        Raises:
            NotAllowedError: there is none, or it is over.
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
        return token


@dataclass(frozen=True, slots=True)
class ClientConfig:
    """One program's configuration: its own folders, the first that has a file winning, and the machine's."""

    name: str
    folders: tuple[Path, ...]
    shared: tuple[Path, ...] = ()
    default_variable: str = ""
    project_variable: str = ""

    @property
    def folder(self) -> Path:
        """The folder to write to: the first with a configuration, else the first that is there, else the first."""
        for test in (lambda path: (path / "config.yml").is_file(), Path.is_dir):
            for path in self.folders:
                if test(path):
                    return path
        return self.folders[0]

    def remotes(self) -> dict[str, Remote]:
        """Every remote by its name: the user's, then the machine's, then those built in.

        Raises:
            InvalidRequestError: a configuration that cannot be read.
        """
        found: dict[str, Remote] = {}
        for folder in self.folders:
            for name, entry in _entries(folder):
                found.setdefault(name, self._remote(name, entry, folder, folder))
        for folder in self.shared:
            for name, entry in _entries(folder):
                found.setdefault(name, self._remote(name, entry, folder, self.folder))
        for name, entry in _BUILT_IN[self.name].items():
            found.setdefault(name, self._remote(name, entry, None, self.folder))
        return found

    def default(self) -> Remote | None:
        """The remote that the program works with when none is named.

        Raises:
            InvalidRequestError: it names a remote that is not there.
        """
        name = os.environ.get(self.default_variable, "") if self.default_variable else ""
        for folder in () if name else self.folders:
            chosen = read_config(folder).get("default-remote")
            if isinstance(chosen, str) and chosen:
                name = chosen
                break
        known = self.remotes()
        if name and name not in known:
            raise InvalidRequestError(f"the default remote of {self.name} is {name!r}, and there is no such remote")
        return known.get(name or "local")

    def _remote(self, name: str, entry: Mapping[str, Any], folder: Path | None, own: Path) -> Remote:
        written = entry.get("addr")
        parts = [a.strip() for a in written.split(",") if a.strip()] if isinstance(written, str) else []
        last = entry.get("last_working_address")
        parts.sort(key=lambda address: address != last)
        addresses = [_without_userinfo(address) for address in parts]
        protocol = _text(entry, "protocol") or ("incus" if self.name == "incus" else "lxd")
        public = entry.get("public") is True
        signed = protocol in ("lxd", "incus") and not public and not all(a.startswith("unix:") for a, _ in addresses)
        safe = "/" not in name and name not in ("", ".", "..")
        ca = own / "client.ca"
        return Remote(
            name=name,
            home=self.name,
            protocol=protocol,
            addresses=tuple(address for address, _ in addresses),
            public=public,
            project=os.environ.get(self.project_variable, "") or _text(entry, "project"),
            auth_type=_text(entry, "auth_type") or ("tls" if signed else ""),
            cert=self._pair(name, own, entry) if signed and safe else None,
            server_cert=_there((folder or own) / "servercerts" / f"{name}.crt") if safe else "",
            ca=_there(ca) if signed else "",
            folder=str(folder or ""),
            userinfo=next((userinfo for _, userinfo in addresses if userinfo), ""),
        )

    def _pair(self, name: str, own: Path, entry: Mapping[str, Any]) -> tuple[str, str] | None:
        pairs = [(own / "client.crt", own / "client.key")]
        if self.name == "incus":
            pairs.insert(0, (own / "clientcerts" / f"{name}.crt", own / "clientcerts" / f"{name}.key"))
        if self.name == "lxdimg" and _text(entry, "cert") and _text(entry, "key"):
            pairs.insert(0, (Path(_text(entry, "cert")), Path(_text(entry, "key"))))
        return next(((str(c), str(k)) for c, k in pairs if c.is_file() and k.is_file()), None)


def client_configs() -> tuple[ClientConfig, ...]:
    """The configurations on this machine: lxc's (also the snap's), incus', and what `enroll` keeps."""
    environment = os.environ
    user = Path("~").expanduser()
    config = user / ".config"
    base = Path(environment.get("XDG_CONFIG_HOME") or config)
    lxc = (config / "lxc", user / "snap/lxd/common/config")
    incus = tuple(dict.fromkeys((base / "incus", config / "incus")))
    snap = Path("/var/snap/lxd/common/global-conf")
    return (
        ClientConfig(
            "lxc",
            _chosen("LXD_CONF") or lxc,
            _chosen("LXD_GLOBAL_CONF") or (Path("/etc/lxd"), snap),
            "LXC_REMOTE",
        ),
        ClientConfig(
            "incus",
            _chosen("INCUS_CONF") or incus,
            _chosen("INCUS_GLOBAL_CONF") or (Path("/etc/incus"),),
            "INCUS_REMOTE",
            "INCUS_PROJECT",
        ),
        ClientConfig("lxdimg", _chosen("LXDIMG_CONF") or (base / "lxdimg_nb",)),
    )


def remotes() -> list[Remote]:
    """Every remote of lxc, of incus, and of `enroll`, those built in included; by name.

    Raises:
        InvalidRequestError: a configuration that cannot be read.
    """
    found = [remote for home in client_configs() for remote in home.remotes().values()]
    return sorted(found, key=lambda remote: (remote.name, remote.home != "lxdimg"))


def remotes_by_name() -> dict[str, Remote]:
    """Every remote by the shortest name that `find` and `connect` take for it, `lxc:images` where two differ."""
    groups: dict[str, list[Remote]] = {}
    for remote in remotes():
        groups.setdefault(remote.name, []).append(remote)
    found: dict[str, Remote] = {}
    for name, group in groups.items():
        written = [r for r in group if r.folder] or group
        clear = all(r.addresses == written[0].addresses for r in written) and not written[0].local
        if clear or len(group) == 1:
            found[name] = written[0]
        found |= {
            r.full_name: r for r in group if len(group) > 1 and not (clear and r.addresses == written[0].addresses)
        }
    return found


def find_remote(name: str) -> Remote:
    """The remote of that name. `lxc:name` and `incus:name` say whose; without, the user's own beat those built in.

    Raises:
        InvalidRequestError: no such remote, or lxc and incus mean different servers by it.
    """
    home, _, rest = name.rpartition(":")
    known = remotes()
    same = [r for r in known if r.name == rest and home in ("", r.home, {"lxc": "lxd"}.get(r.home))]
    if not same:
        raise _unknown(name, known)
    written = [r for r in same if r.folder] or same
    if any(r.addresses != written[0].addresses for r in written):
        choices = " or ".join(f"{r.full_name!r} ({_shown(r)})" for r in written)
        raise InvalidRequestError(f"lxc and incus mean different servers by {rest!r}; say {choices}")
    return written[0]


def find_remote_by_address(base: str) -> Remote | None:
    """The private remote with that https address, so that its certificates can be used; the latest enrolled first."""
    wanted = _normal(base)
    if wanted is None:
        return None
    order = {"lxdimg": 0, "lxc": 1, "incus": 2}
    for remote in sorted(remotes(), key=lambda r: order[r.home]):
        private = remote.protocol in ("lxd", "incus") and not remote.public
        if private and any(_normal(address) == wanted for address in remote.addresses):
            return remote
    return None


def default_remotes() -> list[Remote]:
    """What lxc and incus work with when no remote is named, where that is not this machine's daemon."""
    found = [home.default() for home in client_configs() if home.default_variable]
    return [remote for remote in found if remote is not None and not remote.local]


def local_project(product: str) -> str:
    """The project that lxc or incus was switched to for the daemon of this machine; empty is its default."""
    home = next(home for home in client_configs() if home.name == {"lxd": "lxc"}.get(product, product))
    local = home.remotes().get("local")
    return local.project if local is not None else ""


def _chosen(variable: str) -> tuple[Path, ...]:
    value = os.environ.get(variable, "")
    return (Path(value).expanduser(),) if value else ()


def built_in_remotes(home: ClientConfig) -> Mapping[str, Mapping[str, Any]]:
    """What a program knows without a configuration."""
    return _BUILT_IN[home.name]


def read_config(folder: Path) -> Mapping[str, Any]:
    """A folder's `config.yml`; empty when there is none.

    Raises:
        InvalidRequestError: it cannot be read.
    """
    path = folder / "config.yml"
    try:
        if not path.is_file():
            return {}
        if path.stat().st_size > MAX_CONFIG:
            raise InvalidRequestError(f"{path} is too large for a list of remotes")
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidRequestError(f"cannot read the remotes in {path}: {error}") from error
    import yaml

    try:
        loaded = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise InvalidRequestError(f"{path} is no proper YAML; lxc and incus cannot read it either") from error
    if loaded is not None and not isinstance(loaded, dict):
        raise InvalidRequestError(f"{path} is no list of remotes")
    return loaded or {}


def _entries(folder: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    found = read_config(folder).get("remotes")
    for name, entry in found.items() if isinstance(found, dict) else ():
        if isinstance(entry, dict):
            # YAML reads an unquoted number or "on" as something else than text.
            yield str(name), entry


def _text(entry: Mapping[str, Any], key: str) -> str:
    value = entry.get(key)
    return value if isinstance(value, str) else ""


def _there(path: Path) -> str:
    return str(path) if path.is_file() else ""


def _without_userinfo(address: str) -> tuple[str, str]:
    """The address to show, and the name and password that simplestreams addresses may carry."""
    scheme, mark, rest = address.partition("://")
    host, slash, path = rest.partition("/")
    userinfo, at, host = host.rpartition("@")
    return (f"{scheme}{mark}{host}{slash}{path}", userinfo) if mark and at else (address, "")


def _normal(address: str) -> tuple[str, int] | None:
    parts = urlsplit(address)
    try:
        return (parts.hostname or "", parts.port or 8443) if parts.scheme == "https" else None
    except ValueError:
        return None


def _shown(remote: Remote) -> str:
    return remote.addresses[0] if remote.addresses else "no address"


def _unknown(name: str, known: list[Remote]) -> InvalidRequestError:
    names = sorted({remote.name for remote in known})
    near = difflib.get_close_matches(name.rpartition(":")[2], names, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return InvalidRequestError(
        f"{name[:100]!r} is neither a socket's path, nor an https:// address, nor a remote; {hint}"
        f"the remotes are {', '.join(names)}"
    )
