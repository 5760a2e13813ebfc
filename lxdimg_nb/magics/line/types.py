"""Parameter types that need no server: text, choices, files, times, settings, variables."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from keyword import iskeyword
from typing import Any, NamedTuple

import click
from click.shell_completion import CompletionItem

from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.filters.fields import BOOLEAN_FIELDS, BOOLEANS
from lxdimg_nb.magics.line.words import Word
from lxdimg_nb.magics.session.messages import did_you_mean, suggest
from lxdimg_nb.text import formats
from lxdimg_nb.text.secret import Secret

METADATA_FIELDS = (
    "os",
    "release",
    "architecture",
    "description",
    "name",
    "variant",
    "serial",
    "creation_date",
    "image",
)
"""What `--make-metadata` takes as `KEY=VALUE` and `image_metadata()` as arguments."""
FIELDS = ("public", "auto_update", "expires_at", "profiles")
ASK = "-"
"""Typed instead of a secret, to be prompted for it."""

_PAIR = re.compile(r"([^\s=]+)=(.*)", re.DOTALL)
_RESERVED_NAMES = ("In", "Out", "exit", "get_ipython", "quit")

Read = Callable[[Word, click.Context], Any]
"""Convert a word to a value; raises InvalidRequestError, or click.BadParameter to name the parameter."""
Complete = Callable[[str, click.Context], Iterable[CompletionItem]]
"""Completions for the text at the cursor, without a request; may include some that do not start with it."""


class WordType(click.ParamType):
    """A parameter type that reads a `Word`.

    Args:
        read: converts a word to a value; by default its text.
        complete: makes the completions.
        matches: whether a word looks like one of this type, for `first_matching`.
    """

    name = "text"

    def __init__(
        self,
        read: Read = lambda word, ctx: word.text,
        complete: Complete = lambda typed, ctx: (),
        matches: Callable[[Word], bool] = lambda word: True,
    ) -> None:
        self.read, self.complete, self.matches = read, complete, matches

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Convert a word; during completion it stays a word, so that no server is asked."""
        if ctx is None or ctx.resilient_parsing or not isinstance(value, str):
            return value
        return self.read(Word.of(value), ctx)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """The completions of an unfinished word."""
        return list(self.complete(Word.of(incomplete).text, ctx))


def completion(text: str, kind: str, *, quote: bool = False) -> CompletionItem:
    """Make a completion, labelled with its kind; with `quote` it is always inserted in quotes."""
    return CompletionItem(text, type=kind, quote=quote)


def first_matching(*types: WordType) -> WordType:
    """The first of several types that matches a word, otherwise the last."""

    def read(word: Word, ctx: click.Context) -> Any:
        return next((one for one in types if one.matches(word)), types[-1]).read(word, ctx)

    return WordType(read, lambda typed, ctx: [item for one in reversed(types) for item in one.complete(typed, ctx)])


class Choice(WordType):
    """One of several words."""

    def __init__(self, *choices: str) -> None:
        super().__init__(self._checked, lambda typed, ctx: [completion(choice, "value") for choice in choices])
        self.choices = choices

    def _checked(self, word: Word, ctx: click.Context) -> str:
        if word.text not in self.choices:
            hint = did_you_mean(word.text, self.choices)
            raise click.BadParameter(f"{hint}write one of {', '.join(self.choices)}, not {word.text!r}")
        return word.text


class Pair(NamedTuple):
    """`KEY=VALUE`."""

    key: str
    value: Any


def field_value(field: str, text: str) -> Any:
    """Convert the text of one of `FIELDS` to its value."""
    if field in BOOLEAN_FIELDS:
        if text.lower() not in BOOLEANS:
            raise InvalidRequestError(f"{field} is yes or no, not {text!r}")
        return BOOLEANS[text.lower()]
    if field == "profiles":
        return [name for name in text.split(",") if name]
    return moment(text)


def moment(text: str) -> datetime | str | None:
    """Convert a time: `never`, a duration from now as in `90d`, or a date, which the image parses."""
    if text.lower() in ("", "never", "none"):
        return None
    try:
        return (datetime.now(UTC) + formats.parse_duration(text)).replace(microsecond=0)
    except ValueError:
        return text
    except OverflowError as error:
        raise InvalidRequestError(f"{text!r} is too far in the future; write never") from error


def is_frame(value: object) -> bool:
    """Whether an object is a DataFrame, without importing pandas."""
    return hasattr(value, "columns") and hasattr(value, "attrs")


def _pair(word: Word, ctx: click.Context) -> Pair:
    match = _PAIR.fullmatch(word.text)
    if match is None:
        raise InvalidRequestError(f"{word.text!r} is not KEY=VALUE")
    return Pair(match[1], match[2])


