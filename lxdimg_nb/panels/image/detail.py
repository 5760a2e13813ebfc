"""One image in words, and what can be done with it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from lxdimg_nb.panels.base.ui_text import exposure, no_update
from lxdimg_nb.panels.image.image_row import Row, main_alias
from lxdimg_nb.text import display, formats
from lxdimg_nb.values import ImageRecord, ServerInfo, short_fingerprint

__all__ = ["describe", "whole"]

_SHOWN_PROPERTIES = 100


def describe(row: Row, info: ServerInfo, *, newer: str = "", now: datetime | None = None) -> dict[str, Any]:
    """What the detail of an image shows: words only, no certificate, no secret.

    Args:
        newer: what is known of a newer build.
    """
    record = row.record
    moment = now or datetime.now(UTC)
    description = record.properties.get("description", "")
    title = main_alias(record) or description or short_fingerprint(record.fingerprint)
    return {
        "key": row.key,
        "title": display.sanitize(title, 120),
        "subtitle": display.sanitize(description, 200) if description != title else "",
        "fingerprint": record.fingerprint,
        "public": _public(record, info),
        "auto_update": _auto_update(record, info),
        "facts": _facts(record, moment, newer),
        "follows": _follows(record, info),
        "aliases": [
            {"name": display.sanitize(a.name, 160), "text": display.sanitize(a.description, 160)}
            for a in record.aliases
        ],
        "properties": [
            {"name": display.sanitize(key, 100), "value": display.sanitize(value, 400), "whole": whole(key, value)}
            for key, value in sorted(record.properties.items())[:_SHOWN_PROPERTIES]
        ],
        "writable": info.trusted,
        "explains": info.product != "simplestreams",
        "refreshable": info.trusted and not no_update(record),
        "expires_text": _expiry(record, moment),
        "profiles": ", ".join(display.sanitize(name, 80) for name in record.profiles),
        "expires": record.expires_at.strftime("%Y-%m-%d") if record.expires_at else "",
        "more_properties": max(0, len(record.properties) - _SHOWN_PROPERTIES),
    }


def whole(key: str, value: str) -> bool:
    """Whether a property is shown as it is, so that editing what is shown loses nothing of it."""
    return display.sanitize(key, 100) == key and display.sanitize(value, 400) == value


def _read_only(info: ServerInfo) -> str:
    if info.product == "simplestreams":
        return "A catalogue can only be read: copy the image to a server to change it."
    return "" if info.trusted else "This connection is not trusted by the server, so it cannot change anything."


def _public(record: ImageRecord, info: ServerInfo) -> dict[str, Any]:
    if info.product == "simplestreams":
        text = "Everybody can fetch it from the catalogue."
    elif record.public:
        text = "Visible to everyone who can reach the server, without authentication."
    else:
        text = "Only clients the server trusts can see it."
    return {"on": record.public, "text": text, "locked": _read_only(info), "danger": exposure(info, record.project)}


def _auto_update(record: ImageRecord, info: ServerInfo) -> dict[str, Any]:
    if info.product == "simplestreams":
        return {"on": False, "text": "Catalogues get newer builds beside the old ones.", "locked": _read_only(info)}
    reason = no_update(record)
    if record.auto_update:
        text = reason and f"{reason} Switched on all the same; it does nothing."
        text = text or "The server looks for a newer build from time to time and replaces the image."
    else:
        text = reason or "It stays as it is until somebody refreshes it."
    # What is on without a source may be switched off, but not on again.
    locked = _read_only(info) or (reason if not record.auto_update else "")
    return {"on": record.auto_update, "text": text, "locked": locked}


def _follows(record: ImageRecord, info: ServerInfo) -> bool:
    """Whether a copy can be kept current: servers update what they fetched by an alias, without authentication."""
    return bool(record.aliases) and (record.public or info.product == "simplestreams")


def _facts(record: ImageRecord, now: datetime, newer: str) -> list[dict[str, str]]:
    source = record.update_source
    facts = [
        ("Type", "virtual machine" if record.type == "virtual-machine" else record.type, ""),
        ("Architecture", record.architecture, ""),
        ("Size", formats.size(record.size), f"{record.size:,} bytes"),
        ("File name", record.filename, ""),
        ("Project", record.project, ""),
        ("Cached", "yes, the server fetched it for an instance" if record.cached else "no", ""),
        *_times(record, now),
    ]
    if source is not None:
        where = f"{source.server or source.image_registry} ({source.protocol})" if source.protocol else source.server
        facts.append(("Source", where, ""))
        facts.append(("Source alias", source.alias, ""))
    if newer:
        facts.append(("Newer build", newer, ""))
    if record.locations:
        facts.append(("On members", ", ".join(record.locations), ""))
    return [
        {"name": name, "value": display.sanitize(value, 300) or "–", "hint": display.sanitize(hint, 100)}
        for name, value, hint in facts
    ]


def _expiry(record: ImageRecord, now: datetime) -> str:
    if record.expires_at is None:
        return "never"
    return f"{formats.timestamp(record.expires_at)}, {formats.age(record.expires_at, now)}; no server enforces it"


def _times(record: ImageRecord, now: datetime) -> list[tuple[str, str, str]]:
    names = {
        "Built": record.created_at,
        "Uploaded": record.uploaded_at,
        "Last used": record.last_used_at,
    }
    return [(name, formats.age(moment, now), formats.timestamp(moment)) for name, moment in names.items()]
