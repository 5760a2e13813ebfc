"""Export an image to files that are verified, or do not appear at all.

The download goes to a part file in the same folder (mode 0600, no link is followed) and is hashed on the way. It gets
its name only when its SHA-256 is the fingerprint. The server's file name is not used (CVE-2026-81500).
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import stat
import time
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from lxdimg_nb.client.files.bundle import write_bundle
from lxdimg_nb.client.files.formats.file_kinds import HEAD_SIZE, file_kind, file_suffix
from lxdimg_nb.client.files.hashing_writer import HashingWriter
from lxdimg_nb.client.files.part_file import (
    PartFile,
    check_disk_space,
    commit_file,
    copy_range,
    fsync_directory,
    write_atomic,
)
from lxdimg_nb.client.files.progress import ProgressArgument, Report, reporting
from lxdimg_nb.client.http.multipart_reader import MultipartReader
from lxdimg_nb.client.http.transport import Stream
from lxdimg_nb.client.project import Project
from lxdimg_nb.errors import (
    ApiError,
    FingerprintMismatchError,
    InvalidRequestError,
    NotFoundError,
    UnexpectedReplyError,
)
from lxdimg_nb.text import formats
from lxdimg_nb.values import ImageRecord, Progress, format_time
from lxdimg_nb.values.validation import expanded_path

__all__ = ["Export", "export_bytes", "export_files"]


@dataclass(frozen=True, slots=True, repr=False)
class Export:
    """The result of an export.

    Attributes:
        paths: the file, or the metadata file and the root file of a split image, in that order.
        fingerprint: SHA-256 that the content was verified against.
        size: bytes written to the final files.
        received: bytes received from the server; less than `size` after a resumed export.
        seconds: how long it took.
        sidecar: the JSON file with aliases, properties, profiles and provenance; None if there is none.
    """

    paths: tuple[Path, ...]
    fingerprint: str
    size: int
    received: int
    seconds: float
    sidecar: Path | None = None

    @property
    def path(self) -> Path:
        """The file; of a split image the root file."""
        return self.paths[-1]

    def __repr__(self) -> str:
        return f"<Export {self}>"

    def __str__(self) -> str:
        names = " and ".join(str(p) for p in self.paths)
        saved = f", {formats.size(self.size - self.received)} of it resumed" if self.received < self.size else ""
        return f"{names}: {formats.size(self.size)}{saved}, verified"


def export_bytes(project: Project, record: ImageRecord, progress: ProgressArgument) -> bytes:
    """A unified image's bytes, verified. Source: GET /1.0/images/{fingerprint}/export."""
    limit = min(max(record.size, 0) or MAX_UNKNOWN, _memory())
    if record.size > limit:
        raise InvalidRequestError(
            f"the image {record.fingerprint[:12]} has {formats.size(record.size)}, too much for the memory; "
            "use export(path)"
        )
    with reporting(progress, record.fingerprint[:12]) as report, project.content(record.fingerprint) as stream:
        if stream.boundary:
            raise InvalidRequestError(
                f"the image {record.fingerprint[:12]} is split into two files; use export(folder), "
                "or export(path, bundle=True) for one file"
            )
        # getvalue() returns what was written without a copy.
        held, sha = io.BytesIO(), hashlib.sha256()
        while chunk := stream.read(1024 * 1024):
            held.write(chunk)
            sha.update(chunk)
            if held.tell() > limit:
                raise UnexpectedReplyError(f"the server sends more than {limit} bytes; use export(path)")
            report(Progress("receive", stream.received, stream.length))
    _verify(record, sha.hexdigest())
    return held.getvalue()


def export_files(
    project: Project,
    record: ImageRecord,
    target: str | os.PathLike[str],
    *,
    resume: bool = True,
    bundle: bool = False,
    sidecar: bool = False,
    progress: ProgressArgument = None,
) -> Export:
    """Export an image as one or two verified files; see `Image.export`."""
    begin = time.monotonic()
    # Path() would forget a slash at the end.
    folder, name = _target(expanded_path(target), os.fspath(target).endswith("/"), record.fingerprint)
    with reporting(progress, record.fingerprint[:12]) as report, PartFile(folder, record.fingerprint) as part:
        done = _download(project, record, part, resume, report)
        paths = _finish(record, folder, name, part, done, bundle)
    beside = _sidecar(project, record, paths) if sidecar else None
    size = sum(path.stat().st_size for path in paths)
    return Export(paths, record.fingerprint, size, done.received, time.monotonic() - begin, beside)


