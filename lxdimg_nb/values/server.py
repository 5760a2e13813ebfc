"""A server, its background work, and what it tells of itself as it happens."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime

from lxdimg_nb.errors import UnexpectedReplyError
from lxdimg_nb.values.image import FINGERPRINT
from lxdimg_nb.values.json_fields import Json, mapping, parse_time, text, texts, whole

__all__ = ["Event", "Operation", "Progress", "ServerInfo"]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a long call is.

    `phase` is one of `pack`, `hash`, `send`, `receive`, `server`; `done` and `total` are bytes (`total` None when
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
        if not isinstance(data, dict) or not text(data.get("id")):
            raise UnexpectedReplyError("the server sent something else where an operation was due")
        return cls(
            id=text(data.get("id")),
            kind=text(data.get("class")),
            description=text(data.get("description")),
            status=text(data.get("status")),
            status_code=whole(data.get("status_code")),
            error=text(data.get("err")),
            may_cancel=data.get("may_cancel") is True,
            metadata=mapping(data.get("metadata")),
            resources=mapping(data.get("resources")),
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
        value = text(self.metadata.get("fingerprint"))
        return value if FINGERPRINT.match(value) else ""

    @property
    def secret(self) -> str:
        """The one-time token of a token operation; never shown by repr."""
        return text(self.metadata.get("secret"))

    @property
    def progress(self) -> Progress | None:
        """What the server says of its progress; None when it says nothing.

        Source: `metadata.progress` (percent, speed), else any key that ends in `_progress`.
        """
        said = [v for k, v in self.metadata.items() if k.endswith("_progress") and isinstance(v, str)]
        structured = mapping(self.metadata.get("progress"))
        percent = text(structured.get("percent"))
        words = said[0] if said else text(structured.get("stage"))
        found = re.search(r"(\d+)%", words)
        if not percent.isdigit() and found:
            percent = found[1]
        if not words and not percent:
            return None
        known = percent.isdigit()
        return Progress("server", int(percent) if known else 0, 100 if known else None, words)

    def _repr_html_(self) -> str:
        from lxdimg_nb.text.display import table

        return table(self).html()


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
    images_project: str = field(default="", repr=False)
    """Where images are asked for, when it is not `project`: a project without images of its own shows `default`'s."""
    shares_images: bool = field(default=False, repr=False)
    """Whether the project has no images of its own (`features.images` is false)."""

    @classmethod
    def from_json(cls, data: object, *, project: str = "default") -> ServerInfo:
        """From GET /1.0, trusted or not. An Incus of 7.0 or newer hides its extensions from strangers.

        Raises:
            UnexpectedReplyError: not what LXD or Incus says there.
        """
        if not isinstance(data, dict) or "api_version" not in data or "auth" not in data:
            raise UnexpectedReplyError("this server is neither LXD nor Incus")
        extensions = frozenset(texts(data.get("api_extensions")))
        environment = mapping(data.get("environment"))
        product = text(environment.get("server"))
        if product not in ("lxd", "incus"):
            # Untrusted replies have no environment. Every Incus names this extension, or from 7.0 on none at all.
            product = "incus" if not extensions or "dev_incus_images" in extensions else "lxd"
        return cls(
            product=product,
            version=text(environment.get("server_version")),
            auth=text(data.get("auth")),
            project=project,
            cluster=environment.get("server_clustered") is True,
            name=text(environment.get("server_name")),
            public=data.get("public") is True,
            addresses=texts(environment.get("addresses")),
            certificate=text(environment.get("certificate")),
            certificate_fingerprint=text(environment.get("certificate_fingerprint")),
            storage_drivers=tuple(text(environment.get("storage")).split(" | ")) if environment.get("storage") else (),
            extensions=extensions,
            auth_methods=texts(data.get("auth_methods")),
            config={k: v for k, v in mapping(data.get("config")).items() if k != "core.trust_password"},
        )

    @property
    def trusted(self) -> bool:
        """Whether the server lets this connection see and change everything it may."""
        return self.auth == "trusted"

    @property
    def version_tuple(self) -> tuple[int, ...]:
        """The version as numbers, `(5, 0, 2)`; empty when the server hides it."""
        return tuple(int(part) for part in re.findall(r"\d+", self.version)[:3])

    def _repr_html_(self) -> str:
        from lxdimg_nb.text.display import table

        return table(self).html()


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
        if not isinstance(data, dict) or not text(data.get("type")):
            raise UnexpectedReplyError("the server sent something else where an event was due")
        return cls(
            type=text(data.get("type")),
            timestamp=parse_time(data.get("timestamp")),
            project=text(data.get("project")) or "default",
            location=text(data.get("location")),
            metadata=mapping(data.get("metadata")),
        )

    @property
    def action(self) -> str:
        """Of a lifecycle event what happened, for example `image-created`."""
        return text(self.metadata.get("action")) if self.type == "lifecycle" else ""

    @property
    def source(self) -> str:
        """Of a lifecycle event the URL of what it happened to."""
        return text(self.metadata.get("source")) if self.type == "lifecycle" else ""

    @property
    def context(self) -> Json:
        """Of a lifecycle event what else the server told."""
        return mapping(self.metadata.get("context"))
