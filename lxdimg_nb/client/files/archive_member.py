"""One file inside an image, as the header in its archive describes it."""

from __future__ import annotations

import tarfile
from dataclasses import dataclass
from datetime import UTC, datetime

__all__ = ["Member"]

_KINDS = {
    tarfile.DIRTYPE: "directory",
    tarfile.SYMTYPE: "symlink",
    tarfile.LNKTYPE: "hard link",
    tarfile.CHRTYPE: "character device",
    tarfile.BLKTYPE: "block device",
    tarfile.FIFOTYPE: "fifo",
}


@dataclass(frozen=True, slots=True)
class Member:
    """One file in an image; a hostile image can say anything here."""

    path: str
    kind: str
    size: int
    mode: int
    uid: int
    gid: int
    modified_at: datetime | None
    target: str

    @classmethod
    def from_tar(cls, info: tarfile.TarInfo) -> Member:
        """Read a header of a tar archive."""
        kind = "file" if info.isreg() else _KINDS.get(info.type, "other")
        try:
            modified = datetime.fromtimestamp(info.mtime, UTC)
        except (ValueError, OverflowError, OSError):
            modified = None
        path = info.name.removeprefix("./") or "."
        return cls(path, kind, info.size, info.mode, info.uid, info.gid, modified, info.linkname)

    @property
    def state(self) -> tuple[str, int, int, int, int, str]:
        """What counts as a change of the file; every build has times of its own."""
        return self.kind, self.size, self.mode, self.uid, self.gid, self.target
