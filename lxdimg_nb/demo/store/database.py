"""The records of a demo server: SQLite in its folder, so that they survive however the process ends.

Every change is one transaction. Files lie beside the database, named by fingerprint; a file is moved into
place before its record is written and removed after its record is gone, so a killed server leaves at worst a
file without a record, which the next start removes.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..versions.flavours import Flavour
from .refusals import Refusal

__all__ = ["Store", "size_of"]

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
        try:
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.execute("PRAGMA foreign_keys = ON")
            self._db.executescript(_SCHEMA)
        except sqlite3.Error as error:
            self._db.close()
            raise RuntimeError(f"{path} is not what a demo server left: {error}; give another folder") from error
        if not self.find("projects"):
            self.add_project("default", f"Default {flavour.title} project", {})

    def close(self) -> None:
        """Close the database; the folder can be opened again."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """One transaction; an inner one is part of the outer. An exception rolls all of it back."""
        if self._db.in_transaction:
            yield
            return
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            yield

    def rows(self, query: str, *values: Any) -> list[sqlite3.Row]:
        """All rows of a query."""
        return self._db.execute(query, values).fetchall()

    def select(self, table: str, *, order: str = "rowid", **where: Any) -> list[sqlite3.Row]:
        """The rows of a table whose columns have these values."""
        return self.rows(f"SELECT * FROM {table}{_where(where)} ORDER BY {order}", *where.values())  # noqa: S608

    def find(self, table: str, **where: Any) -> sqlite3.Row | None:
        """The first row of a table whose columns have these values, or None."""
        rows = self.rows(f"SELECT * FROM {table}{_where(where)} LIMIT 1", *where.values())  # noqa: S608
        return rows[0] if rows else None

    def insert(self, table: str, **values: Any) -> int:
        """Insert a row, dicts and lists as JSON, and return its id."""
        names, marks = ", ".join(values), ", ".join("?" * len(values))
        query = f"INSERT INTO {table} ({names}) VALUES ({marks})"  # noqa: S608 - names of our own
        return self._db.execute(query, [*map(_column, values.values())]).lastrowid or 0

    def update(self, table: str, row_id: int, **values: Any) -> None:
        """Change columns of the row with this id."""
        query = f"UPDATE {table} SET {', '.join(f'{name} = ?' for name in values)} WHERE id = ?"  # noqa: S608
        self._db.execute(query, [*map(_column, values.values()), row_id])

    def delete(self, table: str, **where: Any) -> None:
        """Delete the rows whose columns have these values."""
        self._db.execute(f"DELETE FROM {table}{_where(where)}", [*where.values()])  # noqa: S608

    # Projects and profiles

    def add_project(self, name: str, description: str, config: dict[str, str]) -> None:
        """Insert a project and its default profile; features are on unless the configuration says otherwise."""
        features = ["features.images", "features.profiles", "features.storage.volumes"]
        if self.flavour.is_incus:
            features.append("features.storage.buckets")
        if name == "default":
            features += ["features.networks"] + ["features.networks.zones"] * self.flavour.is_incus
        full = dict(sorted({**dict.fromkeys(features, "true"), **config}.items()))
        about = f"Default {self.flavour.title} profile" + (f" for project {name}" if name != "default" else "")
        with self.transaction():
            self.insert("projects", name=name, description=description, config=full)
            if full["features.profiles"] == "true":
                self.insert("profiles", project=name, name="default", description=about, config={}, devices={})

    def project_with(self, feature: str, name: str, complaint: str) -> str:
        """The project that holds the images or profiles (`feature`) of a project: itself, or `default`.

        Raises:
            Refusal: 404, there is no such project; the text begins with the complaint.
        """
        row = self.find("projects", name=name)
        if row is None:
            raise Refusal(404, f"{complaint}Project not found")
        return name if json.loads(row["config"]).get(f"features.{feature}") == "true" else "default"

    def disk_budget(self, project: str) -> int | None:
        """The bytes that `limits.disk` leaves an image beside the disks of instances; None for any number."""
        row = self.find("projects", name=project)
        limit = json.loads(row["config"]).get("limits.disk") if row is not None else None
        if not limit:
            return None
        taken = 0
        for instance in self.select("instances", project=project):
            devices = json.loads(instance["document"])["devices"].values()
            taken += sum(size_of(str(device.get("size", ""))) or 0 for device in devices)
        return max((size_of(limit) or 0) - taken, 0)

    def setting(self, key: str) -> str | None:
        """A value of the server's own configuration."""
        row = self.find("config", key=key)
        return None if row is None else str(row["value"])

    def settings(self) -> dict[str, str]:
        """The server's own configuration, without the keys that only the demo server uses."""
        rows = self.rows("SELECT key, value FROM config WHERE key NOT LIKE 'demo.%' ORDER BY key")
        return {str(row["key"]): str(row["value"]) for row in rows}

    def set_setting(self, key: str, value: str) -> None:
        """Change a value of the server's own configuration; an empty one removes it."""
        self.delete("config", key=key)
        if value:
            self.insert("config", key=key, value=value)


def size_of(text: str) -> int | None:
    """The bytes that a setting such as `10MiB` means; None for what is no size."""
    found = re.fullmatch(r"(\d+) ?(?:B|([kMGTPE])B|([KMGTPE])iB)?", text)
    if found is None:
        return None
    number, thousands, binary = found.groups()
    letter = thousands or binary
    power = "kMGTPE".find(letter.replace("K", "k")) + 1 if letter else 0
    return int(number) * int((1024 if binary else 1000) ** power)


def _where(columns: Iterable[str]) -> str:
    return "".join(f"{' AND' if n else ' WHERE'} {name} = ?" for n, name in enumerate(columns))


def _column(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, (dict, list)) else value
