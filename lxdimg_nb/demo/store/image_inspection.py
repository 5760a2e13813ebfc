"""Image files as the server reads them after an upload: their compression and their metadata.yaml.

Nothing is ever extracted; tarballs are read as streams, with limits on bytes and members.

YAML is read as Go does it. Source: errors of LXD 5.0.2 for some hundred odd files; gopkg.in/yaml.v2.
"""

from __future__ import annotations

import base64
import bz2
import contextlib
import gzip
import lzma
import math
import re
import subprocess
import tarfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import yaml

from .go_dates import is_date
from .refusals import Refusal

__all__ = ["ARCHITECTURES", "ImageFacts", "extension_of", "facts_of"]

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
_TAG = "tag:yaml.org,2002:"
_YEARS = range(-62_167_219_200, 253_402_300_800)
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INTEGER = re.compile(r"([-+]?)(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|[1-9][0-9]*|0)")
ARCHITECTURES = {
    "x86_64": ("amd64", "generic_64"),
    "i686": ("i386", "i586", "x86", "386", "generic_32"),
    "aarch64": ("arm64", "arm64_generic"),
    "armv7l": ("armhf", "armhfp", "armv7a_hardfp", "armv7", "armv7a_vfpv3_hardfp"),
    "armv6l": ("armel", "arm"),
    "armv8l": (),
    "ppc": ("powerpc",),
    "ppc64": ("powerpc64",),
    "ppc64le": ("ppc64el",),
    "s390x": (),
    "mips": ("mipsel", "mipsle"),
    "mips64": ("mips64el", "mips64le"),
    "riscv32": (),
    "riscv64": (),
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


def facts_of(path: Path, *, split: bool, virtual_machine: bool = False, go_yaml_4: bool = False) -> ImageFacts:
    """Read the metadata of an image.

    Args:
        path: the unified tarball, or the metadata tarball of a split image.
        split: whether it is the latter.
        virtual_machine: for a split image, whether its second part is a disk.
        go_yaml_4: read metadata.yaml as newer Incus does: dates are no texts, and errors have other words.

    Raises:
        Refusal: with the text that a daemon's operation fails with.
    """
    try:
        return _facts_of(path, split=split, virtual_machine=virtual_machine, dates_are_texts=not go_yaml_4)
    except Refusal as refusal:
        if go_yaml_4:
            raise Refusal(500, _in_words_of_go_yaml_4(refusal)) from refusal
        raise


def _in_words_of_go_yaml_4(refusal: Refusal) -> str:
    text = refusal.text
    cause = refusal.__cause__
    if isinstance(cause, yaml.MarkedYAMLError) and cause.problem_mark is not None:
        mark, context = cause.problem_mark, f" ({cause.context})" if cause.context else ""
        problem = text.partition(": ")[2].partition(": ")[2]
        return f"go-yaml load error in parser{context} at L{mark.line + 1}.C{mark.column + 1}: {problem}"
    if text.startswith("yaml: input error"):
        return f"go-yaml load error in reader at <unknown position>: {text.removeprefix('yaml: ')}"
    return text.replace("unmarshal errors:\n  ", "construct errors: ").replace("cannot unmarshal", "cannot construct")


def _facts_of(path: Path, *, split: bool, virtual_machine: bool, dates_are_texts: bool) -> ImageFacts:
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
    return _parse_facts(text, kind, dates_are_texts=dates_are_texts)


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
        text = b"" if content is None else content.read(_METADATA_LIMIT + 1)
    except (EOFError, zlib.error, lzma.LZMAError, OSError, tarfile.TarError) as error:
        raise Refusal(500, "yaml: input error: unexpected EOF") from error
    if len(text) > _METADATA_LIMIT:
        raise Refusal(500, "yaml: input error: input data too large")
    if len(text) < member.size:
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


def _parse_facts(text: bytes, kind: str, *, dates_are_texts: bool) -> ImageFacts:
    """The facts in metadata.yaml of an image of this type.

    Raises:
        Refusal: with the text that a daemon's operation fails with.
    """
    try:
        loader = _Loader(text)
        root = loader.get_node() if loader.check_node() else None
        if loader.yaml_version not in (None, (1, 1)):
            raise Refusal(500, "yaml: found incompatible YAML document")
        if root is None:
            raise Refusal(500, "EOF")
        if not isinstance(root, yaml.MappingNode):
            raise _cannot(root, "api.ImageMetadata")
        fields = _fields(loader, root)
        created = _integer(fields.get("creation_date"))
        expiry = _integer(fields.get("expiry_date"))
        if not dates_are_texts:
            _refuse_dates(fields.get("properties"), fields.get("architecture"), fields.get("templates"))
        properties = _mapping(loader, fields.get("properties"))
        _check_templates(loader, fields.get("templates"))
        written = _string(fields["architecture"]) if "architecture" in fields else ""
    except yaml.YAMLError as error:
        # PyYAML takes no tab within a text without quotes; Go's YAML does.
        spaced = re.sub(rb"(?<=[^\s])[ \t]*\t", b" ", text)
        if spaced != text:
            return _parse_facts(spaced, kind, dates_are_texts=dates_are_texts)
        raise Refusal(500, _yaml_error(error)) from error
    except RecursionError as error:
        raise Refusal(500, "yaml: exceeded max depth") from error
    architecture = next((name for name, others in ARCHITECTURES.items() if written in (name, *others)), None)
    if architecture is None:
        raise Refusal(500, f"Architecture isn't supported: {written}")
    if not created:
        raise Refusal(500, "Missing creation date")
    if created not in _YEARS or expiry not in _YEARS:
        raise Refusal(500, "Failed to fetch images: parsing time: cannot parse")
    return ImageFacts(architecture, created, expiry, properties, kind)


class _Loader(yaml.SafeLoader):
    """Go's tags for scalars, and its tabs."""

    def resolve(self, kind: Any, value: str, implicit: Any) -> str:
        """The tag of an untagged node."""
        tag: str = super().resolve(kind, value, implicit)  # type: ignore[no-untyped-call]
        known = ("str", "int", "float", "bool", "timestamp")
        if kind is not yaml.ScalarNode or not implicit[0] or tag[len(_TAG) :] not in known:
            return tag
        if is_date(value):
            return f"{_TAG}timestamp"
        if tag.endswith("float") and value.lstrip("+-").lower() in (".inf", ".nan"):
            return tag
        if value.lower() in ("true", "false"):
            return f"{_TAG}bool"
        number = _number(value)
        return f"{_TAG}{'str' if number is None else type(number).__name__}"

    def scan_to_next_token(self) -> None:
        """Skip blanks and comments."""
        super().scan_to_next_token()
        while self.peek() == "\t" and (self.flow_level or not self.allow_simple_key):
            self.forward()
            super().scan_to_next_token()


def _yaml_error(error: yaml.YAMLError) -> str:
    if not isinstance(error, yaml.MarkedYAMLError):
        return f"yaml: {error}"
    mark = error.problem_mark
    problem = re.sub(r"^expected (the )?(.+?), but (found|got) .*", r"did not find expected \2", str(error.problem))
    return f"yaml: line {mark.line + (mark.column > 0)}: {problem}" if mark is not None else f"yaml: {problem}"


def _tag(node: yaml.Node) -> str:
    return str(node.tag).removeprefix(_TAG)


def _is_null(node: yaml.Node | None) -> bool:
    return node is None or _tag(node) == "null"


def _cannot(node: yaml.Node, wanted: str) -> Refusal:
    shown = ""
    if isinstance(node, yaml.ScalarNode):
        shown = f" `{node.value}`" if len(node.value) <= 10 else f" `{node.value[:7]}...`"
    kind = _tag(node) if shown else "map" if isinstance(node, yaml.MappingNode) else "seq"
    line = node.start_mark.line + 1
    return Refusal(500, f"yaml: unmarshal errors:\n  line {line}: cannot unmarshal !!{kind}{shown} into {wanted}")


def _fields(loader: _Loader, node: yaml.MappingNode) -> dict[str, yaml.Node]:
    loader.flatten_mapping(node)
    return {_string(key): value for key, value in node.value if isinstance(key, yaml.ScalarNode)}


def _number(text: str) -> int | float | None:
    plain = "" if text.startswith("_") else text.replace("_", "")
    found = _INTEGER.fullmatch(plain)
    if found:
        sign, digits = found.groups()
        octal = len(digits) > 1 and digits[0] == "0" and digits[1].isdigit()
        value = int(sign + digits, 8 if octal else 0)
        if -(2**63) <= value < 2**64:
            return value
    return float(plain) if _FLOAT.fullmatch(plain) and math.isfinite(float(plain)) else None


def _integer(node: yaml.Node | None) -> int:
    if node is None or _is_null(node):
        return 0
    value = _number(node.value) if _tag(node) in ("int", "float") else None
    if value is None or value > 2**63 or (_tag(node) == "int" and isinstance(value, float)):
        raise _cannot(node, "int64")
    return int(value)


def _string(node: yaml.Node) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise _cannot(node, "string")
    if _tag(node) == "int" and not isinstance(_number(node.value), int):
        raise Refusal(500, f"yaml: cannot decode !!str `{node.value}` as a !!int")
    if _tag(node) != "binary":
        return "" if _is_null(node) else str(node.value)
    try:
        return base64.b64decode(node.value, validate=True).decode()
    except ValueError as error:
        raise Refusal(500, "yaml: !!binary value contains invalid base64 data") from error


def _mapping(loader: _Loader, node: yaml.Node | None) -> dict[str, str] | None:
    if node is None or _is_null(node):
        return None
    if not isinstance(node, yaml.MappingNode):
        raise _cannot(node, "map[string]string")
    loader.flatten_mapping(node)
    # The database ends a text at its first NUL.
    return {_string(key).split("\0")[0]: _string(value).split("\0")[0] for key, value in node.value}


def _refuse_dates(*nodes: yaml.Node | None) -> None:
    """Raise a Refusal for the first date without quotes in some nodes."""
    for node in nodes:
        if isinstance(node, yaml.MappingNode):
            _refuse_dates(*(part for pair in node.value for part in pair))
        elif isinstance(node, yaml.SequenceNode):
            _refuse_dates(*node.value)
        elif isinstance(node, yaml.ScalarNode) and _tag(node) == "timestamp":
            raise _cannot(node, "string")


def _check_templates(loader: _Loader, node: yaml.Node | None) -> None:
    if node is None or _is_null(node):
        return
    if not isinstance(node, yaml.MappingNode):
        raise _cannot(node, "map[string]*api.ImageMetadataTemplate")
    for value in _fields(loader, node).values():
        if _is_null(value):
            continue
        if not isinstance(value, yaml.MappingNode):
            raise _cannot(value, "api.ImageMetadataTemplate")
        parts = _fields(loader, value)
        when, once = parts.get("when"), parts.get("create_only")
        _mapping(loader, parts.get("properties"))
        if "template" in parts:
            _string(parts["template"])
        if isinstance(when, yaml.SequenceNode):
            for item in when.value:
                _string(item)
        elif when is not None and not _is_null(when):
            raise _cannot(when, "[]string")
        if not (once is None or _is_null(once) or _is_plain_bool(once)):
            raise _cannot(once, "bool")


def _is_plain_bool(node: yaml.Node) -> bool:
    words = ("y", "yes", "true", "on", "n", "no", "false", "off")
    return isinstance(node, yaml.ScalarNode) and not node.style and node.value.lower() in words
