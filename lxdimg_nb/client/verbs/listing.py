"""Listings that are complete, or say that they are not.

`GET /1.0/images?recursion=1` runs in one database transaction with a deadline (LXD 10 s, Incus 30 s). When it
passes, the remaining images are left out and the answer is still 200 "Success": of 3,000 images LXD 5.0.2 sends
about 2,400. `lxc`, `incus` and pylxd show that as the whole. Here every listing that could have met a deadline
is compared with the project's own count (`used_by`), and what is missing is read one by one.
"""

from __future__ import annotations

import contextlib
import gc
import threading
import time
from collections.abc import Iterable
from urllib.parse import quote

from lxdimg_nb.client.dialect import Dialect
from lxdimg_nb.client.http.transport import Transport
from lxdimg_nb.errors import ApiError, IncompleteListError, LxdImageError, NotFoundError, UnexpectedReplyError
from lxdimg_nb.values import ImageRecord, fingerprints

__all__ = ["known_fingerprints", "list_records", "project_names", "read_one"]

# A server under its deadline has no reason to leave an image out; below both bounds its answer is taken as whole.
SUSPECT_SECONDS = 3.0
SUSPECT_COUNT = 1000
# What is missing is read over so many connections: more gain nothing and hold others up (LXD 5.0.2, 2 cores).
READERS = 4
# Failures after which the rest is not tried.
ENOUGH = 3
# A listing may wait for another client's listing, then meet its own deadline.
LIST_TIMEOUT = 120.0


def list_records(
    transport: Transport, dialect: Dialect, project: str, *, all_projects: bool = False, polite: bool = False
) -> list[ImageRecord]:
    """Every image of a project, or of all projects that this connection may see, each once, ordered by fingerprint.

    Args:
        polite: read one image at a time, so that other users of the server wait milliseconds, not seconds.

    Raises:
        IncompleteListError: images are known to be there and could not be read; those that could are attached.

    Source: GET /1.0/images?recursion=1, GET /1.0/projects/{name}.
    """
    if not all_projects:
        records = _project(transport, project, polite)
    elif dialect.lists_all_projects and not polite:
        records = _everything(transport)
    else:
        records = _by_project(transport, polite)
    once = {(record.project, record.fingerprint): record for record in records}
    return [once[place] for place in sorted(once)]


