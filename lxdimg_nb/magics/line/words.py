"""Split a line into words: quotes work as in a shell, `$name` is a variable of the user; nothing else is expanded."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import takewhile
from typing import Any, Literal

from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.text.secret import hide_address

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TERM = re.compile(r"[A-Za-z_][\w.-]*\s*(?:[!<>=]=|[<>=])\s*")
_PLAIN = re.compile(r"[^\s\"'\\$#-][^\s\"'\\$]*(?<!;)\Z")

_Piece = tuple[str, Literal["", "quotes", "variable"]]
"""Part of a word, and what keeps it from being read as syntax."""


class Word(str):
    """A word of a line: a `str` for click's parser, with attributes for what was typed.

    Attributes:
        text: the word without quotes and with the values of variables. The `str` itself has a NUL in front where
            click would take a protected word for an option.
        typed: the text with protected parts in quotes, for the filter language, which has quotes of its own. If a
            whole term is quoted, as one does in a shell, only its spaces are protected: `'os=ubuntu*'`.
        start: position in the line.
        protected: the word begins with a quote or a variable, so it is not an option.
        value: if the whole word is a variable that does not hold a string, the object; otherwise None.
        variable: if the whole word is a variable, its name; otherwise empty.
    """

    __slots__ = ("protected", "start", "text", "typed", "value", "variable")
    text: str
    typed: str
    start: int
    protected: bool
    value: Any
    variable: str

    def __new__(
        cls,
        text: str,
        *,
        typed: str | None = None,
        start: int = 0,
        protected: bool = False,
        value: Any = None,
        variable: str = "",
    ) -> Word:
        word = super().__new__(cls, f"\0{text}" if protected and text.startswith("-") else text)
        word.text, word.typed, word.start = _hidden(text), text if typed is None else typed, start
        word.protected, word.value, word.variable = protected, value, variable
        return word

    def __repr__(self) -> str:
        """What was typed, in quotes as messages have it, and not what a variable holds, which may be a token."""
        return repr(f"${self.variable}" if self.variable else _hidden(self.lstrip("\0")))

    @classmethod
    def of(cls, text: str) -> Word:
        """Make a text a word; a word stays as it is. The value in `--name=value` arrives as a plain text."""
        return text if isinstance(text, cls) else cls(text)


def _hidden(text: str) -> str:
    """The word, hidden if it is an address with a password."""
    return hide_address(text) if "://" in text else text


def split(line: str, variables: Mapping[str, Any] | None = None, *, open_end: bool = False) -> list[Word]:
    """Split a line into words.

    Args:
        variables: the variables of the user; None leaves `$name` as it is.
        open_end: accept an open quote, for a line that is still being typed.

    Raises:
        InvalidRequestError: a quote is not closed, or a variable does not exist.
    """
    reader = _Reader(line, variables, open_end)
    words = []
    while (word := reader.word()) is not None:
        if word.typed == "#":
            break
        words.append(word)
    return words


def silenced(line: str) -> bool:
    """Whether a line ends with a semicolon, which hides its result."""
    reader = _Reader(line, None, True)
    while (word := reader.word()) is not None and word.typed != "#":
        pass
    return reader.silent


def quoted(text: str, *, always: bool = False) -> str:
    """Quote a text so that `split` reads it back as one word; only if needed, or always."""
    if _PLAIN.match(text) and not always:
        return text
    if "'" not in text:
        return f"'{text}'"
    return '"' + re.sub(r'(["\\$])', r"\\\1", text) + '"'


class _Reader:
    def __init__(self, line: str, variables: Mapping[str, Any] | None, open_end: bool) -> None:
        self._line = line
        self._at = 0
        self._variables = variables
        self._open_end = open_end
        self.silent = False

    def word(self) -> Word | None:
        line = self._line
        while self._at < len(line) and line[self._at].isspace():
            self._at += 1
        if self._at == len(line):
            return None
        start = self._at
        pieces: list[_Piece] = []
        values: list[tuple[str, Any]] = []
        while self._at < len(line) and not line[self._at].isspace():
            char = line[self._at]
            if char == ";" and self._ends_here():
                self._at, self.silent = len(line), True
            elif char in "\"'":
                pieces += self._quotes(char)
            elif char == "\\" and self._at + 1 < len(line):
                pieces.append((line[self._at + 1], "quotes"))
                self._at += 2
            elif (name := self._variable()) and self._variables is not None:
                value = self._value(name)
                values.append((name, value))
                pieces.append((_text(value), "variable"))
            else:
                pieces.append((char, ""))
                self._at += 1
        if not pieces:
            return None
        text = "".join(piece for piece, _ in pieces)
        variable, value = "", None
        if len(pieces) == len(values) == 1:
            variable, value = values[0]
            if value is None:
                raise InvalidRequestError(f"the variable {variable!r} is None")
        return Word(
            text,
            typed=_typed(pieces),
            start=start,
            protected=bool(pieces[0][1]),
            value=None if isinstance(value, str) else value,
            variable=variable,
        )

    def _ends_here(self) -> bool:
        """Whether only a comment follows, so that a semicolon hides the result, as in IPython."""
        return re.match(r"\s*(?:\s#.*)?\Z", self._line[self._at + 1 :], re.DOTALL) is not None

    def _quotes(self, quote: str) -> list[_Piece]:
        line = self._line
        pieces: list[_Piece] = [("", "quotes")]
        self._at += 1
        while self._at < len(line):
            char = line[self._at]
            if char == quote:
                self._at += 1
                return pieces
            if quote == '"' and char == "\\" and line[self._at + 1 : self._at + 2] in ('"', "\\", "$"):
                char = line[self._at + 1]
                self._at += 1
            elif quote == '"' and (name := self._variable()) and self._variables is not None:
                pieces.append((_text(self._value(name)), "variable"))
                continue
            pieces.append((char, "quotes"))
            self._at += 1
        if self._open_end:
            return pieces
        raise InvalidRequestError(f"the quote {quote} is not closed")

    def _variable(self) -> str:
        if self._line[self._at] != "$":
            return ""
        found = _NAME.match(self._line, self._at + 1)
        return found[0] if found else ""

    def _value(self, name: str) -> Any:
        self._at += 1 + len(name)
        if self._variables is None or name not in self._variables:
            raise InvalidRequestError(f"no variable {name!r}; put a literal dollar sign in single quotes")
        return self._variables[name]


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    fingerprint = getattr(value, "fingerprint", None)
    return fingerprint if isinstance(fingerprint, str) else str(value)


def _typed(pieces: list[_Piece]) -> str:
    """The word with protected parts in quotes, each in quotes that it does not contain."""
    begin = "".join(text for text, _ in takewhile(lambda piece: piece[1] == "quotes", pieces))
    term = _TERM.match(begin)
    runs: list[tuple[str, bool]] = [("".join(term[0].split()), False)] if term else []
    for text, how in _after(pieces, term.end()) if term else pieces:
        bare = term is not None and how == "quotes" and not text.isspace() and text not in ("'", '"')
        protected = bool(how) and not bare
        if runs and runs[-1][1] is protected:
            runs[-1] = (runs[-1][0] + text, protected)
        else:
            runs.append((text, protected))
    return "".join(_in_quotes(text) if protected else text for text, protected in runs)


def _after(pieces: list[_Piece], count: int) -> list[_Piece]:
    """The pieces after the first `count` characters, each of which is a piece of its own."""
    for number, (text, _) in enumerate(pieces):
        if count == 0 and text:
            return pieces[number:]
        count -= len(text)
    return []


def _in_quotes(text: str) -> str:
    if '"' not in text:
        return f'"{text}"'
    return "".join(f"'{part}'" if '"' in part else f'"{part}"' for part in re.findall(r'"+|[^"]+', text))
