"""The shapes of a panel's messages, as `panels/front/src/messages.json` gives them to both sides."""

from __future__ import annotations

import json
from functools import cache
from typing import Any, Literal

import jsonschema

from tests.kit.node import FRONT

Way = Literal["fromKernel", "toKernel"]
SCHEMA: dict[str, Any] = json.loads((FRONT / "src" / "messages.json").read_text())


def messages(way: Way) -> dict[str, dict[str, Any]]:
    """The schema of each message of one side, by type."""
    found: dict[str, dict[str, Any]] = SCHEMA["properties"][way]["properties"]
    return found


def fields(kind: str) -> set[str]:
    """The fields of a message of a view's."""
    shape = messages("toKernel")[kind]
    if "$ref" in shape:
        shape = SCHEMA["definitions"][shape["$ref"].rpartition("/")[2]]
    return set(shape.get("properties", {}))


@cache
def _validator(way: Way, kind: str) -> Any:
    place = {"$ref": f"#/properties/{way}/properties/{kind}", "definitions": SCHEMA["definitions"]}
    return jsonschema.Draft7Validator(place | {"properties": SCHEMA["properties"]})


def faults(way: Way, kind: str, content: object) -> list[str]:
    """What is wrong with a message, one sentence each."""
    if kind not in messages(way):
        return [f"there is no message {kind} in {way}"]
    # As it arrives: tuples are lists in JSON.
    errors = _validator(way, kind).iter_errors(json.loads(json.dumps(content)))
    return [f"{kind} {'/'.join(map(str, e.absolute_path))}: {_deepest(e)}" for e in errors]


def _deepest(error: Any) -> str:
    """Of several shapes that all do not fit, what the one that fits best complains of."""
    best = jsonschema.exceptions.best_match([error])
    return str((best or error).message)[:300]
