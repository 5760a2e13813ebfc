"""The images of one project on one server: `client.images`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from lxdimg_nb.client.files.progress import ProgressArgument, reporting
from lxdimg_nb.client.image import Image
from lxdimg_nb.client.image_attributes import checked_properties, flag, moment
from lxdimg_nb.client.live import Live
from lxdimg_nb.client.reader import ImageReader
from lxdimg_nb.client.verbs.create import CHECK_BUDGET, Preflight, Upload
from lxdimg_nb.client.verbs.fetch import from_simplestreams, from_url
from lxdimg_nb.client.verbs.finish_import import checked_aliases, follow_up, settle, wanted_profiles
from lxdimg_nb.client.verbs.publish import publish
from lxdimg_nb.errors import ConflictError, ImageExistsError, InvalidRequestError, NotFoundError
from lxdimg_nb.values import FINGERPRINT, ImageRecord, Operation
from lxdimg_nb.values.validation import checked_path, names

if TYPE_CHECKING:
    from lxdimg_nb.client.files.source import Data

__all__ = ["Images"]


class Images(ImageReader):
    """List, read, make and watch the images of a project."""

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
            exist_ok: return the image that is there, as it is, instead of raising; also when it has the aliases.

        Returns:
            The image. With `wait=False` its `fingerprint` is right and `reload()` fills the rest when it is there.

        Raises:
            ImageExistsError: it is there already; nothing was sent where the source can be read twice.
            InvalidImageError: no image that a server would take; nothing was sent.
            ConflictError: an alias is taken; nothing was sent.
            OperationFailedError: the server refused it.

        Source: POST /1.0/images.
        """
        if flag("public", public):
            self.dialect.check_public(self.project)
        if filename is not None:
            checked_path(filename)
        expiry = moment(expires_at)
        properties = checked_properties(properties) if properties is not None else None
        profiles = wanted_profiles(self, profiles)
        later = properties is not None or bool(aliases) or auto_update is not None or expiry is not None
        later = later or (profiles is not None and not self.dialect.profiles_on_upload)
        if not wait and (auto_update is not None or profiles is not None):
            raise InvalidRequestError("auto_update and profiles are set when the image is there; use wait=True")
        _check_paths(data, metadata)
        upload = Upload.of(self, data, metadata, type)
        try:
            wanted = checked_aliases(self, aliases)
        except ConflictError:
            there = self._same_again(upload, aliases, progress) if exist_ok else None
            if there is None:
                raise
            return there
        name = filename if filename is not None else upload.sources[-1].name
        with reporting(progress, name) as report:
            try:
                ticket = upload.ticket(public, name, wanted, properties, expiry, report) if later and not wait else None
                operation = upload.send(public=public, filename=name, profiles=profiles, report=report, ticket=ticket)
                if not wait:
                    return self._promised(upload.fingerprint(), upload.size or 0, public, operation)
                record = settle(self, upload.fingerprint, operation, report)
            except ImageExistsError as error:
                if not exist_ok:
                    raise
                return self.image(self.read(error.fingerprint))
            finally:
                upload.close()
        fingerprint = record.fingerprint
        if later or record.public != public:
            follow_up(self, fingerprint, wanted, properties, auto_update, expiry, profiles, public)
        return self.image(self.read(fingerprint))

    def _same_again(self, upload: Upload, aliases: str | Iterable[str], progress: ProgressArgument) -> Image | None:
        """The image, when it is there already and whichever of the names are taken are its own."""
        if not upload.rereadable:
            return None
        with reporting(progress) as report:
            fingerprint = upload.hashed(report)
        try:
            image = self.image(self.read(fingerprint))
        except NotFoundError:
            return None
        own = {alias.name for alias in image.aliases}
        return image if all(n in own or not self.aliases.exists(n) for n in names(aliases, "an alias")) else None

    create_from_simplestreams = from_simplestreams
    create_from_url = from_url

    def check(
        self,
        data: Data,
        metadata: Data | None = None,
        *,
        type: str | None = None,
        progress: ProgressArgument = None,
    ) -> Preflight:
        """What an import would meet, without sending anything.

        Args:
            data: the image, or with `metadata` its root file system: bytes, a path or a binary file.
            metadata: of a split image its metadata tarball.
            type: `container` or `virtual-machine`; None as the files say.
            progress: True for a bar, or a callable; raising in it stops the reading.

        Returns:
            Fingerprint, kind, properties, what a server would refuse, and whether the image is there already.

        Raises:
            InvalidImageError: the file cannot be read.
        """
        _check_paths(data, metadata)
        upload = Upload.of(self, data, metadata, type, limit=CHECK_BUDGET)
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
        stop: bool = False,
        progress: ProgressArgument = None,
    ) -> Image:
        """Make an image of a stopped instance, or of a snapshot (`web/snap0`).

        A published image can hold the instance's secrets (host keys, cloud-init data): think before it is public.

        Args:
            instance: name of an instance of this project, or `instance/snapshot`.
            aliases: names for the image.
            public: let everybody fetch it.
            properties: None keeps those of the instance's image; a mapping replaces them, on Incus it adds to them.
            expires_at: a time, or one as text, `2030-01-31T00:00:00Z`; None for never.
            compression: `gzip`, `zstd`, `xz`, `none` …; None is the server's own setting.
            format: `unified` or `split`, where the server can choose (Incus).
            stop: stop the instance for the while, without asking it, when it runs, and start it again.
            progress: True for a bar, or a callable; raising in it ends the waiting.

        Raises:
            NotFoundError: no such instance.
            InvalidRequestError: it runs, and `stop` was not given; or it is ephemeral.
            ImageExistsError: the same image is there already.
            OperationFailedError: packing failed, or it could not be stopped or started.

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
                stop=stop,
                report=report,
            )
        return self.image(self.read(fingerprint))

    def delete(self, name: str, *, wait: bool = True) -> Operation:
        """Delete an image by full fingerprint, with its aliases.

        Args:
            name: all 64 hex digits.
            wait: until the server has done it; without, the operation that is returned runs.

        Raises:
            NotFoundError: it is gone already.

        Source: DELETE /1.0/images/{fingerprint}.
        """
        if not isinstance(name, str) or not FINGERPRINT.match(name):
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
        if record.project == self.project:
            return Image(record, self)
        return Image(record, Images(self.transport, self.dialect, record.project))

    def _promised(self, fingerprint: str, size: int, public: bool, operation: Operation) -> Image:
        raw = {"fingerprint": fingerprint, "size": size, "public": public}
        return Image(ImageRecord(raw, self.project), self, operation)


def _check_paths(*given: Data | None) -> None:
    for one in given:
        if isinstance(one, str | os.PathLike):
            checked_path(one)
