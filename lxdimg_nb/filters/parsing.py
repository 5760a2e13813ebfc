"""Parse the text of a filter into terms. A mistake is reported, never guessed around."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from heapq import nsmallest
from typing import TypeVar

from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.filters.fields import (
    AGE_FIELDS,
    BOOLEAN_FIELDS,
    BOOLEANS,
    COMMON_PROPERTIES,
    FIELDS,
    SYNONYMS,
    TIME_FIELDS,
)
from lxdimg_nb.filters.terms import Filter, Term
from lxdimg_nb.text import formats
from lxdimg_nb.values.architecture import kernel_architecture

__all__ = ["closest_match", "parse"]

_TYPES = {"vm": "virtual-machine", "ct": "container"}
_N = TypeVar("_N")
MAX_CANDIDATES = 2_000
_OPERATORS = ("!=", "<=", ">=", "==", "=", "<", ">")
# In the servers' own language, as in `properties.os eq ubuntu and type eq container`.
_SERVER_OPERATORS = {"eq": "=", "ne": "!="}

_Word = list[tuple[str, bool]]
"""The characters of a word, each with whether it is quoted."""


def parse(text: str | Iterable[str] | Filter | None, *, known_properties: Iterable[str] | None = None) -> Filter:
    """Parse a filter.

    Args:
        text: the whole filter, or its terms one by one (in which quotes have no meaning).
        known_properties: the properties of the images at hand. If given, a field that is neither an attribute
            nor one of these nor common is an error; otherwise it is taken for a property.

    Raises:
        InvalidRequestError: an unknown field, a value that does not fit its field, or an open quote.
    """
    if isinstance(text, Filter):
        return text
    if text is None:
        return Filter()
    terms: list[object] = [text] if isinstance(text, str) or not isinstance(text, Iterable) else list(text)
    if not all(isinstance(term, str) for term in terms):
        raise InvalidRequestError(f"a filter is a text like 'os=ubuntu size>1GiB', not {text!r}")
    words = _split(text) if isinstance(text, str) else [_unquoted(word) for word in map(str, terms) if word]
    known = None if known_properties is None else frozenset(known_properties)
    return Filter(tuple(_parse_term(word, known) for word in words))


def closest_match(word: str, known: Iterable[str]) -> str:
    """The known word that is spelled most like this one; empty if none is close."""
    candidates = [k for k in known if len(k) <= 64]
    if len(candidates) > MAX_CANDIDATES:
        # A thousand take difflib some 20 ms.
        candidates = nsmallest(MAX_CANDIDATES, candidates, key=lambda k: (k[:1] != word[:1], abs(len(k) - len(word))))
    near = difflib.get_close_matches(word[:64], sorted(candidates), n=1, cutoff=0.6)
    return near[0] if near else ""


def _split(text: str) -> list[_Word]:
    words: list[_Word] = []
    word: _Word = []
    quote = ""
    for char in text:
        if quote:
            if char == quote:
                quote = ""
            else:
                word.append((char, True))
        elif char in "\"'":
            quote = char
        elif char.isspace():
            words.append(word)
            word = []
        else:
            word.append((char, False))
    if quote:
        raise InvalidRequestError(f"the filter {text!r} opens a quote {quote} and does not close it")
    return _join_terms([word for word in [*words, word] if word])


def _join_terms(words: list[_Word]) -> list[_Word]:
    """Join `size > 1GiB` to one term, and `os eq ubuntu`."""
    joined: list[_Word] = []
    incomplete = servers_language = False
    for word in words:
        bare = "" if any(quoted for _, quoted in word) else _text(word)
        if joined and not incomplete and bare in _SERVER_OPERATORS:
            bare, servers_language = _SERVER_OPERATORS[bare], True
            word = _unquoted(bare)
        if joined and (bare in _OPERATORS or incomplete):
            joined[-1] = joined[-1] + (_as_glob(word) if servers_language else word)
            incomplete = bare in _OPERATORS
        elif servers_language and bare in ("or", "not"):
            raise InvalidRequestError(
                f"a filter has no {bare!r}; write os=ubuntu,debian for either of them, os!=ubuntu for any other"
            )
        elif not (servers_language and bare == "and"):
            joined.append(word)
    return joined


def _as_glob(word: _Word) -> _Word:
    """Turn `test.*`, as servers take it, into `test*`."""
    pairs = zip(word, [*word[1:], None], strict=True)
    return [char for char, following in pairs if (char, following) != ((".", False), ("*", False))]


def _text(word: _Word) -> str:
    return "".join(char for char, _ in word)


def _unquoted(text: str) -> _Word:
    return [(char, False) for char in text]


def _with_quotes(word: _Word) -> str:
    """The text of a word that parses to the same word again."""
    text, inside = "", False
    quote = "'" if ('"', True) in word else '"'
    for char, quoted in word:
        if quoted is not inside:
            text, inside = text + quote, quoted
        text += char
    return text + (quote if inside else "")


def _parse_term(word: _Word, known: frozenset[str] | None) -> Term:
    at = next((i for i, (char, quoted) in enumerate(word) if char in "=!<>" and not quoted), None)
    text = _with_quotes(word)
    if at is None:
        return Term("", "", (_text(word),), text, tuple(_compile(one, anywhere=True) for one in _alternatives(word)))
    operator = next((op for op in _OPERATORS if word[at : at + len(op)] == _unquoted(op)), "")
    name = _text(word[:at])
    if not name or not operator:
        raise InvalidRequestError(f"{text!r} is no condition; write FIELD=VALUE, FIELD!=VALUE, FIELD<VALUE, or a word")
    field = _parse_field(name, text, known)
    value = word[at + len(operator) :]
    return _parse_value(field, "=" if operator == "==" else operator, value, text)


def _parse_field(name: str, text: str, known: frozenset[str] | None) -> str:
    attribute = SYNONYMS.get(name.lower(), name.lower())
    if attribute in FIELDS:
        return attribute
    key = name.removeprefix("properties.")
    if known is None or key in known or key in COMMON_PROPERTIES:
        return f"properties.{key}"
    in_other_case = [other for other in known if other.lower() == key.lower()]
    if len(in_other_case) == 1:
        return f"properties.{in_other_case[0]}"
    near = closest_match(key, {*FIELDS, *SYNONYMS, *known, *COMMON_PROPERTIES})
    hint = f"did you mean {near!r}? " if near else ""
    properties = sorted({*known, *COMMON_PROPERTIES} - set(FIELDS))
    listed = ", ".join(properties[:20]) + (", …" if len(properties) > 20 else "")
    raise InvalidRequestError(
        f"no field {key!r} in the filter term {text!r}; {hint}known: {', '.join(FIELDS)}; properties: {listed}",
        field=key,
        suggestion=near,
    )


def _parse_value(field: str, operator: str, value: _Word, text: str) -> Term:
    plain = _text(value)
    ordering = operator not in ("=", "!=")
    if field in BOOLEAN_FIELDS:
        flag = BOOLEANS.get(plain.lower())
        if flag is None or ordering:
            raise InvalidRequestError(f"{text!r}: {field} is yes or no; write {field}=yes or {field}=no")
        return Term(field, operator, (plain,), text, (), flag)
    if field == "size":
        return Term(field, operator, (plain,), text, (), _parse_quantity(formats.parse_size, plain, text))
    if field in AGE_FIELDS:
        return Term(field, operator, (plain,), text, (), _parse_quantity(formats.parse_duration, plain, text))
    if field in TIME_FIELDS:
        return _parse_time(field, operator, value, text)
    words = _alternatives(value)
    if ordering and (len(words) > 1 or not plain):
        raise InvalidRequestError(f"{text!r}: {operator} takes one value")
    values = tuple(map(_text, words))
    return Term(field, operator, values, text, tuple(_synonym(field, _text(word)) or _compile(word) for word in words))


def _synonym(field: str, value: str) -> str:
    """The servers' word for a value, if people have another."""
    value = value.lower()
    if field == "architecture":
        return kernel_architecture("amd64" if value == "x64" else value)
    return _TYPES.get(value, "") if field == "type" else ""


