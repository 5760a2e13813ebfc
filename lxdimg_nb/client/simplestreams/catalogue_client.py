"""A simplestreams server as a client: read-only, otherwise like an LXD or Incus server."""

from __future__ import annotations

from functools import cached_property
from typing import NoReturn

from lxdimg_nb.client.client import Client
from lxdimg_nb.client.http.transport import READ_TIMEOUT
from lxdimg_nb.client.http.web_client import WebClient
from lxdimg_nb.client.image import Image
from lxdimg_nb.client.images import Images
from lxdimg_nb.client.project import Project
from lxdimg_nb.client.simplestreams.catalogue_transport import CatalogueTransport
from lxdimg_nb.errors import NotFoundError
from lxdimg_nb.values import ServerInfo

__all__ = ["CatalogueClient", "CatalogueImages", "connect"]


class CatalogueImages(Images):
    """The images of a simplestreams server. What writes raises `NotAllowedError`."""

    def __init__(self, project: Project, transport: CatalogueTransport) -> None:
        super().__init__(project)
        self._transport = transport

    def get(self, name: str, *, architecture: str = "", type: str = "") -> Image:
        """One image by alias, fingerprint, or unique prefix of a fingerprint.

        Args:
            name: an alias stands for the newest build: `24.04`, `debian/12`, `debian/12/cloud`, `24.04/arm64`.
            architecture: of the alias's image; empty prefers this machine's.
            type: `container` or `virtual-machine`; empty prefers containers.

        Raises:
            NotFoundError: there is none with that name.
            ConflictError: several fingerprints have that prefix.
        """
        if not architecture and not type:
            return super().get(name)
        target = self._transport.catalogue().target(name, architecture=architecture, type=type)
        if not target:
            kind = " ".join(word for word in (architecture, type) if word)
            raise NotFoundError(f"no alias {name[:100]!r} for {kind} on {self._transport.url}", status_code=404)
        return self.image(self.read(target))

    @property
    def left_out(self) -> int:
        return self._transport.catalogue().left_out

    def create(self, *_: object, **__: object) -> NoReturn:
        """Refused: read-only."""
        raise self._transport.refusal()

    def publish(self, *_: object, **__: object) -> NoReturn:
        """Refused: read-only."""
        raise self._transport.refusal()


class CatalogueClient(Client):
    """A simplestreams server: like `Client`, read-only, with a catalogue that is read again after an hour."""

    def __init__(self, transport: CatalogueTransport) -> None:
        self._transport = transport
        info = ServerInfo(
            product="simplestreams",
            version="",
            auth="untrusted",
            project="default",
            cluster=False,
            public=True,
        )
        super().__init__(Project(transport, info))

    @cached_property
    def images(self) -> CatalogueImages:
        """The images of the catalogue."""
        return CatalogueImages(self.server_project, self._transport)

    @property
    def problems(self) -> tuple[str, ...]:
        """What the catalogue lists but cannot be an image, and why; the first hundred (`images.left_out` counts)."""
        return self._transport.catalogue().problems

    def in_project(self, name: str) -> CatalogueClient:
        """This client for `default`: a simplestreams server has no projects.

        Raises:
            NotFoundError: any other name.
        """
        if name != "default":
            raise NotFoundError(f"a simplestreams server has no projects, so no {name!r}", status_code=404)
        return self

    def reload(self) -> ServerInfo:
        """Ask for the catalogue again, however young it is; files that have not changed are not sent again."""
        self._transport.catalogue(reload=True)
        return self.info

    def __enter__(self) -> CatalogueClient:
        return self

    def __repr__(self) -> str:
        return f"<CatalogueClient simplestreams at {self.url}, read-only>"


def connect(url: str, *, pinned: str = "", timeout: float = READ_TIMEOUT) -> CatalogueClient:
    """Connect to a simplestreams server and read its catalogue.

    Args:
        url: the https address above `streams/v1/index.json`.
        pinned: PEM text of the one server certificate to accept; empty lets authorities decide.
        timeout: seconds without a byte.

    Raises:
        ServerUnreachableError: nobody answers.
        NotFoundError, UnexpectedReplyError: there is no catalogue.
        InvalidRequestError: not an https address.
    """
    transport = CatalogueTransport(WebClient(url, pinned=pinned, timeout=timeout), pinned=pinned)
    try:
        transport.catalogue()
    except BaseException:
        transport.close()
        raise
    return CatalogueClient(transport)
