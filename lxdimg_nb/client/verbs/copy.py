"""Images from one server or project to another: pull, push and relay, private ones through secrets."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lxdimg_nb.client.files.progress import ProgressArgument, Report, reporting
from lxdimg_nb.client.verbs.finish_import import checked_aliases, finished, known_profiles, settle
from lxdimg_nb.client.verbs.listing import known_fingerprints
from lxdimg_nb.errors import (
    ImageExistsError,
    InvalidRequestError,
    LxdImageError,
    NotFoundError,
    OperationCancelledError,
    OperationFailedError,
)
from lxdimg_nb.values import Alias, Progress

if TYPE_CHECKING:
    from lxdimg_nb.client.http.transport import Reply
    from lxdimg_nb.client.image import Image
    from lxdimg_nb.client.images import Images

__all__ = ["MODES", "copy_image", "refresh_image"]

MODES = ("auto", "pull", "push", "relay")


def copy_image(
    image: Image,
    source: Images,
    target: Images,
    *,
    mode: str,
    aliases: list[str],
    copy_aliases: bool,
    public: bool | None,
    auto_update: bool,
    progress: ProgressArgument,
) -> Image:
    """See `Image.copy`."""
    if mode not in MODES:
        raise InvalidRequestError(f"an image is copied by {', '.join(MODES)}, not by {mode!r}")
    if target.dialect.simplestreams:
        raise InvalidRequestError(f"{target.transport.url} only offers images; copy to an LXD or Incus")
    public = image.public if public is None else public
    if public:
        target.dialect.check_public(target.project)
    if auto_update and mode in ("auto", "pull") and not target.dialect.can_auto_update_from(source.dialect):
        # It would fail with the image stored already.
        raise InvalidRequestError("an Incus cannot keep an image of an LXD current; copy it without auto_update")
    names = _names(image, target, aliases, copy_aliases)
    if target.exists(image.fingerprint):
        raise ImageExistsError(
            f"the image {image.fingerprint[:12]} is already in project {target.project} on {target.transport.url}",
            fingerprint=image.fingerprint,
        )
    with reporting(progress, image.fingerprint[:12]) as report:
        _move(image, source, target, mode, public, auto_update, report)
    made = target.get(image.fingerprint)
    # A pull keeps the flags, a push and a relay set none of them on every server: what was asked is made sure of.
    made.public = public
    if mode != "pull" and not made.auto_update and auto_update and made.update_source:
        made.auto_update = True
    made.properties = image.record.properties
    made.expires_at = image.record.expires_at
    if not source.dialect.simplestreams:
        made.profiles = _profiles(image, target)
    made.update()
    for alias in names:
        target.aliases.create(alias.name, made, description=alias.description)
    return made.reload()


def _names(image: Image, target: Images, aliases: list[str], copy_aliases: bool) -> list[Alias]:
    wanted = {name: Alias(name) for name in aliases}
    if copy_aliases:
        wanted = {a.name: a for a in image.aliases} | wanted
    checked_aliases(target, list(wanted))
    return list(wanted.values())


def _move(
    image: Image, source: Images, target: Images, mode: str, public: bool, auto_update: bool, report: Report
) -> None:
    ways: dict[str, Callable[[], None]] = {
        "pull": lambda: _pull(image, source, target, public, auto_update, report),
        "push": lambda: _push(image, source, target, report),
        "relay": lambda: _relay(image, target, public, report),
    }
    if mode != "auto":
        ways[mode]()
        return
    reasons: list[str] = []
    for name in _possible(source, target):
        try:
            ways[name]()
            return
        except (OperationCancelledError, ImageExistsError):
            raise
        except LxdImageError as error:
            if target.exists(image.fingerprint):
                return
            reasons.append(f"{name}: {error.message}")
    raise InvalidRequestError("the image could not be copied; " + "; ".join(reasons))


def _possible(source: Images, target: Images) -> list[str]:
    """The ways worth trying, the one that spares this machine first."""
    ways = []
    if _address(source):
        ways.append("pull")
    if _address(target) and source.dialect.incus == target.dialect.incus:
        ways.append("push")
    return [*ways, "relay"]


def _address(images: Images) -> str:
    """Where other servers reach this one; empty when it listens on its socket only."""
    end = images.transport.endpoint
    if end.base:
        return end.base
    if images.dialect.simplestreams:
        return images.transport.url
    info = images.dialect.info
    loopback = [a for a in info.addresses if a.startswith(("127.", "[::1]"))]
    address = next(iter([a for a in info.addresses if a not in loopback] or loopback), "")
    configured = str(info.config.get("core.https_address") or "")
    host = configured.rpartition(":")[0]
    if configured and host not in ("", "[::]", "0.0.0.0"):  # noqa: S104 - compared, not bound
        address = configured
    return f"https://{address}" if address else ""


def _certificate(images: Images) -> str:
    return images.dialect.info.certificate or images.transport.endpoint.pinned


def _pull(image: Image, source: Images, target: Images, public: bool, auto_update: bool, report: Report) -> None:
    """The target fetches. Source: POST /1.0/images, source.mode pull."""
    address = _address(source)
    if not address:
        raise InvalidRequestError(f"{source.transport.url} cannot be pulled from: it does not listen on the network")
    catalogue = source.dialect.simplestreams
    alias = next((a.name for a in image.aliases), "") if auto_update else ""
    body: dict[str, Any] = {
        "type": "image",
        "mode": "pull",
        "server": address,
        "protocol": _protocol(source, target),
        "certificate": _certificate(source),
        "image_type": image.type,
    }
    if source.project != "default":
        body["project"] = source.project
    if auto_update:
        # Only what was fetched by a name can be refreshed later, and only by anybody who may see it.
        if not alias or not (image.public or catalogue):
            raise InvalidRequestError("auto_update wants a public image with an alias to follow")
        body["alias"] = alias
    else:
        body["fingerprint"] = image.fingerprint
        if not image.public and not catalogue:
            body["secret"] = image.secret()
    document: dict[str, Any] = {
        "source": body,
        "public": public,
        "auto_update": auto_update,
        "filename": image.filename,
    }
    if not catalogue:
        # Left out it is the profile default, which a catalogue's images want: they name none.
        document["profiles"] = _profiles(image, target)
    reply = target.transport.request("POST", "/1.0/images", params=target.params, json=document)
    settle(target, lambda: image.fingerprint, target.operations.started(reply), report)


def _protocol(source: Images, target: Images) -> str:
    """What the target is to speak with the source; Incus speaks LXD's as well, LXD knows only its own."""
    if source.dialect.simplestreams:
        return "simplestreams"
    return "incus" if source.dialect.incus and target.dialect.incus else "lxd"


