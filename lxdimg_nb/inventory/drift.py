"""Where the servers of a fleet differ: aliases that point at different images, images that are not everywhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.inventory.display import WordsFrame
from lxdimg_nb.inventory.kinds import text_array
from lxdimg_nb.inventory.rows import level

__all__ = ["drift"]


def drift(frame: pd.DataFrame, *, by: str = "alias") -> WordsFrame:
    """What is where.

    Args:
        frame: of a fleet; of one server its projects are compared.
        by: `alias`: a row an alias, in each cell the fingerprint it points at, NA where there is none.
            `image`: a row an image, in each cell whether it is there.

    Returns:
        A column a place (server, or `server:project` where there are several projects), then `state`: `same`,
        `differs` (two targets) or `missing` (not everywhere). Servers that did not answer have no column.

    Raises:
        InvalidRequestError: another word in `by`.
    """
    if by not in ("alias", "image"):
        raise InvalidRequestError(f"drift is by 'alias' or by 'image', not by {by!r}")
    places = _places(frame)
    empty = [name for name in _answered(frame) if not any(p == name or p.startswith(f"{name}:") for p in set(places))]
    columns = sorted({*places, *empty})
    fingerprints = level(frame, "fingerprint") or []
    cells: dict[str, dict[str, Any]] = {}
    if by == "alias":
        for place, fingerprint, aliases in zip(places, fingerprints, frame["aliases"], strict=True):
            for alias in aliases:
                cells.setdefault(alias, {})[place] = fingerprint
    else:
        for place, fingerprint in zip(places, fingerprints, strict=True):
            cells.setdefault(fingerprint, {})[place] = True
    names = sorted(cells)
    targets = {place: [cells[name].get(place) for name in names] for place in columns}
    answer = WordsFrame(
        {
            place: text_array(values) if by == "alias" else np.array([v is True for v in values], dtype=bool)
            for place, values in targets.items()
        },
        index=pd.Index(text_array(names), name="alias" if by == "alias" else "fingerprint"),
    )
    states = [_state(cells[name], len(columns)) for name in names]
    answer["state"] = pd.Categorical(states, categories=["same", "differs", "missing"])
    if by == "image":
        descriptions = dict(zip(fingerprints, frame["description"], strict=True))
        answer["description"] = text_array([None if pd.isna(d := descriptions[n]) else d for n in names])
    answer.attrs = dict(frame.attrs)
    return answer


def _places(frame: pd.DataFrame) -> list[str]:
    projects = [str(p) for p in level(frame, "project") or [""] * len(frame)]
    if "server" not in frame.index.names:
        return projects
    servers = [str(s) for s in level(frame, "server") or []]
    if len(set(projects)) < 2:
        return servers
    return [f"{server}:{project}" for server, project in zip(servers, projects, strict=True)]


def _answered(frame: pd.DataFrame) -> list[str]:
    """Servers that answered, also those without an image."""
    missing = frame.attrs.get("unanswered", [])
    return [name for name in frame.attrs.get("servers", {}) if name not in missing]


def _state(cells: dict[str, Any], count: int) -> str:
    if len(set(cells.values())) > 1:
        return "differs"
    return "missing" if len(cells) < count else "same"
