"""What may lie about when something went wrong."""

from __future__ import annotations

import stat
from pathlib import Path

from tests.kit.servers import RunningServer

__all__ = ["leftovers", "only_right"]


def only_right(out: Path, content: bytes) -> bool:
    """Nothing has a final name but the right bytes; what is not finished is ours alone."""
    for path in out.iterdir():
        if path.name.startswith("."):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, f"others can read {path.name}"
        else:
            assert path.read_bytes() == content, f"{path.name} is not what was exported"
    return True


def leftovers(server: RunningServer) -> list[str]:
    """Files of the server's image store, as names."""
    return sorted(path.name for path in (server.folder / "images").iterdir())
