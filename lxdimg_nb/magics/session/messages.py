"""One-line messages: what verbs print, errors with advice in verbs, and suggestions."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Sequence

from lxdimg_nb import filters
from lxdimg_nb.text.display import sanitize


def _import_with_metadata(found: re.Match[str]) -> str:
    return f"%lxdimg import {found[1] or 'FILE'} --make-metadata makes it an image"


# Advice of the client in Python, and the same with %lxdimg.
_VERBS_FOR_PYTHON: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = tuple(
    (re.compile(pattern), words)
    for pattern, words in (
        (r"list them with images\.all\(\)", "%lxdimg list shows them"),
        (r"list them with images\.aliases\.all\(\)", "%lxdimg alias list shows them"),
        (r"move it with images\.aliases\.point\('([^'\s]+)', to=…\)", r"%lxdimg alias point \1 IMAGE moves it"),
        (r"(nothing was (?:sent|fetched)) \(exist_ok=True returns it\)", r"\1 (--reuse takes what is there)"),
        (r"connect\('https://host:8443'\)", "%lxdimg connect https://host:8443"),
        (r"or the name of a remote of lxc or incus", "or a remote of %lxdimg remotes"),
        (r"connect\(demo=True\)", "%lxdimg demo"),
        (r"error\.tried names", "sys.last_value.tried names"),
        (r"(is already in project \S+ on \S+)$", r"\1 (--reuse takes it, and gives it the names)"),
        (r"(as it is now is already there: \w+)$", r"\1 (--reuse takes it, and gives it the names)"),
        (r"stopped meanwhile \(stop=True\)", "stopped meanwhile with --force"),
        (r"look with images\.all\(\)", "look with %lxdimg list"),
        (r"reload\(\) shows theirs", "%lxdimg info shows theirs"),
        (r"projects\(\) names those there are", "%lxdimg list --all-projects shows what there is"),
        (r"enroll\('(https://[^'\s]+)', token=…\)", r"%lxdimg connect \1 --token -"),
        (r"enroll\(…\) with a trust token", "%lxdimg connect URL --token - makes a certificate trusted"),
        (r"use by='client'", "add --sha256 SUM"),
        (r"give (?:it|(\S+)) together with metadata=lxdimg\.image_metadata\(\S*\)", _import_with_metadata),
        (r"choose one with (image|architecture)=: ", r"choose one with \1=NAME: "),
        (r"name it: architecture='x86_64', or arm64 …", "name it: architecture=x86_64, or arm64 …"),
    )
)


def echo(text: str) -> None:
    """Print one line, sanitized."""
    sys.stdout.write(sanitize(text, 2000) + "\n")
    sys.stdout.flush()


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `did you mean 'x'? ` with the closest known word; empty if none is close."""
    near = filters.closest_match(word.lower(), known)
    return f"did you mean {near!r}? " if near else ""


def suggest(word: str, known: Iterable[str], label: str = "known") -> str:
    """Return the closest and all known words, to follow `no field 'x'; `: `did you mean 'a'? known: a, b`."""
    words = list(known)
    return f"{did_you_mean(word, words)}{label}: {', '.join(words) or 'none'}"


def format_error(error: BaseException, message: str = "") -> str:
    """Return an error's message (or another) and notes on one line, and its advice in verbs on lines below."""
    first = " ".join([message or getattr(error, "message", "") or str(error), *getattr(error, "__notes__", ())])
    return "\n  - ".join([in_verbs(first), *advice_in_verbs(error)])


def stopped(error: KeyboardInterrupt, changes: Sequence[str]) -> str:
    """What became of the work that was interrupted.

    Args:
        changes: the requests that were sent and may have changed something.
    """
    if getattr(error, "__notes__", ()):
        return "stopped."  # the client has noted what is left
    if changes:
        return "stopped, perhaps after the server had done it; %lxdimg list shows what is there now"
    return "stopped; nothing was changed on the server"


def advice_in_verbs(error: BaseException) -> list[str]:
    """The lines of advice that an error has, in verbs instead of Python."""
    return [in_verbs(line) for line in getattr(error, "advice", ())]


def in_verbs(text: str) -> str:
    """Return a text as one line, with advice in verbs instead of Python."""
    for pattern, words in _VERBS_FOR_PYTHON:
        text = pattern.sub(words, text)
    return sanitize(text, 2000)
