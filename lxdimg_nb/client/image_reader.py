"""Base class of `Images`: the methods that only read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from lxdimg_nb.client.aliases import Aliases
from lxdimg_nb.client.image import Image
from lxdimg_nb.client.live import Live
from lxdimg_nb.client.project import Project
from lxdimg_nb.client.verbs.read.find import find_image, image_exists
from lxdimg_nb.client.verbs.read.listing import list_records
from lxdimg_nb.client.verbs.read.used_by import users_of_images
from lxdimg_nb.values import ImageRecord, ServerInfo

if TYPE_CHECKING:
    import pandas

__all__ = ["ImageReader"]


class ImageReader:
    """The images of a project, for reading."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self.aliases = Aliases(project)

    def __repr__(self) -> str:
        return f"<Images of project {self.project} on {self.url}>"

    @property
    def server_project(self) -> Project:
        """The project as the verbs take it."""
        return self._project

    @property
    def url(self) -> str:
        """The server's address."""
        return self._project.url

    @property
    def info(self) -> ServerInfo:
        """The server and the project, as read when connecting."""
        return self._project.info

    @property
    def project(self) -> str:
        """The name of the project that has the images."""
        return self._project.name

    @property
    def left_out(self) -> int:
        """How many entries of a catalogue are no image that can be read, see `client.problems`; 0 of a server."""
        return 0

    def records(
        self, *, filter: str | None = None, all_projects: bool = False, polite: bool = False
    ) -> list[ImageRecord]:
        """As `all()`, but records instead of images."""
        return list_records(self._project, filter=filter, all_projects=all_projects, polite=polite)

    def all(self, *, filter: str | None = None, all_projects: bool = False, polite: bool = False) -> list[Image]:
        """Every image, by project and fingerprint. Complete, or an error that says what is missing.

        Args:
            filter: `os=ubuntu release=noble public=yes size>1GiB age>90d`; applied here, not on the server.
            all_projects: of every project that this connection may see.
            polite: read one image at a time: slower, but other users of a large server need not wait.

        Raises:
            IncompleteListError: the server left images out; those that were read are attached.
            InvalidRequestError: a filter that makes no sense.

        Source: GET /1.0/images?recursion=1, one request where the answer is whole.
        """
        records = self.records(filter=filter, all_projects=all_projects, polite=polite)
        return [self.image(record) for record in records]

    def get(self, name: str) -> Image:
        """One image by alias, fingerprint, or unique beginning of a fingerprint; an alias wins over a beginning.

        Raises:
            NotFoundError: none of that name.
            ConflictError: several images begin like that.

        Source: GET /1.0/images/aliases/{name}, GET /1.0/images/{fingerprint}.
        """
        return self.image(find_image(self._project, name))

    def get_by_alias(self, name: str) -> Image:
        """The image an alias points at.

        Raises:
            NotFoundError: no such alias.
        """
        return self.image(self.read(self._project.alias(name).target))

    def exists(self, name: str, alias: bool = False) -> bool:
        """Whether there is an image of that fingerprint (or beginning, or alias).

        Args:
            alias: look for an alias of exactly that name and nothing else.
        """
        return image_exists(self._project, name, alias=alias)

    def read(self, fingerprint: str) -> ImageRecord:
        """The image of that full fingerprint as a value.

        Raises:
            NotFoundError: there is none, or not for this connection.
        """
        return self._project.read(fingerprint)

    def image(self, record: ImageRecord) -> Image:
        """A record of this server as an image that can be changed."""
        return Image(record, self._project.in_project(record.project))

    def live(self) -> Live:
        """The images, kept current by the server's events in a thread until it is closed.

        `with client.images.live() as live: live.records()`; `live.subscribe(…)` hears of changes.

        Source: GET /1.0/events?type=lifecycle, GET /1.0/images.
        """
        return Live(self._project)

    def df(
        self,
        *,
        all_projects: bool = False,
        filter: str | None = None,
        used_by: bool = False,
        extra: bool = False,
    ) -> pandas.DataFrame:
        """The inventory as a frame: one row an image, every attribute a column.

        Args:
            all_projects: of every project; the index is then `(project, fingerprint)`.
            filter: as in `all()`.
            used_by: a column with the instances and snapshots made from each image; one request more.
            extra: a column with what this package does not know of the server's answer.

        Returns:
            Columns and dtypes are the same for 0 and for 100,000 images: `size` int64 bytes, times
            datetime64[us, UTC], flags bool, `properties.<key>` one column a key. Of a catalogue, `attrs["left_out"]`
            is how many of its entries are not in the frame because they cannot be read; `client.problems` tells why.

        Source: GET /1.0/images?recursion=1.
        """
        from lxdimg_nb.inventory import make_frame

        return make_frame(
            _drained(self.records(filter=filter, all_projects=all_projects)),
            server=self.url,
            project=self.project,
            all_projects=all_projects,
            product=self.info.product,
            identity=self.info.certificate_fingerprint,
            clock_offset=self._project.transport.clock_offset,
            filter=filter or "",
            extra=extra,
            used_by=users_of_images(self._project) if used_by else None,
            left_out=self.left_out,
        )


def _drained(records: list[ImageRecord]) -> Iterator[ImageRecord]:
    """The records in order, each released as it is taken, to save memory."""
    records.reverse()
    while records:
        yield records.pop()
