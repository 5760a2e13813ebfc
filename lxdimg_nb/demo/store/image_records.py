"""Images and aliases in the store: their records, their JSON documents, and how they are found.

The document is stored in the row, so a list of 10,000 images is one query and one join of texts.

Source: `GET /1.0/images` of LXD 5.0.2 and Incus 6.0.4: keys, their order, and what a prefix matches.
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..versions import facts
from ..versions.flavours import NEVER, Flavour
from .database import Store
from .go_json import compact, etag
from .refusals import Refusal
from .tarballs import tarball_from_recipe

__all__ = ["ImageRow", "Images", "Record"]


@dataclass(frozen=True, kw_only=True)
class Record:
    """An image without the aliases that point at it; its fields are in the order of the API."""

    auto_update: bool = False
    properties: dict[str, str] = field(default_factory=dict)
    public: bool = False
    expires_at: str
    profiles: tuple[str, ...] = ("default",)
    architecture: str
    cached: bool = False
    filename: str = ""
    fingerprint: str
    size: int
    update_source: dict[str, str] | None = None
    type: str
    created_at: str
    last_used_at: str = NEVER
    uploaded_at: str

    @property
    def etag(self) -> str:
        """The ETag of the image: a hash of public, auto_update and properties alone."""
        return etag([self.public, self.auto_update, self.properties])


@dataclass(frozen=True)
class ImageRow:
    """A record with its row id and its project."""

    id: int
    project: str
    record: Record


def document(flavour: Flavour, project: str, record: Record, aliases: Sequence[dict[str, str]]) -> dict[str, Any]:
    """The image as the API shows it, with the keys in the daemon's order."""
    shown: dict[str, Any] = {}
    for key, value in vars(record).items():
        if key == "architecture":
            shown["aliases"] = aliases
        if key != "update_source" or value is not None:
            shown[key] = value
    shown["properties"] = dict(sorted(record.properties.items()))
    if flavour.does(facts.ALL_PROJECTS):
        shown["project"] = project
    if flavour.does(facts.LOCATIONS):
        shown["locations"] = ["none"]
    return shown


def _columns(record: Record) -> dict[str, Any]:
    return {"fingerprint": record.fingerprint, "public": int(record.public), "record": compact(vars(record))}


