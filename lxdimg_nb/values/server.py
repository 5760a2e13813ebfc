"""Servers: product, version, and what a connection may do."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from lxdimg_nb.errors import UnexpectedReplyError
from lxdimg_nb.text.cells import Badge, badge
from lxdimg_nb.text.display import format_value, sanitize
from lxdimg_nb.text.formats import clock_in_words
from lxdimg_nb.text.tables import ShownAsTable, Table
from lxdimg_nb.values.json_fields import Json, mapping, string, strings

__all__ = ["ServerInfo"]


@dataclass(frozen=True, slots=True)
class ServerInfo(ShownAsTable):
    """What a server says about itself to one connection."""

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
    """The project that images are requested from, if not `project`."""
    shares_images: bool = field(default=False, repr=False)
    """Whether the project uses the images of `default` (its `features.images` is false)."""
    clock_offset: float = field(default=0.0, repr=False, compare=False)
    """Seconds that the server's clock was ahead of this machine's when connecting."""

    @classmethod
    def from_json(cls, data: object, *, project: str = "default") -> ServerInfo:
        """Make it of GET /1.0, trusted or not. Incus 7.0 and newer hide their extensions from untrusted clients.

        Raises:
            UnexpectedReplyError: the reply is not one of LXD or Incus.
        """
        if not isinstance(data, dict) or "api_version" not in data or "auth" not in data:
            raise UnexpectedReplyError("this server is neither LXD nor Incus")
        extensions = frozenset(strings(data.get("api_extensions")))
        environment = mapping(data.get("environment"))
        product = string(environment.get("server"))
        if product not in ("lxd", "incus"):
            # Untrusted replies have no environment. Incus lists this extension, or from 7.0 on none at all.
            product = "incus" if not extensions or "dev_incus_images" in extensions else "lxd"
        return cls(
            product=product,
            version=string(environment.get("server_version")),
            auth=string(data.get("auth")),
            project=project,
            cluster=environment.get("server_clustered") is True,
            name=string(environment.get("server_name")),
            public=data.get("public") is True,
            addresses=strings(environment.get("addresses")),
            certificate=string(environment.get("certificate")),
            certificate_fingerprint=string(environment.get("certificate_fingerprint")),
            storage_drivers=tuple(string(environment.get("storage")).split(" | "))
            if environment.get("storage")
            else (),
            extensions=extensions,
            auth_methods=strings(data.get("auth_methods")),
            config={k: v for k, v in mapping(data.get("config")).items() if k != "core.trust_password"},
        )

    @property
    def trusted(self) -> bool:
        """Whether the server trusts this connection."""
        return self.auth == "trusted"

    @property
    def clock(self) -> str:
        """How far the server's clock is off, `10 years behind`; empty when it is not."""
        return clock_in_words(self.clock_offset)

    @property
    def version_tuple(self) -> tuple[int, ...]:
        """The version as numbers, `(5, 0, 2)`; empty if the server hides it."""
        return tuple(int(part) for part in re.findall("[0-9]{1,9}", self.version)[:3])

    def public_warning(self, project: str) -> str:
        """Say who will be able to see a public image of a project."""
        address = self.config.get("core.https_address")
        text = "Anyone who can reach this server will be able to list and download it, without any authentication"
        # A restricted certificate is not told the settings.
        if (isinstance(address, str) and address) or self.addresses:
            addresses = ", ".join(f"https://{sanitize(a, 60)}" for a in self.addresses[:3])
            more = f" and {len(self.addresses) - 3} more" if len(self.addresses) > 3 else ""
            text += f". The server answers at {addresses or sanitize(str(address), 60)}{more}"
        elif self.trusted:
            text += (
                ". The server listens on no network address at the moment (core.https_address is not set), "
                "so this takes effect as soon as it does"
            )
        if project != "default":
            text += f". The image is in the project {sanitize(project, 60)}"
        return f"{text}."

    def table(self, title: str = "") -> Table:
        """Product, project, access and addresses, one a row."""
        rows = (
            ("product", f"{self.product} {self.version}".strip()),
            ("name", self.name),
            ("project", self.project + (" (with the images of default)" if self.shares_images else "")),
            ("access", badge(self.auth)),
            ("cluster", format_value(self.cluster)),
            ("addresses", format_value(self.addresses)),
            ("certificate", self.certificate_fingerprint[:12]),
            ("storage", format_value(self.storage_drivers)),
            *([("clock", Badge(f"{self.clock} this machine's", "bad"))] if self.clock else []),
        )
        return Table(("", ""), rows, title or "server")
