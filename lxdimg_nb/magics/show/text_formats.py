"""Lists as csv, json, yaml or compact text, as `lxc image list -f` prints them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lxdimg_nb.magics.show.results import Text
from lxdimg_nb.magics.show.yaml_text import yaml_text

if TYPE_CHECKING:
    import pandas as pd


def as_text(
    form: str, documents: Sequence[Mapping[str, Any]], shown: pd.DataFrame, rows: pd.DataFrame, names: Sequence[str]
) -> Text:
    """Format a list as csv, csv,header, json, yaml or compact text.

    json and yaml hold `documents`, the server's own; compact is the text of `shown`; csv has the columns `names` of
    `rows`, where `f` is the short fingerprint, sizes are bytes and times ISO 8601.
    """
    if form == "json":
        return Text(json.dumps([dict(one) for one in documents], indent=2, ensure_ascii=False))
    if form == "yaml":
        return Text(yaml_text([dict(one) for one in documents]).rstrip("\n"))
    if form == "compact":
        return Text(_compact(shown))
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    if form == "csv,header":
        writer.writerow(["fingerprint" if name == "f" else name for name in names])
    for number in range(len(rows)):
        writer.writerow([_cell(name, rows["fingerprint" if name == "f" else name].iloc[number]) for name in names])
    return Text(buffer.getvalue().rstrip("\n"))


def _compact(shown: pd.DataFrame) -> str:
    """A line a row, as wide as it takes."""
    import pandas as pd

    from lxdimg_nb.text.styled_frame import StyledFrame

    with pd.option_context("display.max_rows", None):
        return shown.table().text() if isinstance(shown, StyledFrame) else repr(shown)


def _cell(name: str, value: Any) -> str:
    import pandas as pd

    if isinstance(value, list | tuple):
        return "\n".join(map(str, value))
    if pd.isna(value):
        return ""
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    if str(value) in ("True", "False") and not isinstance(value, str):
        return "yes" if value else "no"
    return str(value)[:12] if name == "f" else str(value)
