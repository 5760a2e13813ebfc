"""The one filter language, for listings, frames, panels, magics and plans alike.

    os=ubuntu release=noble,jammy public=yes size>1GiB age>90d alias=web-* web

Terms are joined by "and". A term is a field, one of `= != < <= > >=` and a value, or a bare word that is
looked for in aliases, fingerprint and description. Commas separate alternatives, `*` and `?` are globs,
upper and lower case are the same, an empty value means "there is none". Quotes protect spaces, commas,
globs and operators. Fields are the image's attributes and any property, by its name or as
`properties.NAME`; an attribute wins over a property of its name.

Values come from servers and are hostile: nothing is evaluated, and a pattern costs linear time.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol, TypeVar

from lxdimg_nb import formats
from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.models import Alias, UpdateSource

__all__ = ["ARCHITECTURES", "CONVENTIONAL", "FIELDS", "Filter", "Filterable", "Term", "nearest", "parse"]

CONVENTIONAL = frozenset(
    ["architecture", "description", "label", "name", "os", "release", "serial", "type", "variant", "version"]
)
"""Property names that images carry by convention; known even where no image has them."""

ARCHITECTURES = {
    "amd64": "x86_64",
    "x64": "x86_64",
    "i386": "i686",
    "x86": "i686",
    "arm64": "aarch64",
    "armhf": "armv7l",
    "ppc64el": "ppc64le",
}
"""What distributions call an architecture, to what the kernel and so the server calls it."""

_TYPES = {"vm": "virtual-machine", "ct": "container"}
_YES = {
    "yes": True,
    "true": True,
    "on": True,
    "1": True,
    "no": False,
    "false": False,
    "off": False,
    "0": False,
}
_Key = list[tuple[int, int, str]]
_N = TypeVar("_N")
_C = TypeVar("_C", int, datetime, timedelta, _Key)
_OPERATORS = ("!=", "<=", ">=", "==", "=", "<", ">")


class Filterable(Protocol):
    """What a filter reads; `models.ImageRecord` has it."""

    @property
    def fingerprint(self) -> str: ...
    @property
    def aliases(self) -> Sequence[Alias]: ...
    @property
    def architecture(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def project(self) -> str: ...
    @property
    def public(self) -> bool: ...
    @property
    def auto_update(self) -> bool: ...
    @property
    def cached(self) -> bool: ...
    @property
    def size(self) -> int: ...
    @property
    def filename(self) -> str: ...
    @property
    def profiles(self) -> Sequence[str]: ...
    @property
    def created_at(self) -> datetime | None: ...
    @property
    def uploaded_at(self) -> datetime | None: ...
    @property
    def last_used_at(self) -> datetime | None: ...
    @property
    def expires_at(self) -> datetime | None: ...
    @property
    def properties(self) -> Mapping[str, str]: ...
    @property
    def update_source(self) -> UpdateSource | None: ...


def _idle_since(image: Filterable) -> datetime | None:
    return image.last_used_at or image.uploaded_at


def _names(image: Filterable) -> Sequence[str]:
    return [alias.name for alias in image.aliases]


def _source(part: str) -> Callable[[Filterable], Sequence[str]]:
    def read(image: Filterable) -> Sequence[str]:
        source = image.update_source
        value = "" if source is None else str(getattr(source, part))
        return [value] if value else []

    return read


def _text(name: str) -> Callable[[Filterable], Sequence[str]]:
    def read(image: Filterable) -> Sequence[str]:
        value = str(getattr(image, name))
        return [value] if value else []

    return read


_TEXTS: dict[str, Callable[[Filterable], Sequence[str]]] = {
    "fingerprint": _text("fingerprint"),
    "alias": _names,
    "aliases": _names,
    "architecture": _text("architecture"),
    "type": _text("type"),
    "project": _text("project"),
    "filename": _text("filename"),
    "profiles": lambda image: image.profiles,
    "description": lambda image: [v] if (v := image.properties.get("description")) else [],
    "source": _source("server"),
    "source.server": _source("server"),
    "source.protocol": _source("protocol"),
    "source.alias": _source("alias"),
}
_FLAGS: dict[str, Callable[[Filterable], bool]] = {
    "public": lambda image: image.public,
    "auto_update": lambda image: image.auto_update,
    "cached": lambda image: image.cached,
}
_TIMES: dict[str, Callable[[Filterable], datetime | None]] = {
    "created": lambda image: image.created_at,
    "uploaded": lambda image: image.uploaded_at,
    "used": lambda image: image.last_used_at,
    "expires": lambda image: image.expires_at,
}
_AGES: dict[str, Callable[[Filterable], datetime | None]] = {
    "age": lambda image: image.uploaded_at,
    "idle": _idle_since,
}
_SYNONYMS = {
    "arch": "architecture",
    "autoupdate": "auto_update",
    "auto-update": "auto_update",
    "profile": "profiles",
    "created_at": "created",
    "uploaded_at": "uploaded",
    "last_used_at": "used",
    "last_used": "used",
    "used_at": "used",
    "expires_at": "expires",
    "expiry": "expires",
    "properties.description": "description",
}

FIELDS = (*_TEXTS, *_FLAGS, "size", *_TIMES, *_AGES)
"""Attributes a filter knows; `age` counts from the upload, `idle` from the last use, else the upload."""


@dataclass(frozen=True, slots=True)
class Term:
    """One condition. `field` is an attribute, `properties.NAME`, or empty for a bare word."""

    field: str
    operator: str
    values: tuple[str, ...]
    text: str
    _patterns: tuple[re.Pattern[str] | str, ...] = ()
    _bound: bool | int | datetime | timedelta | None = None

    def matches(self, image: Filterable, now: datetime) -> bool:
        """Whether the image meets the condition."""
        field, operator = self.field, self.operator
        if not field:
            texts = [*_names(image), image.fingerprint, image.properties.get("description", "")]
            return any(_fits(pattern, text) for pattern in self._patterns for text in texts)
        if field in _FLAGS:
            return (_FLAGS[field](image) is self._bound) is (operator == "=")
        if field == "size" and isinstance(self._bound, int):
            return _compare(operator, image.size, self._bound)
        if field in _TIMES:
            return self._time(_TIMES[field](image), now)
        if field in _AGES and isinstance(self._bound, timedelta):
            since = _AGES[field](image)
            return since is not None and _compare(operator, now - since, self._bound)
        return self._texts(_TEXTS[field](image) if field in _TEXTS else self._property(image))

    def _property(self, image: Filterable) -> Sequence[str]:
        value = image.properties.get(self.field.removeprefix("properties."))
        return [value] if value else []

    def _texts(self, texts: Sequence[str]) -> bool:
        if self.operator in ("=", "!="):
            if not texts:
                found = "" in self._patterns
            else:
                found = any(_fits(pattern, text) for pattern in self._patterns for text in texts)
            return found is (self.operator == "=")
        bound = _natural(self.values[0])
        return any(_compare(self.operator, _natural(text), bound) for text in texts)

    def _time(self, moment: datetime | None, now: datetime) -> bool:
        if self.operator in ("=", "!="):
            stamp = "" if moment is None else moment.isoformat()
            return any(_fits(pattern, stamp) for pattern in self._patterns) is (self.operator == "=")
        bound = self._bound if isinstance(self._bound, datetime) else now
        return moment is not None and _compare(self.operator, moment, bound)


@dataclass(frozen=True, slots=True)
class Filter:
    """Conditions that an image must all meet; without any it is false and lets everything through."""

    terms: tuple[Term, ...] = ()

    def matches(self, image: Filterable, now: datetime | None = None) -> bool:
        """Whether the image meets every condition; ages are counted at `now`, by default the clock's."""
        moment = now or datetime.now(UTC)
        return all(term.matches(image, moment) for term in self.terms)

    @property
    def fields(self) -> frozenset[str]:
        """The fields named, properties as `properties.NAME`."""
        return frozenset(term.field for term in self.terms if term.field)

    def __bool__(self) -> bool:
        return bool(self.terms)

    def __str__(self) -> str:
        return " ".join(term.text for term in self.terms)


