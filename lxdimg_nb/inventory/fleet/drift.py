"""Where the servers of a fleet differ: aliases that point at different images, images that are not everywhere."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.inventory.frame.column_kinds import text_array
from lxdimg_nb.inventory.frame.rows import level, needed
from lxdimg_nb.text.styled_frame import StyledFrame

__all__ = ["drift"]


def drift(frame: pd.DataFrame, *, by: str = "alias") -> StyledFrame:
    """What is where.

    Args:
        frame: of a fleet, whose servers are compared, each project with that of the same name; of one server
            its projects are compared.
        by: `alias`: a row an alias, in each cell the fingerprint it points at, NA where there is none.
            `image`: a row an image, in each cell whether it is there.

    Returns:
        The index is the alias or fingerprint, of a fleet's frame with several projects `project` and that. A
        column a place, then `state`: `same`, `differs` (two targets) or `missing` (not everywhere). Servers
        that did not answer have no column; one that gave only some of its images lacks none.

    Raises:
        InvalidRequestError: another word in `by`.
    """
    if by not in ("alias", "image"):
        raise InvalidRequestError(f"drift is by 'alias' or by 'image', not by {by!r}")
    places, projects = _places(frame)
    columns = sorted({*places, *_answered(frame)})
    fingerprints = [str(f) for f in level(frame, "fingerprint") or []]
    cells: dict[tuple[str, str], dict[str, str]] = {}
    names = needed(frame, "aliases") if by == "alias" else ([fingerprint] for fingerprint in fingerprints)
    for place, project, fingerprint, own in zip(places, projects, fingerprints, names, strict=True):
        for name in own:
            cells.setdefault((project, name), {})[place] = fingerprint
    keys = sorted(cells)
    answer = StyledFrame(
        {place: _column([cells[key].get(place) for key in keys], by) for place in columns},
        index=_index(keys, "alias" if by == "alias" else "fingerprint", several=any(projects)),
    )
    partial = frame.attrs.get("partial", ())
    whole = [place for place in columns if place not in partial]
    states = [_state(cells[key], whole) for key in keys]
    answer["state"] = pd.Categorical(states, categories=["same", "differs", "missing"])
    if by == "image":
        words = dict(zip(fingerprints, needed(frame, "description"), strict=True))
        answer["description"] = text_array([None if pd.isna(words[name]) else words[name] for _, name in keys])
    answer.attrs = dict(frame.attrs)
    return answer


def _column(values: list[str | None], by: str) -> Any:
    return text_array(values) if by == "alias" else np.array([v is not None for v in values], dtype=bool)


def _index(keys: list[tuple[str, str]], name: str, *, several: bool) -> pd.Index[Any]:
    names: pd.Index[Any] = pd.Index(text_array([name for _, name in keys]), name=name)
    if not several:
        return names
    return pd.MultiIndex.from_arrays([text_array([project for project, _ in keys]), names], names=["project", name])


def _places(frame: pd.DataFrame) -> tuple[list[str], list[str]]:
    """What is compared: where each row is, and the project within which, empty where that tells nothing."""
    projects = [str(p) for p in level(frame, "project") or [""] * len(frame)]
    if "server" not in frame.index.names:
        return projects, [""] * len(frame)
    servers = [str(s) for s in level(frame, "server") or []]
    return servers, projects if len(set(projects)) > 1 else [""] * len(frame)


def _answered(frame: pd.DataFrame) -> list[str]:
    """Servers that answered, also those without an image."""
    missing = frame.attrs.get("unanswered", [])
    return [name for name in frame.attrs.get("servers", {}) if name not in missing]


def _state(cells: dict[str, str], whole: list[str]) -> str:
    if len(set(cells.values())) > 1:
        return "differs"
    return "missing" if any(place not in cells for place in whole) else "same"
