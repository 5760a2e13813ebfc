"""List all images of a project, and check that the server's answer is complete.

`GET /1.0/images?recursion=1` runs in one database transaction with a deadline (LXD 10 s, Incus 30 s). When it
passes, the remaining images are left out and the answer is still 200 "Success": of 3,000 images LXD 5.0.2 sends
about 2,400. `lxc`, `incus` and pylxd show that as the whole. Here every listing that could have met a deadline
is compared with the project's own count (`used_by`), and what is missing is read one by one.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import threading
import time
from collections.abc import Iterable

from lxdimg_nb.client.http.transport import MAX_LISTING
from lxdimg_nb.client.project import Project, read_project
from lxdimg_nb.client.verbs.read.projects import MAX_PROJECTS, holding_images
from lxdimg_nb.errors import (
    ApiError,
    IncompleteListError,
    LxdImageError,
    MissingExtensionError,
    NotFoundError,
    UnexpectedReplyError,
)
from lxdimg_nb.filters import parse
from lxdimg_nb.values import ImageRecord, fingerprints

__all__ = ["is_new_size", "known_fingerprints", "list_records"]

# A server under its deadline has no reason to leave an image out; below both bounds its answer is taken as whole.
SUSPECT_SECONDS = 3.0
SUSPECT_COUNT = 1000
# What is missing is read over so many connections: more gain nothing and hold others up (LXD 5.0.2, 2 cores).
READERS = 4
# Failures after which the rest is not tried.
ENOUGH = 3
# A listing may wait for another client's listing, then meet its own deadline.
LIST_TIMEOUT = 120.0
# From this size on a file is worth asking whether its size alone says that it is not there yet.
WORTH_ASKING = 64 * 1024 * 1024
# Listing so many images costs less than hashing 64 MiB.
CHEAP_LISTING = 30


def list_records(
    project: Project, *, filter: str | None = None, all_projects: bool = False, polite: bool = False
) -> list[ImageRecord]:
    """Every image of a project, or of all projects that this connection may see, each once, ordered by fingerprint.

    Args:
        filter: which ones, in the language of `lxdimg_nb.filters`; applied here, not on the server.
        polite: read one image at a time, so that other users of the server wait milliseconds, not seconds.

    Raises:
        IncompleteListError: images are known to be there and could not be read; those that could are attached.
        MissingExtensionError: more than 10,000 projects have images, and this server lists them one by one only.
        InvalidRequestError: a filter that makes no sense.

    Source: GET /1.0/images?recursion=1, GET /1.0/projects/{name}.
    """
    if filter:
        parse(filter)  # a mistake in it is told before the server is asked
    if not all_projects:
        records = _of_project(project, polite)
    elif project.dialect.lists_all_projects and not polite:
        records = _of_all_projects(project)
    else:
        records = _of_each_project(project, polite)
    once = {(record.project, record.fingerprint): record for record in records}
    records = [once[place] for place in sorted(once)]
    if not all_projects:
        records = [project.own(record) for record in records]
    if not filter:
        return records
    # Only the listing tells which properties there are; a misspelled one must not just find nothing.
    wanted = parse(filter, known_properties={key for record in records for key in record.properties})
    now = project.now
    return [record for record in records if wanted.matches(record, now)]


def known_fingerprints(project: Project) -> set[str]:
    """The fingerprints of all images of a project: complete on every server, in milliseconds.

    Source: GET /1.0/projects/{name}, `used_by`.
    """
    used_by = read_project(project.transport, project.name).get("used_by")
    if not isinstance(used_by, list):
        raise UnexpectedReplyError(f"{project.url} does not say what the project {project.name} holds")
    return set(fingerprints(used_by))


def is_new_size(project: Project, size: int | None) -> bool:
    """Whether no image of this size is there, as far as that is cheaper to know than a hash.

    Asked only for large files on servers with few images.
    """
    if size is None or size < WORTH_ASKING:
        return False
    try:
        if len(known_fingerprints(project)) > CHEAP_LISTING * size / WORTH_ASKING:
            return False
        return all(record.size != size for record in list_records(project))
    except LxdImageError:
        return False


def _of_project(project: Project, polite: bool) -> list[ImageRecord]:
    if polite:
        return _completed(project, [], known_fingerprints(project), readers=1)
    records, suspect = _listed(project, {"project": project.name})
    return _completed(project, records, _count(project)) if suspect else records


def _of_all_projects(project: Project) -> list[ImageRecord]:
    records, suspect = _listed(project.in_project("default"), {"all-projects": "true"})
    if not suspect:
        return records
    by_project: dict[str, list[ImageRecord]] = {}
    for record in records:
        by_project.setdefault(record.project, []).append(record)
    found: list[ImageRecord] = []
    listed = holding_images(project)
    if sum(one.used_by is None for one in listed) > MAX_PROJECTS:
        raise IncompleteListError(
            f"{project.url} may have left images out, and does not say what its {len(listed):,} projects hold; read "
            "one project at a time: in_project(name)",
            images=records,
            missing=(),
        )
    for known in listed:
        one = project.in_project(known.name)
        wanted = _count(one) if known.used_by is None else fingerprints(known.used_by)
        found += _completed(one, by_project.get(known.name, []), wanted)
    return found


def _of_each_project(project: Project, polite: bool) -> list[ImageRecord]:
    listed = holding_images(project)
    if len(listed) > MAX_PROJECTS:
        raise MissingExtensionError(
            f"{project.url} has {len(listed):,} projects with images and lists them one by one only; read one project "
            "at a time: in_project(name)",
            extension="images_all_projects",
        )
    found: list[ImageRecord] = []
    for known in listed:
        one = project.in_project(known.name)
        if polite and known.used_by is not None:
            found += _completed(one, [], fingerprints(known.used_by), readers=1)
        else:
            found += _of_project(one, polite)
    return found


def _listed(project: Project, params: dict[str, str]) -> tuple[list[ImageRecord], bool]:
    """The server's own listing, and whether a deadline may have cut it."""
    key = (project.name, *params.items())
    records, seconds = project.transport.listings.run(key, lambda: _request_list(project, params))
    return list(records), seconds >= SUSPECT_SECONDS or len(records) >= SUSPECT_COUNT


