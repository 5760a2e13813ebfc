"""What was left out of a catalogue, and why."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["MAX_TEXT", "Problems"]

MAX_PROBLEMS = 100
MAX_TEXT = 256


class Problems:
    """Each thing that was left out once, with its reason; the texts of the first hundred, and how many there are."""

    def __init__(self) -> None:
        self._seen: dict[str, None] = {}
        self._more = 0

    def add(self, what: str) -> None:
        """Add one, without control characters."""
        text = "".join(c if c.isprintable() else "?" for c in what[:MAX_TEXT])
        if len(self._seen) < MAX_PROBLEMS:
            self._seen.setdefault(text)
        elif text not in self._seen:
            self._more += 1

    def add_all(self, others: Iterable[Problems]) -> None:
        """Add those of other files."""
        for other in others:
            for text in other.texts:
                self.add(text)
            self._more += other._more

    @property
    def texts(self) -> tuple[str, ...]:
        """The first hundred."""
        return tuple(self._seen)

    def __len__(self) -> int:
        return len(self._seen) + self._more
