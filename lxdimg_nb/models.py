"""What a server said, as values. The one place that knows the JSON keys; reading a value is never I/O.

Everything a server says is taken as hostile: a missing, null or wrongly typed field reads as the field's
empty value, never as an error. Field facts: LXD `shared/api/image.go`, `doc/rest-api.yaml` and Incus' twins.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from lxdimg_nb.errors import UnexpectedReplyError

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
    "format_time",
    "parse_time",
]

FINGERPRINT = re.compile(r"^[0-9a-f]{64}$")

Json = Mapping[str, Any]


def parse_time(value: object) -> datetime | None:
    """RFC 3339 text to a UTC time; every spelling of "never" (missing, year 1, 1970-01-01) is None.

    Servers send 0 to 9 fractional digits and any offset; Python keeps microseconds.
    """
    if not isinstance(value, str) or len(value) < 10 or value.startswith("0001-"):
        return None
    try:
        moment = datetime.fromisoformat(value)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return None if moment.year <= 1 or moment == _EPOCH else moment


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def format_time(moment: datetime | None) -> str:
    """A time as servers want it; None is the epoch, the spelling that clears an expiry (LXD 5.0.2)."""
    if moment is None:
        return "1970-01-01T00:00:00Z"
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _texts(value: object) -> tuple[str, ...]:
    return tuple(v for v in value if isinstance(v, str)) if isinstance(value, list) else ()


def _whole(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _mapping(value: object) -> Json:
    return value if isinstance(value, dict) else {}


@dataclass(frozen=True, slots=True)
class Alias:
    """A name that points at one image, its target, in one project."""

    name: str
    description: str = ""
    target: str = ""
    type: str = ""

    @classmethod
    def from_json(cls, data: Json) -> Alias:
        """From an entry of GET /1.0/images/aliases, or of an image's `aliases` (which has no target)."""
        return cls(
            _text(data.get("name")),
            _text(data.get("description")),
            _text(data.get("target")),
            _text(data.get("type")),
        )


@dataclass(frozen=True, slots=True)
class UpdateSource:
    """Where the server fetched the image from, and so can refresh it from."""

    server: str
    protocol: str
    alias: str
    certificate: str = field(default="", repr=False)
    image_type: str = ""
    image_registry: str = ""

    @classmethod
    def from_json(cls, data: Json) -> UpdateSource:
        """From an image's `update_source`."""
        keys = ("server", "protocol", "alias", "certificate", "image_type", "image_registry")
        return cls(*(_text(data.get(key)) for key in keys))


@dataclass(frozen=True, slots=True, eq=False)
class ImageRecord:
    """One image as a server described it at one moment: a thin, read-only reading of its JSON object.

    `raw` is the object as received (`images_all_projects` servers put `project` in it); `default_project`
    is the project that was asked, for servers that do not say.
    """

    raw: Json
    default_project: str = "default"

    @classmethod
    def from_json(cls, data: object, *, project: str = "default") -> ImageRecord:
        """From an entry of GET /1.0/images?recursion=1 or GET /1.0/images/{fingerprint}.

        Raises:
            UnexpectedReplyError: not an object with a fingerprint of 64 hexadecimal digits.
        """
        if not isinstance(data, dict) or not FINGERPRINT.match(_text(data.get("fingerprint"))):
            raise UnexpectedReplyError("the server sent an image without a proper fingerprint; is it LXD or Incus?")
        return cls(data, project)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the image, 64 lower-case hexadecimal digits."""
        return _text(self.raw.get("fingerprint"))

    @property
    def aliases(self) -> tuple[Alias, ...]:
        """The names that point at the image, in the server's order."""
        entries = self.raw.get("aliases")
        if not isinstance(entries, list):
            return ()
        return tuple(
            Alias(_text(e.get("name")), _text(e.get("description")), self.fingerprint, self.type)
            for e in entries
            if isinstance(e, dict)
        )

    @property
    def architecture(self) -> str:
        """Kernel name of the architecture, for example `x86_64`."""
        return _text(self.raw.get("architecture"))

    @property
    def auto_update(self) -> bool:
        """Whether the server refreshes the image from its source."""
        return self.raw.get("auto_update") is True

    @property
    def cached(self) -> bool:
        """Whether the server fetched the image on its own for an instance."""
        return self.raw.get("cached") is True

    @property
    def created_at(self) -> datetime | None:
        """When the image was built, UTC; said by the image itself."""
        return parse_time(self.raw.get("created_at"))

    @property
    def expires_at(self) -> datetime | None:
        """When the image is meant to expire, UTC; advice, no server enforces it."""
        return parse_time(self.raw.get("expires_at"))

    @property
    def last_used_at(self) -> datetime | None:
        """When an instance was last made from it, UTC; None is never."""
        return parse_time(self.raw.get("last_used_at"))

    @property
    def uploaded_at(self) -> datetime | None:
        """When the server got the image, UTC."""
        return parse_time(self.raw.get("uploaded_at"))

    @property
    def filename(self) -> str:
        """The file name given at upload; not a safe path."""
        return _text(self.raw.get("filename"))

    @property
    def profiles(self) -> tuple[str, ...]:
        """Profiles that instances made from the image get."""
        return _texts(self.raw.get("profiles"))

    @property
    def project(self) -> str:
        """The project that holds the image."""
        return _text(self.raw.get("project")) or self.default_project

    @property
    def properties(self) -> dict[str, str]:
        """Free texts on the image, a copy."""
        return {k: v for k, v in _mapping(self.raw.get("properties")).items() if isinstance(v, str)}

    @property
    def public(self) -> bool:
        """Visible without authentication."""
        return self.raw.get("public") is True

    @property
    def size(self) -> int:
        """Bytes; of a split image both files together."""
        return _whole(self.raw.get("size"))

    @property
    def type(self) -> str:
        """`container` or `virtual-machine`."""
        return _text(self.raw.get("type")) or "container"

    @property
    def update_source(self) -> UpdateSource | None:
        """Where a refresh would fetch from; None when the image has no source."""
        source = self.raw.get("update_source")
        return UpdateSource.from_json(source) if isinstance(source, dict) and source else None

    @property
    def locations(self) -> tuple[str, ...]:
        """Cluster members that hold the files, where the server says so."""
        return _texts(self.raw.get("locations"))


