"""Files that get their final name at the end: until then nobody else can read them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from lxdimg_nb.client.files.part_file import write_atomic


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
