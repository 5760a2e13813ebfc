"""Names that point at images: `client.images.aliases`."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from lxdimg_nb.client.dialect import Dialect
from lxdimg_nb.client.http.transport import Transport
from lxdimg_nb.errors import (
    ChangedMeanwhileError,
    ConflictError,
    InvalidRequestError,
    LxdImageError,
    NotFoundError,
)
from lxdimg_nb.values import FINGERPRINT, Alias, Change
from lxdimg_nb.values.validation import checked

if TYPE_CHECKING:
    from lxdimg_nb.client.image import Image

__all__ = ["Aliases"]


class Aliases:
    """The aliases of one project. Every write is re-read and compared."""

    def __init__(self, transport: Transport, dialect: Dialect, project: str) -> None:
        self._transport = transport
        self._dialect = dialect
        self._params = {"project": project}

    def __repr__(self) -> str:
        return f"<Aliases of project {self._params['project']} on {self._transport.url}>"

    def all(self) -> list[Alias]:
        """Every alias, by name.

        Source: GET /1.0/images/aliases?recursion=1.
        """
        params = self._params | {"recursion": "1"}
        rows = self._transport.request("GET", "/1.0/images/aliases", params=params).metadata
        return sorted((Alias.from_json(r) for r in rows or [] if isinstance(r, dict)), key=lambda a: a.name)

    def get(self, name: str) -> Alias:
        """One alias by its exact name.

        Raises:
            NotFoundError: there is none.

        Source: GET /1.0/images/aliases/{name}.
        """
        try:
            return Alias.from_json(self._transport.request("GET", _path(name), params=self._params).metadata)
        except NotFoundError as error:
            raise NotFoundError(
                f"no alias {name!r} on {self._transport.url}; list them with images.aliases.all()",
                status_code=404,
            ) from error

    def exists(self, name: str) -> bool:
        """Whether there is an alias of exactly that name."""
        try:
            self.get(name)
        except NotFoundError:
            return False
        return True

    def create(self, name: str, to: Image | str, *, description: str = "") -> Alias:
        """A new alias.

        Args:
            name: the name, for this project.
            to: the image, or its full fingerprint.
            description: what it stands for.

        Raises:
            ConflictError: the name is taken.
            NotFoundError: no such image.

        Source: POST /1.0/images/aliases.
        """
        body = {"name": self._dialect.check_alias(name), "target": _target(to), "description": description}
        try:
            self._transport.request("POST", "/1.0/images/aliases", params=self._params, json=body)
        except ConflictError as error:
            raise ConflictError(
                f"the alias {name!r} is taken; move it with images.aliases.point({name!r}, to=…)",
                status_code=409,
            ) from error
        return self.get(name)

    def update(self, name: str, *, to: Image | str | None = None, description: str | None = None) -> Alias:
        """Change the target, the description, or both; what is not given stays.

        Args:
            name: of the alias.
            to: the image, or its full fingerprint.
            description: what it stands for; an empty text removes it.

        Raises:
            NotFoundError: no such alias or image.
            ChangedMeanwhileError: somebody else changed it while this was under way.

        Source: PUT /1.0/images/aliases/{name} with If-Match (PATCH stalls LXD 5.0 for 20 s, then fails).
        """
        old, etag = self._read(name)
        target = _target(to) if to is not None else old.target
        words = description if description is not None else old.description
        self._write(name, target, words, etag)
        return self._verified(name, target, words)

    def point(self, name: str, *, to: Image | str) -> Change:
        """Let the name point at another image, making it when there is none; re-read, and put back on a surprise.

        Args:
            name: of the alias.
            to: the image, or its full fingerprint.

        Returns:
            The target before (None for a new name) and after.

        Raises:
            NotFoundError: no such image; the alias is as it was.
            ChangedMeanwhileError: somebody else moved it at the same time; theirs stands.
        """
        target = _target(to)
        try:
            old, etag = self._read(name)
        except NotFoundError:
            self.create(name, target)
            return Change(target, {"target": None}, {"target": target})
        if old.target == target:
            return Change(target, {}, {})
        try:
            self._write(name, target, old.description, etag)
            self._verified(name, target, old.description)
        except ChangedMeanwhileError:
            raise
        except LxdImageError:
            self._restore(old, target)
            raise
        return Change(target, {"target": old.target}, {"target": target})

    def rename(self, name: str, new: str) -> Alias:
        """Give an alias another name.

        On LXD 5.0 a rename stalls the whole daemon for 10 s, so there the new name is made before the old one goes.

        Args:
            name: of the alias.
            new: its name from here on.

        Raises:
            ConflictError: the new name is taken.
            NotFoundError: no such alias.

        Source: POST /1.0/images/aliases/{name}.
        """
        self._dialect.check_alias(new)
        old = self.get(name)
        if self.exists(new):
            raise ConflictError(f"the alias {new!r} is taken; delete it first", status_code=409)
        if self._dialect.old_lxd:
            made = self.create(new, old.target, description=old.description)
            try:
                self.delete(name)
            except LxdImageError:
                self.delete(new)
                raise
            return made
        self._transport.request("POST", _path(name), params=self._params, json={"name": new})
        return self.get(new)

    def delete(self, name: str) -> None:
        """Remove a name; the image stays.

        Raises:
            NotFoundError: there is none.

        Source: DELETE /1.0/images/aliases/{name}.
        """
        try:
            self._transport.request("DELETE", _path(name), params=self._params)
        except NotFoundError as error:
            raise NotFoundError(
                f"no alias {name!r} on {self._transport.url}; list them with images.aliases.all()",
                status_code=404,
            ) from error

    def _read(self, name: str) -> tuple[Alias, str]:
        try:
            reply = self._transport.request("GET", _path(name), params=self._params)
        except NotFoundError:
            self.get(name)
            raise
        return Alias.from_json(reply.metadata), reply.etag

    def _write(self, name: str, target: str, description: str, etag: str) -> None:
        body = {"target": target, "description": description}
        headers = {"If-Match": etag} if etag else None
        try:
            self._transport.request("PUT", _path(name), params=self._params, json=body, headers=headers)
        except NotFoundError as error:
            raise NotFoundError(
                f"no image {target[:12]} for the alias {name!r} to point at", status_code=404
            ) from error
        except ConflictError as error:
            if error.status_code != 412:
                raise
            raise self._moved(name, target) from error

    def _verified(self, name: str, target: str, description: str) -> Alias:
        there = self.get(name)
        if (there.target, there.description) != (target, description):
            raise self._moved(name, target)
        return there

    def _moved(self, name: str, target: str) -> ChangedMeanwhileError:
        there = self.get(name)
        return ChangedMeanwhileError(
            f"somebody else pointed {name!r} at {there.target[:12]} meanwhile; look, then try again",
            theirs={"target": there.target, "description": there.description},
            ours={"target": target},
        )

    def _restore(self, old: Alias, ours: str) -> None:
        """Put the old target back, unless the name points at something that neither we nor they had."""
        there, etag = self._read(old.name)
        if there.target == ours:
            self._write(old.name, old.target, old.description, etag)


def _target(to: Image | str) -> str:
    fingerprint = to if isinstance(to, str) else getattr(to, "fingerprint", to)
    if not isinstance(fingerprint, str) or not FINGERPRINT.match(fingerprint):
        raise InvalidRequestError(f"{fingerprint!r} is no full fingerprint; give an image, or all 64 digits")
    return fingerprint


def _path(name: str) -> str:
    return f"/1.0/images/aliases/{quote(checked(name, 'an alias'), safe='')}"
