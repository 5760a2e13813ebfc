"""Request bodies read as Go reads them into its structures: same leniency, same errors.

Source: Go's encoding/json, and LXD 5.0.2's replies to bodies that are wrong in one way each.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from ..store.refusals import Refusal

__all__ = ["Struct", "decode", "parse_time"]

_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)?(T\d\d:\d\d:\d\d(?:\.\d+)?)?(Z|[+-]\d\d:\d\d)?")
_LAYOUT = "2006-01-02T15:04:05Z07:00"
_DECODER = json.JSONDecoder()


class Struct:
    """The fields of a Go structure that a body may fill: name -> Go type, or a Struct for a nested one."""

    def __init__(self, name: str, /, **fields: str | Struct) -> None:
        self.name = name
        self.fields: dict[str, str | Struct] = {key.lower(): kind for key, kind in fields.items()}


def decode(body: bytes, shape: Struct, *, incus: bool = False, map_type: str = "") -> dict[str, Any]:
    """The body as a dict that holds known fields only, each of its type; absent and null fields are left out.

    Args:
        body: as received. Bytes after the first JSON value are ignored, as Go's decoder does.
        shape: what may be in it.
        map_type: the Go type that a PATCH reads the body into first, for its errors.
        incus: report bad times in the words of the newer Go that Incus is built with.

    Raises:
        Refusal: 400 with the text Go has for it.
    """
    value = _first_value(body)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Refusal(
            400, f"json: cannot unmarshal {_kind(value)} into Go value of type {map_type or f'api.{shape.name}'}"
        )
    return _fill(value, shape, shape.name, "", incus)


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
    """Lone surrogates as U+FFFD, as Go reads them; Python could not store or send them."""
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


def _fill(value: Mapping[str, Any], shape: Struct, root: str, path: str, incus: bool) -> dict[str, Any]:
    filled: dict[str, Any] = {}
    for key, item in value.items():
        kind = shape.fields.get(key.lower())
        if kind is None or item is None:
            continue
        where = f"{path}{key.lower()}"
        if isinstance(kind, Struct):
            if not isinstance(item, dict):
                raise _mismatch(item, root, where, f"api.{kind.name}")
            filled[key.lower()] = _fill(item, kind, root, where + ".", incus)
        else:
            filled[key.lower()] = _typed(item, kind, root, where, incus)
    return filled


def _mismatch(item: Any, root: str, where: str, kind: str) -> Refusal:
    return Refusal(400, f"json: cannot unmarshal {_kind(item)} into Go struct field {root}.{where} of type {kind}")


def _typed(item: Any, kind: str, root: str, where: str, incus: bool) -> Any:
    if kind == "time":
        return parse_time(item, incus=incus)
    if kind == "any":
        return item
    wanted: dict[str, type] = {"bool": bool, "string": str, "[]string": list, "map[string]string": dict}
    if kind == "[]api.ImageAlias":
        return _aliases(item, root, where)
    fits: bool = isinstance(item, wanted[kind])
    if not fits:
        raise _mismatch(item, root, where, kind)
    if kind == "[]string":
        for inner in item:
            if inner is not None and not isinstance(inner, str):
                raise _mismatch(inner, root, where, "string")
        return [inner or "" for inner in item]
    if kind == "map[string]string":
        for inner in item.values():
            if inner is not None and not isinstance(inner, str):
                raise _mismatch(inner, root, where, "string")
        return {key: inner or "" for key, inner in item.items()}
    return item


def _aliases(item: Any, root: str, where: str) -> list[dict[str, str]]:
    if not isinstance(item, list):
        raise _mismatch(item, root, where, "[]api.ImageAlias")
    shape = Struct("ImageAlias", name="string", description="string")
    found = []
    for inner in item:
        if not isinstance(inner, dict):
            raise _mismatch(inner, root, where, "api.ImageAlias")
        filled = _fill(inner, shape, root, where + ".", incus=False)
        found.append({"name": filled.get("name", ""), "description": filled.get("description", "")})
    return found


def parse_time(item: Any, *, incus: bool = False) -> str:
    """An RFC 3339 time with an offset, as it was written.

    Raises:
        Refusal: 400, saying where it stops being one.
    """
    quoted = json.dumps(item, ensure_ascii=False)
    if not isinstance(item, str):
        text = (
            "Time.UnmarshalJSON: input is not a JSON string"
            if incus
            else _time_error(quoted, _LAYOUT_JSON, quoted, '"')
        )
        raise Refusal(400, text)
    found = _TIME.match(item)
    parts = found.groups() if found else (None, None, None)
    rest = item
    for part, layout in zip(parts, ("2006", "T", "Z07:00"), strict=True):
        if part is None:
            shown = rest if incus else rest + '"'
            raise Refusal(
                400,
                _time_error(item, _LAYOUT, shown, layout)
                if incus
                else _time_error(quoted, _LAYOUT_JSON, shown, layout),
            )
        rest = rest[len(part) :]
    if rest:
        raise Refusal(400, f"parsing time {json.dumps(quoted)}: extra text: {json.dumps(rest)}")
    return item


_LAYOUT_JSON = f'"{_LAYOUT}"'


def _time_error(value: str, layout: str, rest: str, wanted: str) -> str:
    said = [json.dumps(part, ensure_ascii=False) for part in (value, layout, rest, wanted)]
    return f"parsing time {said[0]} as {said[1]}: cannot parse {said[2]} as {said[3]}"
