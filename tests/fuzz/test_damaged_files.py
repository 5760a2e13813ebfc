"""Small files of every kind, damaged at every offset: a verdict, or one error of ours, never anything else."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

import lxdimg_nb
from lxdimg_nb.client.files.image_files import ImageFiles
from lxdimg_nb.errors import LxdImageError
from tests.fuzz.test_fuzz_roots import _SQUASHFS, APP
from tests.kit import container_images as oci
from tests.kit import factory
from tests.kit.counts import count, long_run
from tests.kit.fuzz import bounded_memory

_TAR = factory.small(1, compression="none")
_METADATA, _ROOT = factory.split(2)


def check(data: bytes) -> None:
    """What `check()` reads of a unified image."""
    files = ImageFiles.of(data).read_to_the_end(lambda _: None)
    assert all(isinstance(text, str) and len(text) < 2000 for text in (*files.problems, *files.notes))


def check_halves(data: bytes) -> None:
    """The same of a split image with these metadata."""
    ImageFiles.of(_ROOT, data).read_to_the_end(lambda _: None)


def make_metadata(data: bytes) -> None:
    """What is found out of a root file system."""
    assert repr(lxdimg_nb.image_metadata(data, architecture="x86_64"))


FILES: dict[str, tuple[bytes, Callable[[bytes], None]]] = {
    "tar": (_TAR, check),
    **{kind: (factory.compress(_TAR, kind), check) for kind in ("gz", "bz2", "xz", "zst", "lzma")},
    "qcow2": (factory.qcow2()[:512], check),
    "squashfs": ((_SQUASHFS or b"hsqs")[:96] + (_SQUASHFS or b"")[96:][-2000:], check),
    "metadata": (_METADATA, check_halves),
    "docker save": (oci.docker_save(APP), make_metadata),
}
# In tests/run --long every byte of every file; else so many of each.
QUICK = 150


@pytest.mark.parametrize("kind", FILES)
def test_a_file_that_is_damaged_anywhere_is_judged_or_refused(kind: str) -> None:
    data, read = FILES[kind]
    step = 1 if long_run() else max(1, len(data) // QUICK)
    begin = time.process_time()
    tried = 0
    with bounded_memory():
        for offset in range(0, len(data), step):
            for change in (0xFF, 0x01, 0x80) if long_run() and len(data) < 4000 else (0xFF,):
                damaged = data[:offset] + bytes([data[offset] ^ change]) + data[offset + 1 :]
                try:
                    read(damaged)
                except LxdImageError as error:
                    assert str(error), f"an error without words at {offset}"
                tried += 1
            # Cut off here.
            try:
                read(data[:offset] or b"x")
            except LxdImageError as error:
                assert str(error), f"an error without words when it is cut at {offset}"
            tried += 1
    count("damaged files", inputs=tried)
    assert time.process_time() - begin < 0.1 * tried + 5
