"""Looks for secrets where errors keep what they know: texts, attributes, chains, and the local variables of frames."""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]


def chain_of(error: BaseException) -> Iterator[BaseException]:
    """An error and everything it was made from or met, each once."""
    seen: set[int] = set()
    stack: list[BaseException | None] = [error]
    while stack:
        found = stack.pop()
        if found is not None and id(found) not in seen:
            seen.add(id(found))
            yield found
            stack += [found.__cause__, found.__context__]


def leaks(error: BaseException, canaries: Iterable[str], *, own: str) -> list[str]:
    """Where the canaries show: `type: where`, one each.

    Args:
        canaries: the secret texts.
        own: the test's file, whose frames hold the secrets by right.
    """
    found: list[str] = []
    for one in chain_of(error):
        texts = {"text": str(one), "repr": repr(one), "attributes": repr(vars(one)), "args": repr(one.args)}
        texts["notes"] = " ".join(getattr(one, "__notes__", ()))
        for frame, line in traceback.walk_tb(one.__traceback__):
            if frame.f_code.co_filename != own:
                for name, value in frame.f_locals.items():
                    texts[f"{frame.f_code.co_filename}:{line} {name}"] = _repr(value)
        found += [f"{type(one).__name__}: {where}" for where, text in texts.items() if any(c in text for c in canaries)]
    return found


def _repr(value: object) -> str:
    try:
        return repr(value)
    except Exception:  # noqa: BLE001 - a front end shows nothing of it either
        return ""


def shown(error: BaseException) -> str:
    """What verbose tracebacks show of an error: that of `traceback` with locals, and that of IPython.

    The frames of tests at its beginning, which hold the secrets by right, are left out.
    """
    from IPython.core.ultratb import VerboseTB

    start = error.__traceback__
    while start is not None and Path(start.tb_frame.f_code.co_filename).is_relative_to(TESTS):
        start = start.tb_next
    verbose = VerboseTB(theme_name="nocolor", include_vars=True)
    found = str(verbose.text(type(error), error, start))
    # Before Python 3.12 an object that is half made, and so has no repr, ends it.
    with suppress(AttributeError):
        plain = traceback.TracebackException(type(error), error, start, capture_locals=True)
        found += "".join(plain.format())
    return found
