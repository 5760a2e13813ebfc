"""What verbs say before an image becomes public, and before several images are changed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lxdimg_nb.client import Client, Image
from lxdimg_nb.magics.session.prompts import confirm
from lxdimg_nb.magics.show.image_text import image_name
from lxdimg_nb.text import formats

MAY_HOLD_KEYS = "An image of an instance holds its host keys, and whatever else lies in it."


def public_warnings(images: Iterable[Image]) -> list[str]:
    """Who will be able to see images once they are public: a sentence a server."""
    whose = {image.server: image.server_project.info.public_warning(image.project) for image in images}
    return [warning if len(whose) == 1 else f"{server}: {warning}" for server, warning in whose.items()]


def public_note(public: bool, target: Client, *more: str) -> str:
    """Who can see an image that was made public because the user wrote `--public`; empty without that."""
    return " ".join(["public:", target.info.public_warning(target.project), *more]) if public else ""


def confirm_many(what: str, images: Sequence[Image], lines: Sequence[str], *, yes: bool) -> None:
    """Ask before something is done to more than one image.

    Args:
        what: `Refresh` and the like.
        lines: the consequences.
    """
    if len(images) > 1:
        rows = [f"{image_name(image)}  {formats.size(image.size)}" for image in images]
        confirm(f"{what} {formats.plural(len(images), 'image')}?", [*lines, *rows], yes=yes)
