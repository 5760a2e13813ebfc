"""Texts that panels show: errors and servers."""

from __future__ import annotations

import logging

from lxdimg_nb.errors import LxdImageError, NotAllowedError
from lxdimg_nb.text import display
from lxdimg_nb.values import ImageRecord, ServerInfo

__all__ = ["error_text", "no_update_reason", "product_name", "sentence", "untrusted_warning"]

_log = logging.getLogger(__name__)

_LIMIT = 600


def error_text(error: BaseException) -> str:
    """Describe an error in a few sentences, with what to do about it."""
    if isinstance(error, NotAllowedError):
        return sentence(f"The server does not allow that: {error.message}")
    if isinstance(error, LxdImageError):
        more = [*getattr(error, "advice", ()), *getattr(error, "__notes__", ())]
        return " ".join(sentence(text) for text in (error.message, *more))
    if isinstance(error, OSError) and error.strerror:
        name = f" ({error.filename})" if error.filename else ""
        return sentence(f"{error.strerror}{name}")
    _log.error("unexpected error", exc_info=error)
    return sentence(f"Something unexpected went wrong: {type(error).__name__}: {error}")


def sentence(text: str) -> str:
    """Return a text sanitized, with a capital letter at its beginning and a full stop at its end.

    An address or a path at its beginning stays as it is.
    """
    text = display.sanitize(text, _LIMIT).strip()
    if text.partition(" ")[0].rstrip(",.:;!?").replace("'", "").isalpha():
        text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."


def product_name(info: ServerInfo) -> str:
    """`LXD 5.0.2`."""
    name = {"lxd": "LXD", "incus": "Incus", "simplestreams": "Catalogue"}.get(info.product, info.product)
    return display.sanitize(f"{name} {info.version}".strip(), 60)


def untrusted_warning(info: ServerInfo, url: str) -> str:
    """Say what an untrusted client sees and how to become trusted; empty for a trusted one."""
    if info.trusted or info.product == "simplestreams":
        return ""
    program = "incus" if info.product == "incus" else "lxc"
    return (
        "The server does not trust this connection: public images are shown and nothing can be changed. "
        f"To be trusted, run '{program} config trust add' on the server and "
        f"lxdimg_nb.enroll({display.sanitize(url, 120)!r}, token=…) here, then connect again."
    )


def no_update_reason(record: ImageRecord) -> str:
    """Say why a server cannot refresh an image; empty if it can."""
    source = record.update_source
    if source is None:
        return "It has no source to update from: it was uploaded or published here."
    if source.protocol == "direct":
        return "It came from a plain URL, which servers do not look at again."
    if not source.alias:
        return "It was fetched by fingerprint, so there is no newer build to look for."
    return ""
