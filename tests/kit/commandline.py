"""The command lines of LXD and Incus, for tests that work as people do."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lxdimg_nb import demo
from tests.conftest import missing
from tests.kit import factory

__all__ = ["CommandLine", "image_files", "product", "server"]


@dataclass
class CommandLine:
    """`lxc` or `incus` with a configuration of its own, talking to one server unless told otherwise."""

    program: str
    server: Path
    home: Path
    environment: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        prefix = "LXD" if self.program == "lxc" else "INCUS"
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("LXD_", "INCUS_"))}
        own = {f"{prefix}_DIR": str(self.server), f"{prefix}_CONF": str(self.home), "HOME": str(self.home)}
        self.environment = kept | own

    def __call__(self, *arguments: str, stdin: str | None = None, ok: bool = True) -> str:
        """Run a command that must succeed, or fail; returns what it said on standard output, or error."""
        ended = self.ended(*arguments, stdin=stdin)
        assert (ended.returncode == 0) == ok, f"{self.program} {' '.join(arguments)}: {ended.stderr}"
        return ended.stdout if ok else ended.stderr

    def ended(self, *arguments: str, stdin: str | None = None, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a command, whatever comes of it."""
        # A pipe that is never written to makes `edit` and `import` wait.
        given = {"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}
        ended: subprocess.CompletedProcess[str] = subprocess.run(  # type: ignore[call-overload]
            [self.program, *arguments],
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            env=self.environment,
            cwd=self.home.parent,
            **given,
        )
        return ended

    def fingerprint(self, name: str) -> str:
        """The one image that is called so."""
        found = json.loads(self("image", "list", name, "--format", "json"))
        assert len(found) == 1
        return str(found[0]["fingerprint"])


def image_files(folder: Path) -> dict[str, Path]:
    """Files that can be imported: two unified images, the parts of a split one, and a disk."""
    metadata, rootfs = factory.split(3)
    contents = {
        "one.tar.gz": factory.small(1),
        "two.tar.xz": factory.small(2, compression="xz"),
        "meta.tar.xz": metadata,
        "root.img": rootfs,
        "disk.qcow2": factory.qcow2(),
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return {name: folder / name for name in contents}


@pytest.fixture(params=["lxd", "incus"])
def product(request: pytest.FixtureRequest) -> str:
    """`lxd` and `incus` in turn, where their command lines are."""
    program = "lxc" if request.param == "lxd" else "incus"
    if shutil.which(program) is None:
        missing(f"{program} is not installed")
    return str(request.param)


@pytest.fixture
def server(product: str) -> Iterator[demo.DemoServer]:
    """An empty demo server that plays it."""
    with demo.start(product=product, inventory=False) as running:
        yield running
