"""Tab completion of `%lxdimg`: the completions of click's commands and types, for IPython. Never asks a server."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import islice
from typing import Any

from click.shell_completion import CompletionItem, ShellComplete
from IPython.core.completer import CompletionContext, SimpleCompletion, SimpleMatcherResult, context_matcher

from lxdimg_nb.magics.line.command import VerbGroup
from lxdimg_nb.magics.line.types import completion
from lxdimg_nb.magics.line.words import Word, quoted, split
from lxdimg_nb.magics.session.session import Invocation, Session

MAX_COMPLETIONS = 500
_LINE = re.compile(r"^\s*(?:[^%\"'#]*=\s*)?%lxdimg\s(?P<rest>.*)$", re.DOTALL)
_CELL = re.compile(r"^\s*%%lxdimg\s(?P<rest>.*)$", re.DOTALL)
# Marks the cursor, so that the word there is never empty.
_CURSOR = "\ue000"


class Completion:
    """The matcher for IPython's completer."""

    def __init__(self, root: VerbGroup, session: Session) -> None:
        self._root = root
        self._session = session

    @context_matcher(identifier="lxdimg_nb")
    def matcher(self, context: CompletionContext) -> SimpleMatcherResult:
        """The completions at the cursor; none outside of `%lxdimg`."""
        text = context.text_until_cursor
        found = _LINE.match(text) or (_CELL.match(text) if context.cursor_line == 0 else None)
        if found is None:
            return SimpleMatcherResult(completions=[])
        self._session.warm()
        rest = found["rest"]
        *words, last = split(rest + _CURSOR, open_end=True)
        typed, prefix = rest[last.start :], last.text.removesuffix(_CURSOR)
        completions = self._complete(words, Word(prefix, protected=last.protected))
        matching = (one for one in completions if one.value.startswith(prefix) and one.value.isprintable())
        shown = [SimpleCompletion(_inserted(one, typed), type=one.type) for one in islice(matching, MAX_COMPLETIONS)]
        return SimpleMatcherResult(completions=shown, matched_fragment=typed, suppress=bool(shown), ordered=True)

    def _complete(self, words: list[Word], last: Word) -> Iterable[CompletionItem]:
        if last.text.startswith("$") and not last.protected:
            return [completion(f"${n}", "instance") for n in self._session.shell.user_ns if not n.startswith("_")]
        arguments: dict[str, Any] = {"obj": Invocation(self._session)}
        found = ShellComplete(self._root, arguments, "%lxdimg", "").get_completions(list(words), last)
        name, sign, _ = last.text.partition("=")
        if sign and name.startswith("--") and not last.protected:
            # click completes the value alone.
            return [CompletionItem(f"{name}={one.value}", type=one.type, before=f"{name}=") for one in found]
        return found


def _inserted(item: CompletionItem, typed: str) -> str:
    """The text to insert: in the quotes that were typed, or in quotes if needed."""
    before = item.before or ""
    text, quote = str(item.value)[len(before) :], typed[len(before) :][:1]
    if item.type in ("instance", "option"):
        return text
    return before + _quoted_value(text, quote, always=bool(item.quote))


def _quoted_value(text: str, quote: str, *, always: bool) -> str:
    if quote in ("'", '"') and quote not in text and not (quote == '"' and re.search(r"[\\$]", text)):
        return f"{quote}{text}{quote}"
    if always:
        return quoted(text, always=True)
    if text.endswith(("=", "/", ":")) and quoted(text[:-1]) == text[:-1]:
        return text
    return quoted(text)
