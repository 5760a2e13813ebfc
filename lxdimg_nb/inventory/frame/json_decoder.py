"""Decodes the JSON of a server's image list, a few thousand images at a time.

The document is decoded in a sliding window, so that neither its whole text nor all objects are in memory at once.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from operator import itemgetter
from typing import Any

from lxdimg_nb.errors import UnexpectedReplyError
from lxdimg_nb.values import FINGERPRINT

__all__ = ["decode_images"]

Buffer = bytes | bytearray | memoryview

WINDOW = 1 << 20
_OPENING = re.compile(r'\{"[^"\\]{0,64}":')
_SPACE = re.compile(r"[ \t\n\r]*")
_decode = json.JSONDecoder().raw_decode


class _Window:
    """A sliding window on a JSON text."""

    def __init__(self, payload: Buffer) -> None:
        self._bytes = memoryview(payload)
        self._utf8 = codecs.getincrementaldecoder("utf-8-sig")()
        self._read = 0
        self._step = WINDOW
        self.text = ""
        self.at = 0

    def more(self) -> bool:
        """Move on; False at the end of the document."""
        if self._read >= len(self._bytes):
            return False
        part = self._bytes[self._read : self._read + self._step]
        self._read += len(part)
        self.text = self.text[self.at :] + self._utf8.decode(part, final=self._read >= len(self._bytes))
        self.at = 0
        return True

    def peek(self) -> str:
        """The next character that is not a space; empty at the end."""
        while True:
            found = _SPACE.match(self.text, self.at)
            self.at = found.end() if found else self.at
            if self.at < len(self.text):
                return self.text[self.at]
            if not self.more():
                return ""

    def take(self, char: str) -> None:
        if self.peek() != char:
            raise ValueError(f"expected {char!r}")
        self.at += 1

    def value(self) -> Any:
        """The next JSON value."""
        self.peek()
        while True:
            try:
                value, end = _decode(self.text, self.at)
                # A number may continue beyond the window.
                if end < len(self.text) or not self.more():
                    self.at, self._step = end, WINDOW
                    return value
            except json.JSONDecodeError:
                if not self.more():
                    raise
            # The value is larger than the window, which is doubled to keep the total time linear.
            self._step *= 2

    def block(self) -> list[Any]:
        """The objects that are complete in the window, decoded at once; empty if their end is not found quickly.

        A server writes the fields of all images in one order, so each image begins as the first one does. If the
        cut is inside an image all the same, the text before it is not valid JSON, and nothing is taken.
        """
        opening = _OPENING.match(self.text, self.at)
        cut = self.text.rfind(f"}},{opening[0]}", self.at) if opening else -1
        if cut < 0:
            return []
        try:
            found: list[Any] = json.loads(f"[{self.text[self.at : cut + 1]}]")
        except json.JSONDecodeError:
            return []
        self.at = cut + 2
        return found


def decode_images(payload: Buffer | Sequence[Any], count: int) -> Iterator[list[dict[str, Any]]]:
    """The images of a document or list, `count` at a time.

    Raises:
        UnexpectedReplyError: not JSON, or not a list of images with valid fingerprints.
    """
    objects = _objects(payload) if isinstance(payload, Buffer) else iter(payload)
    while True:
        try:
            batch = list(islice(objects, count))
        except (ValueError, RecursionError) as exc:
            raise UnexpectedReplyError(f"the server's list of images is not proper JSON: {exc}") from exc
        if not batch:
            return
        _check(batch)
        yield batch


def _objects(payload: Buffer) -> Iterator[Any]:
    window = _Window(payload)
    if window.peek() == "{":
        window.take("{")
        while True:
            key = window.value()
            window.take(":")
            if key == "metadata":
                break
            window.value()
            if window.peek() != ",":
                raise ValueError("no metadata")
            window.take(",")
    window.take("[")
    if window.peek() == "]":
        return
    while True:
        yield from window.block()
        yield window.value()
        if window.peek() != ",":
            break
        window.take(",")
    window.take("]")


def _check(batch: list[dict[str, Any]]) -> None:
    """Check that each entry is an object with a fingerprint."""
    try:
        valid = all(map(FINGERPRINT.match, map(itemgetter("fingerprint"), batch)))
    except (TypeError, KeyError):
        valid = False
    if not valid:
        raise UnexpectedReplyError("the server sent an image without a proper fingerprint; is it LXD or Incus?")