@dataclass(frozen=True, slots=True)
class Change:
    """What a write did: each field's value before and after."""

    fingerprint: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]

    def __bool__(self) -> bool:
        return bool(self.after)

    def __str__(self) -> str:
        if not self.after:
            return f"{self.fingerprint[:12]}: unchanged"
        parts = (f"{k} {_word(self.before.get(k))} → {_word(v)}" for k, v in self.after.items())
        return f"{self.fingerprint[:12]}: " + ", ".join(parts)


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "none"
    return value.isoformat() if isinstance(value, datetime) else str(value)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a long call is.

    `phase` is one of `hash`, `send`, `receive`, `server`; `done` and `total` are bytes (`total` None when
    unknown), `text` what the server says of its own work.
    """

    phase: str
    done: int = 0
    total: int | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Operation:
    """The server's background work at one moment."""

    id: str
    kind: str
    description: str
    status: str
    status_code: int
    error: str
    may_cancel: bool
    metadata: Json = field(repr=False)
    resources: Json
    created_at: datetime | None = None

    @classmethod
    def from_json(cls, data: object) -> Operation:
        """From GET /1.0/operations/{id}, an async reply's metadata, or an operation event.

        Raises:
            UnexpectedReplyError: not an operation.
        """
        if not isinstance(data, dict) or not _text(data.get("id")):
            raise UnexpectedReplyError("the server sent something else where an operation was due")
        return cls(
            id=_text(data.get("id")),
            kind=_text(data.get("class")),
            description=_text(data.get("description")),
            status=_text(data.get("status")),
            status_code=_whole(data.get("status_code")),
            error=_text(data.get("err")),
            may_cancel=data.get("may_cancel") is True,
            metadata=_mapping(data.get("metadata")),
            resources=_mapping(data.get("resources")),
            created_at=parse_time(data.get("created_at")),
        )

    @property
    def done(self) -> bool:
        """Whether it has ended, well or not."""
        return self.status_code >= 200

    @property
    def succeeded(self) -> bool:
        """Whether it ended well."""
        return self.status_code == 200

    @property
    def fingerprint(self) -> str:
        """The image the work is about, where the server said so; also on a failed duplicate."""
        value = _text(self.metadata.get("fingerprint"))
        return value if FINGERPRINT.match(value) else ""

    @property
    def secret(self) -> str:
        """The one-time token of a token operation; never shown by repr."""
        return _text(self.metadata.get("secret"))

    @property
    def progress(self) -> Progress | None:
        """What the server says of its progress; None when it says nothing.

        Source: `metadata.progress` (percent, speed), else any key that ends in `_progress`.
        """
        texts = [v for k, v in self.metadata.items() if k.endswith("_progress") and isinstance(v, str)]
        structured = _mapping(self.metadata.get("progress"))
        percent = _text(structured.get("percent"))
        text = texts[0] if texts else _text(structured.get("stage"))
        found = re.search(r"(\d+)%", text)
        if not percent.isdigit() and found:
            percent = found[1]
        if not text and not percent:
            return None
        return Progress("server", int(percent) if percent.isdigit() else 0, 100 if percent.isdigit() else None, text)


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """Who answers: the product, its version, and what this connection may do."""

    product: str
    version: str
    auth: str
    project: str
    cluster: bool
    name: str = ""
    public: bool = False
    addresses: tuple[str, ...] = ()
    certificate: str = field(default="", repr=False)
    certificate_fingerprint: str = ""
    storage_drivers: tuple[str, ...] = ()
    extensions: frozenset[str] = field(default=frozenset(), repr=False)
    auth_methods: tuple[str, ...] = ()
    config: Json = field(default_factory=dict, repr=False)

    @classmethod
    def from_json(cls, data: object, *, project: str = "default") -> ServerInfo:
        """From GET /1.0, trusted or not. An Incus of 7.0 or newer hides its extensions from strangers.

        Raises:
            UnexpectedReplyError: not what LXD or Incus says there.
        """
        if not isinstance(data, dict) or "api_version" not in data or "auth" not in data:
            raise UnexpectedReplyError("this server is neither LXD nor Incus")
        extensions = frozenset(_texts(data.get("api_extensions")))
        environment = _mapping(data.get("environment"))
        product = _text(environment.get("server"))
        if product not in ("lxd", "incus"):
            # Untrusted replies have no environment; each product has an extension of its own.
            product = (
                "lxd" if "devlxd_images" in extensions or (extensions and "instance_oci" not in extensions) else "incus"
            )
        return cls(
            product=product,
            version=_text(environment.get("server_version")),
            auth=_text(data.get("auth")),
            project=project,
            cluster=environment.get("server_clustered") is True,
            name=_text(environment.get("server_name")),
            public=data.get("public") is True,
            addresses=_texts(environment.get("addresses")),
            certificate=_text(environment.get("certificate")),
            certificate_fingerprint=_text(environment.get("certificate_fingerprint")),
            storage_drivers=tuple(_text(environment.get("storage")).split(" | ")) if environment.get("storage") else (),
            extensions=extensions,
            auth_methods=_texts(data.get("auth_methods")),
            config={k: v for k, v in _mapping(data.get("config")).items() if k != "core.trust_password"},
        )

    @property
    def trusted(self) -> bool:
        """Whether the server lets this connection see and change everything it may."""
        return self.auth == "trusted"

    @property
    def version_tuple(self) -> tuple[int, ...]:
        """The version as numbers, `(5, 0, 2)`; empty when the server hides it."""
        return tuple(int(part) for part in re.findall(r"\d+", self.version)[:3])


