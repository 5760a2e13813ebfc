"""One image of a server: read its attributes, change five of them, move its bytes."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable
from typing import Any, cast, overload

from lxdimg_nb.client.files.progress import ProgressArgument
from lxdimg_nb.client.project import InProject, Project
from lxdimg_nb.client.verbs.read.contents import Contents, read_contents
from lxdimg_nb.client.verbs.read.export import Export, export_bytes, export_files
from lxdimg_nb.client.verbs.read.range_file import open_image
from lxdimg_nb.client.verbs.read.used_by import users_of_images
from lxdimg_nb.client.verbs.write.copy import copy_image, create_secret
from lxdimg_nb.client.verbs.write.delete import delete_image
from lxdimg_nb.client.verbs.write.edit import edit_image
from lxdimg_nb.client.verbs.write.manage_aliases import create_alias, delete_alias
from lxdimg_nb.client.verbs.write.refresh import refresh_image
from lxdimg_nb.errors import InvalidRequestError, NotFoundError
from lxdimg_nb.text import formats
from lxdimg_nb.text.display import escape
from lxdimg_nb.text.secret import hide_address
from lxdimg_nb.values import Alias, Change, ImageRecord, Operation, writable_fields
from lxdimg_nb.values.image_attributes import ImageAttributes

__all__ = ["Image"]


class Image(ImageAttributes):
    """An image as the server described it when it was read, with the changes made here and not yet sent.

    Reading an attribute is never I/O; `reload()` reads again. `public`, `auto_update`, `properties`,
    `expires_at` and `profiles` can be assigned and are sent by `update()`; nothing else can be assigned. Times are in
    UTC, sizes are bytes, and None is never.
    """

    __slots__ = ("_project", "operation")

    _project: Project
    operation: Operation | None
    """The import that is still running, after `create(…, wait=False)`."""

    def __init__(self, record: ImageRecord, project: Project, operation: Operation | None = None) -> None:
        super().__init__(record)
        object.__setattr__(self, "_project", project)
        object.__setattr__(self, "operation", operation)

    def __repr__(self) -> str:
        names = ", ".join(a.name for a in self.aliases) or "no alias"
        flags = " public" if self.public else ""
        text = f"<Image {self.fingerprint[:12]} ({names}) {formats.size(self.size)} {self.architecture}{flags}>"
        return "".join(c if c.isprintable() else "?" for c in text[:500])

    def _repr_html_(self) -> str:
        return f"<code>{escape(repr(self), 600)}</code>"

    @property
    def server(self) -> str:
        """The address of the server that holds it."""
        return self._project.url

    @property
    def server_project(self) -> Project:
        """The project that holds it, as the verbs take it."""
        return self._project

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Image):
            return NotImplemented
        return self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[str, str, str]:
        return self.server, self.project, self.fingerprint

    def reload(self) -> Image:
        """Read the image again; changes made here and not sent are dropped.

        Raises:
            NotFoundError: it is gone.
        """
        self._reread()
        self._edits.clear()
        return self

    def update(self) -> Change:
        """Send what was changed, and nothing else: profiles, expiry and properties not touched stay as they are.

        Returns:
            The changed fields before and after, as the server has them.

        Raises:
            ChangedMeanwhileError: somebody else edited the image since it was read. Nothing was written; the
                changes stay on this object, `reload()` drops them.
            NotFoundError: the image is gone.
            ApiError: the server refused a value, an unknown profile for example.

        Source: PATCH /1.0/images/{fingerprint} for public, auto_update and properties; PUT of all five fields
        for expires_at and profiles, which PATCH ignores silently. Both with If-Match.
        """
        changes = self.changes
        before = writable_fields(self._record)
        if changes:
            object.__setattr__(self, "_record", edit_image(self._project, self._record, changes))
        self._edits.clear()
        after = writable_fields(self._record)
        return Change(self.fingerprint, {n: before[n] for n in changes}, {n: after[n] for n in changes})

    save = update

    def delete(self, wait: bool = True) -> Operation:
        """Delete the image with its aliases. Instances made from it stay.

        Raises:
            NotFoundError: it is gone already.

        Source: DELETE /1.0/images/{fingerprint}.
        """
        return delete_image(self._project, self.fingerprint, wait=wait)

    def add_alias(self, name: str, description: str = "") -> Alias:
        """A new name for the image.

        Args:
            name: the name, for this project.
            description: what it stands for.

        Raises:
            ConflictError: the name is taken.
        """
        made = create_alias(self._project, name, self.fingerprint, description=description)
        self._reread()
        return made

    def delete_alias(self, name: str) -> None:
        """Remove one of the image's names.

        Raises:
            NotFoundError: the image has no such name.
        """
        if self._project.alias(name).target != self.fingerprint:
            raise NotFoundError(f"the alias {name!r} points at another image; nothing was changed", status_code=404)
        delete_alias(self._project, name)
        self._reread()

    def _reread(self) -> None:
        object.__setattr__(self, "_record", self._project.read(self.fingerprint))

    def used_by(self) -> list[str]:
        """Instances and snapshots made from the image: `project/instance`, `project/instance/snapshot`.

        Source: GET /1.0/instances?recursion=2&all-projects=true, `volatile.base_image`.
        """
        return users_of_images(self._project).get(self.fingerprint, [])

    @overload
    def export(self, path: None = None, *, progress: ProgressArgument = None) -> bytes: ...

    @overload
    def export(
        self,
        path: str | os.PathLike[str],
        *,
        resume: bool = True,
        bundle: bool = False,
        sidecar: bool = False,
        progress: ProgressArgument = None,
    ) -> Export: ...

    def export(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        resume: bool = True,
        bundle: bool = False,
        sidecar: bool = False,
        progress: ProgressArgument = None,
    ) -> bytes | Export:
        """The image's bytes, or its file or files, verified against the fingerprint.

        Args:
            path: an existing folder, or the name of the file to make; None returns the bytes.
            resume: go on from what an earlier, interrupted export of this image left behind.
            bundle: put the two files of a split image into one file that `create()` takes back.
            sidecar: write `<fingerprint>.json` beside it: aliases, properties, profiles, provenance.
            progress: True for a bar, or a callable; raising in it cancels.

        Returns:
            `bytes` without a path, else an `Export`.

        Raises:
            FingerprintMismatchError: what came is not the image; no file has its final name.
            InvalidRequestError: a split image without a path, a path that cannot be written.
            ServerUnreachableError: the connection broke; call again to go on.

        Source: GET /1.0/images/{fingerprint}/export.
        """
        if path is None:
            return export_bytes(self._project, self._record, progress)
        return export_files(
            self._project,
            self._record,
            path,
            resume=resume,
            bundle=bundle,
            sidecar=sidecar,
            progress=progress,
        )

    def open(self) -> io.BufferedReader:
        """A unified image as a seekable file, read from the server as needed: `tarfile.open(fileobj=image.open())`.

        What is read this way is not verified against the fingerprint.

        Raises:
            InvalidRequestError: a split image.

        Source: GET /1.0/images/{fingerprint}/export with Range.
        """
        return open_image(self._project, self._record)

    def contents(self) -> Contents:
        """metadata.yaml and the list of files, without keeping or extracting anything.

        `image.contents().files` is a frame, `image.contents().compare(other.contents())` what differs.

        Raises:
            InvalidImageError: damaged, or beyond the limits.
        """
        return read_contents(self._project, self._record)

    def copy(
        self,
        to: InProject,
        *,
        mode: str = "auto",
        aliases: str | Iterable[str] = (),
        copy_aliases: bool = False,
        public: bool | None = None,
        auto_update: bool = False,
        progress: ProgressArgument = None,
    ) -> Image:
        """Copy the image to another server or project, with its properties.

        Args:
            to: a client of the other server or project.
            mode: `pull` (the target fetches), `push` (the source sends), `relay` (through this machine),
                or `auto`: the first of them that works.
            aliases: names for the copy.
            copy_aliases: give it the image's own names as well.
            public: None as the image is.
            auto_update: keep the copy current; needs a pull of a public image that has an alias.
            progress: True for a bar, or a callable; raising in it cancels.

        Returns:
            The image on the other server.

        Raises:
            ImageExistsError: it is there already.
            ConflictError: an alias is taken there; nothing was copied.
            InvalidRequestError: no way works; each with its reason.
        """
        to = cast(InProject, hide_address(to))
        target = getattr(to, "server_project", None)
        if not isinstance(target, Project) or isinstance(to, Image):
            raise InvalidRequestError(
                f"an image is copied to a client, not to {repr(to)[:100]}; connect(…) or client.in_project(…) makes one"
            )
        made = copy_image(
            self._project,
            self._record,
            target,
            mode=mode,
            aliases=aliases,
            copy_aliases=copy_aliases,
            public=public,
            auto_update=auto_update,
            progress=progress,
        )
        return Image(made, target)

    def refresh(self, *, progress: ProgressArgument = None) -> Image:
        """Have the server fetch a newer build from the image's source.

        Returns:
            The image that is there afterwards: the same, or the newer one that took its place with its
            aliases. Properties that were edited by hand are those of the new build.

        Raises:
            InvalidRequestError: the image has no source.

        Source: POST /1.0/images/{fingerprint}/refresh.
        """
        return Image(refresh_image(self._project, self._record, progress), self._project)

    def secret(self) -> str:
        """A one-time token with which anybody can fetch this private image once, within seconds of its first use.

        It opens the image: keep it out of outputs and logs. A cell that ends with it shows `'***'`, print() the text.

        Source: POST /1.0/images/{fingerprint}/secret.
        """
        return create_secret(self._project, self._record)

    def panel(self) -> Any:
        """A panel for this image, for the end of a notebook cell."""
        from lxdimg_nb.panels import image_panel

        return image_panel(self)
