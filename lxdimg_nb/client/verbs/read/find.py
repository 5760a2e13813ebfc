"""Find one image by its alias, its fingerprint, or the beginning of one."""

from __future__ import annotations

from lxdimg_nb.client.project import Project
from lxdimg_nb.client.verbs.read.listing import known_fingerprints
from lxdimg_nb.errors import ApiError, ConflictError, NotFoundError
from lxdimg_nb.values import FINGERPRINT, ImageRecord
from lxdimg_nb.values.validation import checked_name

__all__ = ["find_image", "image_exists"]


def find_image(project: Project, name: str) -> ImageRecord:
    """The image of that alias, fingerprint, or unique beginning of a fingerprint; an alias wins over a beginning.

    Raises:
        NotFoundError: none of that name.
        ConflictError: several images begin like that.

    Source: GET /1.0/images/aliases/{name}, GET /1.0/images/{fingerprint}.
    """
    checked_name(name, "an image")
    whole = bool(FINGERPRINT.match(name))
    if whole:
        try:
            return project.read(name)
        except NotFoundError:
            pass
    try:
        return project.read(project.alias(name).target)
    except NotFoundError:
        if whole or not project.dialect.is_prefix(name):
            raise project.no_image(name) from None
    return _by_prefix(project, name)


def image_exists(project: Project, name: str, *, alias: bool = False) -> bool:
    """Whether there is an image of that fingerprint, beginning of one, or alias.

    Args:
        alias: look for an alias of exactly that name and nothing else.
    """
    checked_name(name, "an image")
    if alias:
        return project.has_alias(name)
    if FINGERPRINT.match(name):
        return project.holds(name)
    try:
        find_image(project, name)
    except NotFoundError:
        return False
    return True


def _by_prefix(project: Project, prefix: str) -> ImageRecord:
    try:
        reply = project.request("GET", f"/1.0/images/{prefix}")
    except NotFoundError:
        raise project.no_image(prefix) from None
    except ApiError as error:
        # Several matches are a 500 like any other; the project's list tells.
        alike = sorted(f for f in known_fingerprints(project) if f.startswith(prefix))
        if len(alike) < 2:
            raise
        shown = ", ".join(f[: len(prefix) + 8] + "…" for f in alike[:3])
        raise ConflictError(
            f"{len(alike)} images begin with {prefix!r} ({shown}); give more digits", status_code=409
        ) from error
    record = ImageRecord.from_json(reply.metadata, project=project.name)
    if not record.fingerprint.startswith(prefix):
        raise project.no_image(prefix)
    return project.own(record)
