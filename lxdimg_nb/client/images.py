"""The images of one project on one server: `client.images`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from lxdimg_nb.client.files.metadata.image_metadata import image_metadata
from lxdimg_nb.client.files.progress import ProgressArgument
from lxdimg_nb.client.files.source import Data
from lxdimg_nb.client.image import Image
from lxdimg_nb.client.image_reader import ImageReader
from lxdimg_nb.client.verbs.write.check import Preflight, check_image
from lxdimg_nb.client.verbs.write.create import create_image
from lxdimg_nb.client.verbs.write.delete import delete_image
from lxdimg_nb.client.verbs.write.fetch import MAX_SIZE, fetch_from_simplestreams, fetch_from_url
from lxdimg_nb.client.verbs.write.publish import publish_instance
from lxdimg_nb.client.verbs.write.settings import Settings
from lxdimg_nb.text.secret import hide_address
from lxdimg_nb.values import Operation
from lxdimg_nb.values.validation import checked_time

__all__ = ["Images"]


class Images(ImageReader):
    """List, read, make and watch the images of a project."""

    metadata = staticmethod(image_metadata)

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
            data: bytes, path or binary file of a unified image, or of the root file system of a split one. With
                `metadata` also a container image (`docker save`, OCI layout) or the folder of a root file system.
            public: visible without authentication, to everybody who reaches the server; it does not ask.
            wait: until the server has the image. Otherwise `.operation` of the result is running.
            metadata: the metadata tarball of a split image, as `lxdimg.image_metadata()` makes it; the two are told
                apart by content.
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
        data, metadata = hide_address(data), hide_address(metadata)
        created = create_image(
            self._project,
            data,
            Settings(public, auto_update, properties, checked_time(expires_at), profiles),
            wait=wait,
            metadata=metadata,
            type=type,
            filename=filename,
            aliases=aliases,
            progress=progress,
            exist_ok=exist_ok,
        )
        return Image(created.record, self._project, created.operation)

    def create_from_simplestreams(
        self,
        server: str,
        alias: str,
        public: bool = False,
        auto_update: bool = False,
        *,
        type: str | None = None,
        server_cert: str | os.PathLike[str] | None = None,
        properties: Mapping[str, str] | None = None,
        aliases: str | Iterable[str] = (),
        expires_at: datetime | str | None = None,
        profiles: Sequence[str] | None = None,
        progress: ProgressArgument = None,
        exist_ok: bool = False,
    ) -> Image:
        """Have the server fetch an image from a simplestreams server. It can be refreshed from there later.

        An image that is there already is kept, and gets the settings named here. Servers remember a catalogue for
        about an hour, so the newest build may come later to them than to `connect("ubuntu")`.

        Args:
            server: `https://cloud-images.ubuntu.com/releases`, or the name of such a remote: `ubuntu`.
            alias: as the catalogue has it, for example `24.04` or `24.04/arm64`; or a full fingerprint, which
                cannot be refreshed.
            public: visible without authentication, to everybody who reaches the server; it does not ask.
            auto_update: let the server fetch newer builds on its own.
            type: `container` or `virtual-machine`; None is the server's choice: container.
            server_cert: the simplestreams server's certificate, where authorities do not know it: a path or PEM text.
            properties: added to those of the catalogue.
            aliases: names for it here.
            expires_at, profiles: as the attributes of `Image`.
            progress: True for a bar, or a callable.
            exist_ok: return the image that was fetched from there by this alias before, as it is, instead of asking
                for the newest build, which `refresh()` does; also when it has the aliases.

        Raises:
            OperationFailedError: the server could not fetch it: no such alias, or the files are not what was announced.
            ConflictError: an alias is taken; nothing was fetched.

        Source: POST /1.0/images, source.type image, protocol simplestreams.
        """
        server, server_cert = hide_address(server), hide_address(server_cert)
        record = fetch_from_simplestreams(
            self._project,
            server,
            alias,
            Settings(public, auto_update, properties, checked_time(expires_at), profiles),
            type=type,
            server_cert=server_cert,
            aliases=aliases,
            progress=progress,
            exist_ok=exist_ok,
        )
        return self.image(record)

    def create_from_url(
        self,
        url: str,
        public: bool = False,
        auto_update: bool = False,
        *,
        sha256: str | None = None,
        by: Literal["auto", "client", "server"] = "auto",
        server_cert: str | os.PathLike[str] | None = None,
        max_size: int = MAX_SIZE,
        properties: Mapping[str, str] | None = None,
        aliases: str | Iterable[str] = (),
        expires_at: datetime | str | None = None,
        profiles: Sequence[str] | None = None,
        progress: ProgressArgument = None,
        exist_ok: bool = False,
    ) -> Image:
        """Make an image of a file on the web.

        Args:
            url: of a unified image. By the client, `https://` only: redirects are followed to https, and never from
                a public host to a private one.
            public: visible without authentication, to everybody who reaches the server; it does not ask.
            auto_update: let the server look for newer ones, where it fetches itself.
            sha256: what the file must be, 64 hexadecimal digits: its fingerprint. None takes what comes.
            by: `client` fetches here, checks and imports; `server` has the server fetch, which wants the web server
                to send `LXD-Image-Hash` and `LXD-Image-URL` (Incus: `Incus-Image-…`), and is gone from LXD 6.9 on.
                `auto` is the client when `sha256` is given or the server cannot, else the server.
            server_cert: the web server's certificate, for the client: a path or PEM text.
            max_size: bytes; the client stops at more.
            properties, aliases, expires_at, profiles, progress, exist_ok: as in `create()`.

        Raises:
            FingerprintMismatchError: another file than `sha256` says; nothing was imported.
            ImageExistsError: it is there already.
            NotFoundError, ApiError, ServerUnreachableError: the web server's answer, or silence.
            OperationFailedError: the server could not fetch it.

        Source: POST /1.0/images, source.type url (LXD to 6.8, Incus; CVE-2026-28385).
        """
        url, server_cert = hide_address(url), hide_address(server_cert)
        record = fetch_from_url(
            self._project,
            url,
            Settings(public, auto_update, properties, checked_time(expires_at), profiles),
            sha256=sha256,
            by=by,
            server_cert=server_cert,
            max_size=max_size,
            aliases=aliases,
            progress=progress,
            exist_ok=exist_ok,
        )
        return self.image(record)

    def check(
        self,
        data: Data,
        metadata: Data | None = None,
        *,
        type: str | None = None,
        progress: ProgressArgument = None,
    ) -> Preflight:
        """What an import would meet, without sending anything. Archives are read to their end.

        Args:
            data: the image, or with `metadata` its root file system: bytes, a path or a binary file.
            metadata: of a split image its metadata tarball.
            type: `container` or `virtual-machine`; None as the files say.
            progress: True for a bar, or a callable; raising in it stops the reading.

        Returns:
            Fingerprint, kind, properties, problems (what a server would refuse, or take and could never start), and
            whether the image is there already.

        Raises:
            InvalidImageError: the file cannot be read.
        """
        data, metadata = hide_address(data), hide_address(metadata)
        return check_image(self._project, data, metadata, type=type, progress=progress)

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
            public: let everybody fetch it who reaches the server; it does not ask.
            properties: None keeps those of the instance's image; a mapping replaces them, on Incus it adds to them.
            expires_at: a time, or one as text, `2030-01-31T00:00:00Z`; None for never.
            compression: `gzip`, `zstd`, `xz`, `none` …, also with a level (`xz -9`) or `--rsyncable`; None is the
                server's own setting.
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
        record = publish_instance(
            self._project,
            instance,
            aliases=aliases,
            public=public,
            properties=properties,
            expires_at=expires_at,
            compression=compression,
            format=format,
            stop=stop,
            progress=progress,
        )
        return self.image(record)

    def delete(self, name: str, *, wait: bool = True) -> Operation:
        """Delete an image by full fingerprint, with its aliases.

        Args:
            name: all 64 hex digits.
            wait: until the server has done it; without, the operation that is returned runs.

        Raises:
            NotFoundError: it is gone already.

        Source: DELETE /1.0/images/{fingerprint}.
        """
        return delete_image(self._project, name, wait=wait)

    def panel(self) -> Any:
        """The panel of the images, for the end of a notebook cell."""
        from lxdimg_nb.panels import images_panel

        return images_panel(self)
