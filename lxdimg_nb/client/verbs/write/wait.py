"""Wait for an operation on an image; cancel it when the wait is interrupted."""

from __future__ import annotations

from collections.abc import Callable

from lxdimg_nb.client.files.progress import Report
from lxdimg_nb.client.project import Project
from lxdimg_nb.client.verbs.write.delete import delete_image
from lxdimg_nb.errors import (
    FingerprintMismatchError,
    ImageExistsError,
    LxdImageError,
    NotFoundError,
    OperationCancelledError,
    OperationFailedError,
)
from lxdimg_nb.values import ImageRecord, Operation

__all__ = ["wait_for_import", "wait_or_cancel"]

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
        if not project.holds(fingerprint):
            raise
        raise ImageExistsError(
            f"the image {fingerprint[:12]} is already there; somebody else imported it meanwhile",
            fingerprint=fingerprint,
        ) from error
    fingerprint = expected()
    if final.fingerprint and final.fingerprint != fingerprint:
        delete_image(project, final.fingerprint)
        raise FingerprintMismatchError(
            "the file changed while it was sent; the server's copy was removed",
            expected=fingerprint,
            actual=final.fingerprint,
        )
    return project.read(fingerprint)


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
        raise