class Images:
    """The images and aliases of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    # Reading

    def documents(self, project: str | None, *, public_only: bool = False) -> list[str]:
        """The JSON of all images of a project, or of all projects."""
        query = "SELECT document FROM images WHERE ? IN (project, '') AND public >= ? ORDER BY fingerprint, project"
        found = [row["document"] for row in self._store.rows(query, project or "", int(public_only))]
        return self._disordered(found)

    def fingerprints(self, project: str, *, public_only: bool = False) -> list[str]:
        """The fingerprints of a project's images."""
        query = "SELECT fingerprint FROM images WHERE project = ? AND public >= ? ORDER BY fingerprint"
        return self._disordered([row["fingerprint"] for row in self._store.rows(query, project, int(public_only))])

    def _disordered(self, found: list[str]) -> list[str]:
        """In no order where the imitated version walks a map; always the same one, so that a test can be repeated."""
        unsorted = self._store.flavour.does(facts.UNSORTED)
        return sorted(found, key=lambda text: zlib.crc32(text.encode())) if unsorted else found

    def find(self, project: str, prefix: str) -> ImageRow:
        """The one image whose fingerprint begins with a prefix, as SQL's LIKE reads it: any case, `%` and `_` match.

        Raises:
            Refusal: 404 for none, 500 for several.
        """
        query = "SELECT * FROM images WHERE project = ? AND fingerprint LIKE ? || '%' LIMIT 2"
        rows = self._store.rows(query, project, prefix)
        if not rows:
            raise Refusal(404, "Image not found")
        if len(rows) > 1:
            raise Refusal(500, "More than one image matches")
        return self._row(rows[0])

    def exact(self, project: str, fingerprint: str) -> ImageRow | None:
        """The image with this full fingerprint, or None."""
        row = self._store.find("images", project=project, fingerprint=fingerprint)
        return None if row is None else self._row(row)

    def of_project(self, project: str) -> list[ImageRow]:
        """Every image of a project."""
        return [self._row(row) for row in self._store.select("images", order="fingerprint", project=project)]

    def with_source(self) -> list[ImageRow]:
        """The images that can be refreshed."""
        query = "SELECT * FROM images WHERE json_extract(record, '$.update_source') IS NOT NULL"
        return [self._row(row) for row in self._store.rows(query)]

    def document_of(self, image: ImageRow) -> str:
        """The JSON of one image."""
        row = self._store.find("images", id=image.id)
        return "null" if row is None else str(row["document"])

    @staticmethod
    def _row(row: sqlite3.Row) -> ImageRow:
        fields = json.loads(row["record"])
        return ImageRow(row["id"], row["project"], Record(**{**fields, "profiles": tuple(fields["profiles"])}))

    # Writing

    def add(self, project: str, record: Record, aliases: Iterable[dict[str, str]] = ()) -> ImageRow:
        """Insert an image, and aliases that must be free.

        Raises:
            Refusal: 400 for an image that is there already.
        """
        with self._store.transaction():
            if self.exact(project, record.fingerprint) is not None:
                raise Refusal(400, "Image with same fingerprint already exists")
            row_id = self._store.insert("images", project=project, document="", **_columns(record))
            image = ImageRow(row_id, project, record)
            for alias in aliases:
                self._insert_alias(image, alias["name"], alias["description"])
            self._refresh(image)
        return image

    def install(self, project: str, record: Record, files: Sequence[Path]) -> None:
        """Move the files of an image, one or metadata and rootfs, into place and insert its record."""
        for path, place in zip(files, self.paths(record.fingerprint), strict=False):
            path.replace(place)
        try:
            self.add(project, record)
        except BaseException:
            self.sweep(record.fingerprint)
            raise

    def add_many(self, project: str, made: Iterable[tuple[Record, str]]) -> None:
        """Insert many images whose files are made from recipes when they are exported."""
        with self._store.transaction():
            for record, recipe in made:
                shown = compact(document(self._store.flavour, project, record, ()))
                self._store.insert("images", project=project, document=shown, recipe=recipe, **_columns(record))

    def update(self, image: ImageRow, **fields: Any) -> ImageRow:
        """Change fields of a record."""
        changed = ImageRow(image.id, image.project, replace(image.record, **fields))
        with self._store.transaction():
            self._store.update("images", image.id, **_columns(changed.record))
            self._refresh(changed)
        return changed

    def replace_by(self, old: ImageRow, record: Record) -> None:
        """Replace an image by a newer build, which gets its aliases."""
        with self._store.transaction():
            new = self.exact(old.project, record.fingerprint) or self.add(old.project, record)
            for alias in self._store.select("aliases", image=old.id):
                self._store.update("aliases", alias["id"], image=new.id)
            self._store.delete("images", id=old.id)
            self._refresh(new)
        self.sweep(old.record.fingerprint)

    def delete(self, image: ImageRow) -> None:
        """Remove an image and its aliases, and its files if no other project holds it."""
        self._store.delete("images", id=image.id)
        self.sweep(image.record.fingerprint)

    def sweep(self, fingerprint: str) -> None:
        """Remove the files of a fingerprint if no record names it."""
        if self._store.find("images", fingerprint=fingerprint) is None:
            for path in self.paths(fingerprint):
                path.unlink(missing_ok=True)

    def sweep_all(self) -> None:
        """Remove every file that no record names, such as those of an interrupted upload."""
        known = {row["fingerprint"] for row in self._store.rows("SELECT DISTINCT fingerprint FROM images")}
        for path in self._store.blobs.iterdir():
            if path.name.removesuffix(".rootfs") not in known:
                path.unlink(missing_ok=True)

    def _refresh(self, image: ImageRow) -> None:
        shown = document(self._store.flavour, image.project, image.record, self.aliases_of(image))
        self._store.update("images", image.id, document=compact(shown))

    # Files

    def paths(self, fingerprint: str) -> tuple[Path, Path]:
        """The paths of the file (or metadata file) and of the rootfs file of an image."""
        return self._store.blobs / fingerprint, self._store.blobs / f"{fingerprint}.rootfs"

    def files(self, image: ImageRow) -> tuple[Path, Path | None]:
        """The file of a unified image and None, or the two of a split one; made now from a recipe."""
        first, second = self.paths(image.record.fingerprint)
        if not first.exists():
            row = self._store.find("images", id=image.id)
            if row is not None and row["recipe"] is not None:
                spool = first.with_name(f"upload-{image.record.fingerprint}")
                spool.write_bytes(tarball_from_recipe(row["recipe"]))
                spool.rename(first)
        return first, second if second.exists() else None

    # Aliases

    def aliases_of(self, image: ImageRow) -> list[dict[str, str]]:
        """The aliases that point at an image, oldest first."""
        rows = self._store.select("aliases", image=image.id)
        return [{"name": row["name"], "description": row["description"]} for row in rows]

    def aliases(self, project: str) -> list[sqlite3.Row]:
        """All aliases of a project by name, with fingerprint, type and public of their images."""
        return self._store.rows(f"{_ALIAS} WHERE a.project = ? ORDER BY a.name", project)

    def alias(self, project: str, name: str) -> sqlite3.Row:
        """One alias.

        Raises:
            Refusal: 404.
        """
        rows = self._store.rows(f"{_ALIAS} WHERE a.project = ? AND a.name = ?", project, name)
        if not rows:
            raise Refusal(404, "Image alias not found")
        return rows[0]

    def has_alias(self, project: str, name: str) -> bool:
        """Whether an alias exists."""
        return self._store.find("aliases", project=project, name=name) is not None

    def add_alias(self, image: ImageRow, name: str, description: str) -> None:
        """Add an alias, whose name must be free."""
        with self._store.transaction():
            self._insert_alias(image, name, description)
            self._refresh(image)

    def _insert_alias(self, image: ImageRow, name: str, description: str) -> None:
        self._store.insert("aliases", project=image.project, name=name, description=description, image=image.id)

    def change_alias(self, project: str, name: str, *, to: ImageRow, description: str) -> None:
        """Change the target and the description of an alias."""
        with self._store.transaction():
            self._change_alias(project, name, {"image": to.id, "description": description})
            self._refresh(to)

    def rename_alias(self, project: str, name: str, new: str) -> None:
        """Rename an alias."""
        self._change_alias(project, name, {"name": new})

    def delete_alias(self, project: str, name: str) -> None:
        """Remove an alias."""
        self._change_alias(project, name, {})

    def _change_alias(self, project: str, name: str, fields: dict[str, Any]) -> None:
        """Change fields of an alias, or delete it where none are given, and refresh the document of its image."""
        with self._store.transaction():
            alias = self.alias(project, name)
            if fields:
                self._store.update("aliases", alias["id"], **fields)
            else:
                self._store.delete("aliases", id=alias["id"])
            self._refresh(self._row(self._store.select("images", id=alias["image"])[0]))


_ALIAS = (
    "SELECT a.id, a.name, a.description, a.image, i.fingerprint AS target, i.public, i.record"
    " FROM aliases a JOIN images i ON i.id = a.image"
)
