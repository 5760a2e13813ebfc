"""All verbs of `%lxdimg` in one group, `help`, and running a line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click
from click.shell_completion import CompletionItem

from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.magics.line.command import HelpRequested, VerbGroup, argument, verb
from lxdimg_nb.magics.line.help import explain, explain_words
from lxdimg_nb.magics.line.types import WordType, completion
from lxdimg_nb.magics.line.words import Word
from lxdimg_nb.magics.session.session import Invocation
from lxdimg_nb.magics.verbs import (
    change_verbs,
    import_verbs,
    inspect_verbs,
    list_verbs,
    server_verbs,
    transfer_verbs,
    watch_verbs,
)
from lxdimg_nb.magics.verbs.alias_verbs import ALIAS_GROUP
from lxdimg_nb.magics.verbs.plan_verbs import PLAN_GROUP
from lxdimg_nb.text.tables import Table


def _complete_verb(typed: str, ctx: click.Context) -> list[CompletionItem]:
    group: click.Command | None = LXDIMG
    for word in ctx.params.get("words") or ():
        group = group.get_command(ctx, word) if isinstance(group, VerbGroup) else None
    return [completion(name, "verb") for name in (group.commands if isinstance(group, VerbGroup) else ())]


@verb("help")
@argument("words", "VERB", WordType(complete=_complete_verb), required=False, many=True)
def show_help(invocation: Invocation, words: Sequence[str]) -> Table:
    """List all verbs, or explain one."""
    return explain_words(LXDIMG, words)


@click.pass_context
def _without_a_verb(ctx: click.Context) -> Any:
    if ctx.invoked_subcommand is not None:
        return None
    if ctx.obj.body is not None:
        raise InvalidRequestError("%%lxdimg needs a verb, such as %%lxdimg edit NAME")
    return ctx.invoke(server_verbs.status, ctx.obj)


LXDIMG = VerbGroup(
    "",
    (
        *server_verbs.VERBS,
        *list_verbs.VERBS,
        *inspect_verbs.VERBS,
        *import_verbs.VERBS,
        *transfer_verbs.VERBS,
        *change_verbs.VERBS,
        ALIAS_GROUP,
        PLAN_GROUP,
        *watch_verbs.VERBS,
        show_help,
    ),
    callback=_without_a_verb,
    invoke_without_command=True,
)


def run(words: Sequence[Word], invocation: Invocation) -> Any:
    """Run the verb that the words name and return its result.

    Raises:
        LxdImageError: one line that says what is wrong and what to write.
    """
    try:
        with LXDIMG.make_context("%lxdimg", list(words), obj=invocation) as ctx:
            return LXDIMG.invoke(ctx)
    except HelpRequested as request:
        return explain(request.command)
