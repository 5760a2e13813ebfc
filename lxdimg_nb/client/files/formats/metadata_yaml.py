"""metadata.yaml of an image, read as servers read it: with limits, and with what they would refuse about it."""

from __future__ import annotations

import base64
import math
import re
import tarfile
from datetime import UTC, datetime
from typing import Any, NamedTuple

import yaml

from lxdimg_nb.values.architecture import kernel_architecture

__all__ = ["MAX_SIZE", "ParsedMetadata", "is_date", "parse_metadata", "read_metadata"]

# Servers take no more, and 200 MB of YAML take a daemon down (CVE-2026-41648); this process must not follow.
MAX_SIZE = 1024 * 1024
_YEAR_0, _YEAR_10000 = -62_167_219_200, 253_402_300_800

_TAG = "tag:yaml.org,2002:"
_NAMES = {
    "null": "nothing",
    "timestamp": "a date",
    "bool": "true or false",
    "int": "a number",
    "float": "a number",
}
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
_INTEGER = re.compile(r"([-+]?)(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|[1-9][0-9]*|0)", re.ASCII)
# The layouts of gopkg.in/yaml, allowedTimestampFormats: a date, with T and a zone, or with a space and none.
_DATE = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})"
    r"(?:(?:[Tt](\d{1,2}):(\d{1,2}):(\d{1,2})(?:\.\d+)?(?:Z|[-+]\d\d:\d\d))"
    r"|(?: (\d{1,2}):(\d{1,2}):(\d{1,2})(?:\.\d+)?))?",
    re.ASCII,
)
MAX_DATES = 5
_YES, _NO = {"y", "yes", "true", "on"}, {"n", "no", "false", "off"}


class ParsedMetadata(NamedTuple):
    """The content of metadata.yaml, and what servers say about it.

    Attributes:
        content: empty when it cannot be read.
        problems: what every server refuses.
        dates: texts that are dates without quotes, the first few: newer Incus refuses them.
    """

    content: dict[str, Any]
    problems: list[str]
    dates: tuple[str, ...] = ()


def read_metadata(tar: tarfile.TarFile, member: tarfile.TarInfo) -> ParsedMetadata:
    """What metadata.yaml in an archive says."""
    if not member.isfile():
        return ParsedMetadata({}, ["metadata.yaml is no ordinary file"])
    if member.size > MAX_SIZE:
        return ParsedMetadata({}, [f"metadata.yaml has {member.size} bytes; servers take {MAX_SIZE}"])
    file = tar.extractfile(member)
    assert file is not None
    return parse_metadata(file.read(MAX_SIZE + 1))


def parse_metadata(content: bytes) -> ParsedMetadata:
    """As `read_metadata`, of the file's content. Only the first document counts, as for servers.

    Source: LXD's and Incus' api.ImageMetadata; gopkg.in/yaml.v2, resolve.go and decode.go.
    """
    if len(content) > MAX_SIZE:
        return ParsedMetadata({}, [f"metadata.yaml has more than {MAX_SIZE} bytes, which servers do not take"])
    try:
        loader = _Loader(content)
        if not loader.check_node():
            return ParsedMetadata({}, ["metadata.yaml is empty"])
        root = loader.get_node()
        assert root is not None
        if _expanded_size(root, {}) > MAX_SIZE:
            # A few lines of aliases to aliases are gigabytes once written out. Go's YAML refuses them, too.
            return ParsedMetadata({}, ["metadata.yaml repeats itself by references more often than servers take"])
        if loader.yaml_version not in (None, (1, 1)):
            problem = "metadata.yaml: servers read YAML 1.1 only; remove its line that begins with %YAML"
            return ParsedMetadata({}, [problem])
        if not isinstance(root, yaml.MappingNode):
            return ParsedMetadata({}, ["metadata.yaml holds no mapping"])
        fields = {_text(key): value for key, value in _items(loader, root) if isinstance(key, yaml.ScalarNode)}
        return _Checker(loader).metadata(fields)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        # PyYAML takes no tab within a text without quotes; Go's YAML does.
        spaced = re.sub(rb"(?<=[^\s])[ \t]*\t", b" ", content)
        if spaced != content:
            return parse_metadata(spaced)
        return ParsedMetadata({}, [f"metadata.yaml is no YAML: {' '.join(str(error).split())[:200]}"])


