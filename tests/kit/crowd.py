"""Thousands of images on a real daemon within a second: one is imported, the rest are its copies in the database.

A listing reads the daemon's database and no file, so this meets the same deadlines as 3,000 imports, which take
90 s. The copies differ in fingerprint and alias; they cannot be exported.

Source: LXD and Incus POST /internal/sql, what `lxd sql global` uses; tables of LXD 5.0.2 and Incus 6.0.4.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.kit import factory
from tests.kit.servers import RunningServer

BATCH = 500
TABLES = {
    "images_properties": ("type", "key", "value"),
    "images_nodes": ("node_id",),
    "images_profiles": ("profile_id",),
}
COLUMNS = "filename, size, public, architecture, creation_date, expiry_date, upload_date, auto_update, project_id, type"


@contextmanager
def crowd(server: RunningServer, count: int) -> Iterator[list[str]]:
    """`count` images on an empty daemon, as their fingerprints in order; they are gone afterwards."""
    first = server.add_image(factory.small(0), aliases=["crowd-0"])
    [[model]] = _sql(server, "SELECT max(id) FROM images")
    names = [hashlib.sha256(b"%d" % i).hexdigest() for i in range(1, count)]
    for start in range(0, len(names), BATCH):
        values = ", ".join(f"('{name}')" for name in names[start : start + BATCH])
        _sql(
            server,
            f"WITH f(fingerprint) AS (VALUES {values}) INSERT INTO images (fingerprint, {COLUMNS}) "  # noqa: S608
            f"SELECT f.fingerprint, {COLUMNS} FROM f, images WHERE images.id = {model}",
        )
    for table, copied in TABLES.items():
        _sql(
            server,
            f"INSERT INTO {table} (image_id, {', '.join(copied)}) SELECT i.id, p.{', p.'.join(copied)} "  # noqa: S608
            f"FROM images i, {table} p WHERE i.id > {model} AND p.image_id = {model}",
        )
    _sql(
        server,
        "INSERT INTO images_aliases (name, image_id, description, project_id) "  # noqa: S608
        f"SELECT 'crowd-' || id, id, '', project_id FROM images WHERE id > {model}",
    )
    try:
        yield sorted([first, *names])
    finally:
        if server.alive:
            for table in (*TABLES, "images_aliases"):
                _sql(server, f"DELETE FROM {table} WHERE image_id > {model}")  # noqa: S608
            _sql(server, f"DELETE FROM images WHERE id > {model}")  # noqa: S608
            server.wait(server.raw("DELETE", f"/1.0/images/{first}"))


def _sql(server: RunningServer, query: str) -> list[list[Any]]:
    reply = server.raw("POST", "/internal/sql", json={"database": "global", "query": query}, timeout=120)
    assert reply.status == 200, f"{reply.status} {reply.body[:300]!r}"
    rows: list[list[Any]] = reply.metadata["Results"][0].get("rows") or []
    return rows