@dataclass(frozen=True, slots=True)
class _Downloaded:
    """The content of the part file: `split_at` is where the metadata part ends, 0 for a unified image."""

    split_at: int
    received: int
    part_name: str = ""


# Bytes in memory of an image whose size nobody tells; on disk it may take half of what is free.
MAX_UNKNOWN = 1 << 30
# The part file is not the beginning of what the server has; no SHA-256 is empty.
_NOT_RESUMABLE = (_Downloaded(0, 0), "")


def _target(target: Path, is_folder: bool, fingerprint: str) -> tuple[Path, str]:
    """The folder to write to, and the file name; an empty name is made of the fingerprint.

    Args:
        is_folder: it ends with a slash and so names a folder, as for cp and rsync.

    Raises:
        InvalidRequestError: no such folder, or another file has that name.
    """
    if os.path.isdir(target):
        return target, ""
    folder = target if is_folder else target.parent
    if not os.path.isdir(folder):
        raise InvalidRequestError(f"there is no folder {folder}; create it first")
    try:
        mode = target.lstat().st_mode
    except FileNotFoundError:
        return folder, target.name
    except OSError as error:
        raise InvalidRequestError(f"cannot write {target}: {error.strerror}") from error
    if not stat.S_ISREG(mode):
        raise InvalidRequestError(f"{target} exists and is not a regular file; choose another name")
    if fingerprint not in target.name and _file_digest(target) != fingerprint:
        raise InvalidRequestError(f"{target} exists and is another file; delete it or choose another name")
    return folder, target.name


def _file_digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""  # an unreadable file is not known to be this image


def _download(project: Project, record: ImageRecord, part: PartFile, resume: bool, report: Report) -> _Downloaded:
    have = part.size if resume else 0
    if not resume or have > record.size:
        part.clear()
        have = 0
    check_disk_space(part.path.parent, record.size - have)
    done, actual = _attempt(project, record, part, have, report)
    if actual != record.fingerprint and have:
        # The part file was not the beginning of this image; download all of it.
        part.clear()
        done, actual = _attempt(project, record, part, 0, report)
    part.keep = False
    _verify(record, actual)
    return done


def _attempt(
    project: Project, record: ImageRecord, part: PartFile, have: int, report: Report
) -> tuple[_Downloaded, str]:
    # Nothing of a part file is lost if hashing is interrupted or the server is down.
    part.keep = bool(have)
    limit = record.size if record.size > 0 else shutil.disk_usage(part.path.parent).free // 2
    with HashingWriter(part.fd, limit=limit) as writer:
        if have and not writer.resume(project.hashes.pop_state(part.fd), have):
            writer.rehash(have, lambda done: report(Progress("hash", done, have)))
        if have and have == record.size:
            return _Downloaded(0, 0), writer.hexdigest()
        try:
            with project.content(record.fingerprint, start=have or None) as stream:
                return _receive(stream, record, part, writer, have, report)
        except (UnexpectedReplyError, NotFoundError):
            part.keep = False
            raise
        except ApiError as error:
            if not have or error.status_code != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                raise
            return _NOT_RESUMABLE
        finally:
            if part.keep:
                writer.save_state(project.hashes)


def _receive(
    stream: Stream, record: ImageRecord, part: PartFile, writer: HashingWriter, have: int, report: Report
) -> tuple[_Downloaded, str]:
    resumed = stream.status_code == HTTPStatus.PARTIAL_CONTENT and not stream.boundary
    if have and resumed and not stream.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
        return _NOT_RESUMABLE
    if have and not resumed:
        # A split image, or a server without ranges, sends everything again.
        part.clear()
        writer.reset()
        have = 0
    # An interrupted download is kept only if it can be resumed.
    part.keep = not stream.boundary
    if stream.boundary:
        # The two files are copied out of the part file when it was verified.
        check_disk_space(part.path.parent, 2 * record.size)
        split_at, part_name = _split(stream, writer, record, report)
        return _Downloaded(split_at, stream.received, part_name), writer.hexdigest()
    total = record.size or stream.length
    writer.receive(stream, lambda count: report(Progress("receive", have + count, total)))
    return _Downloaded(0, stream.received), writer.hexdigest()


