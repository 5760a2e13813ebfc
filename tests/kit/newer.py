"""Newer servers: versions that the demo server speaks, and real daemons of newer Debian suites, run from a folder.

The daemons are downloaded with an apt state of their own and unpacked, never installed, and only in a long run as root.
They ask for a newer C library than this system may have, so they are made to start with the one unpacked beside them.
Source: tried with Debian bookworm, patchelf 0.14.3 (0.18 makes daemons that crash).
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.kit import counts, servers
from tests.kit.daemons import Kind
from tests.kit.servers import RunningServer

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
LIBRARIES = "usr/lib/x86_64-linux-gnu"
_COMMON = (
    *("libc6", "libsqlite3-0", "libuv1t64", "libcap2", "libacl1", "libseccomp2", "libselinux1", "libapparmor1"),
    *("libudev1", "liblz4-1", "liblxc1t64", "libraft0", "libpcre2-8-0"),
)


class UnavailableError(Exception):
    """It cannot be had here; the text says why, in words that follow "because"."""


@dataclass(frozen=True)
class Build:
    """A daemon as a Debian suite has it.

    Attributes:
        speaks: what the demo server calls the version.
        suite: where its packages come from; libraries that are not there come from `base`.
        programs: what is made to start, the daemon first.
    """

    speaks: str
    kind: Kind
    suite: str
    base: str
    packages: tuple[str, ...]
    programs: tuple[str, ...]


_INCUS = ("incus-base", "incus-client", "libcowsql0"), ("usr/libexec/incus/incusd", "usr/bin/incus")
BUILDS = {
    "lxd-trixie": Build(
        "lxd-trixie", "lxd", "trixie", "trixie", ("lxd", "lxd-client", "libdqlite0"), ("usr/bin/lxd", "usr/bin/lxc")
    ),
    "incus-sid": Build("incus-7.0.2", "incus", "sid", "sid", *_INCUS),
    "incus-experimental": Build("incus-7.5", "incus", "experimental", "sid", *_INCUS),
}

# One of each dialect that a client can tell from its neighbours.
VERSIONS = (
    *("lxd-trixie", "lxd-5.21", "lxd-6.1", "lxd-6.5", "lxd-6.9"),
    *("incus-6.0.6", "incus-6.11", "incus-7.0", "incus-7.2", "incus-7.5"),
)


def speaks(server: RunningServer, name: str) -> bool:
    """Whether a fact of the demo server's table is true of a demo server; of a real one, no."""
    from lxdimg_nb.demo.versions.facts import FACTS

    return server.demo is not None and bool(server.demo._flavour.does(FACTS[name]))


def names() -> list[str]:
    """The servers beside the three that every run has: all of them in a long run, else none."""
    if not counts.long_run():
        return []
    return [*(f"demo-{version}" for version in VERSIONS), *(f"real-{build}" for build in builds())]


def builds() -> list[str]:
    """The names of the real daemons of a long run; else none."""
    return list(BUILDS) if counts.long_run() else []


def running() -> Iterator[Callable[[str], RunningServer]]:
    """A function that starts the server of a name, once; all are stopped at the end."""
    started: dict[str, RunningServer] = {}

    def server(name: str) -> RunningServer:
        if name not in started:
            kind, _, which = name.partition("-")
            if kind == "real":
                unpacked(which)
            folder = Path(tempfile.mkdtemp(prefix="lxi-newer-", dir="/tmp"))
            if kind == "demo":
                started[name] = servers.start_demo(folder, which)
            else:
                started[name] = start(which, folder)
        return started[name]

    try:
        yield server
    finally:
        for one in started.values():
            one.remove()


def start(name: str, folder: Path) -> RunningServer:
    """Start a real daemon of `BUILDS`.

    Raises:
        UnavailableError: it cannot be had here.
    """
    build = BUILDS[name]
    program = unpacked(name) / build.programs[0]
    return servers.start_program(build.kind, folder, program)


