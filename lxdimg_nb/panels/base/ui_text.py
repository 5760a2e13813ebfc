"""What a panel says: errors, servers and dangers in words."""

from __future__ import annotations

import logging

from lxdimg_nb.errors import LxdImageError, NotAllowedError
from lxdimg_nb.text import display, formats
from lxdimg_nb.values import ImageRecord, ServerInfo, short_fingerprint

__all__ = ["distrust", "exposure", "gone", "log", "no_update", "product", "sentence", "took", "why"]

log = logging.getLogger("lxdimg_nb.panels")

_LIMIT = 600


def why(error: BaseException) -> str:
    """An error as a sentence or two that may be shown."""
    if isinstance(error, NotAllowedError):
        return sentence(f"The server does not allow that: {error.message}")
    if isinstance(error, LxdImageError):
        notes = " ".join(getattr(error, "__notes__", []))
        return sentence(f"{error.message}. {notes}" if notes else error.message)
    if isinstance(error, OSError) and error.strerror:
        name = f" ({error.filename})" if error.filename else ""
        return sentence(f"{error.strerror}{name}")
    log.error("unexpected error", exc_info=error)
    return sentence(f"Something unexpected went wrong: {type(error).__name__}: {error}")


def sentence(text: str) -> str:
    """Harmless text that begins with a capital and ends with a stop."""
    text = display.sanitize(text, _LIMIT).strip()
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."


def product(info: ServerInfo) -> str:
    """`LXD 5.0.2`."""
    name = {"lxd": "LXD", "incus": "Incus", "simplestreams": "Catalogue"}.get(info.product, info.product)
    return display.sanitize(f"{name} {info.version}".strip(), 60)


def distrust(info: ServerInfo, url: str) -> str:
    """What a stranger sees and how to be trusted; empty for who is."""
    if info.trusted or info.product == "simplestreams":
        return ""
    program = "incus" if info.product == "incus" else "lxc"
    return (
        "The server does not trust this connection: public images are shown and nothing can be changed. "
        f"To be trusted, run '{program} config trust add' on the server and "
        f"lxdimg_nb.enroll({display.sanitize(url, 120)!r}, token=…) here, then connect again."
    )


def exposure(info: ServerInfo, project: str) -> str:
    """Who will be able to see a public image."""
    address = info.config.get("core.https_address")
    text = "Anyone who can reach this server will be able to list and download it, without any authentication"
    if isinstance(address, str) and address:
        shown = ", ".join(f"https://{display.sanitize(a, 60)}" for a in info.addresses[:3]) or display.sanitize(
            address, 60
        )
        more = f" and {len(info.addresses) - 3} more" if len(info.addresses) > 3 else ""
        text += f". The server answers at {shown}{more}"
    elif info.trusted:
        text += (
            ". The server listens on no network address at the moment (core.https_address is not set), "
            "so this takes effect as soon as it does"
        )
    if project != "default":
        text += f". The image is in the project {display.sanitize(project, 60)}"
    return f"{text}."


def no_update(record: ImageRecord) -> str:
    """Why a server cannot refresh an image; empty when it can."""
    source = record.update_source
    if source is None:
        return "It has no source to update from: it was uploaded or published here."
    if source.protocol == "direct":
        return "It came from a plain URL, which servers do not look at again."
    if not source.alias:
        return "It was fetched by fingerprint, so there is no newer build to look for."
    return ""


def gone(record: ImageRecord) -> str:
    """That an image is not there any more."""
    return f"The image {short_fingerprint(record.fingerprint)} is gone: somebody deleted it."


def took(seconds: float) -> str:
    """`in 3.2 s`."""
    return f"in {formats.duration(seconds)}"
