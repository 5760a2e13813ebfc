"""Wait for an operation on an image; cancel it when the wait is interrupted."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from datetime import timedelta
from http import HTTPStatus

from lxdimg_nb.client.files.progress import Cancel, Report
from lxdimg_nb.client.project import Project
from lxdimg_nb.client.verbs.write.delete import delete_image
from lxdimg_nb.errors import (
    ApiError,
    FingerprintMismatchError,
    ImageExistsError,
    LxdImageError,
    NotFoundError,
    OperationCancelledError,
    OperationFailedError,
)
from lxdimg_nb.values import ImageRecord, Operation

__all__ = ["remove_made", "wait_for_import", "wait_or_cancel", "warn_of_copies"]

# Of the clocks of members of one cluster, and of what is known of them.
CLOCK_PRECISION = timedelta(minutes=5)
_RECEIVED = (
    "The server had received the whole image and cannot be stopped; "
    "look with images.all(), delete what you do not want."
)


def wait_for_import(
    project: Project, operation: Operation, expected: Callable[[], str], report: Report, what: str = "the import"
) -> ImageRecord:
    """Wait for an import and read the image; the image decides where the operation's end was missed.

    Args:
        expected: gives the fingerprint; called after the server has finished, so it may be computed meanwhile.
        what: what is being done, for errors.

    Raises:
        ImageExistsError: somebody else imported it at the same time.
        FingerprintMismatchError: the server got other bytes than were sent.
        OperationFailedError, OperationCancelledError: the server refused it.

    A cluster whose members do not all answer has the image all the same; then a warning names them.
    """
    try:
        final = wait_or_cancel(project, operation, report, what)
    except NotFoundError as error:
        try:
            return project.read(expected())
        except NotFoundError:
            raise OperationFailedError(
                f"the server has forgotten {what} and has no such image; was it restarted? Import it again",
                operation_id=operation.id,
            ) from error
    except OperationFailedError as error:
        fingerprint = expected()
        there = project.find(fingerprint)
        if there is None:
            raise
        if project.info.cluster and is_from(project, operation, there):
            warn_of_copies(fingerprint, error, report)
            return there
        raise ImageExistsError(
            f"the image {fingerprint[:12]} is already there; somebody else imported it meanwhile",
            fingerprint=fingerprint,
        ) from error
    except ApiError as error:
        # The member of a cluster that did the work does not answer any more.
        if error.status_code < HTTPStatus.INTERNAL_SERVER_ERROR or not project.info.cluster:
            raise
        there = project.find(expected())
        if there is None:
            raise OperationFailedError(
                f"{what} broke off, and there is no such image: {error.message}. Import it again",
                operation_id=operation.id,
                reason=error.message,
            ) from error
        return there
    fingerprint = expected()
    if final.fingerprint and final.fingerprint != fingerprint:
        done = "the server's copy was removed" if remove_made(project, final) else "look with images.all()"
        raise FingerprintMismatchError(
            f"the file changed while it was sent, or the server made another image of it; {done}",
            expected=fingerprint,
            actual=final.fingerprint,
        )
    return project.read(fingerprint)


def is_from(project: Project, operation: Operation, record: ImageRecord) -> bool:
    """Whether an image came while the operation ran, and not when the server's clock was years ahead."""
    if operation.created_at is None or record.uploaded_at is None:
        return False
    return operation.created_at <= record.uploaded_at <= project.server_time + CLOCK_PRECISION


def warn_of_copies(fingerprint: str, error: OperationFailedError, report: Report) -> None:
    """Say that a cluster has an image, but could not copy its files to all members that should have them.

    Such an operation fails although its image is complete (LXD 5.0.2, Incus 6.0.4). The cluster makes up for it once
    a day.

    Args:
        report: a `Cancel` is told, which a panel shows; for anything else it is a warning of Python's.
    """
    text = f"the image {fingerprint[:12]} is there, but not on as many members of the cluster as it should: "
    text += error.message
    if isinstance(report, Cancel):
        report.warn(text)
    else:
        warnings.warn(text, stacklevel=2)


def remove_made(project: Project, operation: Operation) -> bool:
    """Delete the image that an operation made; not one that was there before, whatever the operation says.

    Returns:
        Whether it was deleted.
    """
    made = project.find(operation.fingerprint)
    if made is None or not is_from(project, operation, made):
        return False
    delete_image(project, made.fingerprint)
    return True


def wait_or_cancel(
    project: Project, operation: Operation, report: Report, what: str, goes_on: str = _RECEIVED
) -> Operation:
    """Wait until an operation has ended; cancel it when the wait is interrupted.

    Args:
        what: what is being done, as in "the import".
        goes_on: a note for the error if the operation cannot be cancelled; empty if it leaves nothing behind.
    """
    try:
        return project.operations.wait(operation, progress=report, what=what)
    except BaseException as error:
        # An error of the operation itself means that it has ended.
        cancelled_here = isinstance(error, OperationCancelledError) and not error.__dict__.get("operation_id")
        if isinstance(error, LxdImageError) and not cancelled_here:
            raise
        try:
            project.operations.cancel(operation)
        except LxdImageError:
            if goes_on:
                error.add_note(goes_on)
        else:
            if isinstance(error, KeyboardInterrupt):
                error.add_note("The server was told to stop and keeps nothing of it.")
        raise
