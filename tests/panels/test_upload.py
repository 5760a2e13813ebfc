"""Files from the browser: the spool folder, receiving in pieces, and completion of paths."""

from __future__ import annotations

import hashlib
import os

import pytest

from lxdimg_nb.client.files.hashing import HashCache
from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.panels.base.actor import Actor
from lxdimg_nb.panels.upload.file_receiver import FileReceiver
from lxdimg_nb.panels.upload.path_completion import complete_path
from lxdimg_nb.panels.upload.spool_file import Spool
from tests.kit.waiting import until


def test_a_spool_file_is_private_and_the_same_for_the_same_file(tmp_path):
    spool = Spool(tmp_path / "spool")

    file = spool.file("web.tar.gz", 10, 123)

    assert file.path.stat().st_mode & 0o777 == 0o600
    assert spool.folder.stat().st_mode & 0o777 == 0o700
    assert spool.file("web.tar.gz", 10, 123) == file
    assert spool.file("web.tar.gz", 10, 124) != file
    assert "web" not in file.path.name


def test_pieces_go_to_the_end_and_nowhere_else(tmp_path):
    file = Spool(tmp_path / "spool").file("a", 6, 0)
    file.append(0, b"abc")

    for offset, data in ((0, b"x"), (4, b"x"), (3, b"defg")):
        with pytest.raises(InvalidRequestError):
            file.append(offset, data)

    file.append(3, b"def")
    assert file.path.read_bytes() == b"abcdef"
    assert file.probe() == hashlib.sha256(b"abcdef").hexdigest()


def test_a_link_or_a_folder_of_others_is_refused(tmp_path):
    spool = Spool(tmp_path / "spool")
    file = spool.file("a", 6, 0)
    file.remove()
    (tmp_path / "precious").write_text("keep")
    file.path.symlink_to(tmp_path / "precious")

    with pytest.raises(OSError, match="symbolic"):
        spool.file("a", 6, 0)

    assert (tmp_path / "precious").read_text() == "keep"
    open_folder = tmp_path / "open"
    open_folder.mkdir()
    open_folder.chmod(0o777)
    with pytest.raises(InvalidRequestError, match="yours alone"):
        Spool(open_folder).file("a", 6, 0)


def test_a_file_larger_than_the_disk_is_refused_before_it_is_sent(tmp_path):
    spool = Spool(tmp_path / "spool")

    with pytest.raises(InvalidRequestError, match="LXDIMG_SPOOL"):
        spool.file("a", 1 << 60, 0)

    assert list(spool.folder.iterdir()) == []


def test_forgotten_files_are_deleted(tmp_path):
    spool = Spool(tmp_path / "spool")
    old = spool.file("old", 5, 0)
    os.utime(old.path, (1, 1))

    spool.file("new", 5, 0)

    assert not old.path.exists()


def receive(tmp_path, size):
    told, ended = [], []
    actor = Actor("test")
    file = Spool(tmp_path / "spool").file("a", size, 0)
    receiving = FileReceiver(
        actor,
        file,
        where="",
        hashes=HashCache(),
        tell=lambda kind, **content: told.append((kind, content["have"])),
        then=ended.append,
    )
    return actor, receiving, told, ended


def test_every_piece_is_acknowledged_and_the_file_is_whole(tmp_path):
    actor, receiving, told, ended = receive(tmp_path, 9)

    for offset in (0, 3, 6):
        receiving.put(offset, b"abcdefghi"[offset : offset + 3])

    assert until(lambda: bool(ended))
    assert told == [("got", 3), ("got", 6), ("got", 9)]
    assert receiving.transfer.state == "done"
    assert receiving.file.path.read_bytes() == b"abcdefghi"
    actor.close()