def _split(stream: Stream, writer: HashingWriter, record: ImageRecord, report: Report) -> tuple[int, str]:
    """Both parts of a split image one after the other; returns where the second begins and its name."""
    reader = MultipartReader(stream)
    split_at, names = 0, []
    for name, chunks in reader.parts():
        names.append(name)
        if len(names) == 2:
            split_at = writer.size
        for chunk in chunks:
            writer.write(chunk)
            report(Progress("receive", min(writer.size, record.size), record.size))
    if len(names) != 2 or names[0] != "metadata" or names[1] not in ("rootfs", "rootfs.img"):
        raise UnexpectedReplyError(f"the server sent the parts {names[:3]} where metadata and rootfs were due")
    return split_at, names[1]


def _memory() -> int:
    """Half of the bytes of memory that this machine has."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


def _verify(record: ImageRecord, actual: str) -> None:
    if actual != record.fingerprint:
        raise FingerprintMismatchError(
            f"what came is not the image {record.fingerprint[:12]} (its SHA-256 is {actual[:12]}…); nothing was kept. "
            "The server's file may be damaged",
            expected=record.fingerprint,
            actual=actual,
        )


def _finish(
    record: ImageRecord, folder: Path, name: str, part: PartFile, done: _Downloaded, bundle: bool
) -> tuple[Path, ...]:
    """Give the verified bytes their final names, durably."""
    fingerprint = record.fingerprint
    if not done.split_at:
        final = folder / (name or f"{fingerprint}{_suffix(part.fd, 0)}")
        commit_file(part.fd, part.path, final)
        fsync_directory(folder)
        return (final,)
    if bundle:
        final = folder / (name or f"{fingerprint}.bundle.tar")
        write_atomic(final, lambda file: write_bundle(file, part.fd, done.split_at, done.part_name))
        fsync_directory(folder)
        return (final,)
    stem = name or fingerprint
    meta_final = folder / (f"meta-{stem}" if name else f"meta-{fingerprint}{_suffix(part.fd, 0)}")
    root_final = folder / (stem if name else f"{fingerprint}{_suffix(part.fd, done.split_at)}")
    write_atomic(meta_final, lambda file: copy_range(part.fd, 0, done.split_at, file))
    write_atomic(root_final, lambda file: copy_range(part.fd, done.split_at, part.size - done.split_at, file))
    fsync_directory(folder)
    return meta_final, root_final


def _suffix(fd: int, at: int) -> str:
    head = os.pread(fd, HEAD_SIZE, at)
    return file_suffix(head) or (".img" if at and not file_kind(head) else "")


def _sidecar(project: Project, record: ImageRecord, paths: tuple[Path, ...]) -> Path:
    source = record.update_source
    facts = {
        "fingerprint": record.fingerprint,
        "files": [path.name for path in paths],
        "size": record.size,
        "type": record.type,
        "architecture": record.architecture,
        "aliases": [{"name": a.name, "description": a.description} for a in record.aliases],
        "properties": record.properties,
        "profiles": list(record.profiles),
        "public": record.public,
        "auto_update": record.auto_update,
        "created_at": format_time(record.created_at) if record.created_at else None,
        "uploaded_at": format_time(record.uploaded_at) if record.uploaded_at else None,
        "expires_at": format_time(record.expires_at) if record.expires_at else None,
        "source": {"server": source.server, "protocol": source.protocol, "alias": source.alias} if source else None,
        "exported_from": {"product": project.info.product, "project": record.project},
    }
    final = paths[0].parent / f"{record.fingerprint}.json"
    text = json.dumps(facts, indent=2, ensure_ascii=False, sort_keys=True) + "\n"
    write_atomic(final, lambda file: file.write(text.encode()))
    return final
