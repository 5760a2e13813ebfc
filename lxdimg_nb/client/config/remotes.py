"""Remotes by name and by address."""

from __future__ import annotations

import difflib

from lxdimg_nb.client.config.client_config import Remote, client_configs
from lxdimg_nb.client.http.endpoint import https_base
from lxdimg_nb.errors import InvalidRequestError

__all__ = [
    "default_remotes",
    "find_remote",
    "find_remote_by_address",
    "local_project",
    "remotes",
    "remotes_by_name",
]


def remotes() -> list[Remote]:
    """Every remote of lxc, incus and `enroll`, including the built-in ones; sorted by name.

    Raises:
        InvalidRequestError: a configuration that cannot be read.
    """
    found = [remote for config in client_configs() for remote in config.remotes().values()]
    return sorted(found, key=lambda remote: (remote.name, remote.home != "lxdimg"))


def remotes_by_name() -> dict[str, Remote]:
    """Every remote by the shortest name that `find_remote` and `connect` take; `lxc:images` where two differ."""
    groups: dict[str, list[Remote]] = {}
    for remote in remotes():
        groups.setdefault(remote.name, []).append(remote)
    found: dict[str, Remote] = {}
    for name, group in groups.items():
        configured = _configured(group)
        first = configured[0]
        unique = len(group) == 1 or (not first.local and all(r.addresses == first.addresses for r in configured))
        if unique:
            found[name] = first
        found |= {r.full_name: r for r in group if not (unique and r.addresses == first.addresses)}
    return found


def find_remote(name: str) -> Remote:
    """The remote of that name, where a configured one beats a built-in one. `lxc:name` and `incus:name` are exact.

    Raises:
        InvalidRequestError: no such remote, or lxc and incus mean different servers by the name.
    """
    home, _, bare = name.rpartition(":")
    known = remotes()
    found = _configured([r for r in known if r.name == bare and home in ("", r.home, {"lxc": "lxd"}.get(r.home))])
    if not found:
        names = sorted({remote.name for remote in known})
        near = difflib.get_close_matches(bare, names, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        if name == "demo":
            hint = "did you mean connect(demo=True)? "
        raise InvalidRequestError(
            f"{name[:100]!r} is neither a socket's path, nor an https:// address, nor a remote; {hint}"
            f"the remotes are {', '.join(names)}"
        )
    if any(r.addresses != found[0].addresses for r in found):
        choices = " or ".join(f"{r.full_name!r} ({''.join(r.addresses[:1]) or 'no address'})" for r in found)
        raise InvalidRequestError(f"lxc and incus mean different servers by {bare!r}; say {choices}")
    return found[0]


def _configured(group: list[Remote]) -> list[Remote]:
    return [remote for remote in group if remote.folder] or group


def find_remote_by_address(address: str) -> Remote | None:
    """The private remote with that https address, whose certificates can be used; the latest enrolled first."""
    base = https_base(address)
    order = {"lxdimg": 0, "lxc": 1, "incus": 2}
    for remote in sorted(remotes(), key=lambda r: order[r.home]) if base else ():
        private = remote.protocol in ("lxd", "incus") and not remote.public
        if private and any(https_base(known) == base for known in remote.addresses):
            return remote
    return None


def default_remotes() -> list[Remote]:
    """The remotes that lxc and incus use when none is named, except the daemon of this machine."""
    found = [config.default() for config in client_configs() if config.default_variable]
    return [remote for remote in found if remote is not None and not remote.local]


def local_project(product: str) -> str:
    """The project that lxc or incus is switched to for the daemon of this machine; empty is its default."""
    config = next(config for config in client_configs() if config.name == {"lxd": "lxc"}.get(product, product))
    local = config.remotes().get("local")
    return local.project if local is not None else ""
