"""The records of a demo server: SQLite in its folder, so that they outlive the process however it ends.

Every change is one transaction. Files lie beside the database, named by fingerprint; a file is moved into
place before its record is written and removed after its record is gone, so what a kill leaves behind is at
worst a file without a record, which the next start removes.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .flavours import Flavour
from .refusals import Refusal

__all__ = ["Store"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS config (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS projects (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, description TEXT NOT NULL, config TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS profiles (
    id INTEGER PRIMARY KEY, project TEXT NOT NULL, name TEXT NOT NULL, description TEXT NOT NULL,
    config TEXT NOT NULL, devices TEXT NOT NULL, UNIQUE (project, name));
CREATE TABLE IF NOT EXISTS images (
    id INTEGER PRIMARY KEY, project TEXT NOT NULL, fingerprint TEXT NOT NULL, public INTEGER NOT NULL,
    record TEXT NOT NULL, document TEXT NOT NULL, recipe TEXT, UNIQUE (project, fingerprint));
CREATE INDEX IF NOT EXISTS images_by_fingerprint ON images (fingerprint);
CREATE TABLE IF NOT EXISTS aliases (
    id INTEGER PRIMARY KEY, project TEXT NOT NULL, name TEXT NOT NULL, description TEXT NOT NULL,
    image INTEGER NOT NULL REFERENCES images (id) ON DELETE CASCADE, UNIQUE (project, name));
CREATE INDEX IF NOT EXISTS aliases_by_image ON aliases (image);
CREATE TABLE IF NOT EXISTS instances (
    id INTEGER PRIMARY KEY, project TEXT NOT NULL, name TEXT NOT NULL, document TEXT NOT NULL,
    UNIQUE (project, name));
CREATE TABLE IF NOT EXISTS snapshots (
    id INTEGER PRIMARY KEY, instance INTEGER NOT NULL REFERENCES instances (id) ON DELETE CASCADE,
    name TEXT NOT NULL, document TEXT NOT NULL, UNIQUE (instance, name));
CREATE TABLE IF NOT EXISTS certificates (
    fingerprint TEXT PRIMARY KEY, name TEXT NOT NULL, type TEXT NOT NULL, restricted INTEGER NOT NULL,
    projects TEXT NOT NULL, certificate TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS pools (
    name TEXT PRIMARY KEY, driver TEXT NOT NULL, description TEXT NOT NULL, config TEXT NOT NULL);
"""


class Store:
    """The database of one demo server. All methods belong to the thread that made it."""

    def __init__(self, folder: Path, flavour: Flavour) -> None:
        self.folder = folder
        self.flavour = flavour
        self.blobs = folder / "images"
        self.blobs.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / "demo.sqlite"
        path.touch(mode=0o600)
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.row_factory = sqlite3.Row
        self._depth = 0
        try:
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.execute("PRAGMA foreign_keys = ON")
            self._db.executescript(_SCHEMA)
        except sqlite3.Error as error:
            self._db.close()
            raise RuntimeError(f"{path} is not what a demo server left: {error}; give another folder") from error
        if not self.rows("SELECT 1 FROM projects"):
            with self.change():
                self.add_project("default", f"Default {flavour.title} project", {})

    def close(self) -> None:
        """Close the database; the folder can be opened again."""
        self._db.close()

    @contextmanager
    def change(self) -> Iterator[None]:
        """One transaction; an inner one belongs to the outer. An exception undoes all of it."""
        if self._depth:
            yield
            return
        self._db.execute("BEGIN IMMEDIATE")
        self._depth = 1
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        else:
            self._db.execute("COMMIT")
        finally:
            self._depth = 0

    def rows(self, query: str, *values: Any) -> list[sqlite3.Row]:
        """All rows of a query."""
        return self._db.execute(query, values).fetchall()

    def row(self, query: str, *values: Any) -> sqlite3.Row | None:
        """The first row of a query, or None."""
        row: sqlite3.Row | None = self._db.execute(query, values).fetchone()
        return row

    def run(self, query: str, *values: Any) -> int:
        """Run a statement and return the id of the row it inserted."""
        return self._db.execute(query, values).lastrowid or 0

    def run_many(self, query: str, values: Iterator[tuple[Any, ...]]) -> None:
        """Run one statement for many rows."""
        self._db.executemany(query, values)

    # Projects and profiles

    def add_project(self, name: str, description: str, config: dict[str, str]) -> None:
        """Insert a project and its default profile; the features are on unless said otherwise."""
        features = ["features.images", "features.profiles", "features.storage.volumes"]
        if self.flavour.is_incus:
            features.append("features.storage.buckets")
        if name == "default":
            features += ["features.networks"] + ["features.networks.zones"] * self.flavour.is_incus
        full = dict(sorted({**dict.fromkeys(features, "true"), **config}.items()))
        about = f"Default {self.flavour.title} profile" + (f" for project {name}" if name != "default" else "")
        with self.change():
            self.run(
                "INSERT INTO projects (name, description, config) VALUES (?, ?, ?)",
                name,
                description,
                json.dumps(full),
            )
            if full["features.profiles"] == "true":
                self.add_profile(name, "default", about, {}, {})

    def add_profile(
        self, project: str, name: str, description: str, config: dict[str, str], devices: dict[str, Any]
    ) -> None:
        """Insert a profile."""
        self.run(
            "INSERT INTO profiles (project, name, description, config, devices) VALUES (?, ?, ?, ?, ?)",
            project,
            name,
            description,
            json.dumps(config),
            json.dumps(devices),
        )

    def project_with(self, feature: str, name: str, complaint: str) -> str:
        """The project that holds a project's images or profiles: itself, or `default`.

        Args:
            feature: `images` or `profiles`.
            name: the project of the request.
            complaint: what stands before `Project not found` in the error.

        Raises:
            Refusal: 404, there is no such project.
        """
        row = self.row("SELECT config FROM projects WHERE name = ?", name)
        if row is None:
            raise Refusal(404, f"{complaint}Project not found")
        return name if json.loads(row["config"]).get(f"features.{feature}") == "true" else "default"

    def setting(self, key: str) -> str | None:
        """A value of the server's own configuration."""
        row = self.row("SELECT value FROM config WHERE key = ?", key)
        return None if row is None else str(row["value"])

    def settings(self) -> dict[str, str]:
        """The server's own configuration, without what the demo server notes for itself."""
        rows = self.rows("SELECT key, value FROM config WHERE key NOT LIKE 'demo.%' ORDER BY key")
        return {str(row["key"]): str(row["value"]) for row in rows}

    def set_setting(self, key: str, value: str) -> None:
        """Change a value of the server's own configuration; an empty one removes it."""
        if value:
            self.run("INSERT OR REPLACE INTO config VALUES (?, ?)", key, value)
        else:
            self.run("DELETE FROM config WHERE key = ?", key)
