"""Names that point at images: `client.images.aliases`."""

from __future__ import annotations

from lxdimg_nb.client.project import Project
from lxdimg_nb.client.verbs.write.manage_aliases import (
    create_alias,
    delete_alias,
    point_alias,
    rename_alias,
    update_alias,
)
from lxdimg_nb.values import Alias, Change
from lxdimg_nb.values.image_attributes import ImageAttributes

__all__ = ["Aliases"]


class Aliases:
    """The aliases of one project. Each write is read back and compared."""

    def __init__(self, project: Project) -> None:
        self._project = project

    def __repr__(self) -> str:
        return f"<Aliases of project {self._project.name} on {self._project.url}>"

    def all(self) -> list[Alias]:
        """Every alias, by name.

        Source: GET /1.0/images/aliases?recursion=1.
        """
        reply = self._project.request("GET", "/1.0/images/aliases", params={"recursion": "1"})
        return sorted((Alias.from_json(row) for row in reply.documents("aliases")), key=lambda alias: alias.name)

    def get(self, name: str) -> Alias:
        """One alias by its exact name.

        Raises:
            NotFoundError: there is none.

        Source: GET /1.0/images/aliases/{name}.
        """
        return self._project.alias(name)

    def exists(self, name: str) -> bool:
        """Whether there is an alias of exactly that name."""
        return self._project.has_alias(name)

    def create(self, name: str, to: ImageAttributes | str, *, description: str = "") -> Alias:
        """Create an alias.

        Args:
            name: the name of the alias.
            to: the image, or its full fingerprint.
            description: what it stands for.

        Raises:
            ConflictError: the name is taken.
            NotFoundError: no such image.

        Source: POST /1.0/images/aliases.
        """
        return create_alias(self._project, name, _fingerprint(to), description=description)

    def update(self, name: str, *, to: ImageAttributes | str | None = None, description: str | None = None) -> Alias:
        """Change the target, the description, or both; what is not given stays.

        Args:
            name: of the alias.
            to: the image, or its full fingerprint.
            description: what it stands for; an empty text removes it.

        Raises:
            NotFoundError: no such alias or image.
            ChangedMeanwhileError: somebody else changed it while this was under way.

        Source: PUT /1.0/images/aliases/{name} with If-Match.
        """
        target = None if to is None else _fingerprint(to)
        return update_alias(self._project, name, target=target, description=description)

    def point(self, name: str, *, to: ImageAttributes | str) -> Change:
        """Point an alias at another image, creating it if needed; restore it if that fails halfway.

        Args:
            name: of the alias.
            to: the image, or its full fingerprint.

        Returns:
            The target before (None for a new name) and after.

        Raises:
            NotFoundError: no such image; the alias is as it was.
            ChangedMeanwhileError: somebody else moved it at the same time; theirs stands.
        """
        return point_alias(self._project, name, _fingerprint(to))

    def rename(self, name: str, new: str) -> Alias:
        """Give an alias another name.

        Args:
            name: of the alias.
            new: its name from here on.

        Raises:
            ConflictError: the new name is taken.
            NotFoundError: no such alias.

        Source: POST /1.0/images/aliases/{name}.
        """
        return rename_alias(self._project, name, new)

    def delete(self, name: str) -> None:
        """Remove a name; the image stays.

        Raises:
            NotFoundError: there is none.

        Source: DELETE /1.0/images/aliases/{name}.
        """
        delete_alias(self._project, name)


def _fingerprint(to: ImageAttributes | str) -> str:
    return to.fingerprint if isinstance(to, ImageAttributes) else to
