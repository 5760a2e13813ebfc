"""Request bodies read as Go reads them into structures: with the same leniency and the same errors.

Source: Go's encoding/json, and LXD 5.0.2's replies to bodies with one error each.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from ..store.refusals import Refusal

__all__ = ["Struct", "Words", "decode"]

_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)?(T\d\d:\d\d:\d\d(?:\.\d+)?)?(Z|[+-]\d\d:\d\d)?")
_LAYOUT = "2006-01-02T15:04:05Z07:00"
_DECODER = json.JSONDecoder()


@dataclass(frozen=True)
class Words:
    """Which Go it is whose errors are imitated.

    Attributes:
        new_go: report bad times in the words of Go 1.20 and newer.
        names_keys: name the key of a map in its errors, and refuse a number for a time before it is read.
    """

    new_go: bool = False
    names_keys: bool = False


class Struct:
    """The fields of a Go structure that a body may fill.

    Args:
        name: of the structure, for errors.
        fields: name and Go type of each, separated by commas.
        nested: fields that are structures themselves.
    """

    def __init__(self, name: str, fields: str, **nested: Struct) -> None:
        self.name = name
        self.fields: dict[str, str | Struct] = {**nested}
        for field in fields.split(","):
            key, kind = field.split()
            self.fields[key] = kind


_ALIAS = Struct("ImageAlias", "name string, description string")
_PYTHON: dict[str, type] = {
    "bool": bool,
    "string": str,
    "[]string": list,
    "[]api.ImageAlias": list,
    "map[string]string": dict,
}


def decode(body: bytes, shape: Struct, *, words: Words, map_type: str = "") -> dict[str, Any]:
    """The body as a dict of known fields, each of its type; absent and null fields are left out.

    Args:
        body: as received. Bytes after the first JSON value are ignored, as Go's decoder does.
        shape: what may be in it.
        words: of the Go that the daemon is built with.
        map_type: the Go type that a PATCH reads the body into first, for its errors.

    Raises:
        Refusal: 400 with the text of Go's error.
    """
    value = _first_value(body)
    if value is None:
        return {}
    if not isinstance(value, dict):
        kind = map_type or f"api.{shape.name}"
        raise Refusal(400, f"json: cannot unmarshal {_kind(value)} into Go value of type {kind}")
    read: dict[str, Any] = _read(value, shape, shape.name, words)
    return read


def _first_value(body: bytes) -> Any:
    text = body.decode("utf-8", "replace").lstrip(" \t\r\n")
    if not text:
        raise Refusal(400, "EOF")
    try:
        value, _ = _DECODER.raw_decode(text)
    except json.JSONDecodeError as error:
        raise Refusal(400, _syntax_error(text, error)) from error
    except RecursionError as error:
        raise Refusal(400, "invalid character '[' exceeded max depth") from error
    return _without_surrogates(value) if _SURROGATE.search(body) else value


def _syntax_error(text: str, error: json.JSONDecodeError) -> str:
    if error.pos >= len(text) or "Unterminated" in error.msg:
        return "unexpected EOF"
    for word in ("null", "true", "false"):
        start = error.pos
        if text[start] == word[0]:
            wrong = next((i for i, c in enumerate(word) if text[start + i : start + i + 1] != c), 0)
            got = text[start + wrong : start + wrong + 1]
            return (
                f"invalid character '{got}' in literal {word} (expecting '{word[wrong]}')" if got else "unexpected EOF"
            )
    where = "beginning of object key string" if "property name" in error.msg else "beginning of value"
    return f"invalid character '{text[error.pos]}' looking for {where}"


def _without_surrogates(value: Any) -> Any:
    """Replace lone surrogates by U+FFFD, as Go does; Python cannot store or send them."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
    return value


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, (int, float)):
        return "number"
    names: tuple[tuple[type, str], ...] = ((str, "string"), (list, "array"), (dict, "object"))
    return next((name for kind, name in names if isinstance(value, kind)), "null")


def _read(item: Any, kind: str | Struct, where: str, words: Words) -> Any:
    if kind == "time":
        if words.names_keys and not isinstance(item, str):
            raise Refusal(400, f"json: cannot unmarshal {_kind(item)} into Go struct field {where} of type time.Time")
        return _time(item, new_go=words.new_go)
    if kind == "any":
        return item
    name, wanted = (f"api.{kind.name}", dict) if isinstance(kind, Struct) else (kind, _PYTHON[kind])
    fits: bool = isinstance(item, wanted)
    if not fits:
        raise Refusal(400, f"json: cannot unmarshal {_kind(item)} into Go struct field {where} of type {name}")
    if isinstance(kind, Struct):
        known = {key.lower(): inner for key, inner in item.items() if inner is not None}
        return {
            key: _read(inner, kind.fields[key], f"{where}.{key}", words)
            for key, inner in known.items()
            if key in kind.fields
        }
    if kind == "[]api.ImageAlias":
        return [{"name": "", "description": "", **_read(inner, _ALIAS, where, words)} for inner in item]
    if kind == "[]string":
        return [_read("" if inner is None else inner, "string", where, words) for inner in item]
    if kind == "map[string]string":
        places = {key: f"{where}.{key}" if words.names_keys else where for key in item}
        return {key: _read("" if inner is None else inner, "string", places[key], words) for key, inner in item.items()}
    return item


def _time(item: Any, *, new_go: bool) -> str:
    """An RFC 3339 time with an offset, as it was written; a Refusal names its first wrong part."""
    quoted = json.dumps(item, ensure_ascii=False)
    if not isinstance(item, str):
        if new_go:
            raise Refusal(400, "Time.UnmarshalJSON: input is not a JSON string")
        raise _time_error(quoted, quoted, '"', new_go=new_go)
    found = _TIME.match(item)
    parts = found.groups() if found else (None, None, None)
    rest = item
    for part, layout in zip(parts, ("2006", "T", "Z07:00"), strict=True):
        if part is None:
            raise _time_error(item if new_go else quoted, rest if new_go else rest + '"', layout, new_go=new_go)
        rest = rest[len(part) :]
    if rest:
        raise Refusal(400, f"parsing time {json.dumps(quoted)}: extra text: {json.dumps(rest)}")
    return item


def _time_error(value: str, rest: str, wanted: str, *, new_go: bool) -> Refusal:
    layout = _LAYOUT if new_go else f'"{_LAYOUT}"'
    value, layout, rest, wanted = (json.dumps(part, ensure_ascii=False) for part in (value, layout, rest, wanted))
    return Refusal(400, f"parsing time {value} as {layout}: cannot parse {rest} as {wanted}")
