"""Multipart uploads arrive in blocks of any size."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import pytest

from lxdimg_nb.demo.http.upload_body import Spool

METADATA = b'--edge\r\nContent-Disposition: form-data; name="metadata"; filename="m.tar"\r\n\r\n'
DISK = b'\r\n--edge  \r\nX: y\r\nContent-Disposition: form-data; name="rootfs.img"; filename="C:\\a\\d.img"\r\n\r\n'


@pytest.mark.parametrize("seed", range(8))
def test_a_multipart_body_is_taken_apart_wherever_its_blocks_end(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    first, second = chance.randbytes(3000), chance.randbytes(2000) + b"\r\n--edg" + chance.randbytes(20)
    body = b"preamble\r\n" + METADATA + first + DISK + second + b"\r\n--edge--\r\nepilogue"

    spool = Spool(tmp_path)
    spool.begin("multipart/form-data; boundary=edge")
    while body:
        size = chance.choice([1, 2, 7, 100, 3000])
        spool.feed(body[:size])
        body = body[size:]
    spool.finish()

    assert spool.error == ""
    assert [path.read_bytes() for path in spool.files] == [first, second]
    assert spool.fingerprint == hashlib.sha256(first + second).hexdigest()
    assert (spool.filename, spool.virtual_machine) == ("d.img", True)
