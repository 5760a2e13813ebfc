"""The command lines of LXD and Incus, for tests that work as people do."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["CommandLine"]


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
        command = [self.program, *arguments]
        # A pipe that is never written to makes `edit` and `import` wait.
        given = {"stdin": subprocess.DEVNULL} if stdin is None else {"input": stdin}
        ended = subprocess.run(  # type: ignore[call-overload]
            command,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=self.environment,
            cwd=self.home.parent,
            **given,
        )
        assert (ended.returncode == 0) == ok, f"{' '.join(command)}: {ended.stderr}"
        return str(ended.stdout if ok else ended.stderr)

    def fingerprint(self, name: str) -> str:
        found = json.loads(self("image", "list", name, "--format", "json"))
        assert len(found) == 1
        return str(found[0]["fingerprint"])
