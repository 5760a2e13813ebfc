"""Delete an image."""

from __future__ import annotations

from lxdimg_nb.client.project import Project
from lxdimg_nb.errors import InvalidRequestError, NotFoundError
from lxdimg_nb.values import FINGERPRINT, Operation

__all__ = ["delete_image"]


def delete_image(project: Project, fingerprint: str, *, wait: bool = True) -> Operation:
    """Delete an image by full fingerprint, with its aliases.

    Returns:
        The operation; without `wait` it is running.

    Raises:
        NotFoundError: it is gone already.

    Source: DELETE /1.0/images/{fingerprint}.
    """
    if not isinstance(fingerprint, str) or not FINGERPRINT.match(fingerprint):
        raise InvalidRequestError(f"{fingerprint!r} is no full fingerprint; use images.get(name).delete()")
    operation = project.start("DELETE", f"/1.0/images/{fingerprint}")
    if not wait:
        return operation
    try:
        return project.operations.wait(operation, what=f"deleting the image {fingerprint[:12]}")
    except NotFoundError:
        if project.holds(fingerprint):
            raise
        return operation
