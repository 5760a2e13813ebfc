"""Image files as the server reads them after an upload: their compression and their metadata.yaml.

Nothing is ever extracted; tarballs are read as streams, with limits on bytes and members.

Source: errors of LXD 5.0.2 for some twenty broken files.
"""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import re
import subprocess
import tarfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import yaml

from .refusals import Refusal

__all__ = ["ImageFacts", "extension_of", "facts_of"]

_METADATA_LIMIT = 1 << 20
_SCAN_LIMIT = 8 << 30
_MEMBER_LIMIT = 2_000_000
_MAGIC = (
    (0, b"BZh", "bz2", ".tar.bz2"),
    (0, b"\x1f\x8b", "gz", ".tar.gz"),
    (0, b"\xfd7zXZ\x00", "xz", ".tar.xz"),
    (0, b"\x5d\x00\x00", "xz", ".tar.lzma"),
    (0, b"\x28\xb5\x2f\xfd", "zst", ".tar.zst"),
    (257, b"ustar", "", ".tar"),
    (0, b"hsqs", "squashfs", ".squashfs"),
    (0, b"QFI\xfb", "qcow2", ".qcow2"),
)
_ARCHITECTURES = {
    "x86_64": ("amd64", "generic_64"),
    "i686": ("i386", "i586", "x86", "386", "generic_32"),
    "aarch64": ("arm64",),
    "armv7l": ("armhf", "armel", "arm", "armhfp", "armv7a_hardfp", "armv7", "armv7a_vfpv3_hardfp"),
    "armv6l": (),
    "armv8l": (),
    "ppc": ("powerpc",),
    "ppc64": ("powerpc64",),
    "ppc64le": ("ppc64el",),
    "s390x": (),
    "mips": ("mipsel", "mipsle"),
    "mips64": ("mips64el", "mips64le"),
    "riscv32": (),
    "riscv64": (),
    "loongarch64": ("loong64",),
}


@dataclass(frozen=True)
class ImageFacts:
    """The facts in metadata.yaml, and the type that the files show.

    Attributes:
        properties: None where metadata.yaml has no such mapping.
    """

    architecture: str
    creation_date: int
    expiry_date: int
    properties: dict[str, str] | None
    type: str


def _sniff(path: Path) -> tuple[str, str] | None:
    with path.open("rb") as file:
        start = file.read(300)
    if not start:
        raise Refusal(500, "EOF")
    for offset, magic, packing, extension in _MAGIC:
        if start[offset : offset + len(magic)] == magic:
            return packing, extension
    return None


def extension_of(path: Path) -> str:
    """The ending of an export's file name: `.tar.gz`, ..., or none."""
    try:
        found = _sniff(path)
    except Refusal:
        return ""
    return found[1] if found else ""


def facts_of(path: Path, *, split: bool, virtual_machine: bool = False) -> ImageFacts:
    """Read the metadata of an image.

    Args:
        path: the unified tarball, or the metadata tarball of a split image.
        split: whether it is the latter.
        virtual_machine: for a split image, whether its second part is a disk.

    Raises:
        Refusal: with the text that a daemon's operation fails with.
    """
    found = _sniff(path)
    if found is None or found[0] == "qcow2":
        raise Refusal(500, "Unsupported compression")
    try:
        text, kind = _scan(path, found[0], split=split)
    except (EOFError, zlib.error, lzma.LZMAError, OSError, tarfile.TarError) as error:
        raise Refusal(500, "unexpected EOF") from error
    if text is None:
        raise Refusal(500, "Metadata tarball is missing metadata.yaml")
    if split:
        kind = "virtual-machine" if virtual_machine else "container"
    elif not kind:
        raise Refusal(500, "Invalid instance type")
    return _facts(text, kind)


def _scan(path: Path, packing: str, *, split: bool) -> tuple[bytes | None, str]:
    try:
        return _scan_in_blocks(path, packing, tarfile.BLOCKSIZE * 20, split=split)
    except EOFError:
        # The file is cut off: smaller blocks read as much of it as possible, which decides the error.
        return _scan_in_blocks(path, packing, tarfile.BLOCKSIZE, split=split)


def _scan_in_blocks(path: Path, packing: str, size: int, *, split: bool) -> tuple[bytes | None, str]:
    text: bytes | None = None
    kind = ""
    with _unpacked(path, packing) as stream, tarfile.open(fileobj=stream, mode="r|", bufsize=size) as tar:
        for count, member in enumerate(tar):
            name = member.name.removeprefix("./")
            if name == "metadata.yaml":
                text = _read_metadata(tar, member)
            elif name == "rootfs" or name.startswith("rootfs/"):
                kind = "container"
            elif name == "rootfs.img":
                kind = "virtual-machine"
            if text is not None and (split or kind):
                break
            if count > _MEMBER_LIMIT or member.offset > _SCAN_LIMIT:
                raise Refusal(500, "unexpected EOF")
    return text, kind