def _request_list(project: Project, params: dict[str, str]) -> tuple[list[ImageRecord], float]:
    begin = time.monotonic()
    # Half of the time to read 100,000 images is the cyclic collector looking at new dictionaries.
    enabled = gc.isenabled()
    gc.disable()
    try:
        params = {"recursion": "1"} | params
        ask = functools.partial(project.transport.request, timeout=LIST_TIMEOUT, limit=MAX_LISTING)
        rows = ask("GET", "/1.0/images", params=params).rows("images")
        return [ImageRecord.from_json(row, project=project.name) for row in rows], time.monotonic() - begin
    finally:
        if enabled:
            gc.enable()


def _count(project: Project) -> set[str]:
    """The fingerprints that a listing is compared with.

    A stranger, who may not read projects, compares with the bare list, which is complete on LXD 5.0.2 and cut by
    another deadline elsewhere. Source: GET /1.0/images.
    """
    try:
        return known_fingerprints(project)
    except ApiError as error:
        if error.status_code not in (401, 403, 404):
            raise
    return set(fingerprints(project.request("GET", "/1.0/images", timeout=LIST_TIMEOUT).rows("images")))


def _completed(
    project: Project, records: list[ImageRecord], known: Iterable[str], *, readers: int = READERS
) -> list[ImageRecord]:
    """The records, and those that are known to be there beside them, read one by one."""
    missing, cause = _Readers(project, set(known) - {r.fingerprint for r in records}, records).run(readers)
    if missing:
        raise IncompleteListError(
            f"{project.url} left {len(missing)} of {len(records) + len(missing)} images of project {project.name} out "
            "of its listing and could not give them one by one; try again, or use what is in .images",
            images=records,
            missing=missing,
        ) from cause
    return records


class _Readers:
    """Images read one by one, by a few threads; what was read is appended to `records`."""

    def __init__(self, project: Project, wanted: Iterable[str], records: list[ImageRecord]) -> None:
        self._project = project
        self._waiting = sorted(wanted, reverse=True)
        self._records = records
        self._missing: list[str] = []
        self._cause: BaseException | None = None
        self._stopped = False
        self._lock = threading.Lock()

    def run(self, readers: int) -> tuple[list[str], BaseException | None]:
        """The fingerprints that could not be read, and why."""
        helpers = [
            threading.Thread(target=self._work, name="lxdimg-list", daemon=True)
            for _ in range(min(readers, len(self._waiting)) - 1)
        ]
        try:
            for helper in helpers:
                helper.start()
            self._work()
        finally:
            self._stopped = True
            for helper in helpers:
                with contextlib.suppress(RuntimeError):  # interrupted within start(): it has not begun
                    helper.join()
        if self._cause is not None and not isinstance(self._cause, LxdImageError):
            raise self._cause
        return sorted(self._missing + self._waiting), self._cause

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._waiting or self._stopped or len(self._missing) >= ENOUGH:
                    return
                fingerprint = self._waiting.pop()
            try:
                reply = self._project.request("GET", f"/1.0/images/{fingerprint}")
                self._records.append(self._project.record(reply.metadata, fingerprint))
            except NotFoundError:
                continue  # deleted since
            except Exception as error:  # noqa: BLE001 - handed to the thread that asks
                with self._lock:
                    self._missing.append(fingerprint)
                    self._cause = error
