"""Thousands of images on a real daemon within a second: one is imported, the rest are its copies in the database.

A listing reads the daemon's database and no file, so this meets the same deadlines as 3,000 imports, which take
90 s. The copies differ in fingerprint, name and upload time; they cannot be exported.

Source: LXD and Incus POST /internal/sql, what `lxd sql global` uses; tables of LXD 5.0.2 and Incus 6.0.4.
"""

from __future__ import annotations

import hashlib

from tests import factory
from tests.servers import RunningServer

BATCH = 500


def crowd(server: RunningServer, count: int) -> list[str]:
    """Have `count` images on an empty daemon; returns their fingerprints in order."""
    first = server.add_image(factory.small(0), aliases=["crowd-0"])
    names = [hashlib.sha256(b"%d" % i).hexdigest() for i in range(1, count)]
    columns = (
        "filename, size, public, architecture, creation_date, expiry_date, upload_date, auto_update, project_id, type"
    )
    for start in range(0, len(names), BATCH):
        values = ", ".join(f"('{name}')" for name in names[start : start + BATCH])
        _sql(
            server,
            f"WITH f(fingerprint) AS (VALUES {values}) INSERT INTO images (fingerprint, {columns}) "  # noqa: S608
            f"SELECT f.fingerprint, {columns} FROM f, images WHERE images.id = 1",
        )
    for table, copied in (
        ("images_properties", ("type", "key", "value")),
        ("images_nodes", ("node_id",)),
        ("images_profiles", ("profile_id",)),
    ):
        _sql(
            server,
            f"INSERT INTO {table} (image_id, {', '.join(copied)}) SELECT i.id, p.{', p.'.join(copied)} "  # noqa: S608
            f"FROM images i, {table} p WHERE i.id > 1 AND p.image_id = 1",
        )
    _sql(
        server,
        "INSERT INTO images_aliases (name, image_id, description, project_id) "
        "SELECT 'crowd-' || id, id, '', project_id FROM images WHERE id > 1",
    )
    return sorted([first, *names])


def _sql(server: RunningServer, query: str) -> None:
    reply = server.raw("POST", "/internal/sql", json={"database": "global", "query": query}, timeout=120)
    assert reply.status == 200, f"{reply.status} {reply.body[:300]!r}"
