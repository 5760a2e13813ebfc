"""A line of `%lxdimg` as words: quotes as in a shell, `$name` for the user's variables, nothing else expanded."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, Literal

from lxdimg_nb.errors import InvalidRequestError

__all__ = ["Word", "quoted", "silenced", "split"]

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TERM = re.compile(r"[A-Za-z_][\w.-]*\s*(?:[!<>=]=|[<>=])\s*")
_PLAIN = re.compile(r"[^\s\"'\\$#-][^\s\"'\\$]*(?<!;)\Z")

_Piece = tuple[str, Literal["", "quotes", "variable"]]
"""A part of a word, and what protects it."""


@dataclass(frozen=True, slots=True)
class Word:
    """One word.

    Attributes:
        text: what is meant: quotes gone, variables filled in.
        typed: for languages with quotes of their own (filters): what was protected stays in quotes. Of a term that
            stands in quotes as a whole, as in a shell, only the blanks are: `'os=ubuntu*'`.
        start: where it begins in the line.
        protected: its beginning stood in quotes or came from a variable, so it is no flag.
        value: the object, when the whole word is one variable that holds no text; else None.
        variable: the name of the variable that the whole word is; else empty.
    """

    text: str
    typed: str
    start: int
    protected: bool = False
    value: Any = None
    variable: str = ""


def split(line: str, variables: Mapping[str, Any] | None = None, *, open_end: bool = False) -> list[Word]:
    """The words of a line.

    Args:
        variables: the user's; None leaves `$name` as it is.
        open_end: take an open quote as closed at the end, for a line that is still being typed.

    Raises:
        InvalidRequestError: an open quote, a variable that does not exist.
    """
    reader = _Reader(line, variables, open_end)
    words = []
    while (word := reader.word()) is not None:
        if word.typed == "#":
            break
        words.append(word)
    return words


def silenced(line: str) -> bool:
    """Whether a line ends with a semicolon, which says that nothing is to be shown."""
    reader = _Reader(line, None, True)
    while (word := reader.word()) is not None and word.typed != "#":
        pass
    return reader.silent


def quoted(text: str) -> str:
    """Text as one word that `split` reads back, in quotes only where it needs them."""
    if _PLAIN.match(text):
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
            if char == ";" and self._last():
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
            _typed(pieces),
            start,
            bool(pieces[0][1]),
            None if isinstance(value, str) else value,
            variable,
        )

    def _last(self) -> bool:
        """Whether nothing follows but a comment: a semicolon there says, as in IPython, that nothing is to be shown."""
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
            raise InvalidRequestError(f"no variable {name!r} here; put a dollar sign that is meant as such in '…'")
        return self._variables[name]


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    fingerprint = getattr(value, "fingerprint", None)
    return fingerprint if isinstance(fingerprint, str) else str(value)


def _typed(pieces: list[_Piece]) -> str:
    """The word again with what was protected in quotes, in each run whichever quote does not occur in it."""
    begin = "".join(text for text, _ in takewhile(lambda piece: piece[1] == "quotes", pieces))
    term = _TERM.match(begin)
    runs: list[tuple[str, bool]] = [("".join(term[0].split()), False)] if term else []
    for text, how in _behind(pieces, term.end()) if term else pieces:
        bare = term is not None and how == "quotes" and not text.isspace() and text not in ("'", '"')
        protected = bool(how) and not bare
        if runs and runs[-1][1] is protected:
            runs[-1] = (runs[-1][0] + text, protected)
        else:
            runs.append((text, protected))
    return "".join(_in_quotes(text) if protected else text for text, protected in runs)


def _behind(pieces: list[_Piece], count: int) -> list[_Piece]:
    """What stands behind the first so many characters, of which each is a piece, as quotes make them."""
    for number, (text, _) in enumerate(pieces):
        if count == 0 and text:
            return pieces[number:]
        count -= len(text)
    return []


def _in_quotes(text: str) -> str:
    if '"' not in text:
        return f'"{text}"'
    return "".join(f"'{part}'" if '"' in part else f'"{part}"' for part in re.findall(r'"+|[^"]+', text))
