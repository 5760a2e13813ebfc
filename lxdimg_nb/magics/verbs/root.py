"""All verbs of `%lxdimg`, and what `help` says of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.magics import editing, publishing
from lxdimg_nb.magics.grammar import Argument, Call, Verb, find, nearest
from lxdimg_nb.magics.verbs import (
    change_verbs,
    import_verbs,
    inspect_verbs,
    list_verbs,
    plan_verbs,
    server_verbs,
    transfer_verbs,
    watch_verbs,
)
from lxdimg_nb.text.display import Table

if TYPE_CHECKING:
    from lxdimg_nb.magics.session.session import Session

__all__ = ["VERBS", "explained", "markdown"]


def _help(session: Session, call: Call) -> Table:
    del session
    words = [word.text for word in call.some("VERB")]
    if not words:
        rows = tuple((verb.name, verb.help) for verb in VERBS)
        note = (
            "%lxdimg help VERB tells more. df = %lxdimg list keeps a result, -o NAME does, too. "
            "$name is your variable; a semicolon at the end shows nothing. --project and --help work everywhere, "
            "REMOTE:IMAGE names an image of another server. "
            "ls, cp, rm and mv are short for list, copy, delete and rename."
        )
        return Table(("verb", "what it does"), rows, "%lxdimg VERB …", note)
    verb, _ = find(VERBS, words)
    if verb is not None:
        return explained(verb)
    below = [v for v in VERBS if v.name.startswith(f"{words[0]} ")]
    if below:
        return Table(("verb", "what it does"), tuple((v.usage, v.help) for v in below), f"%lxdimg {words[0]} …")
    names = [v.name for v in VERBS]
    raise InvalidRequestError(f"no verb {words[0]!r}; {nearest(words[0], names)}%lxdimg help lists them")


def explained(verb: Verb) -> Table:
    """What a verb does and takes, for `help VERB` and `VERB --help`."""
    rows = tuple(
        (
            f"{flag.short + ', ' if flag.short else ''}{flag.name} {flag.takes}".strip(),
            _flag_help(flag.help, flag.choices),
        )
        for flag in verb.every_flag
    )
    usage = f"%lxdimg {verb.usage}"
    return Table(("", ""), rows, f"%lxdimg {verb.name}: {verb.help}", f"{usage}. {verb.more}" if verb.more else usage)


def _flag_help(text: str, choices: tuple[str, ...]) -> str:
    return f"{text}: {', '.join(choices)}" if choices else text


VERBS: tuple[Verb, ...] = (
    *server_verbs.VERBS,
    *list_verbs.VERBS,
    *inspect_verbs.VERBS,
    *import_verbs.VERBS,
    *transfer_verbs.VERBS,
    *publishing.VERBS,
    *change_verbs.VERBS,
    *editing.VERBS,
    *plan_verbs.VERBS,
    *watch_verbs.VERBS,
    Verb(
        "help",
        "all verbs, or one in full",
        _help,
        (Argument("VERB", "verb", optional=True, many=True),),
        connected=False,
    ),
)


def markdown() -> str:
    """The table of all verbs, as it stands in the README."""
    lines = ["| verb | what it does |", "|---|---|"]
    for verb in VERBS:
        usage, help_ = (text.replace("|", "\\|") for text in (verb.usage, verb.help))
        lines.append(f"| `{usage}` | {help_} |")
    return "\n".join(lines) + "\n"
