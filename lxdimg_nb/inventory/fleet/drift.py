"""Where the servers of a fleet differ: aliases with different targets, images that are not everywhere."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pandas as pd

from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.inventory.frame.column_builders import text_array
from lxdimg_nb.inventory.frame.rows import level, needed
from lxdimg_nb.text.styled_frame import StyledFrame

__all__ = ["drift"]


def drift(frame: pd.DataFrame, *, by: str = "alias") -> StyledFrame:
    """Compare the servers of a fleet, or the projects of one server.

    Args:
        frame: of a fleet, or of one server. Projects of a fleet are compared with those of the same name.
        by: `alias`: a row an alias, with its target on each server. `image`: a row an image, with whether each
            server has it.

    Returns:
        Indexed by alias or fingerprint, or by project and that if a fleet has several projects. A column for
        each server or project, then `state`: `same`, `differs` (different targets) or `missing` (not everywhere).
        Servers that did not answer have no column; nothing is missing on one that gave only some of its images.

    Raises:
        InvalidRequestError: another value of `by`.
    """
    if by not in ("alias", "image"):
        raise InvalidRequestError(f"drift is by 'alias' or by 'image', not by {by!r}")
    places, projects = _places(frame)
    fingerprints = [str(f) for f in level(frame, "fingerprint") or []]
    names = needed(frame, "aliases") if by == "alias" else ([fingerprint] for fingerprint in fingerprints)
    targets: dict[tuple[str, str], dict[str, str]] = {}
    for place, project, fingerprint, own in zip(places, projects, fingerprints, names, strict=True):
        for name in own:
            targets.setdefault((project, name), {})[place] = fingerprint
    keys = sorted(targets)
    columns: dict[str, Any] = {}
    for place in sorted({*places, *_answered(frame)}):
        cells = [targets[key].get(place) for key in keys]
        columns[place] = text_array(cells) if by == "alias" else np.array([c is not None for c in cells], dtype=bool)
    complete = columns.keys() - {*frame.attrs.get("partial", ())}
    states = [_state(targets[key], complete) for key in keys]
    columns["state"] = pd.Categorical(states, categories=["same", "differs", "missing"])
    if by == "image":
        texts = dict(zip(fingerprints, needed(frame, "description"), strict=True))
        columns["description"] = text_array([None if pd.isna(texts[name]) else texts[name] for _, name in keys])
    levels = {"project": [project for project, _ in keys]} if any(projects) else {}
    levels["alias" if by == "alias" else "fingerprint"] = [name for _, name in keys]
    index = pd.MultiIndex.from_arrays([*map(text_array, levels.values())], names=[*levels])
    answer = StyledFrame(columns, index=index if len(levels) > 1 else index.get_level_values(0))
    answer.attrs = dict(frame.attrs)
    return answer


def _places(frame: pd.DataFrame) -> tuple[list[str], list[str]]:
    """What is compared, the server or project of each row; and the project to compare it in, empty if there is one."""
    projects = [str(p) for p in level(frame, "project") or [""] * len(frame)]
    if "server" not in frame.index.names:
        return projects, [""] * len(frame)
    servers = [str(s) for s in level(frame, "server") or []]
    return servers, projects if len(set(projects)) > 1 else [""] * len(frame)


def _answered(frame: pd.DataFrame) -> list[str]:
    """Servers that answered, including those without images."""
    missing = frame.attrs.get("unanswered", [])
    return [name for name in frame.attrs.get("servers", {}) if name not in missing]


def _state(cells: Mapping[str, str], places: Collection[str]) -> str:
    if len(set(cells.values())) > 1:
        return "differs"
    return "same" if cells.keys() >= {*places} else "missing"