class _Loader(yaml.SafeLoader):
    """YAML as Go's library reads it where that differs from PyYAML."""

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
        """Skip spaces, comments, and tabs where no indentation can stand."""
        super().scan_to_next_token()
        while self.peek() == "\t" and (self.flow_level or not self.allow_simple_key):
            self.forward()
            super().scan_to_next_token()


class _Checker:
    """Turns the fields that servers know into what they make of them, and collects what they refuse."""

    def __init__(self, loader: _Loader) -> None:
        self._loader = loader
        self._problems: list[str] = []
        self._dates: dict[str, None] = {}

    def metadata(self, fields: dict[str, yaml.Node]) -> ParsedMetadata:
        found: dict[str, Any] = {name: _value(self._loader, node) for name, node in fields.items()}
        found["architecture"] = self._string(fields.get("architecture"), "architecture")
        architecture = found["architecture"]
        if architecture == "":
            self._refuse("architecture is missing; write for example x86_64 or aarch64")
        elif architecture is not None and not kernel_architecture(architecture):
            self._refuse(f"architecture {architecture!r} is not known to servers")
        for name in ("creation_date", "expiry_date"):
            seconds = self._seconds(fields.get(name), name)
            if seconds is not None and name in found:
                found[name] = seconds
            if seconds == 0 and name == "creation_date":
                self._refuse("creation_date is missing; it must be seconds since 1970, not 0")
        properties = self._strings(fields.get("properties"), "properties", "property")
        if properties is not None and "properties" in found:
            found["properties"] = properties
        self._templates(fields.get("templates"))
        return ParsedMetadata(found, self._problems, tuple(self._dates)[:MAX_DATES])

    def _refuse(self, text: str) -> None:
        self._problems.append(f"metadata.yaml: {text}")

    def _string(self, node: yaml.Node | None, what: str) -> str | None:
        """A text; empty for null, None for what is none."""
        if node is None:
            return ""
        if not isinstance(node, yaml.ScalarNode):
            self._refuse(f"{what} must be text, not {_kind(node)}")
            return None
        if _tag(node) == "timestamp":
            self._dates.setdefault(f"{what} ({node.value[:40]})")
        try:
            if _tag(node) == "binary":
                return base64.b64decode("".join(node.value.split()), validate=True).decode()
        except ValueError:
            self._refuse(f"{what} is no base64: {node.value[:40]!r}")
            return None
        if _tag(node) == "int" and not isinstance(_number(node.value), int):
            self._refuse(f"{what} is no whole number: {node.value[:40]!r}")
            return None
        return _text(node)

    def _seconds(self, node: yaml.Node | None, what: str) -> int | None:
        """Seconds since 1970; 0 for null, None for what is none."""
        if node is None or _tag(node) == "null":
            return 0
        number = _number(node.value) if _tag(node) in ("int", "float") else None
        if number is None or number != number or (_tag(node) == "int" and isinstance(number, float)):
            shown = repr(node.value[:40]) if isinstance(node, yaml.ScalarNode) else _kind(node)
            hint = _seconds_hint(node.value) if isinstance(node, yaml.ScalarNode) else ""
            self._refuse(f"{what} must be a number of seconds since 1970, not {shown}{hint}")
            return None
        if not _YEAR_0 <= number < _YEAR_10000:
            hint = "; is it milliseconds?" if 10**11 < number < 10**15 else ""
            # Seen: neither can the image be deleted.
            self._refuse(f"{what} {node.value[:40]} is not in the years 0 to 9999: no server can read it back{hint}")
            return None
        return int(number)

    def _strings(self, node: yaml.Node | None, what: str, one: str) -> dict[str, str] | None:
        """A mapping of text to text; empty for null, None for what is none."""
        if node is None or _tag(node) == "null":
            return {}
        if not isinstance(node, yaml.MappingNode):
            self._refuse(f"{what} must be a mapping of names to text, not {_kind(node)}")
            return None
        found = {}
        for key, value in _items(self._loader, node):
            name = self._string(key, f"a name in {what}")
            text = self._string(value, f"{one} {(name or '')[:80]!r}")
            if name is not None and text is not None:
                # Their databases end a text at its first NUL.
                found[name.split("\0")[0]] = text.split("\0")[0]
        return found

    def _templates(self, node: yaml.Node | None) -> None:
        if node is None or _tag(node) == "null":
            return
        if not isinstance(node, yaml.MappingNode):
            self._refuse(f"templates must be a mapping of paths to templates, not {_kind(node)}")
            return
        for key, value in _items(self._loader, node):
            what = f"template {(self._string(key, 'a path in templates') or '')[:80]!r}"
            if isinstance(value, yaml.MappingNode):
                parts = {_text(k): v for k, v in _items(self._loader, value) if isinstance(k, yaml.ScalarNode)}
                self._template(parts, what)
            elif _tag(value) != "null":
                self._refuse(f"{what} must be a mapping, not {_kind(value)}")

    def _template(self, parts: dict[str, yaml.Node], what: str) -> None:
        self._string(parts.get("template"), f"{what}: template")
        self._strings(parts.get("properties"), f"{what}: properties", f"{what}: property")
        when, once = parts.get("when"), parts.get("create_only")
        if isinstance(when, yaml.SequenceNode):
            for item in when.value:
                self._string(item, f"{what}: an item of when")
        elif when is not None and _tag(when) != "null":
            self._refuse(f"{what}: when must be a list as in [create, copy], not {_kind(when)}")
        if once is None or _tag(once) == "null":
            return
        plain = isinstance(once, yaml.ScalarNode) and not once.style and once.value.lower() in _YES | _NO
        if not plain:
            self._refuse(f"{what}: create_only must be true or false, not {_kind(once)}")


