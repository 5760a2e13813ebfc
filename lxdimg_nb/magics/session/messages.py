"""What the client advises in Python, said as it is typed behind `%lxdimg`."""

from __future__ import annotations

import re

from lxdimg_nb.text.display import plain

__all__ = ["advice"]

_WORDS = tuple(
    (re.compile(pattern), words)
    for pattern, words in (
        (r"list them with images\.all\(\)", "%lxdimg list shows them"),
        (r"list them with images\.aliases\.all\(\)", "%lxdimg alias list shows them"),
        (r"move it with images\.aliases\.point\('([^'\s]+)', to=…\)", r"%lxdimg alias point \1 IMAGE moves it"),
        (r"(nothing was (?:sent|fetched)) \(exist_ok=True returns it\)", r"\1 (--reuse takes what is there)"),
        (r"connect\('https://host:8443'\)", "%lxdimg connect https://host:8443"),
        (r"connect\(lxdimg_nb\.demo\.start\(\)\.url\)", "%lxdimg demo"),
        (r"(is already in project \S+ on \S+)$", r"\1 (--reuse takes it, and gives it the names)"),
        (r"(as it is now is already there: \w+)$", r"\1 (--reuse takes it, and gives it the names)"),
        (r"stopped meanwhile \(stop=True\)", "stopped meanwhile with --force"),
        (r"look with images\.all\(\)", "look with %lxdimg list"),
        (r"reload\(\) shows theirs", "%lxdimg info shows theirs"),
        (r"projects\(\) names those there are", "%lxdimg list --all-projects shows what there is"),
        (r"enroll\('(https://[^'\s]+)', token=…\)", r"%lxdimg connect \1 --token -"),
        (r"enroll\(…\) with a trust token", "%lxdimg connect URL --token - makes a certificate trusted"),
        (r"use by='client'", "add --sha256 SUM"),
    )
)


def advice(error: BaseException, said: str = "") -> str:
    """The line for an error: its message, and what was noted of it, with the way on as a verb where there is one.

    Args:
        said: what stands before the notes instead of the message.
    """
    text = " ".join([said or str(error), *getattr(error, "__notes__", ())])
    for pattern, words in _WORDS:
        text = pattern.sub(words, text)
    return plain(text, 2000)
