"""What a server said, as values. The one room that knows the JSON keys; reading a value is never I/O.

Everything a server says is taken as hostile: a missing, null or wrongly typed field reads as the field's
empty value, never as an error. Field facts: LXD `shared/api/image.go`, `doc/rest-api.yaml` and Incus' twins.
"""

from lxdimg_nb.values.alias import Alias
from lxdimg_nb.values.change import Change
from lxdimg_nb.values.event import Event
from lxdimg_nb.values.fingerprint import short_fingerprint
from lxdimg_nb.values.image import FINGERPRINT, ImageRecord, UpdateSource, fingerprints, writable
from lxdimg_nb.values.image_table import format_attribute, image_table, images_table
from lxdimg_nb.values.json_fields import format_time, parse_time
from lxdimg_nb.values.operation import Operation, Progress
from lxdimg_nb.values.server import ServerInfo

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
    "format_attribute",
    "format_time",
    "image_table",
    "images_table",
    "parse_time",
    "short_fingerprint",
    "writable",
]