def project_names(transport: Transport, *, holding_images: bool = False) -> list[str]:
    """The projects this connection may see, by name.

    Args:
        holding_images: leave out projects that show the images of the project default.

    Source: GET /1.0/projects?recursion=1.
    """
    entries = transport.request("GET", "/1.0/projects", params={"recursion": "1"}).metadata
    rows = [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
    names = sorted(str(entry.get("name")) for entry in rows)
    if not holding_images:
        return names
    shared = {str(e.get("name")) for e in rows if (e.get("config") or {}).get("features.images") == "false"}
    if shared and "default" not in names:
        # The images of default are to be seen through such a project only; once is enough.
        shared.remove(min(shared))
    return [name for name in names if name == "default" or name not in shared]


def known_fingerprints(transport: Transport, project: str) -> set[str]:
    """The fingerprints of all images of a project: complete on every server, in milliseconds.

    Source: GET /1.0/projects/{name}, `used_by`.
    """
    metadata = transport.request("GET", f"/1.0/projects/{quote(project, safe='')}").metadata
    used_by = metadata.get("used_by") if isinstance(metadata, dict) else None
    return set(fingerprints(used_by if isinstance(used_by, list) else ()))


def read_one(transport: Transport, fingerprint: str, project: str, *, secret: str = "") -> ImageRecord:
    """One image by its full fingerprint, or by a prefix that was checked.

    Raises:
        NotFoundError: not there, or not for this connection.

    Source: GET /1.0/images/{fingerprint}.
    """
    params = {"project": project} | ({"secret": secret} if secret else {})
    reply = transport.request("GET", f"/1.0/images/{fingerprint}", params=params)
    return ImageRecord.from_json(reply.metadata, project=project)


def _bulk(transport: Transport, params: dict[str, str], project: str) -> tuple[list[ImageRecord], bool]:
    """The server's own listing, and whether a deadline may have cut it."""
    records, took = transport.listings.run((project, *params.items()), lambda: _listed(transport, params, project))
    return list(records), took >= SUSPECT_SECONDS or len(records) >= SUSPECT_COUNT


def _listed(transport: Transport, params: dict[str, str], project: str) -> tuple[list[ImageRecord], float]:
    begin = time.monotonic()
    # Half of the time to read 100,000 images is the cyclic collector looking at new dictionaries.
    enabled = gc.isenabled()
    gc.disable()
    try:
        reply = transport.request("GET", "/1.0/images", params={"recursion": "1"} | params, timeout=LIST_TIMEOUT)
        rows = reply.metadata
        if not isinstance(rows, list):
            raise UnexpectedReplyError("the server sent something else where a list of images was due")
        return [ImageRecord.from_json(row, project=project) for row in rows], time.monotonic() - begin
    finally:
        if enabled:
            gc.enable()


def _project(transport: Transport, project: str, polite: bool) -> list[ImageRecord]:
    if polite:
        return _fetch(transport, project, known_fingerprints(transport, project), [], readers=1)
    records, suspect = _bulk(transport, {"project": project}, project)
    return _completed(transport, project, records) if suspect else records


def _listed_fingerprints(transport: Transport, project: str) -> set[str]:
    """What a stranger, who may not read projects, can compare a listing with: the bare list, which is complete on
    LXD 5.0.2 and cut by another deadline elsewhere. Source: GET /1.0/images."""
    urls = transport.request("GET", "/1.0/images", params={"project": project}, timeout=LIST_TIMEOUT).metadata
    return set(fingerprints(urls if isinstance(urls, list) else ()))


def _completed(transport: Transport, project: str, records: list[ImageRecord]) -> list[ImageRecord]:
    try:
        known = known_fingerprints(transport, project)
    except ApiError as error:
        if error.status_code not in (401, 403, 404):
            raise
        known = _listed_fingerprints(transport, project)
    return _fetch(transport, project, known - {r.fingerprint for r in records}, records)


def _fetch(
    transport: Transport, project: str, wanted: Iterable[str], records: list[ImageRecord], *, readers: int = READERS
) -> list[ImageRecord]:
    missing, cause = _Reading(transport, project, wanted, records).run(readers)
    if missing:
        raise IncompleteListError(
            f"{transport.url} left {len(missing)} of {len(records) + len(missing)} images of project {project} out "
            "of its listing and could not give them one by one; try again, or use what is in .images",
            images=records,
            missing=missing,
        ) from cause
    return records


class _Reading:
    """Images read one by one, by a few threads; what was read is appended to `records`."""

    def __init__(self, transport: Transport, project: str, wanted: Iterable[str], records: list[ImageRecord]) -> None:
        self._transport = transport
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
            threading.Thread(target=self._work, daemon=True) for _ in range(min(readers, len(self._waiting)) - 1)
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
                self._records.append(read_one(self._transport, fingerprint, self._project))
            except NotFoundError:
                continue  # deleted since
            except Exception as error:  # noqa: BLE001 - handed to the thread that asks
                with self._lock:
                    self._missing.append(fingerprint)
                    self._cause = error


def _everything(transport: Transport) -> list[ImageRecord]:
    records, suspect = _bulk(transport, {"all-projects": "true"}, "default")
    if not suspect:
        return records
    by_project: dict[str, list[ImageRecord]] = {}
    for record in records:
        by_project.setdefault(record.project, []).append(record)
    names = project_names(transport, holding_images=True)
    return [r for name in names for r in _completed(transport, name, by_project.get(name, []))]


def _by_project(transport: Transport, polite: bool) -> list[ImageRecord]:
    names = project_names(transport, holding_images=True)
    return [record for name in names for record in _project(transport, name, polite)]
