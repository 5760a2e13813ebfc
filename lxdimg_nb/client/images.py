"""The images of one project on one server: `client.images`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from lxdimg_nb.client import listing
from lxdimg_nb.client.aliases import Aliases
from lxdimg_nb.client.attributes import moment
from lxdimg_nb.client.dialect import Dialect
from lxdimg_nb.client.image import Image
from lxdimg_nb.client.live import Live
from lxdimg_nb.client.operations import Operations
from lxdimg_nb.client.progress import ProgressArgument, reporting
from lxdimg_nb.client.publishing import publish
from lxdimg_nb.client.transport import Transport
from lxdimg_nb.client.upload import CHECK_BUDGET, Preflight, Upload, checked_aliases, follow_up, settle
from lxdimg_nb.client.usage import users_of_images
from lxdimg_nb.errors import ApiError, ConflictError, ImageExistsError, InvalidRequestError, NotFoundError
from lxdimg_nb.filters import parse
from lxdimg_nb.models import FINGERPRINT, ImageRecord, Operation

if TYPE_CHECKING:
    import pandas

    from lxdimg_nb.client.source import Data

__all__ = ["Images"]


class Images:
    """List, read, make and watch the images of a project."""

    def __init__(self, transport: Transport, dialect: Dialect, project: str) -> None:
        self.transport = transport
        self.dialect = dialect
        self.project = project
        self.operations = Operations(transport, project)
        self.aliases = Aliases(transport, dialect, project)

    def __repr__(self) -> str:
        return f"<Images of project {self.project} on {self.transport.url}>"

    @property
    def params(self) -> dict[str, str]:
        """The query that names the project."""
        return {"project": self.project}

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
        return [r for r in records if wanted.matches(r)] if wanted else records

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
        if not isinstance(name, str) or not name:
            raise InvalidRequestError("an image is named by its alias or its fingerprint")
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
        if not FINGERPRINT.match(fingerprint):
            raise InvalidRequestError(f"{fingerprint!r} is no full fingerprint")
        try:
            reply = self.transport.request("GET", f"/1.0/images/{fingerprint}", params=self.params)
        except NotFoundError as error:
            raise self._no_image(fingerprint[:12]) from error
        return ImageRecord.from_json(reply.metadata, project=self.project), reply.etag

    def write(self, method: str, fingerprint: str, body: Mapping[str, Any], etag: str) -> None:
        """PUT or PATCH of one image, if it still has that ETag."""
        self.transport.request(
            method,
            f"/1.0/images/{fingerprint}",
            params=self.params,
            json=dict(body),
            headers={"If-Match": etag},
        )

    def create(
        self,
        data: Data,
        public: bool = False,
        wait: bool = False,
        *,
        metadata: Data | None = None,
        type: str | None = None,
        filename: str | None = None,
        properties: Mapping[str, str] | None = None,
        aliases: str | Iterable[str] = (),
        auto_update: bool | None = None,
        expires_at: datetime | str | None = None,
        profiles: Sequence[str] | None = None,
        progress: ProgressArgument = None,
        exist_ok: bool = False,
    ) -> Image:
        """Import an image, streamed in constant memory.

        Args:
            data: bytes, path or binary file of a unified image, or of the root file system of a split one.
            public: visible without authentication.
            wait: until the server has the image. Otherwise `.operation` of the result is running.
            metadata: the metadata tarball of a split image; the two are told apart by content.
            type: `container` or `virtual-machine` for a split image; None tells by content.
            filename: kept by the server as the image's file name; None takes the path's.
            properties: added to those of the image's own metadata.yaml, winning over them.
            aliases: names for it; tested before anything is sent.
            auto_update, expires_at, profiles: as the attributes of `Image`.
            progress: True for a bar, or a callable; raising in it cancels.
            exist_ok: return the image that is there instead of raising.

        Returns:
            The image. With `wait=False` its `fingerprint` is right and `reload()` fills the rest when it is there.

        Raises:
            ImageExistsError: it is there already; nothing was sent where the source can be read twice.
            InvalidImageError: no image that a server would take; nothing was sent.
            ConflictError: an alias is taken; nothing was sent.
            OperationFailedError: the server refused it.

        Source: POST /1.0/images.
        """
        public = bool(public)
        if public:
            self.dialect.check_public(self.project)
        expiry = moment(expires_at)
        later = properties is not None or bool(aliases) or auto_update is not None or expiry is not None
        later = later or (profiles is not None and not self.dialect.profiles_on_upload)
        if later and not wait:
            raise InvalidRequestError(
                "properties, aliases, auto_update, expires_at and profiles are set when the image is there; "
                "use wait=True"
            )
        names = checked_aliases(self, aliases)
        upload = Upload.of(self, data, metadata, type)
        name = filename if filename is not None else upload.sources[-1].name
        with reporting(progress, name) as report:
            try:
                fingerprint, operation = upload.send(public=public, filename=name, profiles=profiles, report=report)
                if not wait:
                    return self._promised(fingerprint, upload.size or 0, public, operation)
                record = settle(self, fingerprint, operation, report)
            except ImageExistsError as error:
                if not exist_ok:
                    raise
                return self.image(self.read(error.fingerprint))
        if later or record.public != public:
            follow_up(self, fingerprint, names, properties, auto_update, expiry, profiles, public)
        return self.image(self.read(fingerprint))

    def check(
        self,
        data: Data,
        metadata: Data | None = None,
        *,
        type: str | None = None,
        progress: ProgressArgument = None,
    ) -> Preflight:
        """What an import would meet, without sending anything.

        Raises:
            InvalidImageError: the file cannot be read.
        """
        upload = Upload.of(self, data, metadata, type, budget=CHECK_BUDGET)
        with reporting(progress) as report:
            return upload.check(report)

    def publish(
        self,
        instance: str,
        *,
        aliases: str | Iterable[str] = (),
        public: bool = False,
        properties: Mapping[str, str] | None = None,
        expires_at: datetime | str | None = None,
        compression: str | None = None,
        format: str | None = None,
        progress: ProgressArgument = None,
    ) -> Image:
        """Make an image of a stopped instance, or of a snapshot (`web/snap0`).

        A published image can hold the instance's secrets (host keys, cloud-init data): think before it is public.

        Args:
            instance: name of an instance of this project, or `instance/snapshot`.
            properties: None keeps those of the instance's image; a mapping replaces them.
            compression: `gzip`, `zstd`, `xz`, `none` …; None is the server's own setting.
            format: `unified` or `split`, where the server can choose (Incus).

        Raises:
            NotFoundError: no such instance.
            OperationFailedError: it runs, or packing failed.

        Source: POST /1.0/images, source.type instance or snapshot.
        """
        with reporting(progress, instance) as report:
            fingerprint = publish(
                self,
                instance,
                aliases=aliases,
                public=public,
                properties=properties,
                expires_at=moment(expires_at),
                compression=compression,
                format=format,
                report=report,
            )
        return self.image(self.read(fingerprint))

    def delete(self, name: str, *, wait: bool = True) -> Operation:
        """Delete an image by full fingerprint, with its aliases.

        Raises:
            NotFoundError: it is gone already.

        Source: DELETE /1.0/images/{fingerprint}.
        """
        if not FINGERPRINT.match(name):
            raise InvalidRequestError(f"{name!r} is no full fingerprint; use images.get(name).delete()")
        reply = self.transport.request("DELETE", f"/1.0/images/{name}", params=self.params)
        operation = self.operations.started(reply)
        if not wait:
            return operation
        try:
            return self.operations.wait(operation)
        except NotFoundError:
            if self.exists(name):
                raise
            return operation

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
        from lxdimg_nb.inventory import frame

        return frame(
            self.records(filter=filter, all_projects=all_projects),
            server=self.transport.url,
            project=self.project,
            all_projects=all_projects,
            extra=extra,
            used_by=users_of_images(self.transport) if used_by else None,
        )

    def live(self) -> Live:
        """The images, kept current by the server's events in a thread until it is closed.

        `with client.images.live() as live: live.records()`; `live.subscribe(…)` hears of changes.

        Source: GET /1.0/events?type=lifecycle, GET /1.0/images.
        """
        return Live(self)

    def panel(self) -> Any:
        """The browser of images, for the end of a notebook cell."""
        from lxdimg_nb.panels import browser_panel

        return browser_panel(self)

    def image(self, record: ImageRecord) -> Image:
        """A record of this server as an image that can be changed."""
        images = self if record.project == self.project else Images(self.transport, self.dialect, record.project)
        return Image(record, images)

    def _promised(self, fingerprint: str, size: int, public: bool, operation: Operation) -> Image:
        raw = {"fingerprint": fingerprint, "size": size, "public": public}
        return Image(ImageRecord(raw, self.project), self, operation)

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
        return self.image(record)

    def _no_image(self, name: str) -> NotFoundError:
        hint = ""
        if 0 < len(name) < self.dialect.shortest_prefix and all(c in "0123456789abcdef" for c in name):
            hint = f" (this server wants at least {self.dialect.shortest_prefix} digits of a fingerprint)"
        return NotFoundError(
            f"no image or alias {name[:100]!r} in project {self.project} on {self.transport.url}{hint}; "
            "list them with images.all()",
            status_code=404,
        )
