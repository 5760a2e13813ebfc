"""The test images are what they say: checked here without a server, in the contract tests with one."""

from __future__ import annotations

import hashlib
import io
import struct
import tarfile
import tracemalloc
from pathlib import Path

import pytest
import yaml

from tests.kit import factory


def opened(data: bytes) -> tarfile.TarFile:
    return tarfile.open(fileobj=io.BytesIO(data))


def metadata(data: bytes) -> dict[str, object]:
    with opened(data) as archive:
        member = archive.extractfile("metadata.yaml")
        assert member is not None
        document = yaml.safe_load(member.read())
    assert isinstance(document, dict)
    return document


def test_the_same_number_is_the_same_image_and_another_number_another():
    assert factory.small(7) == factory.small(7)
    assert len({factory.fingerprint(factory.small(i)) for i in range(200)}) == 200
    assert len({factory.fingerprint(*factory.split(i)) for i in range(200)}) == 200


def test_a_small_image_is_small_and_whole():
    data = factory.small(3, rootfs_files={"etc/hostname": b"three\n"})

    assert len(data) < 600
    with opened(data) as archive:
        assert archive.getnames() == ["metadata.yaml", "rootfs", "rootfs/id", "rootfs/etc/hostname"]
        assert archive.getmember("rootfs").isdir()
    assert metadata(data) == {
        "architecture": "x86_64",
        "creation_date": factory.FIRST_DAY + 3 * factory.DAY,
        "properties": factory.properties(3),
    }


def test_what_a_test_asks_for_is_in_the_metadata():
    data = factory.small(
        0, arch="aarch64", properties={"os": "Ünïx"}, creation_date=1, expiry_date=2, compression="none"
    )
    bare = factory.small(0, with_properties=False)

    assert metadata(data) == {
        "architecture": "aarch64",
        "creation_date": 1,
        "expiry_date": 2,
        "properties": {"os": "Ünïx"},
    }
    assert "properties" not in metadata(bare)


@pytest.mark.parametrize(
    ("compression", "magic"),
    [
        ("gz", b"\x1f\x8b"),
        ("xz", b"\xfd7zXZ"),
        ("bz2", b"BZh"),
        ("zst", b"\x28\xb5\x2f\xfd"),
        ("none", b"metadata.yaml"),
    ],
)
def test_a_compression_has_its_magic_bytes(compression, magic):
    assert factory.small(0, compression=compression).startswith(magic)


def test_a_virtual_machine_has_a_disk_that_is_an_empty_qcow2():
    with opened(factory.small(0, type="virtual-machine")) as archive:
        member = archive.extractfile("rootfs.img")
        assert member is not None
        disk = member.read()

    magic, version, _, _, cluster_bits, size = struct.unpack(">4sIQIIQ", disk[:32])
    l1_entries, l1_offset, table_offset = struct.unpack(">IQQ", disk[36:56])
    assert (magic, version, cluster_bits, size) == (b"QFI\xfb", 2, 9, 1 << 20)
    assert l1_entries * 64 * 512 == size, "each L1 entry covers an L2 cluster of 64 entries"
    assert (l1_offset, table_offset, len(disk)) == (3 * 512, 512, 2048)
    assert disk == factory.split(5, vm=True)[1]


def test_a_split_image_has_metadata_and_a_root_file_system():
    meta, rootfs = factory.split(4)
    _, real = factory.split(4, rootfs="tar")

    assert metadata(meta)["properties"] == factory.properties(4)
    assert rootfs.startswith(b"hsqs")
    with opened(real) as archive:
        assert archive.getnames() == ["etc", "etc/hostname"]


def test_a_fingerprint_runs_over_all_parts_from_memory_or_disk(tmp_path: Path):
    file = tmp_path / "part"
    file.write_bytes(b"two")

    assert factory.fingerprint(b"one", file) == hashlib.sha256(b"onetwo").hexdigest()


def test_a_big_image_is_written_in_constant_memory(tmp_path: Path):
    size = 64 << 20
    tracemalloc.start()
    try:
        found = factory.big(tmp_path / "big.tar", size, seed=1)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < size // 4
    assert found == factory.fingerprint(tmp_path / "big.tar")
    with tarfile.open(tmp_path / "big.tar") as archive:
        assert archive.getmember("rootfs/payload").size == size
        assert "metadata.yaml" in archive.getnames()


def test_a_big_payload_depends_on_its_seed_alone(tmp_path: Path):
    first = factory.big(tmp_path / "a", 3_000_001, seed=1)

    assert factory.big(tmp_path / "b", 3_000_001, seed=1) == first
    assert factory.big(tmp_path / "c", 3_000_001, seed=2) != first


def test_a_payload_is_the_same_however_it_is_read():
    whole = factory.Payload(2_500_000, 9).read()
    source = factory.Payload(2_500_000, 9)

    assert b"".join(iter(lambda: source.read(77_777), b"")) == whole
    assert len(whole) == 2_500_000


def test_a_big_split_image_has_the_fingerprint_of_both_files(tmp_path: Path):
    meta, rootfs = tmp_path / "meta", tmp_path / "rootfs"

    found = factory.bigsplit(meta, rootfs, 1_500_000, seed=3)

    assert rootfs.stat().st_size == 1_500_000
    assert found == hashlib.sha256(meta.read_bytes() + rootfs.read_bytes()).hexdigest()


def test_every_broken_image_is_broken_in_its_own_way():
    broken = factory.BROKEN

    for name in ("not an archive", "empty"):
        with pytest.raises(tarfile.ReadError):
            opened(broken[name])
    with pytest.raises(EOFError), opened(broken["truncated gzip"]) as archive:
        archive.getnames()
    with opened(broken["no metadata.yaml"]) as archive:
        assert "metadata.yaml" not in archive.getnames()
    assert metadata(broken["bad architecture"])["architecture"] == "pdp11"
    assert "creation_date" not in metadata(broken["no date"])
    with pytest.raises(yaml.YAMLError):
        metadata(broken["bad yaml"])
    with opened(broken["neither rootfs"]) as archive:
        assert archive.getnames() == ["metadata.yaml"]