def test_a_piece_out_of_order_ends_the_transfer_and_what_was_received_can_be_continued(tmp_path):
    actor, receiving, _, ended = receive(tmp_path, 9)

    receiving.put(0, b"abc")
    receiving.put(6, b"ghi")

    assert until(lambda: bool(ended))
    assert (receiving.transfer.state, "out of order" in receiving.transfer.text) == ("failed", True)
    again = receive(tmp_path, 9)
    assert again[1].file.have == 3
    again[1].put(3, b"defghi")
    assert until(lambda: bool(again[3]))
    assert again[1].file.path.read_bytes() == b"abcdefghi"
    actor.close()
    again[0].close()


def test_a_file_that_does_not_continue_what_is_there_begins_again(tmp_path):
    file = Spool(tmp_path / "spool").file("a", 6, 0)
    file.append(0, b"xxx")
    actor, receiving, _, ended = receive(tmp_path, 6)

    receiving.put(0, b"abcdef", restart=True)

    assert until(lambda: bool(ended))
    assert receiving.file.path.read_bytes() == b"abcdef"
    actor.close()


@pytest.mark.parametrize("there", [b"", b"abc", b"xxx"])
def test_a_file_is_hashed_while_it_arrives_also_when_it_continues_or_begins_again(tmp_path, there):
    file = Spool(tmp_path / "spool").file("a", 9, 0)
    file.append(0, there)
    actor, receiving, _, ended = receive(tmp_path, 9)

    if there == b"abc":
        receiving.put(3, b"defghi")
    else:
        # Longer than what it takes the place of.
        receiving.put(0, b"abcdef", restart=bool(there))
        receiving.put(6, b"ghi")

    assert until(lambda: bool(ended))
    with file.path.open("rb") as written:
        assert receiving._hashes.hexdigest(written.fileno()) == hashlib.sha256(b"abcdefghi").hexdigest()
    actor.close()


def test_what_the_jupyter_server_writes_is_hashed_as_well(tmp_path):
    actor, receiving, _, ended = receive(tmp_path, 6)
    receiving.watch()

    receiving.file.append(0, b"abc")
    receiving.file.append(3, b"def")
    receiving.sent()

    assert until(lambda: bool(ended))
    with receiving.file.path.open("rb") as written:
        assert receiving._hashes.hexdigest(written.fileno()) == hashlib.sha256(b"abcdef").hexdigest()
    actor.close()


def test_a_cancelled_file_is_deleted(tmp_path):
    actor, receiving, _, ended = receive(tmp_path, 9)
    receiving.put(0, b"abc")
    assert until(lambda: receiving.file.have == 3)

    receiving.transfer.cancel()

    assert until(lambda: bool(ended))
    assert receiving.transfer.state == "cancelled"
    assert not receiving.file.path.exists()
    actor.close()


def test_a_silent_browser_is_noticed_and_what_was_received_stays(tmp_path, monkeypatch):
    monkeypatch.setattr("lxdimg_nb.panels.upload.file_receiver.SILENCE_SECONDS", 0.3)
    actor, receiving, _, ended = receive(tmp_path, 9)
    receiving.put(0, b"abc")

    assert until(lambda: bool(ended))

    assert "stopped sending" in receiving.transfer.text
    assert receiving.file.have == 3
    actor.close()


def test_paths_are_completed_with_folders_and_readable_files(tmp_path, monkeypatch):
    (tmp_path / "images").mkdir()
    (tmp_path / "image.tar.xz").touch()
    (tmp_path / ".image").touch()
    (tmp_path / "other").touch()
    (tmp_path / "image\x1b[31m").touch()
    os.mkfifo(tmp_path / "image.pipe")
    for i in range(100):
        (tmp_path / "images" / f"{i:03}").touch()

    assert complete_path(f"{tmp_path}/im") == [f"{tmp_path}/image.tar.xz", f"{tmp_path}/images/"]
    assert complete_path(f"{tmp_path}/.") == [f"{tmp_path}/.image"]
    assert len(complete_path(f"{tmp_path}/images/")) == 40
    assert complete_path("") == complete_path(f"{tmp_path}/none/x") == complete_path("a\0b") == []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert complete_path("oth") == ["other"]
    assert complete_path("~/oth") == ["~/other"]