def _field_name(key: str) -> str:
    name = key.replace("-", "_").lower()
    return {"expires": "expires_at", "expiry": "expires_at", "profile": "profiles"}.get(name, name)


def _is_setting(word: Word) -> bool:
    """Whether a word is `FIELD=VALUE`; in quotes, only if there is such a field, because an alias may contain `=`."""
    found = _PAIR.fullmatch(word.text) if word.value is None else None
    return found is not None and (not word.protected or _field_name(found[1]) in FIELDS)


def _complete_metadata(typed: str, ctx: click.Context) -> list[CompletionItem]:
    field, equals, _ = typed.partition("=")
    if not ctx.params.get("make_metadata"):
        return []
    if not equals:
        return [completion(f"{name}=", "field") for name in METADATA_FIELDS]
    values = ("x86_64", "aarch64", "armv7l", "i686", "ppc64le", "riscv64", "s390x") if field == "architecture" else ()
    return [completion(f"{field}={value}", "value") for value in values]


def _setting(word: Word, ctx: click.Context) -> Pair:
    key, text = _pair(word, ctx)
    name = _field_name(key)
    if name not in FIELDS:
        raise InvalidRequestError(
            f"{key!r} cannot be set; {suggest(key, FIELDS, 'these can')}; for a property write %lxdimg set-property"
        )
    return Pair(name, field_value(name, text))


def _complete_setting(typed: str, ctx: click.Context) -> list[CompletionItem]:
    field, equals, _ = typed.partition("=")
    if not equals:
        return [completion(f"{name}=", "field") for name in FIELDS]
    values = {"public": ("yes", "no"), "auto_update": ("yes", "no"), "expires_at": ("never", "30d", "90d", "1y")}
    return [completion(f"{field}={value}", "value") for value in values.get(field, ())]


def _complete_file(typed: str, ctx: click.Context) -> Iterator[CompletionItem]:
    folder, slash, beginning = typed.rpartition("/")
    folder += slash
    try:
        entries = sorted(os.scandir(os.path.expanduser(folder or ".")), key=lambda entry: entry.name)
    except (OSError, ValueError):
        return
    for entry in entries:
        if not entry.name.startswith(".") or beginning.startswith("."):
            name = folder + entry.name
            yield completion(f"{name}/", "folder") if entry.is_dir() else completion(name, "file")


def _exists(path: str) -> bool:
    return os.path.exists(os.path.expanduser(path))


def _duration(word: Word, ctx: click.Context) -> float:
    try:
        return formats.parse_duration(word.text).total_seconds()
    except (ValueError, OverflowError) as error:
        raise click.BadParameter(str(error)) from error


def _count(word: Word, ctx: click.Context) -> int:
    if not word.text.isdigit() or int(word.text) == 0:
        raise click.BadParameter(f"write a positive number, not {word.text!r}")
    return int(word.text)


def _token(word: Word, ctx: click.Context) -> str:
    if not word.variable and word.text != ASK:
        raise InvalidRequestError(
            "what is typed here stays in the history: write --token - to be asked for it, or --token $variable"
        )
    return Secret(word.text)


def _result_name(word: Word, ctx: click.Context) -> str:
    if not word.text.isidentifier() or iskeyword(word.text):
        raise InvalidRequestError(f"{word.text!r} is not a valid variable name")
    if word.text in _RESERVED_NAMES:
        raise InvalidRequestError(f"{word.text!r} belongs to IPython; nothing was done, choose another name")
    return word.text


def _frame_word(word: Word, ctx: click.Context) -> Word:
    if not is_frame(word.value):
        raise InvalidRequestError(
            f"{word.text[:60]!r} is not a frame of images; keep one with df = %lxdimg list, "
            f"then write %lxdimg {ctx.info_name} $df"
        )
    return word


TEXT = WordType()
FILE = WordType(lambda word, ctx: word.text if word.value is None else word.value, _complete_file)
"""A path on the kernel's machine, or an object in a variable."""
FRAME_OR_FOLDER = WordType(lambda word, ctx: word, _complete_file)
"""Stays a word."""
PAIR = WordType(_pair, _complete_metadata, matches=lambda word: "=" in word.text and not _exists(word.text))
"""`KEY=VALUE`, unless a file has that name."""
SETTING = WordType(_setting, _complete_setting, _is_setting)
"""`FIELD=VALUE` with one of `FIELDS`."""
WHEN = WordType(lambda word, ctx: moment(word.text))
DURATION = WordType(_duration)
"""Seconds: `30s`, `5m`."""
COUNT = WordType(_count)
TOKEN = WordType(_token)
"""A trust token in a variable, or `ASK`."""
RESULT_NAME = WordType(_result_name)
FRAME = WordType(_frame_word)
"""A frame of images in a variable; stays a word, whose `value` is the frame."""
