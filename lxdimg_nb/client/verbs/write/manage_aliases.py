"""Create, move, rename and delete aliases. Each write is read back and compared."""

from __future__ import annotations

from lxdimg_nb.client.project import Project, alias_path
from lxdimg_nb.errors import ChangedMeanwhileError, ConflictError, InvalidRequestError, LxdImageError, NotFoundError
from lxdimg_nb.values import FINGERPRINT, Alias, Change

__all__ = ["create_alias", "delete_alias", "point_alias", "rename_alias", "update_alias"]


def create_alias(project: Project, name: str, target: str, *, description: str = "") -> Alias:
    """Create an alias for the image of that full fingerprint.

    Raises:
        ConflictError: the name is taken.
        NotFoundError: no such image.

    Source: POST /1.0/images/aliases.
    """
    project.dialect.check_alias(name)
    body = {"name": name, "target": _checked_target(target), "description": description}
    try:
        project.request("POST", "/1.0/images/aliases", json=body)
    except ConflictError as error:
        raise ConflictError(
            f"the alias {name!r} is taken; move it with images.aliases.point({name!r}, to=…)", status_code=409
        ) from error
    return project.alias(name)


def update_alias(project: Project, name: str, *, target: str | None = None, description: str | None = None) -> Alias:
    """Change the target, the description, or both; what is not given stays.

    Raises:
        NotFoundError: no such alias or image.
        ChangedMeanwhileError: somebody else changed it while this was under way.

    Source: PUT /1.0/images/aliases/{name} with If-Match (PATCH stalls LXD 5.0 for 20 s, then fails).
    """
    old, etag = project.alias_tagged(name)
    target = _checked_target(target) if target is not None else old.target
    description = description if description is not None else old.description
    _write(project, name, target, description, etag)
    return _compared(project, name, target, description)


def point_alias(project: Project, name: str, target: str) -> Change:
    """Point an alias at another image, creating it if needed; restore it if that fails halfway.

    Returns:
        The target before (None for a new name) and after.

    Raises:
        NotFoundError: no such image; the alias is as it was.
        ChangedMeanwhileError: somebody else moved it at the same time; theirs stands.
    """
    _checked_target(target)
    try:
        old, etag = project.alias_tagged(name)
    except NotFoundError:
        create_alias(project, name, target)
        return Change(target, {"target": None}, {"target": target})
    if old.target == target:
        return Change(target, {}, {})
    try:
        _write(project, name, target, old.description, etag)
        _compared(project, name, target, old.description)
    except ChangedMeanwhileError:
        raise
    except LxdImageError:
        there, etag = project.alias_tagged(name)
        if there.target == target:
            _write(project, name, old.target, old.description, etag)
        raise
    return Change(target, {"target": old.target}, {"target": target})


def rename_alias(project: Project, name: str, new: str) -> Alias:
    """Give an alias another name.

    On LXD 5.0 a rename stalls the whole daemon for 10 s, so there the new name is made before the old one goes.

    Raises:
        ConflictError: the new name is taken.
        NotFoundError: no such alias.

    Source: POST /1.0/images/aliases/{name}.
    """
    project.dialect.check_alias(new)
    old = project.alias(name)
    if project.has_alias(new):
        raise ConflictError(f"the alias {new!r} is taken; delete it first", status_code=409)
    if not project.dialect.old_lxd:
        project.request("POST", alias_path(name), json={"name": new})
        return project.alias(new)
    made = create_alias(project, new, old.target, description=old.description)
    try:
        delete_alias(project, name)
    except LxdImageError:
        delete_alias(project, new)
        raise
    return made


def delete_alias(project: Project, name: str) -> None:
    """Remove a name; the image stays.

    Raises:
        NotFoundError: there is none.

    Source: DELETE /1.0/images/aliases/{name}.
    """
    try:
        project.request("DELETE", alias_path(name))
    except NotFoundError as error:
        raise project.no_alias(name) from error


def _write(project: Project, name: str, target: str, description: str, etag: str) -> None:
    body = {"target": target, "description": description}
    headers = {"If-Match": etag} if etag else None
    try:
        project.request("PUT", alias_path(name), json=body, headers=headers)
    except NotFoundError as error:
        raise NotFoundError(f"no image {target[:12]} for the alias {name!r} to point at", status_code=404) from error
    except ConflictError as error:
        if error.status_code != 412:
            raise
        raise _moved(name, target, project.alias(name)) from error


def _compared(project: Project, name: str, target: str, description: str) -> Alias:
    there = project.alias(name)
    if (there.target, there.description) != (target, description):
        raise _moved(name, target, there)
    return there


def _moved(name: str, target: str, there: Alias) -> ChangedMeanwhileError:
    return ChangedMeanwhileError(
        f"somebody else pointed {name!r} at {there.target[:12]} meanwhile; look, then try again",
        theirs={"target": there.target, "description": there.description},
        ours={"target": target},
    )


def _checked_target(target: object) -> str:
    if not isinstance(target, str) or not FINGERPRINT.match(target):
        raise InvalidRequestError(f"{target!r} is no full fingerprint; give an image, or all 64 digits")
    return target
