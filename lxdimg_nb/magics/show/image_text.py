"""Names of images in messages, and their writable fields as YAML."""

from __future__ import annotations

from lxdimg_nb.client import Image
from lxdimg_nb.magics.show.yaml_text import yaml_text
from lxdimg_nb.values import format_time, writable_fields


def image_name(image: Image) -> str:
    """Its shortest alias and its short fingerprint: `web (0123456789ab)`."""
    alias = min((a.name for a in image.aliases), key=len, default="")
    return f"{alias} ({image.fingerprint[:12]})" if alias else image.fingerprint[:12]


def image_yaml(image: Image) -> str:
    """The five writable fields as YAML."""
    fields = writable_fields(image.record)
    fields["expires_at"] = format_time(fields["expires_at"]) if fields["expires_at"] else None
    fields["properties"] = dict(sorted(fields["properties"].items()))
    return yaml_text(fields)
