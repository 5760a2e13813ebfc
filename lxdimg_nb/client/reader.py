"""Reading the images of one project on one server: list, get, frame, live."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING

from lxdimg_nb.client.aliases import Aliases
from lxdimg_nb.client.dialect import Dialect
from lxdimg_nb.client.http.transport import Transport
from lxdimg_nb.client.operations import Operations
from lxdimg_nb.client.verbs import listing
from lxdimg_nb.client.verbs.used_by import users_of_images
from lxdimg_nb.errors import ApiError, ConflictError, InvalidRequestError, NotFoundError
from lxdimg_nb.filters import parse
from lxdimg_nb.values import FINGERPRINT, ImageRecord
from lxdimg_nb.values.validation import checked

if TYPE_CHECKING:
    import pandas

    from lxdimg_nb.client.image import Image

__all__ = ["ImageReader"]


class ImageReader(ABC):
    """What can be asked of a project's images without changing anything."""

    def __init__(
        self, transport: Transport, dialect: Dialect, project: str, *, instances: str = "", shared: bool = False
    ) -> None:
        """Images of a project; `instances` is the one that has the instances, where that is another.

        `shared`: the project shows the images of `default`, which this connection cannot ask for by that name.
        """
        self.transport = transport
        self.dialect = dialect
        self.project = project
        self.instances = instances or project
        self.shared = shared
        self.operations = Operations(transport, project)
        self.aliases = Aliases(transport, dialect, project)

    def __repr__(self) -> str:
        return f"<Images of project {self.project} on {self.transport.url}>"

    @property
    def params(self) -> dict[str, str]:
        """The query that names the project."""
        return {"project": self.project}

    @abstractmethod
    def image(self, record: ImageRecord) -> Image:
        """A record of this server as an image."""

    def own(self, record: ImageRecord) -> ImageRecord:
        """A record of this project; where its images are another's, under the name they can be asked for by."""
        if not self.shared or record.project == self.project:
            return record
        return ImageRecord({**record.raw, "project": self.project}, self.project)

    def records(
        self,
        *,
        filter: str | None = None,
        all_projects: bool = False,
        polite: bool = False,
    ) -> list[ImageRecord]:
        """As `all()`, as plain values."""
        wanted = parse(filter) if filter else None
        records = listing.list_records(
            self.transport, self.dialect, self.project, all_projects=all_projects, polite=polite
        )
        if not all_projects:
            records = [self.own(record) for record in records]
        if not wanted:
            return records
        # Only the listing tells which properties there are; a misspelled one must not just find nothing.
        wanted = parse(filter, known_properties={key for r in records for key in r.properties})
        return [r for r in records if wanted.matches(r)]

    def all(
        self,
        *,
        filter: str | None = None,
        all_projects: bool = False,
        polite: bool = False,
    ) -> list[Image]:
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
        checked(name, "an image")
        if FINGERPRINT.match(name):
            try:
                return self.image(self.read(name))
            except NotFoundError:
                return self._missing_or_alias(name)
        try:
            return self.get_by_alias(name)
        except NotFoundError:
            if not self.dialect.is_prefix(name):
                raise self._no_image(name) from None
        return self._by_prefix(name)

    def get_by_alias(self, name: str) -> Image:
        """The image an alias points at.

        Raises:
            NotFoundError: no such alias.
        """
        return self.image(self.read(self.aliases.get(name).target))

    def exists(self, name: str, alias: bool = False) -> bool:
        """Whether there is an image of that fingerprint (or beginning, or alias).

        Args:
            alias: look for an alias of exactly that name and nothing else.
        """
        checked(name, "an image")
        try:
            if alias:
                self.aliases.get(name)
            elif FINGERPRINT.match(name):
                self.read(name)
            else:
                self.get(name)
        except NotFoundError:
            return False
        return True

    def read(self, fingerprint: str) -> ImageRecord:
        """The image of that full fingerprint as a value.

        Raises:
            NotFoundError: there is none, or not for this connection.
        """
        return self.read_tagged(fingerprint)[0]

    def read_tagged(self, fingerprint: str) -> tuple[ImageRecord, str]:
        """As `read`, with the ETag that the server gave."""
        if not isinstance(fingerprint, str) or not FINGERPRINT.match(fingerprint):
            raise InvalidRequestError(f"{fingerprint!r} is no full fingerprint")
        try:
            reply = self.transport.request("GET", f"/1.0/images/{fingerprint}", params=self.params)
        except NotFoundError as error:
            raise self._no_image(fingerprint[:12]) from error
        return self.own(ImageRecord.from_json(reply.metadata, project=self.project)), reply.etag

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
            datetime64[us, UTC], flags bool, `properties.<key>` one column a key.

        Source: GET /1.0/images?recursion=1.
        """
        from lxdimg_nb.inventory import make_frame

        return make_frame(
            _drained(self.records(filter=filter, all_projects=all_projects)),
            server=self.transport.url,
            project=self.project,
            all_projects=all_projects,
            product=self.dialect.info.product,
            identity=self.dialect.info.certificate_fingerprint,
            filter=filter or "",
            extra=extra,
            used_by=users_of_images(self.transport) if used_by else None,
        )

    def _missing_or_alias(self, name: str) -> Image:
        try:
            return self.get_by_alias(name)
        except NotFoundError:
            raise self._no_image(name) from None

    def _by_prefix(self, prefix: str) -> Image:
        try:
            record = listing.read_one(self.transport, prefix, self.project)
        except NotFoundError:
            raise self._no_image(prefix) from None
        except ApiError as error:
            # Several matches are a 500 like any other; the project's list tells.
            alike = sorted(f for f in listing.known_fingerprints(self.transport, self.project) if f.startswith(prefix))
            if len(alike) < 2:
                raise
            shown = ", ".join(f[: len(prefix) + 8] + "…" for f in alike[:3])
            raise ConflictError(
                f"{len(alike)} images begin with {prefix!r} ({shown}); give more digits", status_code=409
            ) from error
        if not record.fingerprint.startswith(prefix):
            raise self._no_image(prefix)
        return self.image(self.own(record))

    def _no_image(self, name: str) -> NotFoundError:
        hint = ""
        if 0 < len(name) < self.dialect.shortest_prefix and all(c in "0123456789abcdef" for c in name):
            hint = f" (this server wants at least {self.dialect.shortest_prefix} digits of a fingerprint)"
        return NotFoundError(
            f"no image or alias {name[:100]!r} in project {self.project} on {self.transport.url}{hint}; "
            "list them with images.all()",
            status_code=404,
        )


def _drained(records: list[ImageRecord]) -> Iterator[ImageRecord]:
    """The records in their order, each forgotten as it is handed out."""
    records.reverse()
    while records:
        yield records.pop()
