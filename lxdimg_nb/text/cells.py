"""Kinds of columns and badges: how the cells of a table are aligned, wrapped and marked.

Used by `tables` and `styled_frame`, and by values that have something to point out.
"""

from __future__ import annotations

from enum import Enum

__all__ = ["PROSE_LIMIT", "SHORT", "TEXT_LIMIT", "Badge", "Kind", "badge", "limit"]

TEXT_LIMIT, PROSE_LIMIT = 80, 300
SHORT = 40
"""A column of texts up to this length is never wrapped."""


class Kind(Enum):
    """What the cells of a column hold."""

    TEXT = "names and short texts"
    PROSE = "sentences, such as reasons and errors"
    CODE = "fingerprints and commands; never wrapped"
    NUMBER = "numbers with their units; aligned to the right"
    LINE = "dates, ages and single words; never wrapped"


class Badge(str):
    """The text of a cell that stands out, or recedes. In HTML it has a border and a sign; colour comes on top.

    Attributes:
        tone: `good`, `bad`, `warn`, `info` or `quiet`.
    """

    __slots__ = ("tone",)
    tone: str

    def __new__(cls, text: str, tone: str) -> Badge:
        made = super().__new__(cls, text)
        made.tone = tone
        return made


_TONES = {
    "good": ("ok", "done", "same", "supported", "rolling", "added", "alias added"),
    "bad": ("ended", "failed", "refused", "unreachable", "timeout", "delete", "removed", "alias removed"),
    "warn": ("differs", "missing", "extended", "partial", "untrusted", "skipped", "changed", "alias moved"),
    "info": ("set", "alias", "copy", "publish", "public"),
    "quiet": ("keep", "unknown", "not tried", "no", "never"),
}
_TONE = {word: tone for tone, words in _TONES.items() for word in words}


def badge(word: str) -> str:
    """A word for a state as a badge; a word that is none stays as it is."""
    return Badge(word, _TONE[word]) if word in _TONE else word


def limit(kind: Kind) -> int:
    """The length at which the text of a cell is cut."""
    return PROSE_LIMIT if kind is Kind.PROSE else TEXT_LIMIT
