"""What a server said, as values. The one room that knows the JSON keys; reading a value is never I/O.

Everything a server says is taken as hostile: a missing, null or wrongly typed field reads as the field's
empty value, never as an error. Field facts: LXD `shared/api/image.go`, `doc/rest-api.yaml` and Incus' twins.
"""

from lxdimg_nb.values.image import (
    FINGERPRINT,
    Alias,
    Change,
    ImageRecord,
    UpdateSource,
    fingerprints,
    writable,
)
from lxdimg_nb.values.json_fields import format_time, parse_time
from lxdimg_nb.values.server import Event, Operation, Progress, ServerInfo

__all__ = [
    "FINGERPRINT",
    "Alias",
    "Change",
    "Event",
    "ImageRecord",
    "Operation",
    "Progress",
    "ServerInfo",
    "UpdateSource",
    "fingerprints",
    "format_time",
    "parse_time",
    "writable",
]
