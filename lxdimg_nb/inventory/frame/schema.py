"""The columns of an inventory and their dtypes, the same for 0 images and for 100,000.

Property columns come from the images. Their dtype depends on the key alone, never on the values, so that
frames of different days fit together: the keys in `CATEGORY_PROPERTIES` are categories, all others are strings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "CATEGORY",
    "CATEGORY_PROPERTIES",
    "COLUMNS",
    "FLAGS",
    "LISTS",
    "PROPERTY",
    "TIMES",
    "is_category",
    "is_inventory",
    "property_columns",
]

FLAGS = ("public", "auto_update", "cached")
TIMES = ("created_at", "uploaded_at", "last_used_at", "expires_at")
LISTS = ("aliases", "profiles")
SOURCES = ("source.server", "source.protocol", "source.alias")
CATEGORY = ("architecture", "type", "project", *SOURCES)

COLUMNS = (
    "alias",
    "description",
    "architecture",
    "type",
    "project",
    "size",
    *FLAGS,
    *TIMES,
    *LISTS,
    "filename",
    *SOURCES,
)
"""The fixed columns in order; `project` is an index level instead in a frame of several projects."""

PROPERTY = "properties."
CATEGORY_PROPERTIES = frozenset({"architecture", "label", "os", "release", "type", "variant", "version"})
"""Properties that are categories because they usually have few values."""

KNOWN_FIELDS = frozenset(COLUMNS) - {"alias", "description", *SOURCES} | {"fingerprint", "properties", "update_source"}
"""Fields of the server's JSON that have a column; the rest is in `attrs["unknown"]` and `extra=True`."""

KNOWN_SOURCE = frozenset({"alias", "certificate", "protocol", "server"})
"""Fields of `update_source` that have a column, and the certificate, which never gets one."""


def is_category(name: str) -> bool:
    """Whether a column is a category."""
    return name in CATEGORY or (name.startswith(PROPERTY) and name.removeprefix(PROPERTY) in CATEGORY_PROPERTIES)


def is_inventory(frame: pd.DataFrame) -> bool:
    """Whether each row is an image: the last index level is the fingerprint."""
    return bool(frame.index.names[-1] == "fingerprint")


def property_columns(frame: pd.DataFrame) -> list[str]:
    """The columns that hold properties."""
    return [name for name in frame.columns if isinstance(name, str) and name.startswith(PROPERTY)]
