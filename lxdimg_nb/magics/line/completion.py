"""What Tab offers behind `%lxdimg`: from the table of verbs and from what is known, never from a server."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from IPython.core.completer import CompletionContext, SimpleCompletion, SimpleMatcherResult, context_matcher

from lxdimg_nb import filters
from lxdimg_nb.client.config.remotes import named
from lxdimg_nb.errors import LxdImageError
from lxdimg_nb.filters.fields import AGES
from lxdimg_nb.magics.grammar import Flag, Kind, Verb, common, find
from lxdimg_nb.magics.line.words import Word, quoted, split
from lxdimg_nb.magics.session.session import remote_of
from lxdimg_nb.magics.verbs.change_verbs import FIELDS
from lxdimg_nb.magics.verbs.list_verbs import LETTERS
from lxdimg_nb.magics.verbs.root import VERBS

if TYPE_CHECKING:
    from lxdimg_nb.magics import LxdimgMagics
    from lxdimg_nb.magics.session.known_images import Known

__all__ = ["Completion"]

MOST = 500
_LINE = re.compile(r"^\s*(?:[^%\"'#]*=\s*)?%lxdimg\s(?P<rest>.*)$", re.DOTALL)
_CELL = re.compile(r"^\s*%%lxdimg\s(?P<rest>.*)$", re.DOTALL)
_TERM = re.compile(r"(?P<field>[^\s=<>!,]+)(?:[!<>=]=|[=<>])")
_MARK = "\ue000"
_SWITCHES = ("public", "auto_update", "cached")

Offer = tuple[str, str]
"""What is offered and what it is called in the list: `("web", "alias")`."""


class Completion:
    """The matcher of one `%lxdimg`."""

    def __init__(self, magics: LxdimgMagics) -> None:
        self._magics = magics

    @context_matcher(identifier="lxdimg_nb")
    def matcher(self, context: CompletionContext) -> SimpleMatcherResult:
        """Offers for the word at the cursor; none anywhere else than behind `%lxdimg`."""
        text = context.text_until_cursor
        found = _LINE.match(text) or (_CELL.match(text) if context.cursor_line == 0 else None)
        if found is None:
            return SimpleMatcherResult(completions=[])
        self._magics.session.warm()
        rest = found["rest"]
        words = split(rest + _MARK, open_end=True)
        last = words.pop()
        typed, meant = rest[last.start :], last.text.removesuffix(_MARK)
        offers = self._offers(words, meant, last.protected)
        shown = [SimpleCompletion(_inserted(text, typed), type=kind) for text, kind in _fitting(offers, meant)]
        return SimpleMatcherResult(completions=shown, matched_fragment=typed, suppress=bool(shown), ordered=True)

    def _offers(self, words: list[Word], meant: str, protected: bool) -> Iterable[Offer]:
        front, words = common(words)
        texts = [word.text for word in words]
        if meant.startswith("$") and not protected:
            return [(f"${n}", "instance") for n in self._magics.shell.user_ns if not n.startswith("_")]
        flag = _flag_before(VERBS[0], front)
        if flag is not None:
            return self._of_flag(flag, meant)
        verb, count = find(VERBS, texts)
        if verb is None:
            return _verbs(texts)
        behind = words[count:]
        flag = _flag_before(verb, behind)
        if flag is not None:
            return self._of_flag(flag, meant)
        if meant.startswith("-") and not protected:
            return self._flags(verb, behind, meant)
        free = _without_flags(verb, behind)
        if not free and count == 1 and any(v.name.startswith(f"{verb.name} ") for v in VERBS):
            return _verbs(texts)
        place = min(len(free), len(verb.arguments) - 1)
        if place < 0 or (len(free) > place and not verb.arguments[place].many):
            return ()
        argument = verb.arguments[place]
        if argument.choices:
            return [(choice, "value") for choice in argument.choices]
        offers = self._of_kind(argument.kind, meant, free)
        # Where a server may be named beside other things, its name is offered when its first letter is there.
        if "REMOTE:" in argument.name and argument.kind != "image" and (meant or argument.kind == "text"):
            return [*offers, *_prefixes()]
        return offers

    def _flags(self, verb: Verb, behind: list[Word], meant: str) -> Iterator[Offer]:
        name, equals, value = meant.partition("=")
        given = {word.text.partition("=")[0] for word in behind if not word.protected}
        for flag in verb.every_flag:
            if equals and flag.takes and flag.name == name:
                yield from ((f"{name}={text}", kind) for text, kind in self._of_flag(flag, value))
            elif not equals and (flag.many or not {flag.name, flag.short} & given):
                yield flag.name, "flag"

    def _of_flag(self, flag: Flag, meant: str) -> Iterable[Offer]:
        if flag.choices:
            return [(choice, "value") for choice in flag.choices]
        return self._of_kind(flag.kind, meant, [])

    def _of_kind(self, kind: Kind, meant: str, free: list[Word]) -> Iterable[Offer]:
        if kind == "verb":
            return _verbs([word.text for word in free])
        if kind == "file":
            return _files(meant)
        if kind == "field":
            return _fields(meant)
        if kind == "image":
            return self._images(meant)
        if kind == "remote":
            return [(name, "remote") for name in _remotes()]
        if kind == "alias":
            return self._images(meant, fingerprints=False)
        if kind == "transfer":
            return _transfers()
        known = self._known(remote_of(free[0].text)[0] if free and kind in ("filter", "key") else "")
        if kind == "filter":
            return _filters(known, meant)
        if known is None:
            return ()
        if kind == "key":
            return [(key, "property") for key in _keys(known, free)]
        if kind == "project":
            return [(name, "project") for name in known.projects]
        if kind == "columns":
            return _columns(known, meant)
        return ()

    def _known(self, remote: str = "") -> Known | None:
        session = self._magics.session
        client = session.opened(remote)
        return None if client is None else session.known(client)

    def _images(self, meant: str, *, fingerprints: bool = True) -> Iterator[Offer]:
        remote, _ = remote_of(meant)
        prefix = f"{remote}:" if remote else ""
        if meant and not prefix:
            yield from _prefixes()
        if remote in _remotes():
            self._magics.session.warm(remote)
        known = self._known(remote)
        if known is None:
            return
        for alias in known.aliases():
            yield f"{prefix}{alias}", "alias"
        for record in known.records() if fingerprints else ():
            # Without a first digit only those that have no other name.
            if meant != prefix or not record.aliases:
                yield f"{prefix}{record.fingerprint[:12]}", "fingerprint"


def _remotes() -> list[str]:
    """The names in the configurations of lxc and incus: small files of this machine."""
    try:
        return list(named())
    except LxdImageError:
        return []


def _prefixes() -> list[Offer]:
    return [(f"{name}:", "remote") for name in _remotes()]


def _verbs(texts: list[str]) -> list[Offer]:
    depth = len(texts)
    names = (verb.name.split() for verb in VERBS)
    return [(name, "verb") for name in dict.fromkeys(n[depth] for n in names if len(n) > depth and n[:depth] == texts)]


def _flag_before(verb: Verb, behind: list[Word]) -> Flag | None:
    """The flag whose value is being typed."""
    waiting: Flag | None = None
    for word in behind:
        waiting = None if waiting is not None else _flag_of(verb, word)
    return waiting


def _flag_of(verb: Verb, word: Word) -> Flag | None:
    if word.protected:
        return None
    return next((f for f in verb.every_flag if f.takes and word.text in (f.name, f.short)), None)


def _without_flags(verb: Verb, behind: list[Word]) -> list[Word]:
    free: list[Word] = []
    value = False
    for word in behind:
        if value:
            value = False
        elif word.protected or not word.text.startswith("-"):
            free.append(word)
        else:
            value = _flag_of(verb, word) is not None
    return free


def _files(meant: str) -> Iterator[Offer]:
    folder, _, begin = meant.rpartition("/")
    folder = f"{folder}/" if "/" in meant else ""
    try:
        entries = sorted(os.scandir(Path(folder or ".").expanduser()), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if not entry.name.startswith(".") or begin.startswith("."):
            yield (f"{folder}{entry.name}/", "folder") if entry.is_dir() else (f"{folder}{entry.name}", "file")


def _fields(meant: str) -> list[Offer]:
    field, equals, _ = meant.partition("=")
    if not equals:
        return [(f"{name}=", "field") for name in FIELDS]
    values = ("yes", "no") if field in _SWITCHES else ("never", "30d", "90d", "1y") if field == "expires_at" else ()
    return [(f"{field}={value}", "value") for value in values]


def _filters(known: Known | None, meant: str) -> list[Offer]:
    keys = known.keys() if known is not None else []
    term = _TERM.match(meant)
    if term is None:
        names = dict.fromkeys([*filters.FIELDS, *(k for k in keys if not re.search(r"[\s=<>!]", k))])
        return [(f"{name}=", "field") for name in names]
    # Several values stand between commas.
    before = meant[: max(term.end(), meant.rfind(",") + 1)]
    return [(f"{before}{value}", "value") for value in _values(known, term["field"])]


def _transfers() -> list[Offer]:
    begun = sys.modules.get("lxdimg_nb.panels.transfers")
    return [(str(transfer.number), "transfer") for transfer in begun.transfers] if begun is not None else []


def _values(known: Known | None, field: str) -> list[str]:
    if field in _SWITCHES:
        return ["yes", "no"]
    if field == "size" or field in AGES:
        return ["100MiB", "1GiB", "10GiB"] if field == "size" else ["7d", "30d", "90d", "1y"]
    if known is None:
        return []
    if field in ("architecture", "type", "project"):
        return sorted({str(getattr(record, field)) for record in known.records()})
    return known.aliases() if field in ("alias", "aliases") else known.values(field.removeprefix("properties."))


def _keys(known: Known, free: list[Word]) -> list[str]:
    """The keys of the image named before, or all."""
    if free:
        _, name = remote_of(free[0].text)
        for record in known.records():
            if name in (alias.name for alias in record.aliases) or (
                len(name) > 5 and record.fingerprint.startswith(name)
            ):
                return sorted(record.properties)
    return known.keys()


def _columns(known: Known, meant: str) -> list[Offer]:
    before, comma, _ = meant.rpartition(",")
    names = [
        *dict.fromkeys(n for n in LETTERS.values() if n != "fingerprint"),
        "auto_update",
        "last_used_at",
        *known.keys(),
    ]
    return [(f"{before}{comma}{name}", "column") for name in names]


def _fitting(offers: Iterable[Offer], meant: str) -> list[Offer]:
    found: list[Offer] = []
    for text, kind in offers:
        if text.startswith(meant) and text.isprintable():
            found.append((text, kind))
            if len(found) == MOST:
                break
    return found


def _inserted(text: str, typed: str) -> str:
    """What Tab puts in the place of what was typed: with its quote, or with quotes where they are needed."""
    quote = typed[:1]
    if quote in ("'", '"') and quote not in text and not (quote == '"' and re.search(r"[\\$]", text)):
        return f"{quote}{text}{quote}"
    if text.startswith("$") or re.match(r"--?[a-z]", text):
        return text
    if text.endswith(("=", "/", ":")) and quoted(text[:-1]) == text[:-1]:
        return text
    return quoted(text)
