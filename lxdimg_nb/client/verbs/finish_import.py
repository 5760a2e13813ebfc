"""After an import was sent: wait for it, and set what an upload cannot carry."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from lxdimg_nb.client.files.progress import Report
from lxdimg_nb.client.image_attributes import checked_profiles
from lxdimg_nb.client.verbs import listing
from lxdimg_nb.errors import (
    ConflictError,
    FingerprintMismatchError,
    ImageExistsError,
    LxdImageError,
    NotFoundError,
    OperationCancelledError,
    OperationFailedError,
)
from lxdimg_nb.values import ImageRecord, Operation
from lxdimg_nb.values.validation import names

if TYPE_CHECKING:
    from lxdimg_nb.client.images import Images

__all__ = ["checked_aliases", "finished", "follow_up", "known_profiles", "settle", "wanted_profiles"]


def settle(images: Images, expected: Callable[[], str], operation: Operation, report: Report) -> ImageRecord:
    """Wait for an import and read the image; the image decides where the operation's end was missed.

    Args:
        expected: gives the fingerprint; asked after the server has finished, so it may be computed meanwhile.

    Raises:
        ImageExistsError: somebody else imported it at the same time.
        FingerprintMismatchError: the server got other bytes than were sent.
        OperationFailedError, OperationCancelledError: the server refused it.
    """
    try:
        final = finished(images, operation, report)
    except NotFoundError as error:
        try:
            return listing.read_one(images.transport, expected(), images.project)
        except NotFoundError:
            raise OperationFailedError(
                "the server has forgotten the import and has no such image; was it restarted? Import it again",
                operation_id=operation.id,
            ) from error
    except OperationFailedError as error:
        fingerprint = expected()
        try:
            listing.read_one(images.transport, fingerprint, images.project)
        except NotFoundError:
            raise error from None
        raise ImageExistsError(
            f"the image {fingerprint[:12]} is already there; somebody else imported it meanwhile",
            fingerprint=fingerprint,
        ) from error
    fingerprint = expected()
    if final.fingerprint and final.fingerprint != fingerprint:
        images.delete(final.fingerprint)
        raise FingerprintMismatchError(
            "the file changed while it was sent; the server's copy was removed",
            expected=fingerprint,
            actual=final.fingerprint,
        )
    return listing.read_one(images.transport, fingerprint, images.project)


_RECEIVED = (
    "The server had received the whole image and cannot be stopped; "
    "look with images.all(), delete what you do not want."
)


def finished(images: Images, operation: Operation, report: Report, goes_on: str = _RECEIVED) -> Operation:
    """Wait for the end; where the waiting is given up, the server is told to stop.

    Args:
        goes_on: noted on the error where the server cannot stop; empty where that leaves nothing behind.
    """
    try:
        return images.operations.wait(operation, progress=report)
    except LxdImageError as error:
        if not isinstance(error, OperationCancelledError) or error.__dict__.get("operation_id"):
            raise
        _give_up(images, operation, error, goes_on)
        raise
    except BaseException as stopped:
        _give_up(images, operation, stopped, goes_on)
        raise


def _give_up(images: Images, operation: Operation, stopped: BaseException, goes_on: str) -> None:
    try:
        images.operations.cancel(operation)
    except LxdImageError:
        if goes_on:
            stopped.add_note(goes_on)


def checked_aliases(images: Images, aliases: str | Iterable[str]) -> list[str]:
    """Alias names that can be made, tested before anything is sent.

    Raises:
        ConflictError: a name is taken.
        InvalidRequestError: a name this server would not take.
    """
    wanted = list(dict.fromkeys(names(aliases, "an alias")))
    for name in wanted:
        images.dialect.check_alias(name)
        if images.aliases.exists(name):
            raise ConflictError(f"the alias {name!r} is taken; nothing was sent", status_code=409)
    return wanted


def known_profiles(images: Images) -> set[str]:
    """The names of the profiles that images of the project can have.

    Source: GET /1.0/profiles?recursion=1.
    """
    reply = images.transport.request("GET", "/1.0/profiles", params=images.params | {"recursion": "1"})
    return {str(entry.get("name")) for entry in reply.metadata or [] if isinstance(entry, dict)}


def wanted_profiles(images: Images, profiles: Sequence[str] | None) -> list[str] | None:
    """Profiles that an image can be given, tested before anything is sent.

    Raises:
        NotFoundError: there is no such profile.
        InvalidRequestError: no list of names.
    """
    if profiles is None:
        return None
    wanted = checked_profiles(profiles)
    unknown = sorted(set(wanted) - known_profiles(images)) if wanted else []
    if unknown:
        raise NotFoundError(
            f"no profile {unknown[0]!r} in project {images.project} on {images.transport.url}; nothing was sent"
        )
    return wanted


def follow_up(
    images: Images,
    fingerprint: str,
    aliases: Iterable[str],
    properties: dict[str, str] | None,
    auto_update: bool | None,
    expires_at: datetime | None,
    profiles: Sequence[str] | None,
    public: bool,
) -> None:
    """What an upload cannot carry on every server: properties (the header kills LXD 5.0.2), expiry, aliases …

    Raises:
        LxdImageError: as the call that failed; the image is there and the message says so.
    """
    image = images.get(fingerprint)
    if properties is not None:
        image.properties = image.properties | properties
    if auto_update is not None:
        image.auto_update = auto_update
    if expires_at is not None:
        image.expires_at = expires_at
    if profiles is not None and sorted(image.profiles) != sorted(profiles):
        image.profiles = list(profiles)
    image.public = public
    steps: list[Callable[[], object]] = [image.update]
    steps += [lambda name=name: images.aliases.create(name, fingerprint) for name in aliases]  # type: ignore[misc]
    for step in steps:
        try:
            step()
        except LxdImageError as error:
            error.add_note(f"The image {fingerprint[:12]} was imported all the same.")
            raise
