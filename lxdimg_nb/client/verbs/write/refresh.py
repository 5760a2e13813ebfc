"""Refresh an image: the server fetches a newer build from the image's source."""

from __future__ import annotations

from lxdimg_nb.client.files.progress import ProgressArgument, reporting
from lxdimg_nb.client.project import Project
from lxdimg_nb.client.verbs.read.listing import known_fingerprints
from lxdimg_nb.client.verbs.write.wait import wait_or_cancel
from lxdimg_nb.errors import InvalidRequestError, NotFoundError
from lxdimg_nb.values import ImageRecord, Progress

__all__ = ["refresh_image"]


def refresh_image(project: Project, record: ImageRecord, progress: ProgressArgument = None) -> ImageRecord:
    """See `Image.refresh`; returns the image that is there afterwards."""
    if record.update_source is None:
        raise InvalidRequestError(
            f"the image {record.fingerprint[:12]} has no source, so the server cannot refresh it; import a newer file"
        )
    before = known_fingerprints(project)
    operation = project.start("POST", f"/1.0/images/{record.fingerprint}/refresh")
    with reporting(progress, record.fingerprint[:12]) as report:
        try:
            goes_on = "The server goes on with it and cannot be stopped."
            wait_or_cancel(project, operation, report, f"the refresh of {record.fingerprint[:12]}", goes_on)
        except NotFoundError:
            pass  # the server no longer knows how it ended; the images tell
        report(Progress("server", text="refreshed"))
    there = project.find(record.fingerprint)
    if there is not None:
        return there
    for alias in record.aliases:
        try:
            target = project.alias(alias.name).target
        except NotFoundError:
            continue
        return project.read(target)
    new = known_fingerprints(project) - before
    if len(new) == 1:
        return project.read(new.pop())
    raise NotFoundError(f"the image {record.fingerprint[:12]} was replaced; which image took its place is not known")
