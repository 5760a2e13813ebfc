"""Help for verbs, and the table of verbs in the notebook on them, made from the declarations."""

from __future__ import annotations

from collections.abc import Sequence

import click

from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.magics.line.command import Option, Verb, VerbGroup
from lxdimg_nb.magics.line.types import Choice
from lxdimg_nb.text.cells import Kind
from lxdimg_nb.text.tables import Table

_HEADINGS = ("verb", "what it does")


def explain_words(root: VerbGroup, words: Sequence[str]) -> Table:
    """Return help for the verb that the words name, or for all verbs without words."""
    command: click.Command = root
    for word in words:
        if not isinstance(command, VerbGroup):
            break
        found = command.get_command(None, word)
        if found is None:
            raise InvalidRequestError(command.no_verb(word))
        command = found
    return explain(command)


def explain(command: click.Command) -> Table:
    """Return help for a verb or a group of verbs."""
    if isinstance(command, VerbGroup) and command.default is not None:
        command = command.default
    if isinstance(command, Verb):
        return _explain_verb(command)
    assert isinstance(command, VerbGroup)
    if command.name:
        rows = tuple((verb.usage, verb.summary) for verb in command.every_verb)
        return Table(_HEADINGS, rows, f"%lxdimg {command.name} …", kinds=(Kind.TEXT, Kind.PROSE))
    note = (
        "%lxdimg help VERB explains one. df = %lxdimg list keeps a result, and so does -o NAME. "
        "$name is one of your variables; a semicolon at the end hides the result. "
        "Every verb takes --project and --help. REMOTE:IMAGE is an image of another server. "
        "ls, cp, rm and mv are short for list, copy, delete and rename."
    )
    rows = tuple((verb.label, verb.summary) for verb in command.every_verb)
    return Table(_HEADINGS, rows, "%lxdimg VERB …", note, kinds=(Kind.CODE, Kind.PROSE))


def _explain_verb(verb: Verb) -> Table:
    with click.Context(verb) as ctx:
        options = [param for param in verb.get_params(ctx) if isinstance(param, Option)]
    rows = tuple(map(_explain_option, options))
    usage = f"%lxdimg {verb.usage}"
    note = f"{usage}. {verb.details}" if verb.details else usage
    return Table(("", ""), rows, f"%lxdimg {verb.label}: {verb.summary}", note)


def _explain_option(option: Option) -> tuple[str, str]:
    names = ", ".join(option.opts)
    choices = f": {', '.join(option.type.choices)}" if isinstance(option.type, Choice) else ""
    return (names if option.is_flag else f"{names} {option.metavar}", f"{option.help}{choices}")


def verb_table(root: VerbGroup) -> str:
    """Return the table of all verbs in Markdown, for the notebook on verbs."""
    lines = ["| verb | what it does |", "|---|---|"]
    for verb in root.every_verb:
        usage, summary = (text.replace("|", "\\|") for text in (verb.usage, verb.summary))
        lines.append(f"| `{usage}` | {summary} |")
    return "\n".join(lines)
