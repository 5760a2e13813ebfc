"""Images and their changes in one line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from lxdimg_nb.client import Image
from lxdimg_nb.text.display import format_value
from lxdimg_nb.values import format_time, writable


def image_name(image: Image) -> str:
    """Its shortest alias and its short fingerprint: `web (0123456789ab)`."""
    alias = min((a.name for a in image.aliases), key=len, default="")
    return f"{alias} ({image.fingerprint[:12]})" if alias else image.fingerprint[:12]


def changes_in_words(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """`public no → yes` for each field of `after`, properties key by key."""
    parts: list[str] = []
    for field, now in after.items():
        was = before.get(field)
        if isinstance(was, Mapping) and isinstance(now, Mapping):
            keys = [key for key in sorted({*was, *now}) if was.get(key) != now.get(key)]
            parts += [f"{key} {_value(was.get(key))} → {_value(now.get(key))}" for key in keys]
        else:
            parts.append(f"{field} {_value(was)} → {_value(now)}")
    return parts


def _value(value: object) -> str:
    return format_value(value, limit=80) or "none"


def image_yaml(image: Image) -> str:
    """The five writable fields as YAML."""
    fields = writable(image.record)
    fields["expires_at"] = format_time(fields["expires_at"]) if fields["expires_at"] else None
    fields["properties"] = dict(sorted(fields["properties"].items()))
    return str(yaml.safe_dump(fields, sort_keys=False, allow_unicode=True, width=1000))