def unpacked(name: str) -> Path:
    """The folder in which a build is unpacked; downloaded where it is not there yet.

    Raises:
        UnavailableError: not root, no apt, no network, or the suite no longer has it.
    """
    if os.geteuid() != 0:
        raise UnavailableError("a private daemon needs root")
    if not Path(KEYRING).exists() or shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise UnavailableError("newer daemons come from Debian, and this is none")
    if os.uname().machine != "x86_64":
        raise UnavailableError("newer daemons are unpacked for x86_64 only")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lxdimg-tests"
    root = cache / name
    if not root.exists():
        with tempfile.TemporaryDirectory(dir=_made(cache), prefix="new-") as made:
            _unpack(BUILDS[name], Path(made), root)
    return root


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _unpack(build: Build, work: Path, root: Path) -> None:
    """Download, unpack, make startable, and move into place as the last step."""
    apt = _apt(build, work)
    # The daemon is the suite's own; its libraries come from the base where the suite has none.
    own = [f"{name}/{build.suite}" if name.startswith(build.kind) else name for name in build.packages]
    # A patchelf that does what it should: bookworm's, which also runs where the C library is old.
    debs = _made(work / "debs")
    done = subprocess.run(
        [*apt, "download", *own, *_COMMON, "patchelf/bookworm"], cwd=debs, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise UnavailableError(f"Debian {build.suite} cannot be fetched here: {_last_line(done.stderr)}")
    made = _made(work / "root")
    for deb in sorted(debs.iterdir()):
        target = _made(work / "tools") if deb.name.startswith("patchelf") else made
        subprocess.run(["dpkg-deb", "-x", deb, target], check=True)
    loader = root / LIBRARIES / "ld-linux-x86-64.so.2"
    for program in build.programs:
        options = ["--set-interpreter", loader, "--force-rpath", "--set-rpath", root / LIBRARIES]
        done = subprocess.run([work / "tools/usr/bin/patchelf", *options, made / program], check=False)
        if done.returncode != 0:
            raise UnavailableError(f"patchelf does not work here on {program}")
    made.replace(root)


def _mirror() -> str:
    """The mirror of Debian that apt uses here."""
    release = platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    only = ["Created-By: Packages", f"Codename: {release}"]
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI)", *only]
    found = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
    if not found:
        raise UnavailableError("apt names no mirror of Debian")
    return found[0].rstrip("/")


def _apt(build: Build, work: Path) -> list[str]:
    """An apt-get with lists, a status and a cache of its own, filled with the lists of the suites."""
    for folder in ("lists/partial", "cache/archives/partial", "state"):
        _made(work / folder)
    (work / "state/status").touch()
    suites = dict.fromkeys((build.suite, build.base, "bookworm"))
    mirror = _mirror()
    lines = [f"deb [signed-by={KEYRING}] {mirror} {suite} main" for suite in suites]
    if build.suite == "trixie":
        security = mirror.replace("/debian", "/debian-security")
        lines.append(f"deb [signed-by={KEYRING}] {mirror} trixie-updates main")
        lines.append(f"deb [signed-by={KEYRING}] {security} trixie-security main")
    (work / "sources.list").write_text("\n".join(lines) + "\n")
    settings = {
        "Dir::State::lists": work / "lists",
        "Dir::State::status": work / "state/status",
        "Dir::Cache": work / "cache",
        "Dir::Etc::sourcelist": work / "sources.list",
        "Dir::Etc::sourceparts": "/dev/null",
        "Acquire::Languages": "none",
        "Acquire::Retries": "1",
        "APT::Sandbox::User": "root",
    }
    apt = ["apt-get", "-q", *(part for key, value in settings.items() for part in ("-o", f"{key}={value}"))]
    done = subprocess.run([*apt, "update", "--error-on=any"], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise UnavailableError(f"Debian's archive does not answer: {_last_line(done.stderr)}")
    return apt


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ["no reason given"])[-1]
