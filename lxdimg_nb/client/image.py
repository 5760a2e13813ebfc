"""One image of a server: read its attributes, change five of them, move its bytes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, overload

from lxdimg_nb.client.image_attributes import ImageAttributes
from lxdimg_nb.client.verbs.contents import Contents, read_contents
from lxdimg_nb.client.verbs.copy import copy_image, refresh_image
from lxdimg_nb.client.verbs.edit import same, send
from lxdimg_nb.client.verbs.range_file import open_image
from lxdimg_nb.client.verbs.used_by import users_of_images
from lxdimg_nb.errors import ChangedMeanwhileError, InvalidRequestError, NotFoundError
from lxdimg_nb.values import (
    Alias,
    Change,
    ImageRecord,
    Operation,
    writable,
)
from lxdimg_nb.values.validation import checked_path, names

if TYPE_CHECKING:
    import io
    import os

    from lxdimg_nb.client.client import Client
    from lxdimg_nb.client.files.progress import ProgressArgument
    from lxdimg_nb.client.images import Images
    from lxdimg_nb.client.verbs.export import Export

__all__ = ["Image"]


class Image(ImageAttributes):
    """An image as the server described it when it was read, with the changes made here and not yet sent.

    Reading an attribute is never I/O; `reload()` reads again. `public`, `auto_update`, `properties`,
    `expires_at` and `profiles` can be assigned and are sent by `update()`; nothing else can be assigned.
    """

    __slots__ = ("_images", "operation")

    _images: Images
    operation: Operation | None
    """The import that is still running, after `create(…, wait=False)`."""

    def __init__(self, record: ImageRecord, images: Images, operation: Operation | None = None) -> None:
        super().__init__(record)
        object.__setattr__(self, "_images", images)
        object.__setattr__(self, "operation", operation)

    def __repr__(self) -> str:
        from lxdimg_nb.text import formats

        names = ", ".join(a.name for a in self.aliases) or "no alias"
        flags = " public" if self.public else ""
        text = f"<Image {self.fingerprint[:12]} ({names}) {formats.size(self.size)} {self.architecture}{flags}>"
        return "".join(c if c.isprintable() else "?" for c in text[:500])

    def _repr_html_(self) -> str:
        from lxdimg_nb.text.display import escape

        return f"<code>{escape(repr(self), 600)}</code>"

    @property
    def server(self) -> str:
        """The address of the server that holds it."""
        return self._images.transport.url

    @property
    def images(self) -> Images:
        """The images of the project that holds it."""
        return self._images

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Image):
            return NotImplemented
        return self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def _key(self) -> tuple[str, str, str]:
        return self._images.transport.url, self.project, self.fingerprint

    def reload(self) -> Image:
        """Read the image again; changes made here and not sent are dropped.

        Raises:
            NotFoundError: it is gone.
        """
        object.__setattr__(self, "_record", self._images.read(self.fingerprint))
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
        if not changes:
            self._edits.clear()
            return Change(self.fingerprint, {}, {})
        if changes.get("public"):
            self._images.dialect.check_public(self.project)
        before = writable(self._record)
        after = send(self._images, self._record, changes)
        now = writable(after)
        object.__setattr__(self, "_record", after)
        self._edits.clear()
        lost = [name for name in changes if not same(name, now[name], changes[name])]
        if lost:
            raise ChangedMeanwhileError(
                f"the server took the change of {', '.join(lost)} but shows other values; somebody edits the image too",
                theirs={name: now[name] for name in lost},
                ours={name: changes[name] for name in lost},
            )
        return Change(self.fingerprint, {name: before[name] for name in changes}, {name: now[name] for name in changes})

    save = update

    def delete(self, wait: bool = True) -> Operation:
        """Delete the image with its aliases. Instances made from it stay.

        Raises:
            NotFoundError: it is gone already.

        Source: DELETE /1.0/images/{fingerprint}.
        """
        return self._images.delete(self.fingerprint, wait=wait)

    def add_alias(self, name: str, description: str = "") -> Alias:
        """A new name for the image.

        Args:
            name: the name, for this project.
            description: what it stands for.

        Raises:
            ConflictError: the name is taken.
        """
        made = self._images.aliases.create(name, self, description=description)
        self._reread()
        return made

    def delete_alias(self, name: str) -> None:
        """Remove one of the image's names.

        Raises:
            NotFoundError: the image has no such name.
        """
        if self._images.aliases.get(name).target != self.fingerprint:
            raise NotFoundError(f"the alias {name!r} points at another image; nothing was changed", status_code=404)
        self._images.aliases.delete(name)
        self._reread()

    def _reread(self) -> None:
        object.__setattr__(self, "_record", self._images.read(self.fingerprint))

    def used_by(self) -> list[str]:
        """Instances and snapshots made from the image: `project/instance`, `project/instance/snapshot`.

        Source: GET /1.0/instances?recursion=2&all-projects=true, `volatile.base_image`.
        """
        return users_of_images(self._images.transport).get(self.fingerprint, [])

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
        from lxdimg_nb.client.verbs import export

        if path is None:
            return export.to_bytes(self._images, self._record, progress)
        if path == "":
            raise InvalidRequestError("an empty text names no file; '.' is the folder that this runs in")
        checked_path(path)
        return export.to_path(
            self._images,
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
        return open_image(self._images, self._record)

    def contents(self) -> Contents:
        """metadata.yaml and the list of files, without keeping or extracting anything.

        `image.contents().files` is a frame, `image.contents().compare(other.contents())` what differs.

        Raises:
            InvalidImageError: damaged, or beyond the limits.
        """
        return read_contents(self._images, self._record)

    def copy(
        self,
        to: Client | Images,
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
        from lxdimg_nb.client.images import Images

        target = getattr(to, "images", to)
        if not isinstance(target, Images):
            raise InvalidRequestError(
                f"an image is copied to a client, not to {type(to).__name__} {str(to)[:100]!r}; "
                "connect(…) or client.in_project(…) makes one"
            )
        return copy_image(
            self,
            self._images,
            target,
            mode=mode,
            aliases=names(aliases, "an alias"),
            copy_aliases=copy_aliases,
            public=public,
            auto_update=auto_update,
            progress=progress,
        )

    def refresh(self, *, progress: ProgressArgument = None) -> Image:
        """Have the server fetch a newer build from the image's source.

        Returns:
            The image that is there afterwards: the same, or the newer one that took its place with its
            aliases. Properties that were edited by hand are those of the new build.

        Raises:
            InvalidRequestError: the image has no source.

        Source: POST /1.0/images/{fingerprint}/refresh.
        """
        return self._images.get(refresh_image(self, self._images, progress))

    def secret(self) -> str:
        """A one-time token with which anybody can fetch this private image once, within seconds of its first use.

        It opens the image: keep it out of outputs and logs.

        Source: POST /1.0/images/{fingerprint}/secret.
        """
        path = f"/1.0/images/{self.fingerprint}/secret"
        reply = self._images.transport.request("POST", path, params={"project": self.project})
        return self._images.operations.started(reply).secret

    def panel(self) -> Any:
        """A panel for this image, for the end of a notebook cell."""
        from lxdimg_nb.panels import image_panel

        return image_panel(self)
