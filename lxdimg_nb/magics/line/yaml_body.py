"""Parse the YAML in a `%%lxdimg` cell to mappings, lists and strings; `11.10` and `yes` stay strings."""

from __future__ import annotations

from typing import Any

import yaml

from lxdimg_nb.errors import InvalidRequestError

MAX_DEPTH = 6
# Characters; more takes the loader that is written in Python seconds. Its messages say more.
LARGE = 64 * 1024
# PyYAML can be built without libyaml.
_QuickLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_EMPTY = ("", "~", "null", "Null", "NULL")


def load(body: str) -> dict[str, Any]:
    """Parse the body of a cell to mappings, lists and strings; empty values are None. Duplicate keys are an error."""
    try:
        node = yaml.compose(body, Loader=_QuickLoader if len(body) > LARGE else yaml.SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 2}: " if mark is not None else ""
        problem = getattr(error, "problem", None) or "it cannot be parsed"
        raise InvalidRequestError(f"{where}this is not valid YAML ({problem})") from error
    return {} if node is None else mapping(_value(node, MAX_DEPTH), "the cell")


def _value(node: yaml.Node, deep: int) -> Any:
    line = node.start_mark.line + 2  # the first line of the cell is the verb
    if deep == 0:
        raise InvalidRequestError(f"line {line}: nested too deeply")
    if isinstance(node, yaml.MappingNode):
        found: dict[str, Any] = {}
        for key, value in node.value:
            name = _value(key, deep - 1)
            if not isinstance(name, str):
                raise InvalidRequestError(f"line {line}: a key is one word")
            if name in found:
                raise InvalidRequestError(f"line {key.start_mark.line + 2}: {name!r} is given twice")
            found[name] = _value(value, deep - 1)
        return found
    if isinstance(node, yaml.SequenceNode):
        return [_value(item, deep - 1) for item in node.value]
    plain = getattr(node, "style", None) in (None, "")
    return None if plain and node.value in _EMPTY else str(node.value)


def mapping(value: Any, what: str) -> dict[str, Any]:
    """The value as a mapping, empty for None; InvalidRequestError if it is anything else."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise InvalidRequestError(f"{what} takes KEY: VALUE lines")
    return value


def text(value: Any, what: str) -> str:
    """The value as a string, empty for None; InvalidRequestError if it is anything else."""
    if value is not None and not isinstance(value, str):
        raise InvalidRequestError(f"{what} takes a single value")
    return value or ""


def names(value: Any, what: str) -> list[str]:
    """The value as a list of strings: a list, or one string with commas."""
    if isinstance(value, list):
        return [text(item, what) for item in value]
    return [name.strip() for name in text(value, what).split(",") if name.strip()]
