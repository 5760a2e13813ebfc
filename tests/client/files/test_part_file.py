"""Files that get their final name at the end: until then nobody else can read them."""

from __future__ import annotations

import linecache
import os
import stat
from pathlib import Path

import pytest

from lxdimg_nb.client.files import part_file
from lxdimg_nb.client.files.part_file import PartFile, write_atomic
from tests.kit.interrupts import interrupted_at, lines_that_see


def test_a_file_without_its_final_name_is_readable_by_its_owner_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    real = os.replace

    def replace(source: Path, target: Path) -> None:
        seen.append(stat.S_IMODE(source.stat().st_mode))
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)
    before = os.umask(0o027)
    try:
        write_atomic(tmp_path / "image", lambda file: file.write(b"content"))
    finally:
        os.umask(before)

    assert seen == [0o600]
    assert stat.S_IMODE((tmp_path / "image").stat().st_mode) == 0o640
    assert [path.name for path in tmp_path.iterdir()] == ["image"]


def test_an_interrupt_at_any_line_leaves_no_lock_behind(tmp_path: Path) -> None:
    def use() -> None:
        with PartFile(tmp_path, "f" * 64):
            pass

    lines = [line for line in lines_that_see([""], use) if line[0] == part_file.__file__]
    # An interrupt right before the closing, or before that is promised, nobody can help.
    lines = [line for line in lines if linecache.getline(*line).strip() not in ("try:", "os.close(self._fd)")]

    # What holds the frames would hold the file, too: a kernel keeps the last error.
    kept = [interrupted_at(line, use) for line in lines if use() is None]

    assert all(isinstance(error, KeyboardInterrupt) for error in kept)
    assert len(lines) > 15
    use()
