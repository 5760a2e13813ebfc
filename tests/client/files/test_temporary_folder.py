"""Temporary folders: private, gone at the end, and what the machine lacks is said."""

from __future__ import annotations

import errno
import os
import resource
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from lxdimg_nb.client.files.temporary_folder import temporary_folder
from lxdimg_nb.errors import InvalidRequestError


def test_a_temporary_folder_is_private_and_gone_at_the_end() -> None:
    with temporary_folder("test") as folder:
        assert folder.name.startswith("lxdimg-test-")
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        (folder / "image").write_bytes(b"x")

    assert not folder.exists()


def test_where_none_can_be_made_the_place_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/proc/self/net")

    with pytest.raises(InvalidRequestError, match=r"/proc/self/net.*TMPDIR"), temporary_folder("test"):
        pass


def test_a_full_disk_is_said_and_another_error_is_not_changed() -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with pytest.raises(InvalidRequestError, match="cannot be written to"), temporary_folder("test") as folder:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
        try:
            (folder / "image").write_bytes(bytes(5000))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not folder.exists()

    with pytest.raises(FileNotFoundError), temporary_folder("test"):
        Path("/nowhere").read_bytes()


def test_an_error_while_it_is_deleted_does_not_replace_the_one_that_led_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with pytest.raises(KeyError), monkeypatch.context() as patch, temporary_folder("test") as folder:
        patch.setattr(os, "scandir", refuse)
        patch.setattr(os, "open", refuse)
        raise KeyError
    (folder / "left").touch()


LEAVE = """
import os, sys
from lxdimg_nb.client.files.temporary_folder import temporary_folder
with temporary_folder("test") as folder:
    (folder / "image").write_bytes(b"x")
    print(folder, flush=True)
    sys.stdin.read()
"""


def test_what_a_killed_process_left_is_removed_by_the_next_and_what_is_used_is_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    environment = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", LEAVE]
    pipe = subprocess.PIPE
    with (
        subprocess.Popen(command, stdin=pipe, stdout=pipe, env=environment, text=True) as killed,
        subprocess.Popen(command, stdin=pipe, stdout=pipe, env=environment, text=True) as alive,
    ):
        assert killed.stdout is not None
        assert alive.stdout is not None
        left, used = Path(killed.stdout.readline().strip()), Path(alive.stdout.readline().strip())
        killed.kill()
        killed.wait(60)
        for name in ("lxdimg-other-abcd1234", "lxdimg-test-mine", "mine"):
            (tmp_path / name).mkdir()
        (tmp_path / "lxdimg-test-link1234").symlink_to(tmp_path / "mine")
        (tmp_path / "lxdimg-test-file1234").touch()
        assert left.exists()

        with temporary_folder("test") as mine, temporary_folder("test") as another:
            assert not left.exists()
            assert (used / "image").exists()
            assert mine.exists()
            assert another.exists()
        alive.communicate("", timeout=60)

    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "lxdimg-other-abcd1234",
        "lxdimg-test-file1234",
        "lxdimg-test-link1234",
        "lxdimg-test-mine",
        "mine",
    ]
