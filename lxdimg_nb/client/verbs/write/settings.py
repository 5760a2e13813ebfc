"""The settings of a new image (public, properties, expiry …): checked first, applied when the image is there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lxdimg_nb.client.project import Project
from lxdimg_nb.client.verbs.write.edit import edit_image
from lxdimg_nb.client.verbs.write.manage_aliases import create_alias
from lxdimg_nb.errors import ConflictError, LxdImageError, NotFoundError
from lxdimg_nb.values import ImageRecord, format_time
from lxdimg_nb.values.image_record import differing_fields, writable_fields
from lxdimg_nb.values.validation import checked_bool, checked_names, checked_profiles, checked_properties

__all__ = ["Settings", "free_aliases", "known_profiles"]


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of a new image; None leaves a value as it is in the image.

    Raises:
        InvalidRequestError: a value of the wrong type.
    """

    public: bool = False
    auto_update: bool | None = None
    properties: Mapping[str, str] | None = None
    expires_at: datetime | None = None
    profiles: Sequence[str] | None = None

    def __post_init__(self) -> None:
        checked_bool("public", self.public)
        if self.auto_update is not None:
            checked_bool("auto_update", self.auto_update)
        if self.properties is not None:
            object.__setattr__(self, "properties", checked_properties(self.properties))
        if self.profiles is not None:
            object.__setattr__(self, "profiles", checked_profiles(self.profiles))

    def check(self, project: Project) -> None:
        """Raise if this server would refuse the settings.

        Raises:
            InvalidRequestError: the image cannot be public there.
            NotFoundError: there is no such profile.
        """
        if self.public:
            project.dialect.check_public(project.name)
        unknown = sorted(set(self.profiles) - known_profiles(project)) if self.profiles else []
        if unknown:
            raise NotFoundError(
                f"no profile {unknown[0]!r} in project {project.name} on {project.url}; nothing was sent"
            )

    def apply(self, project: Project, record: ImageRecord, aliases: Sequence[str] = ()) -> ImageRecord:
        """Set what an upload cannot carry on every server: properties (the header kills LXD 5.0.2), expiry, aliases.

        Raises:
            LxdImageError: as the call that failed; the image is there and the message says so.
        """
        try:
            if changes := self._changes(record):
                record = edit_image(project, record, changes)
            for name in aliases:
                create_alias(project, name, record.fingerprint)
        except LxdImageError as error:
            error.add_note(f"The image {record.fingerprint[:12]} was imported all the same.")
            raise
        return project.read(record.fingerprint) if aliases else record

    def token(
        self, fingerprint: str, filename: str, properties: Mapping[str, str], aliases: Iterable[str]
    ) -> dict[str, Any]:
        """The request for leave to upload one image, with which the server sets all this together with the import.

        Args:
            properties: those of the image, which a token replaces.
        """
        document: dict[str, Any] = {
            "source": {"type": "image", "mode": "push", "fingerprint": fingerprint},
            "public": self.public,
            "filename": filename,
            "properties": _filled({**properties, **(self.properties or {})}),
            "aliases": [{"name": name, "description": ""} for name in aliases],
        }
        if self.expires_at is not None:
            document["expires_at"] = format_time(self.expires_at)
        return document

    def _changes(self, record: ImageRecord) -> dict[str, Any]:
        wanted = {
            "public": self.public,
            "auto_update": self.auto_update,
            "properties": None if self.properties is None else _filled(record.properties | dict(self.properties)),
            "expires_at": self.expires_at,
            "profiles": None if self.profiles is None else list(self.profiles),
        }
        given = {name: value for name, value in wanted.items() if value is not None}
        return differing_fields(given, writable_fields(record))


def free_aliases(project: Project, aliases: str | Iterable[str]) -> list[str]:
    """Alias names that can be made, tested before anything is sent.

    Raises:
        ConflictError: a name is taken.
        InvalidRequestError: a name this server would not take.
    """
    wanted = list(dict.fromkeys(checked_names(aliases, "an alias")))
    for name in wanted:
        project.dialect.check_alias(name)
        if project.has_alias(name):
            raise ConflictError(f"the alias {name!r} is taken; nothing was sent", status_code=409)
    return wanted


def known_profiles(project: Project) -> set[str]:
    """The names of the profiles that images of the project can have.

    Source: GET /1.0/profiles?recursion=1.
    """
    reply = project.request("GET", "/1.0/profiles", params={"recursion": "1"})
    return {str(entry.get("name")) for entry in reply.documents("profiles")}


def _filled(properties: Mapping[str, str]) -> dict[str, str]:
    """Without empty values, which a server drops."""
    return {key: value for key, value in properties.items() if value}