def parse(text: str | Iterable[str] | Filter | None, *, known_properties: Iterable[str] | None = None) -> Filter:
    """Read a filter.

    Args:
        text: one text, or terms already split (then quotes have no meaning).
        known_properties: property names that images at hand have; with them a field that is neither an
            attribute nor among these nor conventional is an error, without them it is taken for a property.

    Raises:
        InvalidRequestError: a field nobody knows, a value that does not fit its field, an open quote.
    """
    if isinstance(text, Filter):
        return text
    if text is None:
        return Filter()
    words = _split(text) if isinstance(text, str) else [[(c, False) for c in word] for word in text if word]
    known = None if known_properties is None else frozenset(known_properties)
    return Filter(tuple(_term(word, known) for word in words))


_Marked = list[tuple[str, bool]]  # characters, and whether quotes protect them


def _split(text: str) -> list[_Marked]:
    words: list[_Marked] = []
    word: _Marked = []
    quote, started = "", False
    for char in text:
        if quote:
            if char == quote:
                quote = ""
            else:
                word.append((char, True))
        elif char in "\"'":
            quote, started = char, True
        elif char.isspace():
            if word or started:
                words.append(word)
            word, started = [], False
        else:
            word.append((char, False))
    if quote:
        raise InvalidRequestError(f"the filter {text!r} opens a quote {quote} and does not close it")
    if word or started:
        words.append(word)
    return _glue([w for w in words if w])


