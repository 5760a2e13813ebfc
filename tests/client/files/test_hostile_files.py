"""Hostile files: `check()` reports each of them quickly and in little memory."""

from __future__ import annotations

import gzip
import lzma
import resource
import time
from collections.abc import Callable

import pytest

import lxdimg_nb
from tests.kit import factory
from tests.kit.servers import RunningServer

GOOD = b"architecture: x86_64\ncreation_date: 1700000000\n"
# A billion words by nine lines of references.
NESTED = b"a: &a [x, x, x, x, x, x, x, x, x]\n" + b"".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n".encode()
    for before, name in zip("abcdefghi", "bcdefghij", strict=True)
)

FILES: dict[str, tuple[Callable[[], bytes], str]] = {
    "metadata of 64 MiB": (
        lambda: gzip.compress(factory.tar({"metadata.yaml": b"x: " + b"a" * (64 << 20)}), 1),
        "servers take 1048576",
    ),
    "300 MiB of zeros before the metadata": (
        lambda: lzma.compress(factory.tar({"rootfs/zero": bytes(300 << 20), "metadata.yaml": GOOD}), preset=0),
        "too far back",
    ),
    "50,000 members before the metadata": (
        lambda: gzip.compress(factory.tar({f"rootfs/{i}": b"" for i in range(50_000)} | {"metadata.yaml": GOOD}), 1),
        "not among the first files",
    ),
    "references that unfold": (
        lambda: gzip.compress(
            factory.tar({"metadata.yaml": GOOD + NESTED + b"properties: {os: *j}\n", "rootfs/x": b""})
        ),
        "by references",
    ),
    "brackets": (lambda: gzip.compress(factory.tar({"metadata.yaml": b"[" * 100_000})), "no YAML"),
    "bytes": (lambda: gzip.compress(factory.tar({"metadata.yaml": bytes(range(256))})), "no YAML"),
    "a list": (lambda: gzip.compress(factory.tar({"metadata.yaml": b"- 1"})), "no mapping"),
    "wrong kinds": (
        lambda: gzip.compress(factory.tar({"metadata.yaml": b"architecture: [1]\nproperties: [1]\n"})),
        "architecture",
    ),
}


# Each takes ten seconds; archives of 4,000 members and of 16 MiB of zeros are in test_hostile_archives.py.
LONG = ("300 MiB of zeros before the metadata", "50,000 members before the metadata")


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.long] if name in LONG else []) for name in FILES]
)
def test_a_hostile_file_is_inspected_within_limits(demo: RunningServer, name: str) -> None:
    make, said = FILES[name]
    data = make()

    with lxdimg_nb.connect(demo.url) as client:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        begin = time.process_time()
        found = client.images.check(data)
        took = time.process_time() - begin

    assert said in " ".join([*found.problems, *found.notes])
    assert all(len(value) < 100_000 for value in found.properties.values())
    # Of the processor, which others may keep busy.
    assert took < 20
    # Of what unpacks to hundreds of MiB; ru_maxrss is in KiB.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024
