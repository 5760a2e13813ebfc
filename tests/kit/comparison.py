"""Whether two pictures show the same, apart from how the edges of letters are drawn."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

_TILE = 24
TOLERANCE = 6.0
"""Largest mean difference, of 255, between the same small parts of two pictures; letters drawn by another version of
Chromium differ by less, a word that has moved by more."""


def half(shot: Image.Image) -> Image.Image:
    """A picture at half its size."""
    return shot.convert("RGB").resize((shot.width // 2, shot.height // 2), Image.Resampling.BOX)


def difference(one: Image.Image, other: Image.Image) -> float:
    """How much two pictures differ where they differ most: the mean of a small part, of 255; 255 for other sizes."""
    if abs(one.width - other.width) > 2 or abs(one.height - other.height) > 0.01 * other.height:
        return 255.0
    size = (min(one.width, other.width), min(one.height, other.height))
    # Blurred, for letters whose edges are drawn a little differently.
    blurred = [p.convert("RGB").crop((0, 0, *size)).filter(ImageFilter.BoxBlur(2)) for p in (one, other)]
    left, right = (np.asarray(p, dtype=float) for p in blurred)
    apart = np.abs(left - right).mean(axis=2)
    rows, columns = (length // _TILE for length in apart.shape)
    tiles = apart[: rows * _TILE, : columns * _TILE].reshape(rows, _TILE, columns, _TILE).mean(axis=(1, 3))
    return float(tiles.max())
