"""A verb of `%lxdimg` run from a shell, without IPython: `lxdimg-nb import`."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from lxdimg_nb.magics.line.words import Word
from lxdimg_nb.magics.session.session import Invocation, Session
from lxdimg_nb.magics.verbs.root import run

__all__ = ["run_verb"]


def run_verb(verb: str, arguments: Sequence[str], server: str = "") -> Any:
    """Run a verb and return its result; what it has to say is printed.

    Args:
        verb: its name.
        arguments: what follows it. The shell has read quotes and variables already.
        server: a remote, an URL or the path of a socket; empty takes the default, as `connect()` does.

    Raises:
        LxdImageError: as the verb.
    """
    session = Session(SimpleNamespace(user_ns={}), lambda _: None)
    if server:
        session.connect_lazily(server)
    try:
        return run([Word(text) for text in (verb, *arguments)], Invocation(session))
    finally:
        session.close()
