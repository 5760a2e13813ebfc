"""Prompts for a confirmation and for a secret; both fail where nobody can answer."""

from __future__ import annotations

from collections.abc import Sequence
from getpass import getpass

from IPython.core.error import StdinNotImplementedError

from lxdimg_nb.errors import InvalidRequestError, OperationCancelledError
from lxdimg_nb.magics.session.messages import echo
from lxdimg_nb.text.display import sanitize
from lxdimg_nb.text.secret import Secret, inner_frames_hidden

MAX_LINES = 20


def confirm(question: str, lines: Sequence[str], *, yes: bool) -> None:
    """Show what will be done and ask; return only if the user agrees. With `yes`, do not ask.

    Raises:
        InvalidRequestError: nobody can answer, as in a notebook run by a program.
        OperationCancelledError: the answer is not yes.
    """
    if yes:
        return
    for line in lines[:MAX_LINES]:
        echo(f"  {line}")
    if len(lines) > MAX_LINES:
        echo(f"  … and {len(lines) - MAX_LINES:,} more")
    try:
        answer = input(f"{sanitize(question, 500)} [y/N] ")
    except (StdinNotImplementedError, EOFError, OSError) as error:
        raise InvalidRequestError(
            "nothing was done: nobody can answer here; add --yes to do it without asking"
        ) from error
    if answer.strip().lower() not in ("y", "yes"):
        raise OperationCancelledError("nothing was done: the answer was not yes")


def secret(question: str) -> Secret:
    """Ask for a text that is neither shown nor stored; InvalidRequestError if there is no answer."""
    try:
        with inner_frames_hidden():
            answer = Secret(getpass(question).strip())
    except (StdinNotImplementedError, EOFError, OSError) as error:
        raise InvalidRequestError("nothing was done: nobody can answer here; give it in a variable") from error
    if not answer:
        raise InvalidRequestError("nothing was done: the answer is empty")
    return answer
