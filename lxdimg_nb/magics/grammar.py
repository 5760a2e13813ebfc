"""What a verb takes, as a table, and reading a line by it. Help, completion and the README use the same table."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.magics.line.words import Word

if TYPE_CHECKING:
    from lxdimg_nb.magics.session.session import Session

__all__ = ["HELP", "Argument", "Call", "Flag", "Kind", "Verb", "common", "find", "nearest", "read", "verb_of"]

Kind = Literal[
    "alias",
    "columns",
    "field",
    "file",
    "filter",
    "image",
    "instance",
    "key",
    "pair",
    "project",
    "remote",
    "text",
    "transfer",
    "variable",
    "verb",
]
"""What a word stands for; completion offers what is known of that kind."""


@dataclass(frozen=True, slots=True)
class Argument:
    """A word without a dash. `many` stands last and takes all that are left."""

    name: str
    kind: Kind
    optional: bool = False
    many: bool = False
    choices: tuple[str, ...] = ()

    def __str__(self) -> str:
        shown = self.name + ("…" if self.many and "…" not in self.name else "")
        return f"[{shown}]" if self.optional else shown


@dataclass(frozen=True, slots=True)
class Flag:
    """`--name`, with a value where `takes` names one."""

    name: str
    help: str
    takes: str = ""
    kind: Kind = "text"
    short: str = ""
    many: bool = False
    choices: tuple[str, ...] = ()

    def __str__(self) -> str:
        shown = f"{self.short}|{self.name}" if self.short else self.name
        return f"[{shown} {self.takes}]{'…' if self.many else ''}" if self.takes else f"[{shown}]"


@dataclass(frozen=True, slots=True)
class Verb:
    """One verb; `body` says that `%%lxdimg` gives it the rest of the cell."""

    name: str
    help: str
    run: Callable[[Session, Call], Any]
    arguments: tuple[Argument, ...] = ()
    flags: tuple[Flag, ...] = ()
    body: bool = False
    more: str = ""
    connected: bool = True

    @property
    def every_flag(self) -> tuple[Flag, ...]:
        """Its flags and those that all verbs take."""
        return (*self.flags, *(COMMON if self.connected else COMMON[1:]))

    @property
    def usage(self) -> str:
        """`list [FILTER…] [-c COLUMNS]`."""
        return " ".join([self.name, *map(str, self.arguments), *map(str, self.flags)])


COMMON = (
    Flag("--project", "in this project", "PROJECT", "project"),
    Flag("-o", "store the result in this variable and show nothing", "NAME", "variable"),
)


@dataclass(slots=True)
class Call:
    """One line, read: the verb, its words by argument, its flags; with `help` the user asks what the verb takes."""

    verb: Verb
    words: dict[str, list[Word]] = field(default_factory=dict)
    flags: dict[str, list[Word]] = field(default_factory=dict)
    body: str | None = None
    help: bool = False

    def some(self, argument: str) -> list[Word]:
        """The words of an argument; none when it was left out."""
        return self.words.get(argument, [])

    def one(self, argument: str) -> Word:
        """The word of an argument that must be there."""
        return self.words[argument][0]

    def text(self, argument: str) -> str:
        """The text of an argument, empty when it was left out."""
        words = self.some(argument)
        return words[0].text if words else ""

    def has(self, flag: str) -> bool:
        """Whether a flag was given."""
        return flag in self.flags

    def option(self, flag: str) -> str | None:
        """The value of a flag; None when it was not given."""
        return self.flags[flag][-1].text if flag in self.flags else None

    def options(self, flag: str) -> list[str]:
        """The values of a flag that may be repeated."""
        return [word.text for word in self.flags.get(flag, [])]

    @property
    def project(self) -> str | None:
        """The project named with --project."""
        return self.option("--project")


def nearest(word: str, known: Sequence[str]) -> str:
    """`did you mean 'x'? ` for the known word that is most like this one, else nothing."""
    near = difflib.get_close_matches(word[:64].lower(), [k for k in known if len(k) <= 64], n=1, cutoff=0.6)
    return f"did you mean {near[0]!r}? " if near else ""


# As lxc and incus have them.
_SHORT = {"ls": "list", "cp": "copy", "rm": "delete", "mv": "rename"}


def find(verbs: Sequence[Verb], words: Sequence[str]) -> tuple[Verb | None, int]:
    """The verb that words begin with, by its name or the short one of `lxc`, and how many of them are its name."""
    by_name = {verb.name: verb for verb in verbs}
    for count in (2, 1):
        first = list(words[:count])
        name = " ".join([*first[:-1], *(_SHORT.get(word, word) for word in first[-1:])])
        if len(words) >= count and name in by_name:
            return by_name[name], count
    return None, 0


def verb_of(verbs: Sequence[Verb], words: Sequence[Word]) -> tuple[Verb, list[Word]]:
    """The verb of a line and the words behind it.

    Raises:
        InvalidRequestError: no such verb; says which one was probably meant.
    """
    front, words = common(words)
    texts = [word.text for word in words]
    verb, count = find(verbs, texts or ["status"])
    if verb is not None:
        return verb, [*front, *words[count:]]
    first = texts[0]
    below = [v.name.split()[1] for v in verbs if v.name.startswith(f"{first} ")]
    if below:
        wrong = texts[1] if len(texts) > 1 else ""
        hint = nearest(wrong, below) if wrong else ""
        what = f"{first} has no {wrong!r}" if wrong else f"{first} does nothing alone"
        raise InvalidRequestError(f"{what}; {hint}known: {', '.join(below)}")
    names = list(dict.fromkeys(v.name.split()[0] for v in verbs))
    meant = _HABITS.get(first.lower(), "")
    hint = f"did you mean {meant!r}? " if meant else nearest(first, names)
    raise InvalidRequestError(f"no verb {first!r}; {hint}known: {', '.join(names)}")


def common(words: Sequence[Word]) -> tuple[list[Word], list[Word]]:
    """The flags that all verbs take at the beginning of a line, as in `lxc --project web image list`, and the rest."""
    waiting = list(words)
    front: list[Word] = []
    while waiting and not waiting[0].protected and waiting[0].text.partition("=")[0] in [f.name for f in COMMON]:
        count = 1 if "=" in waiting[0].text else 2
        front, waiting = [*front, *waiting[:count]], waiting[count:]
    return front, waiting


HELP = ("--help", "-h")
_HABITS = {
    "--help": "help",
    "-h": "help",
    "remove": "delete",
    "get": "get-property",
    "upload": "import",
    "download": "export",
    "df": "list",
    "login": "connect",
    "remote": "remotes",
    "image": "list",
    "update": "refresh",
}


def read(verb: Verb, words: Sequence[Word], body: str | None = None) -> Call:
    """A line by its verb's table.

    Raises:
        InvalidRequestError: a flag nobody knows, a word missing or one too many.
    """
    call = Call(verb, body=body)
    free: list[Word] = []
    waiting = list(words)
    while waiting:
        word = waiting.pop(0)
        if word.protected or not word.text.startswith("-") or word.text == "-":
            free.append(word)
        elif word.text == "--":
            free += waiting
            break
        elif word.text in HELP:
            return Call(verb, body=body, help=True)
        else:
            _flag(call, word, waiting)
    _arguments(call, free)
    return call


def _flag(call: Call, word: Word, waiting: list[Word]) -> None:
    name, equals, value = word.text.partition("=")
    flag = next((f for f in call.verb.every_flag if name in (f.name, f.short)), None)
    if flag is None and not word.text.startswith("--"):
        # -clf is -c lf
        name, equals, value = word.text[:2], word.text[2:], word.text[2:]
        flag = next((f for f in call.verb.every_flag if f.takes and name in (f.name, f.short)), None)
        name = name if flag else word.text
    if flag is None:
        names = [f.name for f in call.verb.every_flag]
        raise InvalidRequestError(
            f"{call.verb.name} has no flag {name!r}; {nearest(name, names)}it takes {', '.join(names)}"
        )
    if not flag.takes:
        if equals:
            raise InvalidRequestError(f"{flag.name} takes no value")
        call.flags[flag.name] = []
        return
    if not equals:
        if not waiting:
            raise InvalidRequestError(f"{flag.name} wants a value: {flag.name} {flag.takes}")
        given = waiting.pop(0)
    else:
        given = Word(value, value, word.start + len(name) + 1)
    if flag.choices and given.text not in flag.choices:
        raise InvalidRequestError(
            f"{flag.name} is one of {', '.join(flag.choices)}; {nearest(given.text, flag.choices)}not {given.text!r}"
        )
    if flag.name in call.flags and not flag.many:
        raise InvalidRequestError(f"{flag.name} is given twice")
    call.flags.setdefault(flag.name, []).append(given)


def _arguments(call: Call, free: list[Word]) -> None:
    waiting = list(free)
    for argument in call.verb.arguments:
        taken = waiting if argument.many else waiting[:1]
        if not taken and not argument.optional:
            raise InvalidRequestError(f"{argument.name} is missing; write %lxdimg {call.verb.usage}")
        call.words[argument.name] = list(taken)
        waiting = waiting[len(taken) :]
    if waiting:
        raise InvalidRequestError(f"{waiting[0].text!r} is one word too many; write %lxdimg {call.verb.usage}")
