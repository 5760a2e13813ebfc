"""What the detail of an image shows: its attributes and its two switches as text for users."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from lxdimg_nb.panels.base.ui_text import no_update_reason
from lxdimg_nb.panels.image.image_row import Row, alias_names, image_name, main_alias
from lxdimg_nb.text import display, formats
from lxdimg_nb.values import ImageRecord, ServerInfo

__all__ = ["describe", "is_shown_whole"]

MAX_PROPERTIES = 100
MAX_ALIASES = 100


def describe(row: Row, info: ServerInfo, *, newer_build: str = "") -> dict[str, Any]:
    """Return the detail of an image as a browser shows it, without certificates and secrets.

    Args:
        row: the image.
        info: its server.
        newer_build: what is known of a newer build.
    """
    record, now = row.record, datetime.now(UTC)
    description = record.properties.get("description", "")
    title = main_alias(record) or description or image_name(record)
    properties, aliases = sorted(record.properties.items()), record.aliases
    return {
        "key": row.key,
        "title": display.sanitize(title, 120),
        "subtitle": display.sanitize(description, 200) if description != title else "",
        "fingerprint": record.fingerprint,
        "public": _public(record, info),
        "auto_update": _auto_update(record, info),
        "facts": _facts(record, now, newer_build),
        # A copy can be kept current: servers update what they fetched by an alias, without authentication.
        "follows": bool(aliases) and (record.public or info.product == "simplestreams"),
        "aliases": [
            {"name": display.sanitize(a.name, 160), "text": display.sanitize(a.description, 160)}
            for a in aliases[:MAX_ALIASES]
        ],
        "properties": [
            {"name": display.sanitize(k, 100), "value": display.sanitize(v, 400), "whole": is_shown_whole(k, v)}
            for k, v in properties[:MAX_PROPERTIES]
        ],
        "more_properties": max(0, len(properties) - MAX_PROPERTIES),
        "writable": info.trusted,
        "explains": info.product != "simplestreams",
        "refreshable": info.trusted and not no_update_reason(record),
        "expires": record.expires_at.strftime("%Y-%m-%d") if record.expires_at else "",
        "expires_text": _expiry(record.expires_at, now),
        "profiles": display.format_value(record.profiles, limit=2000),
    }


def is_shown_whole(key: str, value: str) -> bool:
    """Whether a property is shown as it is, so that editing what is shown loses nothing of it."""
    return display.sanitize(key, 100) == key and display.sanitize(value, 400) == value


def _read_only_reason(info: ServerInfo) -> str:
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
    locked, danger = _read_only_reason(info), info.public_warning(record.project)
    return {"on": record.public, "text": text, "locked": locked, "danger": danger}


def _auto_update(record: ImageRecord, info: ServerInfo) -> dict[str, Any]:
    locked, reason = _read_only_reason(info), no_update_reason(record)
    if info.product == "simplestreams":
        return {"on": False, "text": "Catalogues get newer builds beside the old ones.", "locked": locked}
    if not record.auto_update:
        # What is on without a source may be switched off, but not on again.
        text = reason or "It stays as it is until somebody refreshes it."
        return {"on": False, "text": text, "locked": locked or reason}
    text = (
        f"{reason} Switched on all the same; it does nothing."
        if reason
        else ("The server looks for a newer build from time to time and replaces the image.")
    )
    return {"on": True, "text": text, "locked": locked}


def _facts(record: ImageRecord, now: datetime, newer_build: str) -> list[dict[str, str]]:
    facts = [
        ("Type", "virtual machine" if record.type == "virtual-machine" else record.type, ""),
        ("Architecture", record.architecture, ""),
        ("Size", formats.size(record.size), f"{record.size:,} bytes"),
        ("File name", record.filename, ""),
        ("Project", record.project, ""),
        ("Cached", "yes, the server fetched it for an instance" if record.cached else "no", ""),
    ]
    times = {"Built": record.created_at, "Uploaded": record.uploaded_at, "Last used": record.last_used_at}
    facts += [(name, formats.age(time, now), formats.timestamp(time)) for name, time in times.items()]
    if (source := record.update_source) is not None:
        where = f"{source.server or source.image_registry} ({source.protocol})" if source.protocol else source.server
        facts += [("Source", where, ""), ("Source alias", source.alias, "")]
    if newer_build:
        facts.append(("Newer build", newer_build, ""))
    if (count := len(alias_names(record))) > MAX_ALIASES:
        facts.append(("Aliases", f"{count:,}, of which the first {MAX_ALIASES} are shown", ""))
    if record.locations:
        facts.append(("On members", ", ".join(record.locations), ""))
    return [
        {"name": name, "value": display.sanitize(value, 300) or "–", "hint": display.sanitize(hint, 100)}
        for name, value, hint in facts
    ]


def _expiry(moment: datetime | None, now: datetime) -> str:
    if moment is None:
        return "never"
    return f"{formats.timestamp(moment)}, {formats.age(moment, now)}; no server enforces it"