def _profiles(image: Image, target: Images) -> list[str]:
    """The image's profiles that the target knows."""
    known = known_profiles(target)
    return [name for name in image.record.profiles if name in known]


def _push(image: Image, source: Images, target: Images, report: Report) -> None:
    """The source sends, with a token of the target. Source: POST /1.0/images/{fingerprint}/export."""
    address = _address(target)
    if not address:
        raise InvalidRequestError(f"{target.transport.url} cannot be pushed to: it does not listen on the network")
    token = {
        "source": {"type": "image", "mode": "push", "fingerprint": image.fingerprint},
        "properties": image.record.properties,
        "public": image.public,
        "filename": image.filename,
    }
    reply = target.transport.request("POST", "/1.0/images", params=target.params, json=token)
    ticket = target.operations.started(reply)
    body = {
        "target": address,
        "certificate": _certificate(target),
        "secret": ticket.secret,
        "project": target.project,
        "profiles": _profiles(image, target),
    }
    path = f"/1.0/images/{image.fingerprint}/export"
    try:
        sent = source.transport.request("POST", path, params={"project": image.project}, json=body)
        _waited(source, sent, report)
    except BaseException:
        _forget(target, ticket.id)
        raise
    try:
        made = target.read(image.fingerprint)
    except NotFoundError as error:
        raise OperationFailedError(
            f"{source.transport.url} sent the image but {target.transport.url} has not got it"
        ) from error
    if made.type != image.type:
        # LXD 5.0.2 and Incus 6.0.4 push the disk of a split image as if it were a container's files.
        target.delete(image.fingerprint)
        raise OperationFailedError(
            f"{source.transport.url} sent the {image.type} as a {made.type}; the copy was removed. Use mode='pull' or "
            "'relay'"
        )


def _waited(images: Images, reply: Reply, report: Report, goes_on: str = "") -> None:
    """Wait for the end; where the server has forgotten how it ended, the images tell."""
    try:
        finished(images, images.operations.started(reply), report, goes_on)
    except NotFoundError:
        pass


def _forget(images: Images, operation: str) -> None:
    """Revoke a token that was not used."""
    try:
        images.operations.cancel(operation)
    except LxdImageError:
        pass  # used up or forgotten already


def _relay(image: Image, target: Images, public: bool, report: Report) -> None:
    """Through this machine: export, then import; verified on the way. Works between any two servers."""
    with tempfile.TemporaryDirectory(prefix="lxdimg-relay-") as folder:
        made = image.export(Path(folder), progress=report)
        root, *rest = reversed(made.paths)
        target.create(
            root,
            public,
            True,
            metadata=rest[0] if rest else None,
            type=image.type if rest else None,
            filename=image.filename,
            progress=report,
        )


def refresh_image(image: Image, images: Images, progress: ProgressArgument) -> str:
    """Have the server fetch a newer build; returns the fingerprint that is there afterwards."""
    if image.update_source is None:
        raise InvalidRequestError(
            f"the image {image.fingerprint[:12]} has no source, so the server cannot refresh it; import a newer file"
        )
    names = [a.name for a in image.aliases]
    before = known_fingerprints(images.transport, images.project)
    path = f"/1.0/images/{image.fingerprint}/refresh"
    reply = images.transport.request("POST", path, params={"project": image.project})
    with reporting(progress, image.fingerprint[:12]) as report:
        _waited(images, reply, report, "The server goes on with it and cannot be stopped.")
        report(Progress("server", text="refreshed"))
    if images.exists(image.fingerprint):
        return image.fingerprint
    for name in names:
        if images.aliases.exists(name):
            return images.aliases.get(name).target
    new = known_fingerprints(images.transport, images.project) - before
    if len(new) == 1:
        return new.pop()
    raise NotFoundError(f"the image {image.fingerprint[:12]} was replaced; which image took its place is not known")
