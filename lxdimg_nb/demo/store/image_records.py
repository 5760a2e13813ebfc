"""Images and aliases in the store: the record, the JSON document made of it, and how names find them.

The document is kept ready in the row, so a list of 10,000 images is one query and one join of texts.

Source: `GET /1.0/images` of LXD 5.0.2 and Incus 6.0.4: keys, their order, and what a prefix matches.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from .database import Store
from .flavours import NEVER, Flavour
from .go_json import compact, etag
from .refusals import Refusal
from .tarballs import tarball_from_recipe

__all__ = ["ImageRow", "Images", "Record"]


@dataclass(frozen=True)
class Record:
    """What the server knows of an image, without the aliases that point at it."""

    fingerprint: str
    size: int
    type: str
    architecture: str
    created_at: str
    uploaded_at: str
    expires_at: str
    last_used_at: str = NEVER
    filename: str = ""
    public: bool = False
    auto_update: bool = False
    cached: bool = False
    properties: dict[str, str] = field(default_factory=dict)
    profiles: tuple[str, ...] = ("default",)
    update_source: dict[str, str] | None = None

    @property
    def etag(self) -> str:
        """The ETag of the image: it covers public, auto_update and properties, nothing else."""
        return etag([self.public, self.auto_update, self.properties])


@dataclass(frozen=True)
class ImageRow:
    """A record with its place: row id and project."""

    id: int
    project: str
    record: Record


def document(flavour: Flavour, project: str, record: Record, aliases: Sequence[dict[str, str]]) -> dict[str, Any]:
    """The image as the API shows it, keys in the daemon's order."""
    shown: dict[str, Any] = {
        "auto_update": record.auto_update,
        "properties": dict(sorted(record.properties.items())),
        "public": record.public,
        "expires_at": record.expires_at,
        "profiles": list(record.profiles),
        "aliases": list(aliases),
        "architecture": record.architecture,
        "cached": record.cached,
        "filename": record.filename,
        "fingerprint": record.fingerprint,
        "size": record.size,
    }
    if record.update_source is not None:
        shown["update_source"] = record.update_source
    shown |= {
        "type": record.type,
        "created_at": record.created_at,
        "last_used_at": record.last_used_at,
        "uploaded_at": record.uploaded_at,
    }
    return shown | ({"project": project} if flavour.is_incus else {})


