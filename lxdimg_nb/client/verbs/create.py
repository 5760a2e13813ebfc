"""Imports that know before they send: check, stream in constant memory, wait, set what only a second call can set."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from lxdimg_nb.client.files.archive import MAX_DECOMPRESSED
from lxdimg_nb.client.files.bundle import Section, read_bundle
from lxdimg_nb.client.files.hashing import BackgroundHash, hash_sources, is_cached
from lxdimg_nb.client.files.inspection import ImageInspection, inspect_image
from lxdimg_nb.client.files.progress import Report
from lxdimg_nb.client.files.source import Data, Source
from lxdimg_nb.client.http.request_body import Content, MultipartForm, UploadBody, header_filename
from lxdimg_nb.client.verbs import listing
from lxdimg_nb.errors import (
    ImageExistsError,
    InvalidImageError,
    InvalidRequestError,
    LxdImageError,
    NotFoundError,
    ServerUnreachableError,
)
from lxdimg_nb.text import formats
from lxdimg_nb.values import Operation, Progress, format_time

if TYPE_CHECKING:
    from lxdimg_nb.client.images import Images

__all__ = ["Preflight", "Upload"]

# How much longer than any other answer that of an upload may take: the server still writes it to its disk.
PATIENCE = 20
# Until metadata.yaml was seen: enough for images made by the usual builders, little for those that put it last.
QUICK_LOOK = 32 * 1024 * 1024
# From this size on a file is worth asking whether its size alone says that it is not there yet.
WORTH_ASKING = 64 * 1024 * 1024
# Listing so many images costs less than hashing 64 MiB.
CHEAP_LISTING = 30


@dataclass(frozen=True, slots=True, repr=False)
class Preflight:
    """What is known of an image before it is sent.

    Attributes:
        fingerprint: SHA-256, 64 hexadecimal digits.
        kind: `unified` or `split`.
        type: `container` or `virtual-machine`; empty when only the server can tell.
        architecture: as servers name it; empty when unknown.
        properties: those of metadata.yaml.
        size: bytes, both files of a split image together.
        problems: what a server would refuse; empty is good.
        notes: what is worth knowing but no reason to refuse.
        exists: the project already holds this image.
        free: bytes free where the server keeps images, None when it is not on this machine.
        needed: bytes the server wants free while it imports: it spools, then splits.
        swapped: the two files of a split image were given the other way round.
    """

    fingerprint: str
    kind: str
    type: str
    architecture: str
    properties: Mapping[str, str]
    size: int
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    exists: bool = False
    free: int | None = None
    needed: int = 0
    swapped: bool = False
    created_at: int = field(default=0, repr=False)

    @property
    def ok(self) -> bool:
        """Whether a server can be expected to take it."""
        return not self.problems and not self.exists and (self.free is None or self.free >= self.needed)

    def __repr__(self) -> str:
        what = " ".join(word for word in (self.kind, self.type, self.architecture) if word)
        verdict = [f"would be refused: {problem}" for problem in self.problems]
        verdict += ["is already there"] if self.exists else []
        if self.free is not None and self.free < self.needed:
            verdict.append(f"needs {formats.size(self.needed)}, the server has {formats.size(self.free)}")
        said = "; ".join(verdict or ["a server would take it", *self.notes])
        return f"<Preflight {self.fingerprint[:12]} ({what}, {formats.size(self.size)}): {said}>"


@dataclass(frozen=True, slots=True)
class Ticket:
    """Leave to upload one image, with what is to be set on it."""

    fingerprint: str
    secret: str = field(repr=False)


@dataclass(slots=True)
class Upload:
    """One import, step by step."""

    images: Images
    sources: list[Source]
    virtual_machine: bool = False
    found: Sequence[ImageInspection] = ()
    swapped: bool = False
    kind: str = "unified"
    known: str = ""
    digest: BackgroundHash | None = None

    @classmethod
    def of(
        cls,
        images: Images,
        data: Data,
        metadata: Data | None,
        type: str | None,
        *,
        limit: int = QUICK_LOOK,
    ) -> Upload:
        """Turn what the user gave into sources in the server's order and look at them.

        Raises:
            InvalidImageError: unreadable, empty.
            InvalidRequestError: not bytes, path or file; an unknown type.
        """
        if type not in (None, "container", "virtual-machine"):
            raise InvalidRequestError(f"an image's type is container or virtual-machine, not {type!r}")
        first = Source.of(data)
        sections = _bundle(first) if metadata is None else None
        if sections is not None:
            files = [first.section(s.offset, s.size) for s in sections]
            machine = sections[1].name == "rootfs.img"
            return cls(
                images, files, machine, [inspect_image(files[0], limit=limit), ImageInspection("")], kind="split"
            )
        if metadata is None:
            found = [inspect_image(first, limit=limit)] if first.rereadable else []
            return cls(images, [first], type == "virtual-machine", found)
        second = Source.of(metadata)
        if not (first.rereadable and second.rereadable):
            return cls(images, [second, first], type == "virtual-machine", (), kind="split")
        root, meta = inspect_image(first, limit=limit), inspect_image(second, limit=limit)
        swapped = meta.metadata is None and root.metadata is not None
        if swapped:
            first, second, root, meta = second, first, meta, root
        machine = type == "virtual-machine" or (type is None and _is_disk(first, root))
        return cls(images, [second, first], machine, [meta, root], swapped, "split")

    @property
    def size(self) -> int | None:
        """Bytes of content; None when a source does not tell."""
        sizes = [s.size for s in self.sources]
        return None if None in sizes else sum(s or 0 for s in sizes)

    @property
    def rereadable(self) -> bool:
        """Whether everything can be read twice."""
        return all(s.rereadable for s in self.sources)

    @property
    def problems(self) -> list[str]:
        """What a server would refuse, as far as the quick look goes."""
        if not self.found:
            return []
        meta = self.found[0]
        problems = list(meta.problems)
        if not meta.is_archive and meta.kind != "squashfs":
            what = "a disk image" if meta.kind == "qcow2" else "no archive that servers know"
            advice = "give it together with metadata=" if meta.kind == "qcow2" else "gz, xz, bz2, zstd, tar or squashfs"
            problems.append(f"the {'metadata' if self.kind == 'split' else 'file'} is {what} ({advice})")
        elif meta.metadata is None and meta.whole and not problems and meta.is_archive:
            problems.append("there is no metadata.yaml in it")
        if self.kind == "unified" and meta.metadata is not None and meta.whole and not meta.rootfs:
            problems.append("there is neither rootfs/ nor rootfs.img in it")
        return problems

    def check(self, report: Report) -> Preflight:
        """Hash and judge, without sending."""
        if not self.rereadable:
            raise InvalidRequestError("this stream can be read only once; save it to a file to check it")
        fingerprint = self.hashed(report)
        meta = self.found[0]
        machine = self.virtual_machine if self.kind == "split" else meta.rootfs == "virtual-machine"
        kind = "virtual-machine" if machine else "container" if self.kind == "split" or meta.rootfs else ""
        date = (meta.metadata or {}).get("creation_date")
        size = self.size or 0
        return Preflight(
            fingerprint=fingerprint,
            kind=self.kind,
            type=kind,
            architecture=meta.architecture,
            properties=meta.properties,
            size=size,
            problems=tuple(self.problems),
            notes=tuple(note for found in self.found for note in found.notes),
            exists=self.images.exists(fingerprint),
            free=_free_space(self.images),
            needed=2 * size,
            swapped=self.swapped,
            created_at=date if isinstance(date, int) else 0,
        )

    def hashed(self, report: Report) -> str:
        """The fingerprint, by reading everything once."""
        total = self.size
        known = self.images.transport.hashes
        return hash_sources(self.sources, lambda done: report(Progress("hash", done, total)), known)

    def send(
        self,
        *,
        public: bool,
        filename: str,
        profiles: Sequence[str] | None,
        report: Report,
        ticket: Ticket | None = None,
    ) -> Operation:
        """Stream the content; returns the server's operation. `fingerprint()` tells what was sent.

        With a ticket the server sets what the ticket says, together with the import.

        Raises:
            ImageExistsError: it is there already; nothing was sent.
            InvalidImageError: the server would refuse it; nothing was sent.
            ServerUnreachableError: the connection broke; the server keeps nothing of a body it did not get whole.
        """
        if self.problems:
            raise InvalidImageError("this is no image a server would take: " + "; ".join(self.problems))
        fingerprint = ticket.fingerprint if ticket else ""
        known = is_cached(self.sources, self.images.transport.hashes)
        if self.rereadable and not fingerprint and (known or not self._size_is_new()):
            fingerprint = self.hashed(report)
            self._refuse_known(fingerprint)
        headers = self._headers(public, filename, profiles, fingerprint, ticket.secret if ticket else "")
        parts: list[bytes | Content] = [*self.sources]
        if self.kind == "split":
            framing = MultipartForm(*self.sources, virtual_machine=self.virtual_machine, filename=filename)
            parts, headers["Content-Type"] = framing.parts, framing.content_type
        total = self.size
        # Files are hashed while the server works on what it got, for which it takes longer (LXD 5.0.2: threefold).
        beside = not fingerprint and all(source.parallel for source in self.sources)
        body = UploadBody(
            parts,
            lambda done: report(Progress("send", done, total)),
            hashed=not fingerprint and not beside,
            sendfile=self.images.transport.can_sendfile,
        )
        try:
            operation = self._post(body, headers)
        finally:
            body.close()
        if beside:
            self.digest = BackgroundHash(self.sources)
        else:
            self.known = fingerprint or body.hexdigest()
        return operation

    def _post(self, body: UploadBody, headers: Mapping[str, str]) -> Operation:
        transport = self.images.transport
        try:
            reply = transport.request(
                "POST",
                "/1.0/images",
                params=self.images.params,
                body=body,
                headers=headers,
                timeout=PATIENCE * transport.timeout,
            )
        except ServerUnreachableError as error:
            if body.complete:
                error.add_note("All of it was sent, so the server may have the image all the same.")
            raise
        return self.images.operations.started(reply)

    def fingerprint(self) -> str:
        """What was sent, as the server will name it; waits while it is being computed."""
        if self.digest is not None:
            self.known = self.digest.result()
        return self.known

    def close(self) -> None:
        """Stop computing what nobody waits for any more."""
        if self.digest is not None:
            self.digest.stop()

    def ticket(
        self,
        public: bool,
        filename: str,
        aliases: Sequence[str],
        properties: Mapping[str, str] | None,
        expires_at: datetime | None,
        report: Report,
    ) -> Ticket:
        """A token under which the server takes the image with its names, properties and expiry in one go.

        Raises:
            InvalidRequestError: the image's own properties, which a token replaces, cannot be read here.

        Source: POST /1.0/images, source.mode push, then the upload with the secret and fingerprint headers.
        """
        if self.problems:
            raise InvalidImageError("this is no image a server would take: " + "; ".join(self.problems))
        if not self.rereadable or self.found[0].metadata is None:
            raise InvalidRequestError(
                "properties, aliases and expires_at cannot go along with this image, whose metadata.yaml cannot be "
                "read here; use wait=True"
            )
        fingerprint = self.hashed(report)
        self._refuse_known(fingerprint)
        document: dict[str, object] = {
            "source": {"type": "image", "mode": "push", "fingerprint": fingerprint},
            "public": public,
            "filename": filename,
            "properties": {k: v for k, v in {**self.found[0].properties, **(properties or {})}.items() if v},
            "aliases": [{"name": name, "description": ""} for name in aliases],
        }
        if expires_at is not None:
            document["expires_at"] = format_time(expires_at)
        images = self.images
        reply = images.transport.request("POST", "/1.0/images", params=images.params, json=document)
        return Ticket(fingerprint, images.operations.started(reply).secret)

    def _headers(
        self, public: bool, filename: str, profiles: Sequence[str] | None, fingerprint: str, secret: str
    ) -> dict[str, str]:
        name = self.images.dialect.header
        headers = {"Content-Type": "application/octet-stream", name("public"): "true" if public else "false"}
        if fingerprint:
            headers[name("fingerprint")] = fingerprint
        if secret:
            headers[name("secret")] = secret
        if self.kind == "unified" and (said := header_filename(filename)):
            headers[name("filename")] = said
        if profiles is not None and self.images.dialect.profiles_on_upload:
            headers[name("profiles")] = urlencode([("profile", p) for p in profiles])
        return headers

    def _size_is_new(self) -> bool:
        """Whether no image of this size is there, so that it can be sent while it is hashed.

        Asked only for large files on servers with few images, where the answer is cheaper than a hash.
        """
        size = self.size
        if size is None or size < WORTH_ASKING:
            return False
        images = self.images
        try:
            if len(listing.known_fingerprints(images.transport, images.project)) > CHEAP_LISTING * size / WORTH_ASKING:
                return False
            return all(record.size != size for record in images.records())
        except LxdImageError:
            return False

    def _refuse_known(self, fingerprint: str) -> None:
        try:
            listing.read_one(self.images.transport, fingerprint, self.images.project)
        except NotFoundError:
            return
        raise ImageExistsError(
            f"the image {fingerprint[:12]} is already there; nothing was sent (exist_ok=True returns it)",
            fingerprint=fingerprint,
        )


def _bundle(source: Source) -> tuple[Section, Section] | None:
    """The two files in one that `export(bundle=True)` made."""
    if not source.rereadable:
        return None
    with source.open() as file:
        return read_bundle(file)


def _is_disk(source: Source, found: ImageInspection) -> bool:
    """Whether the second file is a virtual machine's disk: qcow2, or raw with a boot sector."""
    if found.kind:
        return found.kind == "qcow2"
    with source.open() as file:
        return file.read(512)[510:] == b"\x55\xaa"


def _free_space(images: Images) -> int | None:
    """Bytes free where a server on this machine keeps its images."""
    folder = Path(images.transport.endpoint.socket or "/nowhere").parent / "images"
    try:
        facts = os.statvfs(folder)
    except OSError:
        return None
    return facts.f_bavail * facts.f_frsize


CHECK_BUDGET = MAX_DECOMPRESSED
