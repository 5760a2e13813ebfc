"""What servers say, as immutable values. Only this package knows the JSON keys; reading a value is never I/O.

Servers are not trusted: a field that is missing, null or of the wrong type reads as the empty value, never as
an error. Sources: LXD's `shared/api/image.go` and `doc/rest-api.yaml`, and their counterparts in Incus.
"""

from lxdimg_nb.values.alias import Alias
from lxdimg_nb.values.change import Change
from lxdimg_nb.values.event import Event
from lxdimg_nb.values.fingerprint import FINGERPRINT, fingerprints, short_fingerprint
from lxdimg_nb.values.image_record import WRITABLE, ImageRecord, UpdateSource, writable_fields
from lxdimg_nb.values.image_table import format_attribute, image_table, images_table
from lxdimg_nb.values.json_fields import format_time, parse_time
from lxdimg_nb.values.operation import Operation, Progress
from lxdimg_nb.values.server import ServerInfo

__all__ = [
    "FINGERPRINT",
    "WRITABLE",
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
    "writable_fields",
]