@dataclass(frozen=True, slots=True)
class Event:
    """One message of the events socket."""

    type: str
    timestamp: datetime | None
    project: str
    location: str
    metadata: Json = field(repr=False)

    @classmethod
    def from_json(cls, data: object) -> Event:
        """From one websocket message.

        Raises:
            UnexpectedReplyError: not an event.
        """
        if not isinstance(data, dict) or not _text(data.get("type")):
            raise UnexpectedReplyError("the server sent something else where an event was due")
        return cls(
            type=_text(data.get("type")),
            timestamp=parse_time(data.get("timestamp")),
            project=_text(data.get("project")) or "default",
            location=_text(data.get("location")),
            metadata=_mapping(data.get("metadata")),
        )

    @property
    def action(self) -> str:
        """Of a lifecycle event what happened, for example `image-created`."""
        return _text(self.metadata.get("action")) if self.type == "lifecycle" else ""

    @property
    def source(self) -> str:
        """Of a lifecycle event the URL of what it happened to."""
        return _text(self.metadata.get("source")) if self.type == "lifecycle" else ""

    @property
    def context(self) -> Json:
        """Of a lifecycle event what else the server told."""
        return _mapping(self.metadata.get("context"))


def writable(record: ImageRecord) -> dict[str, Any]:
    """The five writable fields as a PUT body would carry them (expiry None when there is none)."""
    return {
        "public": record.public,
        "auto_update": record.auto_update,
        "properties": record.properties,
        "expires_at": record.expires_at,
        "profiles": list(record.profiles),
    }


def fingerprints(urls: Iterable[object]) -> list[str]:
    """The fingerprints at the end of image URLs (a project's `used_by`, a list without recursion)."""
    found = (re.search(r"^/1\.0/images/([0-9a-f]{64})(?:\?.*)?$", url) for url in urls if isinstance(url, str))
    return [match[1] for match in found if match]
