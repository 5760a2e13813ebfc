"""Reading a server for a panel: its images, live where that can be, and the projects to choose from."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lxdimg_nb.client.verbs.listing import project_names
from lxdimg_nb.errors import IncompleteListError, LxdImageError
from lxdimg_nb.panels.base.ui_text import why
from lxdimg_nb.panels.image.live_updates import close_later

if TYPE_CHECKING:
    from lxdimg_nb.client import Images
    from lxdimg_nb.client.live import Live
    from lxdimg_nb.values import ImageRecord

__all__ = ["Reading", "discard", "projects_of", "read"]


class Reading(NamedTuple):
    """What reading a server brought: live, or once; `warning` is what was wrong with it."""

    records: list[ImageRecord]
    live: Live | None
    warning: str = ""


def read(images: Images) -> Reading:
    """The images of a server.

    Raises:
        LxdImageError: they cannot be read.
    """
    try:
        if images.dialect.simplestreams:
            return Reading(images.records(), None)
        return Reading([], images.live())
    except IncompleteListError as error:
        return Reading([getattr(image, "record", image) for image in error.images], None, why(error))


def discard(reading: Reading) -> None:
    """End what a reading that nobody wants any more began."""
    if reading.live is not None:
        close_later(reading.live)


def projects_of(images: Images) -> list[str]:
    """The projects to choose from; the one at hand where the server does not tell."""
    try:
        return project_names(images.transport) or [images.instances]
    except LxdImageError:
        return [images.instances]