def _read_metadata(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    try:
        content = tar.extractfile(member)
        text = b"" if content is None else content.read(_METADATA_LIMIT)
    except (EOFError, zlib.error, lzma.LZMAError, OSError, tarfile.TarError) as error:
        raise Refusal(500, "yaml: input error: unexpected EOF") from error
    if len(text) < min(member.size, _METADATA_LIMIT):
        raise Refusal(500, "yaml: input error: unexpected EOF")
    return text


@contextlib.contextmanager
def _unpacked(path: Path, packing: str) -> Iterator[IO[bytes]]:
    openers: dict[str, Callable[..., Any]] = {"gz": gzip.open, "xz": lzma.open, "bz2": bz2.open, "": open}
    if packing in openers:
        with openers[packing](path, "rb") as file:
            yield file
        return
    command = ["zstd", "-dcq"] if packing == "zst" else ["sqfs2tar"]
    try:
        child = subprocess.Popen([*command, path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    except FileNotFoundError as error:
        raise Refusal(500, f'exec: "{command[0]}": executable file not found in $PATH') from error
    assert child.stdout is not None
    with child:
        try:
            yield child.stdout
        finally:
            child.kill()


def _yaml_error(error: yaml.YAMLError) -> str:
    if not isinstance(error, yaml.MarkedYAMLError):
        return f"yaml: {error}"
    mark = error.problem_mark
    problem = re.sub(r"^expected (the )?(.+?), but (found|got) .*", r"did not find expected \2", str(error.problem))
    return f"yaml: line {mark.line + (mark.column > 0)}: {problem}" if mark is not None else f"yaml: {problem}"


def _node(content: bytes) -> yaml.Node | None:
    try:
        return yaml.compose(io.BytesIO(content), Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError) as error:
        text = _yaml_error(error) if isinstance(error, yaml.YAMLError) else "yaml: exceeded max depth"
        raise Refusal(500, text) from error


def _cannot(node: yaml.Node, wanted: str) -> Refusal:
    tag = str(node.tag).replace("tag:yaml.org,2002:", "!!")
    shown = f" `{node.value}`" if isinstance(node, yaml.ScalarNode) else ""
    line = node.start_mark.line + 1
    return Refusal(500, f"yaml: unmarshal errors:\n  line {line}: cannot unmarshal {tag}{shown} into {wanted}")


def _facts(text: bytes, kind: str) -> ImageFacts:
    root = _node(text)
    if root is None:
        raise Refusal(500, "EOF")
    if not isinstance(root, yaml.MappingNode):
        raise _cannot(root, "api.ImageMetadata")
    fields: dict[str, yaml.Node] = {str(key.value): value for key, value in root.value}
    created = _integer(fields.get("creation_date"))
    expiry = _integer(fields.get("expiry_date"))
    properties = _mapping(fields.get("properties"))
    node = fields.get("architecture")
    written = node.value if isinstance(node, yaml.ScalarNode) else ""
    architecture = next((name for name, others in _ARCHITECTURES.items() if written in (name, *others)), None)
    if architecture is None:
        raise Refusal(500, f"Architecture isn't supported: {written}")
    if not created:
        raise Refusal(500, "Missing creation date")
    return ImageFacts(architecture, created, expiry, properties, kind)


def _is_null(node: yaml.Node) -> bool:
    return str(node.tag).endswith(":null")


def _integer(node: yaml.Node | None) -> int:
    if node is None or _is_null(node):
        return 0
    value: Any = None
    if isinstance(node, yaml.ScalarNode) and str(node.tag).endswith((":int", ":float")):
        value = yaml.safe_load(node.value)
    if not isinstance(value, (int, float)) or value != value or abs(value) > 2**63:
        raise _cannot(node, "int64")
    return int(value)


def _mapping(node: yaml.Node | None) -> dict[str, str] | None:
    if node is None or _is_null(node):
        return None
    if not isinstance(node, yaml.MappingNode):
        raise _cannot(node, "map[string]string")
    found: dict[str, str] = {}
    for key, value in node.value:
        if not isinstance(value, yaml.ScalarNode):
            raise _cannot(value, "string")
        found[str(key.value)] = "" if _is_null(value) else str(value.value)
    return found