class Images:
    """The images and aliases of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    # Reading

    def documents(self, project: str | None, *, public_only: bool = False) -> list[str]:
        """The JSON of all images of a project, or of all projects, by fingerprint."""
        where = "WHERE (? IS NULL OR project = ?) AND public >= ? ORDER BY fingerprint, project"
        rows = self._store.rows(
            f"SELECT document FROM images {where}",  # noqa: S608 - a constant
            project,
            project,
            int(public_only),
        )
        return [row["document"] for row in rows]

    def fingerprints(self, project: str, *, public_only: bool = False) -> list[str]:
        """The fingerprints of a project's images, sorted."""
        rows = self._store.rows(
            "SELECT fingerprint FROM images WHERE project = ? AND public >= ? ORDER BY fingerprint",
            project,
            int(public_only),
        )
        return [row["fingerprint"] for row in rows]

    def find(self, project: str, prefix: str) -> ImageRow:
        """The one image whose fingerprint is LIKE the prefix: case does not count, `%` and `_` are wildcards.

        Raises:
            Refusal: 404 for none, 500 for several.
        """
        rows = self._store.rows(
            "SELECT * FROM images WHERE project = ? AND fingerprint LIKE ? || '%' LIMIT 2", project, prefix
        )
        if not rows:
            raise Refusal(404, "Image not found")
        if len(rows) > 1:
            raise Refusal(500, "More than one image matches")
        return self._row(rows[0])

    def exact(self, project: str, fingerprint: str) -> ImageRow | None:
        """The image with this full fingerprint, or None."""
        row = self._store.row("SELECT * FROM images WHERE project = ? AND fingerprint = ?", project, fingerprint)
        return None if row is None else self._row(row)

    def all(self) -> list[ImageRow]:
        """Every image of every project."""
        return [self._row(row) for row in self._store.rows("SELECT * FROM images ORDER BY project, fingerprint")]

    def with_source(self) -> list[ImageRow]:
        """The images that can be refreshed."""
        query = "SELECT * FROM images WHERE json_extract(record, '$.update_source') IS NOT NULL"
        return [self._row(row) for row in self._store.rows(query)]

    def shown(self, image: ImageRow) -> str:
        """The JSON of one image."""
        row = self._store.row("SELECT document FROM images WHERE id = ?", image.id)
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
        with self._store.change():
            if self.exact(project, record.fingerprint) is not None:
                raise Refusal(400, "Image with same fingerprint already exists")
            row_id = self._store.run(
                "INSERT INTO images (project, fingerprint, public, record, document) VALUES (?, ?, ?, ?, '')",
                project,
                record.fingerprint,
                int(record.public),
                compact(asdict(record)),
            )
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
        """Insert many images that are made from recipes when somebody exports them."""
        flavour = self._store.flavour
        with self._store.change():
            self._store.run_many(
                "INSERT INTO images (project, fingerprint, public, record, document, recipe) VALUES (?, ?, ?, ?, ?, ?)",
                (
                    (
                        project,
                        record.fingerprint,
                        int(record.public),
                        compact(asdict(record)),
                        compact(document(flavour, project, record, ())),
                        recipe,
                    )
                    for record, recipe in made
                ),
            )

    def update(self, image: ImageRow, **fields: Any) -> ImageRow:
        """Change fields of a record."""
        changed = ImageRow(image.id, image.project, replace(image.record, **fields))
        with self._store.change():
            self._store.run(
                "UPDATE images SET record = ?, public = ? WHERE id = ?",
                compact(asdict(changed.record)),
                int(changed.record.public),
                image.id,
            )
            self._refresh(changed)
        return changed

    def replace_by(self, old: ImageRow, record: Record) -> ImageRow:
        """Put a newer build in an image's place: its aliases move over."""
        with self._store.change():
            new = self.exact(old.project, record.fingerprint) or self.add(old.project, record)
            self._store.run("UPDATE aliases SET image = ? WHERE image = ?", new.id, old.id)
            self._store.run("DELETE FROM images WHERE id = ?", old.id)
            self._refresh(new)
        return new

    def delete(self, image: ImageRow) -> None:
        """Remove an image and its aliases; its files too when no project holds it any more."""
        with self._store.change():
            self._store.run("DELETE FROM images WHERE id = ?", image.id)
        self.sweep(image.record.fingerprint)

    def sweep(self, fingerprint: str) -> None:
        """Remove the files of a fingerprint that no record names."""
        if not self._store.rows("SELECT 1 FROM images WHERE fingerprint = ?", fingerprint):
            for path in self.paths(fingerprint):
                path.unlink(missing_ok=True)

    def sweep_all(self) -> None:
        """Remove every file that no record names, as an interrupted upload leaves it."""
        known = {row["fingerprint"] for row in self._store.rows("SELECT DISTINCT fingerprint FROM images")}
        for path in self._store.blobs.iterdir():
            if path.name.removesuffix(".rootfs") not in known:
                path.unlink(missing_ok=True)

    def _refresh(self, image: ImageRow) -> None:
        shown = document(self._store.flavour, image.project, image.record, self.aliases_of(image))
        self._store.run("UPDATE images SET document = ? WHERE id = ?", compact(shown), image.id)

    # Files

    def paths(self, fingerprint: str) -> tuple[Path, Path]:
        """Where the file (or metadata file) and the rootfs file of an image lie."""
        return self._store.blobs / fingerprint, self._store.blobs / f"{fingerprint}.rootfs"

    def files(self, image: ImageRow) -> tuple[Path, Path | None]:
        """The file of a unified image and None, or the two of a split one; made now where only a recipe is."""
        first, second = self.paths(image.record.fingerprint)
        if not first.exists():
            row = self._store.row("SELECT recipe FROM images WHERE id = ?", image.id)
            if row is not None and row["recipe"] is not None:
                spool = first.with_name(f"upload-{image.record.fingerprint}")
                spool.write_bytes(tarball_from_recipe(row["recipe"]))
                spool.rename(first)
        return first, second if second.exists() else None

    # Aliases

    def aliases_of(self, image: ImageRow) -> list[dict[str, str]]:
        """The aliases that point at an image, oldest first."""
        rows = self._store.rows("SELECT name, description FROM aliases WHERE image = ? ORDER BY id", image.id)
        return [{"name": row["name"], "description": row["description"]} for row in rows]

    def aliases(self, project: str) -> list[sqlite3.Row]:
        """All aliases of a project by name, with fingerprint, type and public of their images."""
        return self._store.rows(f"{_ALIAS} WHERE a.project = ? ORDER BY a.name", project)

    def alias(self, project: str, name: str) -> sqlite3.Row:
        """One alias.

        Raises:
            Refusal: 404.
        """
        row = self._store.row(f"{_ALIAS} WHERE a.project = ? AND a.name = ?", project, name)
        if row is None:
            raise Refusal(404, "Image alias not found")
        return row

    def has_alias(self, project: str, name: str) -> bool:
        """Whether an alias exists."""
        return bool(self._store.rows("SELECT 1 FROM aliases WHERE project = ? AND name = ?", project, name))

    def add_alias(self, image: ImageRow, name: str, description: str) -> None:
        """Point a free name at an image."""
        with self._store.change():
            self._insert_alias(image, name, description)
            self._refresh(image)

    def _insert_alias(self, image: ImageRow, name: str, description: str) -> None:
        self._store.run(
            "INSERT INTO aliases (project, name, description, image) VALUES (?, ?, ?, ?)",
            image.project,
            name,
            description,
            image.id,
        )

    def change_alias(self, project: str, name: str, *, to: ImageRow, description: str) -> None:
        """Point an alias at an image and describe it."""
        with self._store.change():
            before = self._by_id(self.alias(project, name)["image"])
            self._store.run(
                "UPDATE aliases SET image = ?, description = ? WHERE project = ? AND name = ?",
                to.id,
                description,
                project,
                name,
            )
            self._refresh(before)
            self._refresh(to)

    def rename_alias(self, project: str, name: str, new: str) -> None:
        """Give an alias another name."""
        with self._store.change():
            image = self._by_id(self.alias(project, name)["image"])
            self._store.run("UPDATE aliases SET name = ? WHERE project = ? AND name = ?", new, project, name)
            self._refresh(image)

    def delete_alias(self, project: str, name: str) -> str:
        """Remove an alias and return the fingerprint it pointed at."""
        with self._store.change():
            image = self._by_id(self.alias(project, name)["image"])
            self._store.run("DELETE FROM aliases WHERE project = ? AND name = ?", project, name)
            self._refresh(image)
        return image.record.fingerprint

    def _by_id(self, row_id: int) -> ImageRow:
        return self._row(self._store.rows("SELECT * FROM images WHERE id = ?", row_id)[0])


_ALIAS = (
    "SELECT a.name, a.description, a.image, i.fingerprint AS target, i.public, i.record"
    " FROM aliases a JOIN images i ON i.id = a.image"
)
