"""A scan of everything that the tests wrote for the secrets that they used; at the end of each worker's session.

Tokens, keys and whatever the package makes a `Secret` are registered as they are made, also in kernels. A key is in its
own file, 0600; what a test itself hands over to a kernel lies in a folder `vault`.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Generator, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lxdimg_nb.text.secret import Secret

__all__ = ["LeakScan", "Scan", "register", "register_key", "watch"]

REGISTRY = "LXDIMG_TESTS_SECRETS"
"""The environment variable with the file that kernels write the secrets to that they make."""
VAULT = "vault"
# Larger files are images.
MAX_SIZE = 2 << 20
MAX_PARQUET = 128 << 10
BATCH = 2000
_RANDOM = re.compile(r"[A-Za-z0-9+/=_-]{32,}")
_TELLING = r"-----BEGIN [A-Z ]*PRIVATE KEY-----|[?&]secret=[0-9a-f]{16}"
_LINE = re.compile(r"[A-Za-z0-9+/=]{40,}")

_known: set[str] = set()
roots: list[Path] = []
"""Folders that are scanned at the end, beside the tests' temporary ones."""


def register(*texts: str) -> None:
    """Remember secrets that must not be found in any file."""
    _known.update(texts)


def register_key(pem: str) -> None:
    """Remember a private key in PEM."""
    register(*_key_lines(pem))


def _looks_random(text: str) -> bool:
    """Whether a text is found where the secret was written only: rows of one letter stand in many files."""
    return _RANDOM.fullmatch(text) is not None and len(set(text)) > 5


def _key_lines(text: str) -> list[str]:
    # Further lines hold the public key, which is in the certificate, too.
    return [line for line in text.splitlines()[1:] if _LINE.fullmatch(line)][:2] if "PRIVATE KEY" in text else []


def watch(file: str = "") -> None:
    """Register from now on whatever this process makes a `Secret` that looks random.

    Args:
        file: where a kernel writes it for the tests to read; empty in the tests themselves.
    """
    made = Secret.__new__

    def make(cls: type[Secret], text: object = "") -> Secret:
        secret = made(cls, text)  # type: ignore[arg-type]
        new = [str(secret)] if _looks_random(secret) else _key_lines(secret)
        if file and new:
            fd = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
            os.write(fd, "".join(f"{line}\n" for line in new).encode())
            os.close(fd)
        register(*new)
        return secret

    Secret.__new__ = make  # type: ignore[method-assign, assignment]


def startup(ipython_folder: Path) -> None:
    """Have the kernels of an IPython folder register their secrets."""
    file = os.environ.get(REGISTRY)
    if file:
        folder = ipython_folder / "profile_default" / "startup"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "watch.py").write_text(f"__import__('tests.kit.leak_scan', fromlist=['kit']).watch({file!r})\n")


def known() -> set[str]:
    """All registered secrets, those of kernels, too."""
    file = os.environ.get(REGISTRY, "")
    with suppress(OSError):
        register(*Path(file).read_text().split())
    return _known


@dataclass
class Scan:
    """What was scanned, and where something was found."""

    files: int = 0
    found: list[str] = field(default_factory=list)

    def text(self, where: str, text: str) -> None:
        """Look at what a test printed or logged."""
        self.files += 1
        if re.search(_TELLING, text) or any(secret in text for secret in _known):
            self.found.append(f"{where} shows a secret")

    def folders(self, *roots: Path) -> None:
        """Look at all files below folders, once with fixed strings and once for what every secret looks like."""
        paths = [path for root in roots for path in _files(root)]
        self.files += len(paths)
        secrets = "\n".join(sorted(known()))
        hits: set[str] = set()
        for begin in range(0, len(paths), BATCH):
            batch = paths[begin : begin + BATCH]
            hits |= _grep(["-F", "-f", "-"], batch, secrets) if secrets else set()
            hits |= _grep(["-E", "-e", _TELLING], batch)
        hits |= {path for path in paths if path.endswith(".parquet") and _in_parquet(path)}
        self.found += [f"{path}: {why}" for path in sorted(hits) if (why := _wrong(Path(path)))]


def _wrong(path: Path) -> str:
    """Why a secret must not be in a file; empty for a key in its own file, or what a test hands over."""
    if VAULT in path.parts:
        return ""
    if path.suffix != ".key":
        return "holds a secret"
    with suppress(OSError):
        mode = stat.S_IMODE(path.stat().st_mode)
        return "" if mode == 0o600 else f"a key that others may read ({mode:o})"
    return ""


def _files(root: Path) -> Iterator[str]:
    for folder, _, names in os.walk(root):
        for name in names:
            path = os.path.join(folder, name)
            with suppress(OSError):
                status = os.lstat(path)
                if stat.S_ISREG(status.st_mode) and 0 < status.st_size <= MAX_SIZE:
                    yield path


def _grep(arguments: list[str], paths: Iterable[str], given: str = "") -> set[str]:
    command = ["grep", "--files-with-matches", "--null", "--text", "--no-messages", *arguments, "--", *paths]
    done = subprocess.run(command, input=given.encode(), capture_output=True, check=False, env={"LC_ALL": "C"})
    return {os.fsdecode(path) for path in done.stdout.split(b"\0") if path}


def _in_parquet(path: str) -> bool:
    """Whether a secret is in a History file, whose columns are compressed."""
    import pyarrow.parquet as pq

    try:
        if os.path.getsize(path) > MAX_PARQUET:
            return False
        text = str(pq.read_table(path).to_pydict())
    except Exception:  # noqa: BLE001 - damaged on purpose
        return False
    return any(secret in text for secret in _known) or re.search(_TELLING, text) is not None


class LeakScan:
    """A plugin of pytest: what each process wrote and printed is scanned at its end, and a finding fails the run."""

    def __init__(self, config: pytest.Config) -> None:
        self.scan = Scan()
        self._config = config
        self._folder = tempfile.mkdtemp(prefix="lxdimg-secrets-")
        config.add_cleanup(lambda: shutil.rmtree(self._folder, ignore_errors=True))
        os.environ[REGISTRY] = f"{self._folder}/made"
        watch()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Look at what a test printed and logged."""
        report = yield
        for name, text in report.sections:
            self.scan.text(f"{report.nodeid} ({name})", text)
        return report

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Look at the files; a worker sends what it found to the main process."""
        worker = hasattr(self._config, "workerinput")
        if worker or not getattr(self._config.option, "numprocesses", None):
            made = getattr(self._config, "_tmp_path_factory", None)
            base = [made.getbasetemp()] if made is not None and made._basetemp is not None else []
            self.scan.folders(*base, *roots, *Path(tempfile.gettempdir()).glob("lxdimg-spool-*"))
        if worker:
            self._config.workeroutput["leaks"] = [self.scan.files, self.scan.found]  # type: ignore[attr-defined]
        elif self.scan.found:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Add what a worker found."""
        files, found = getattr(node, "workeroutput", {}).get("leaks", (0, []))
        self.scan.files += files
        self.scan.found += found

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say where a secret was found."""
        for leak in self.scan.found:
            terminalreporter.write_line(f"a secret was written: {leak}", red=True)
