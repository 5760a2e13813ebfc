"""The one or two files of an image that is to be uploaded: what they are, and their fingerprint."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from lxdimg_nb.client.files.bundle import read_bundle
from lxdimg_nb.client.files.formats.archive import MAX_DECOMPRESSED
from lxdimg_nb.client.files.formats.archive_contents import MAKE_METADATA
from lxdimg_nb.client.files.formats.disk_images import CONVERT
from lxdimg_nb.client.files.inspection import ImageInspection, inspect_image, inspect_root, inspect_to_the_end
from lxdimg_nb.client.files.source import Data, Source
from lxdimg_nb.errors import InvalidImageError, InvalidRequestError

__all__ = ["ImageFiles"]

# Until metadata.yaml was seen: enough for images made by the usual builders, little for those that put it last.
QUICK_LOOK = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ImageFiles:
    """What a user gave to be uploaded, in the order that servers want: metadata, then root file system.

    Attributes:
        sources: one of a unified image, two of a split one.
        verdicts: what each was found to be; none of files that can be read only once.
        virtual_machine: whether the root file system is a virtual machine's disk.
        swapped: the two files were given the other way round.
    """

    sources: Sequence[Source]
    verdicts: Sequence[ImageInspection] = ()
    virtual_machine: bool = False
    swapped: bool = False

    @classmethod
    def of(
        cls, data: Data, metadata: Data | None = None, type: str | None = None, *, limit: int = MAX_DECOMPRESSED
    ) -> ImageFiles:
        """Look at what the user gave.

        Args:
            data: a unified image, a bundle of ours, or with `metadata` the root file system of a split image.
            metadata: the metadata tarball of a split image; the two are told apart by content.
            type: `container` or `virtual-machine`; None tells by content.
            limit: decompressed bytes to look through for metadata.yaml.

        Raises:
            InvalidImageError: unreadable, empty.
            InvalidRequestError: not bytes, path or file; an unknown type.
        """
        if type not in (None, "container", "virtual-machine"):
            raise InvalidRequestError(f"an image's type is container or virtual-machine, not {type!r}")
        machine = type == "virtual-machine"
        first = Source.of(data)
        if metadata is None:
            if not first.rereadable:
                return cls([first], (), machine)
            return cls._of_bundle(first, limit) or cls([first], [inspect_image(first, limit=limit)], machine)
        second = Source.of(metadata)
        if not (first.rereadable and second.rereadable):
            return cls([second, first], (), machine)
        root, meta = inspect_image(first, limit=limit), inspect_image(second, limit=limit)
        swapped = meta.metadata is None and root.metadata is not None
        if swapped:
            first, second, root, meta = second, first, meta, root
        root = inspect_root(first, root)
        return cls([second, first], [meta, root], machine or (type is None and _is_disk(root)), swapped)

    @classmethod
    def _of_bundle(cls, source: Source, limit: int) -> ImageFiles | None:
        """The two files in one that `export(bundle=True)` made."""
        with source.open() as file:
            sections = read_bundle(file)
        if sections is None:
            return None
        files = [source.section(section.offset, section.size) for section in sections]
        return cls(files, [inspect_image(files[0], limit=limit), ImageInspection("")], sections[1].name == "rootfs.img")

    @classmethod
    def acceptable(cls, data: Data, metadata: Data | None = None, type: str | None = None) -> ImageFiles:
        """As `of`, after a quick look, and only what a server can use.

        Raises:
            InvalidImageError: a server would refuse it, or could never start it; with each reason.
        """
        files = cls.of(data, metadata, type, limit=QUICK_LOOK)
        if files.problems:
            raise InvalidImageError("this is no image that a server could use: " + "; ".join(files.problems))
        return files

    def read_to_the_end(self, report: Callable[[int], None]) -> ImageFiles:
        """As they are, with what only their ends tell: servers do not look there before they make an instance.

        Args:
            report: called with the bytes read so far; may raise to stop.
        """
        verdicts, done = [], 0
        names = ("the metadata", "the root file system") if self.split else ("the file",)
        for source, verdict, what in zip(self.sources, self.verdicts, names, strict=True):
            verdicts.append(inspect_to_the_end(source, verdict, what, functools.partial(_report_after, report, done)))
            done += source.size or 0
        return replace(self, verdicts=verdicts)

    @property
    def name(self) -> str:
        """The file name that a server keeps; empty when there is none."""
        return self.sources[-1].name

    @property
    def properties(self) -> dict[str, str] | None:
        """The properties in metadata.yaml; None when it could not be read."""
        return self.verdicts[0].properties if self.verdicts and self.verdicts[0].metadata is not None else None

    @property
    def split(self) -> bool:
        """Whether it is a split image."""
        return len(self.sources) == 2

    @property
    def size(self) -> int | None:
        """Bytes of content; None when a source does not tell."""
        sizes = [source.size for source in self.sources]
        return None if None in sizes else sum(size or 0 for size in sizes)

    @property
    def rereadable(self) -> bool:
        """Whether everything can be read twice."""
        return all(source.rereadable for source in self.sources)

    @property
    def problems(self) -> list[str]:
        """What a server would refuse or could never start, as far as was looked."""
        if not self.verdicts:
            return []
        meta = self.verdicts[0]
        problems = list(meta.problems)
        if not meta.is_archive and meta.kind != "squashfs":
            what, advice = meta.other
            if meta.kind == "qcow2":
                what, advice = "a disk image", MAKE_METADATA
            elif advice == CONVERT and not self.split:
                advice += ", and give NEW.qcow2 together with metadata=lxdimg.image_metadata('NEW.qcow2')"
            elif not what:
                what, advice = "no archive that servers know", "gz, xz, bz2, zstd, tar or squashfs"
            problems.append(f"the {'metadata' if self.split else 'file'} is {what} ({advice})")
        elif meta.metadata is None and meta.other[0] and not problems:
            what, advice = meta.other
            problems.append(f"there is no metadata.yaml in it: it is {what}; {advice}")
        elif meta.metadata is None and meta.whole and not problems:
            problems.append("there is no metadata.yaml in it")
        if self.split:
            problems += self.verdicts[1].problems
        elif meta.metadata is not None and meta.whole and not meta.rootfs:
            problems.append("there is neither rootfs/ nor rootfs.img in it")
        return problems

    @property
    def needs_metadata(self) -> bool:
        """Whether only the metadata are missing, and can be made of what lies in it."""
        if self.split or not self.verdicts or self.verdicts[0].metadata is not None:
            return False
        return self.verdicts[0].kind == "qcow2" or self.verdicts[0].other[1] == MAKE_METADATA

    @property
    def notes(self) -> list[str]:
        """What is worth knowing but not refused."""
        return [note for verdict in self.verdicts for note in verdict.notes]


def _is_disk(found: ImageInspection) -> bool:
    """Whether it is a virtual machine's disk, of whatever format."""
    return found.kind == "qcow2" or " disk" in found.other[0]


def _report_after(report: Callable[[int], None], before: int, count: int) -> None:
    report(before + count)
