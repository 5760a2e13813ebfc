"""The columns of a list, by the letters of `lxc image list -c` or by name."""

from __future__ import annotations

from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.magics.session.messages import suggest

# The fingerprint is the index of a frame.
COLUMN_LETTERS = {
    "l": "alias",
    "L": "aliases",
    "f": "fingerprint",
    "F": "fingerprint",
    "p": "public",
    "d": "description",
    "a": "architecture",
    "s": "size",
    "u": "uploaded_at",
    "t": "type",
    "e": "project",
}


def column_names(text: str, present: list[str], index: list[str]) -> list[str]:
    """Resolve letters (`lfpdatsu`) or names separated by commas to columns and levels of the index.

    A property may be named by its key alone. In the result, `f` is the short fingerprint.
    """
    found: list[str] = []
    for name in filter(None, (part.strip() for part in text.split(","))):
        column = f"properties.{name.removeprefix('properties:')}"
        if name in (*present, *index):
            found.append(name)
        elif set(name) <= COLUMN_LETTERS.keys():
            found += ["f" if letter == "f" else COLUMN_LETTERS[letter] for letter in name]
        elif column in present:
            found.append(column)
        else:
            known = [c.removeprefix("properties.") for c in present]
            letters = "".join(COLUMN_LETTERS)
            raise InvalidRequestError(f"no column {name!r}; {suggest(name, known)}, or the letters {letters}")
    if not found:
        raise InvalidRequestError(f"-c names no column; write -c {''.join(COLUMN_LETTERS)[:4]}, or names with commas")
    return found