def _items(loader: _Loader, node: yaml.MappingNode) -> list[tuple[yaml.Node, yaml.Node]]:
    """The pairs of a mapping, those of `<<` among them."""
    loader.flatten_mapping(node)
    return list(node.value)


def _tag(node: yaml.Node) -> str:
    return str(node.tag).removeprefix(_TAG)


def _kind(node: yaml.Node) -> str:
    if isinstance(node, yaml.ScalarNode):
        return _NAMES.get(_tag(node), "text")
    return "a mapping" if isinstance(node, yaml.MappingNode) else "a list"


def _text(node: yaml.ScalarNode) -> str:
    return "" if _tag(node) == "null" else str(node.value)


def is_date(text: str) -> bool:
    """Whether Go's YAML sees a date in a text without quotes.

    Source: imports into Incus 7.0.2 and 7.5.1: `2024-1-2` is one; `2024-02-30` and a T without a zone are none.
    """
    found = _DATE.fullmatch(text)
    if found is None:
        return False
    year, month, day, *clock = (int(part) for part in found.groups() if part)
    hour, minute, second = clock or (0, 0, 0)
    try:
        datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return False
    return True


def _value(loader: _Loader, node: yaml.Node) -> Any:
    """A node as Python's plain types; a number, a truth value or null only where servers see one."""
    if isinstance(node, yaml.MappingNode):
        pairs = _items(loader, node)
        return {_text(k): _value(loader, v) for k, v in pairs if isinstance(k, yaml.ScalarNode)}
    if isinstance(node, yaml.SequenceNode):
        return [_value(loader, item) for item in node.value]
    kind, text = _tag(node), str(node.value)
    if kind in ("int", "float"):
        number = _number(text)
        return text if number is None else number
    if kind == "bool":
        return text.lower() in _YES
    return None if kind == "null" else text


def _number(text: str) -> int | float | None:
    """A number as Go's YAML reads it; None for what is none."""
    plain = "" if text.startswith("_") else text.replace("_", "")
    found = _INTEGER.fullmatch(plain)
    if found:
        sign, digits = found.groups()
        octal = len(digits) > 1 and digits[0] == "0" and digits[1].isdigit()
        value = int(sign + digits, 8 if octal else 0)
        if -(2**63) <= value < 2**64:
            return value
    if _FLOAT.fullmatch(plain) and math.isfinite(float(plain)):
        return float(plain)
    return None


def _seconds_hint(text: str) -> str:
    if _number(text) is not None:
        return "; write it without quotes"
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return ""
    return f" (that is {int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())})"


def _expanded_size(node: yaml.Node, known: dict[int, float]) -> float:
    """The number of values in a document with its aliases written out; infinite where one holds itself."""
    if isinstance(node, yaml.ScalarNode):
        return 1
    if id(node) not in known:
        known[id(node)] = math.inf
        inner = [part for pair in node.value for part in pair] if isinstance(node, yaml.MappingNode) else node.value
        known[id(node)] = 1 + sum(_expanded_size(item, known) for item in inner)
    return known[id(node)]
