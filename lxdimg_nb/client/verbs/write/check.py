"""Check the files of an image before an import, without sending anything."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lxdimg_nb.client.files.hashing import hash_sources
from lxdimg_nb.client.files.image_files import ImageFiles
from lxdimg_nb.client.files.progress import ProgressArgument, reporting
from lxdimg_nb.client.files.root_tarball import root_tarball
from lxdimg_nb.client.files.source import Data, position_kept
from lxdimg_nb.client.project import Project
from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.text import formats
from lxdimg_nb.text.cells import Badge
from lxdimg_nb.text.display import format_value, sanitize
from lxdimg_nb.text.tables import Table
from lxdimg_nb.values import Progress

__all__ = ["Preflight", "check_image"]


@dataclass(frozen=True, slots=True, repr=False)
class Preflight:
    """What is known about an image before it is sent.

    Attributes:
        fingerprint: SHA-256, 64 hexadecimal digits.
        kind: `unified` or `split`.
        type: `container` or `virtual-machine`; empty when only the server can tell.
        architecture: as servers name it; empty when unknown.
        properties: those of metadata.yaml.
        size: bytes, both files of a split image together.
        problems: what a server would refuse, or take and never be able to start; empty is good.
        notes: what is worth knowing but not refused.
        exists: the project already holds this image.
        free: bytes free where the server keeps images, None when it is not on this machine.
        needed: bytes the server wants free while it imports: it spools, then splits.
        swapped: the two files of a split image were given the other way round.
        needs_metadata: only its metadata are missing, and `lxdimg.image_metadata()` makes them.
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
    needs_metadata: bool = False
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

    def table(self) -> Table:
        """The findings, one a row, and whether a server would accept the image."""
        rows = (
            ("would be accepted", Badge(format_value(self.ok), "good" if self.ok else "bad")),
            ("fingerprint", self.fingerprint),
            ("already there", format_value(self.exists)),
            ("kind", f"{self.kind} {self.type}".strip()),
            ("architecture", self.architecture),
            ("size", f"{formats.size(self.size)} ({self.size:,} bytes)"),
            *(("problem", text) for text in self.problems),
            *(("note", text) for text in self.notes),
            *((f"properties.{sanitize(key, 60)}", value) for key, value in sorted(self.properties.items())[:100]),
        )
        return Table(("", ""), rows, title="check")

    def _repr_html_(self) -> str:
        return self.table().html()


def check_image(
    project: Project,
    data: Data,
    metadata: Data | None = None,
    *,
    type: str | None = None,
    progress: ProgressArgument = None,
) -> Preflight:
    """See `Images.check`."""
    with position_kept(data, metadata), root_tarball(data, metadata, progress=progress) as given:
        return _check(project, ImageFiles.of(*given, type), progress)


def _check(project: Project, files: ImageFiles, progress: ProgressArgument) -> Preflight:
    if not files.rereadable:
        raise InvalidRequestError("this stream can be read only once; save it to a file to check it")
    size = files.size or 0
    with reporting(progress) as report:
        fingerprint = hash_sources(files.sources, lambda done: report(Progress("hash", done, size)), project.hashes)
        files = files.read_to_the_end(lambda done: report(Progress("check", done, size)))
    meta = files.verdicts[0]
    machine = files.virtual_machine if files.split else meta.rootfs == "virtual-machine"
    problems, notes = list(files.problems), list(files.notes)
    if meta.dates:
        advice = f"write quotes around {', '.join(meta.dates)}"
        if project.dialect.refuses_dates:
            problems.append(f"metadata.yaml: {advice}: this server takes no date for a text")
        else:
            notes.append(f"metadata.yaml: {advice}: Incus 7.0 and newer take no date for a text, and refuse the image")
    date = (meta.metadata or {}).get("creation_date")
    return Preflight(
        fingerprint=fingerprint,
        kind="split" if files.split else "unified",
        type="virtual-machine" if machine else "container" if files.split or meta.rootfs else "",
        architecture=meta.architecture,
        properties=meta.properties,
        size=size,
        problems=tuple(problems),
        notes=tuple(notes),
        exists=project.holds(fingerprint),
        free=_free_space(project),
        needed=2 * size,
        swapped=files.swapped,
        needs_metadata=files.needs_metadata,
        created_at=date if isinstance(date, int) else 0,
    )


def _free_space(project: Project) -> int | None:
    """Bytes free where a server on this machine keeps its images."""
    folder = Path(project.transport.endpoint.socket or "/nowhere").parent / "images"
    try:
        facts = os.statvfs(folder)
    except OSError:
        return None
    return facts.f_bavail * facts.f_frsize
