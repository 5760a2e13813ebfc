"""node and npm, which the extra `test` installs as a wheel, for what is checked of `panels/front/`."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

FRONT = Path(__file__).resolve().parents[2] / "lxdimg_nb" / "panels" / "front"
SECONDS = 300.0


def npm() -> str | None:
    """The path of npm: beside this Python, or another one on PATH; None where there is none."""
    beside = Path(sys.executable).parent / "npm"
    return str(beside) if beside.is_file() else shutil.which("npm")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run npm in `panels/front/`."""
    found = npm()
    assert found is not None
    # The scripts of packages begin with `env node`.
    path = f"{Path(found).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return subprocess.run(
        [found, *arguments],
        cwd=FRONT,
        env=os.environ | {"PATH": path, "NO_COLOR": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def install() -> str | None:
    """Install the packages of package-lock.json, unless that was done; returns why that cannot be done, or None."""
    if npm() is None:
        return "there is no npm (the extra test installs it)"
    lock = hashlib.sha256((FRONT / "package-lock.json").read_bytes()).hexdigest()
    stamp = FRONT / "node_modules" / ".installed"
    if stamp.is_file() and stamp.read_text() == lock:
        return None
    done = run("ci")
    if done.returncode != 0:
        return f"npm ci failed: {done.stdout[-2000:]}"
    stamp.write_text(lock)
    return None