def _glue(words: list[_Marked]) -> list[_Marked]:
    """`size > 1GiB` is one term, as `size>1GiB` is."""
    glued: list[_Marked] = []
    join = False
    for word in words:
        bare = "" if any(quoted for _, quoted in word) else _plain(word)
        if glued and (bare in _OPERATORS or join):
            glued[-1] = glued[-1] + word
            join = bare in _OPERATORS
        else:
            glued.append(word)
    return glued


def _plain(word: _Marked) -> str:
    return "".join(char for char, _ in word)


def _term(word: _Marked, known: frozenset[str] | None) -> Term:
    at = next((i for i, (char, quoted) in enumerate(word) if char in "=!<>" and not quoted), None)
    text = _shown(word)
    if at is None:
        return Term("", "", (_plain(word),), text, tuple(_pattern(word, inside=True) for word in _alternatives(word)))
    operator = next((op for op in _OPERATORS if _plain(word[at : at + len(op)]) == op), "")
    name = _plain(word[:at])
    if not name or not operator:
        raise InvalidRequestError(f"{text!r} is no condition; write FIELD=VALUE, FIELD!=VALUE, FIELD<VALUE, or a word")
    field = _field(name, text, known)
    value = word[at + len(operator) :]
    return _typed(field, "=" if operator == "==" else operator, value, text)


def _shown(word: _Marked) -> str:
    if not any(quoted for _, quoted in word):
        return _plain(word)
    text, inside = "", False
    quote = "'" if ('"', True) in word else '"'
    for char, quoted in word:
        if quoted is not inside:
            text, inside = text + quote, quoted
        text += char
    return text + (quote if inside else "")


