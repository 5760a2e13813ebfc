"""Asking before something goes, and refusing where nobody can answer."""

from __future__ import annotations

from collections.abc import Sequence
from getpass import getpass

from IPython.core.error import StdinNotImplementedError

from lxdimg_nb.errors import InvalidRequestError, OperationCancelledError
from lxdimg_nb.magics.session.session import say
from lxdimg_nb.text.display import plain

__all__ = ["confirm", "secret"]

SHOWN = 20


def confirm(question: str, lines: Sequence[str], *, yes: bool) -> None:
    """Show what will go and go on only after a yes.

    Args:
        yes: it was given beforehand, with --yes; then nothing is shown.

    Raises:
        InvalidRequestError: nobody can answer here: a notebook that is run by a program.
        OperationCancelledError: the answer is no.
    """
    if yes:
        return
    for line in lines[:SHOWN]:
        say(f"  {line}")
    if len(lines) > SHOWN:
        say(f"  … and {len(lines) - SHOWN:,} more")
    try:
        answer = input(f"{plain(question, 500)} [y/N] ")
    except (StdinNotImplementedError, EOFError, OSError) as error:
        raise InvalidRequestError(
            "nothing was done: nobody can answer here; add --yes to do it without asking"
        ) from error
    if answer.strip().lower() not in ("y", "yes"):
        raise OperationCancelledError("nothing was done: the answer was not yes")


def secret(question: str) -> str:
    """Ask for something that is neither shown nor kept.

    Raises:
        InvalidRequestError: nobody can answer here, or the answer is empty.
    """
    try:
        answer = getpass(question)
    except (StdinNotImplementedError, EOFError, OSError) as error:
        raise InvalidRequestError("nobody can answer here; give it in a variable") from error
    if not answer.strip():
        raise InvalidRequestError("nothing was done: the answer is empty")
    return answer.strip()