def _parse_quantity(parse: Callable[[str], _N], value: str, text: str) -> _N:
    try:
        return parse(value)
    except (ValueError, OverflowError) as exc:
        raise InvalidRequestError(f"{text!r}: {exc}") from exc


def _parse_time(field: str, operator: str, value: _Word, text: str) -> Term:
    plain = _text(value)
    if operator in ("=", "!="):
        words = _alternatives(value)
        # A day matches every time of that day.
        patterns = tuple(
            "" if _text(word).lower() in ("never", "none", "") else _compile([*word, ("*", False)]) for word in words
        )
        return Term(field, operator, tuple(map(_text, words)), text, patterns)
    if plain.lower() == "now":
        return Term(field, operator, (plain,), text)
    try:
        moment = datetime.fromisoformat(plain)
    except ValueError as exc:
        raise InvalidRequestError(
            f"{text!r}: {plain!r} is not a time; write a date such as 2026-01-31, or `now`"
            " (for how long ago use age>90d or idle>90d)"
        ) from exc
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return Term(field, operator, (plain,), text, (), moment)


def _alternatives(value: _Word) -> list[_Word]:
    words: list[_Word] = [[]]
    for char, quoted in value:
        if char == "," and not quoted:
            words.append([])
        else:
            words[-1].append((char, quoted))
    return words


def _compile(word: _Word, *, anywhere: bool = False) -> re.Pattern[str] | str:
    """Compile a glob, which with `anywhere` need only match a part of a text; without wildcards it stays a text."""
    if not anywhere and not any(char in "*?" and not quoted for char, quoted in word):
        return _text(word).casefold()
    pieces = [""]
    for char, quoted in word:
        if char == "*" and not quoted:
            pieces.append("")
        else:
            pieces[-1] += "." if char == "?" and not quoted else re.escape(char)
    if anywhere:
        pieces = ["", *pieces, ""]
    # Atomic groups find each piece once, from the left, so that no text can make the pattern backtrack.
    middle = "".join(f"(?>.*?{piece})" for piece in pieces[1:-1] if piece)
    end = rf".*{pieces[-1]}" if len(pieces) > 1 else ""
    return re.compile(rf"{pieces[0]}{middle}{end}\Z", re.IGNORECASE | re.DOTALL)