def _field(name: str, text: str, known: frozenset[str] | None) -> str:
    plain = _SYNONYMS.get(name.lower(), name.lower())
    if plain in FIELDS:
        return plain
    key = name.removeprefix("properties.")
    if known is None or key in known or key in CONVENTIONAL:
        return f"properties.{key}"
    alike = [other for other in known if other.lower() == key.lower()]
    if len(alike) == 1:
        return f"properties.{alike[0]}"
    candidates = {*FIELDS, *_SYNONYMS, *known, *CONVENTIONAL}
    near = nearest(key, candidates)
    hint = f"did you mean {near!r}? " if near else ""
    properties = sorted({*known, *CONVENTIONAL} - set(FIELDS))
    shown = ", ".join(properties[:20]) + (", …" if len(properties) > 20 else "")
    raise InvalidRequestError(
        f"no field {key!r} in the filter term {text!r}; {hint}known: {', '.join(FIELDS)}; properties: {shown}",
        field=key,
        suggestion=near,
    )


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that is spelled most like this one, empty when none is."""
    near = difflib.get_close_matches(word[:64], sorted(k for k in known if len(k) <= 64), n=1, cutoff=0.6)
    return near[0] if near else ""


def _typed(field: str, operator: str, value: _Marked, text: str) -> Term:
    plain = _plain(value)
    ordering = operator not in ("=", "!=")
    if field in _FLAGS:
        flag = _YES.get(plain.lower())
        if flag is None or ordering:
            raise InvalidRequestError(f"{text!r}: {field} is yes or no; write {field}=yes or {field}=no")
        return Term(field, operator, (plain,), text, (), flag)
    if field == "size":
        return Term(field, operator, (plain,), text, (), _number(formats.parse_size, plain, text))
    if field in _AGES:
        return Term(field, operator, (plain,), text, (), _number(formats.parse_duration, plain, text))
    if field in _TIMES:
        return _time_term(field, operator, value, text)
    words = _alternatives(value)
    if ordering and (len(words) > 1 or not plain):
        raise InvalidRequestError(f"{text!r}: {operator} takes one value")
    values = tuple(_plain(word) for word in words)
    names = ARCHITECTURES if field == "architecture" else _TYPES if field == "type" else {}
    patterns = tuple(names.get(v.lower(), _pattern(w)) for v, w in zip(values, words, strict=True))
    return Term(field, operator, values, text, patterns)


def _number(read: Callable[[str], _N], value: str, text: str) -> _N:
    try:
        return read(value)
    except (ValueError, OverflowError) as exc:
        raise InvalidRequestError(f"{text!r}: {exc}") from exc


def _time_term(field: str, operator: str, value: _Marked, text: str) -> Term:
    plain = _plain(value)
    if operator in ("=", "!="):
        words = _alternatives(value)
        never = {"never", "none", ""}
        patterns = tuple("" if _plain(w).lower() in never else _pattern([*w, ("*", False)]) for w in words)
        return Term(field, operator, tuple(map(_plain, words)), text, patterns)
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


def _alternatives(value: _Marked) -> list[_Marked]:
    words: list[_Marked] = [[]]
    for char, quoted in value:
        if char == "," and not quoted:
            words.append([])
        else:
            words[-1].append((char, quoted))
    return words


def _pattern(word: _Marked, *, inside: bool = False) -> re.Pattern[str] | str:
    """A glob; without any wild card the lower-cased text itself. `inside` looks anywhere in a text."""
    if not inside and not any(char in "*?" and not quoted for char, quoted in word):
        return _plain(word).casefold()
    pieces = [""]
    for char, quoted in word:
        if char == "*" and not quoted:
            pieces.append("")
        else:
            pieces[-1] += "." if char == "?" and not quoted else re.escape(char)
    if inside:
        pieces = ["", *pieces, ""]
    # Atomic groups: each piece is found once, from the left, so hostile text cannot make it backtrack.
    middle = "".join(f"(?>.*?{piece})" for piece in pieces[1:-1] if piece)
    end = rf".*{pieces[-1]}" if len(pieces) > 1 else ""
    return re.compile(rf"{pieces[0]}{middle}{end}\Z", re.IGNORECASE | re.DOTALL)


def _fits(pattern: re.Pattern[str] | str, text: str) -> bool:
    if isinstance(pattern, str):
        return text.casefold() == pattern
    return pattern.match(text) is not None


def _natural(text: str) -> _Key:
    """A key that sorts 9 before 10 and 22.04 before 24.04; digits stay text, whatever their number."""
    parts = re.split(r"([0-9]+)", text.casefold())
    return [(0, len(n := part.lstrip("0")), n) if i % 2 else (1, 0, part) for i, part in enumerate(parts) if part]


def _compare(operator: str, a: _C, b: _C) -> bool:
    if operator == "=":
        return a == b
    if operator == "!=":
        return a != b
    if operator == "<":
        return a < b
    if operator == "<=":
        return a <= b
    return a > b if operator == ">" else a >= b
