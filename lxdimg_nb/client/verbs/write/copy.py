"""Copy images between servers or projects: by pull, push or relay, private images with a secret."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from lxdimg_nb.client.files.progress import ProgressArgument, Report, reporting
from lxdimg_nb.client.files.temporary_folder import temporary_folder
from lxdimg_nb.client.project import Project
from lxdimg_nb.client.verbs.read.export import export_files
from lxdimg_nb.client.verbs.write.create import create_image
from lxdimg_nb.client.verbs.write.delete import delete_image
from lxdimg_nb.client.verbs.write.edit import edit_image
from lxdimg_nb.client.verbs.write.manage_aliases import create_alias
from lxdimg_nb.client.verbs.write.settings import Settings, free_aliases, known_profiles
from lxdimg_nb.client.verbs.write.wait import wait_for_import, wait_or_cancel, warn_of_copies
from lxdimg_nb.errors import (
    ImageExistsError,
    InvalidRequestError,
    LxdImageError,
    NotFoundError,
    OperationCancelledError,
    OperationFailedError,
)
from lxdimg_nb.values import Alias, ImageRecord, Operation
from lxdimg_nb.values.image_record import differing_fields, writable_fields
from lxdimg_nb.values.validation import checked_bool, checked_names

__all__ = ["MODES", "copy_image", "create_secret"]

MODES = ("auto", "pull", "push", "relay")


def copy_image(
    source: Project,
    record: ImageRecord,
    target: Project,
    *,
    mode: str = "auto",
    aliases: str | Iterable[str] = (),
    copy_aliases: bool = False,
    public: bool | None = None,
    auto_update: bool = False,
    progress: ProgressArgument = None,
) -> ImageRecord:
    """See `Image.copy`; returns what the target has."""
    if mode not in MODES:
        raise InvalidRequestError(f"an image is copied by {', '.join(MODES)}, not by {mode!r}")
    if target.dialect.simplestreams:
        raise InvalidRequestError(f"{target.url} only offers images; copy to an LXD or Incus")
    public = record.public if public is None else checked_bool("public", public)
    for what, asked in (("auto_update", auto_update), ("copy_aliases", copy_aliases)):
        checked_bool(what, asked)
    if public:
        target.dialect.check_public(target.name)
    if auto_update and mode in ("auto", "pull") and not target.dialect.can_auto_update_from(source.dialect):
        # It would fail after the image was stored.
        raise InvalidRequestError("an Incus cannot keep an image of an LXD current; copy it without auto_update")
    if mode == "push" and source.dialect.incus != target.dialect.incus:
        # The receiving server answers in a way that the sending one cannot read, when all is sent.
        raise InvalidRequestError(
            "an LXD and an Incus cannot push images to each other; copy with mode='pull' or 'relay', or leave out the "
            "mode. Nothing was sent"
        )
    given = {name: Alias(name) for name in checked_names(aliases, "an alias")}
    wanted = {a.name: a for a in record.aliases if copy_aliases} | given
    free_aliases(target, list(wanted))
    if target.holds(record.fingerprint):
        raise ImageExistsError(
            f"the image {record.fingerprint[:12]} is already in project {target.name} on {target.url}",
            fingerprint=record.fingerprint,
        )
    with reporting(progress, record.fingerprint[:12]) as report:
        _Copy(source, record, target, public, auto_update, report).run(mode)
    made = target.read(record.fingerprint)
    # A pull keeps these fields; a push and a relay do not on every server.
    changes = {"public": public, "properties": record.properties, "expires_at": record.expires_at}
    if mode != "pull" and auto_update and made.update_source:
        changes["auto_update"] = True
    if not source.dialect.simplestreams:
        changes["profiles"] = _profiles(record, target)
    if changes := differing_fields(changes, writable_fields(made)):
        made = edit_image(target, made, changes)
    for alias in wanted.values():
        create_alias(target, alias.name, record.fingerprint, description=alias.description)
    return target.read(record.fingerprint) if wanted else made


def create_secret(project: Project, record: ImageRecord) -> str:
    """A one-time token with which anybody can fetch a private image. Source: POST /1.0/images/{fingerprint}/secret."""
    return _secret(project, record).secret


def _secret(project: Project, record: ImageRecord) -> Operation:
    return project.start_token(f"/1.0/images/{record.fingerprint}/secret")


@contextmanager
def _cancelled_if_it_fails(project: Project, token: Operation | None) -> Iterator[None]:
    """Cancel a token if what it is for fails or is interrupted: servers keep one that was not used."""
    try:
        yield
    except BaseException:
        if token is not None:
            with suppress(LxdImageError):  # it was used or has expired
                project.operations.cancel(token)
        raise


@dataclass(frozen=True, slots=True)
class _Copy:
    """One image to be copied, and the three ways to do it."""

    source: Project
    record: ImageRecord
    target: Project
    public: bool
    auto_update: bool
    report: Report

    def run(self, mode: str) -> None:
        ways: dict[str, Callable[[], None]] = {"pull": self.pull, "push": self.push, "relay": self.relay}
        if mode != "auto":
            ways[mode]()
            return
        reasons: list[str] = []
        for name in self.possible():
            try:
                ways[name]()
                return
            except (OperationCancelledError, ImageExistsError):
                raise
            except LxdImageError as error:
                if self.target.holds(self.record.fingerprint):
                    return
                reasons.append(f"{name}: {error.message}")
        raise InvalidRequestError("the image could not be copied; " + "; ".join(reasons))

    def possible(self) -> list[str]:
        """The ways to try, those that spare this machine first."""
        ways = []
        if _address(self.source):
            ways.append("pull")
        # LXD 5.0.2 and Incus 6.0.4 push a split virtual machine as a container.
        container = self.record.type != "virtual-machine"
        if container and _address(self.target) and self.source.dialect.incus == self.target.dialect.incus:
            ways.append("push")
        return [*ways, "relay"]

    def pull(self) -> None:
        """The target fetches. Source: POST /1.0/images, source.mode pull."""
        source, record, target = self.source, self.record, self.target
        address = _address(source)
        if not address:
            raise InvalidRequestError(f"{source.url} cannot be pulled from: it does not listen on the network")
        catalogue, token = source.dialect.simplestreams, None
        body: dict[str, Any] = {
            "type": "image",
            "mode": "pull",
            "server": address,
            "protocol": _protocol(source, target),
            "certificate": _certificate(source),
            "image_type": record.type,
        }
        if source.name != "default":
            body["project"] = source.name
        if self.auto_update:
            # Only an image that was fetched by a public alias can be refreshed later.
            if not record.aliases or not (record.public or catalogue):
                raise InvalidRequestError("auto_update wants a public image with an alias to follow")
            body["alias"] = record.aliases[0].name
        else:
            body["fingerprint"] = record.fingerprint
            if not record.public and not catalogue:
                token = _secret(source, record)
                body["secret"] = token.secret
        document: dict[str, Any] = {
            "source": body,
            "public": self.public,
            "auto_update": self.auto_update,
            "filename": record.filename,
        }
        if not catalogue:
            # Images of a catalogue name no profiles; left out, the server sets the profile default.
            document["profiles"] = _profiles(record, target)
        what = f"fetching the image {record.fingerprint[:12]} from {source.url}"
        with _cancelled_if_it_fails(source, token):
            operation = target.start("POST", "/1.0/images", json=document)
            wait_for_import(target, operation, lambda: record.fingerprint, self.report, what)

    def push(self) -> None:
        """The source sends, with a token of the target. Source: POST /1.0/images/{fingerprint}/export."""
        source, record, target = self.source, self.record, self.target
        address = _address(target)
        if not address:
            raise InvalidRequestError(f"{target.url} cannot be pushed to: it does not listen on the network")
        document = {
            "source": {"type": "image", "mode": "push", "fingerprint": record.fingerprint},
            "properties": record.properties,
            "public": record.public,
            "filename": record.filename,
        }
        token = target.start_token("/1.0/images", json=document)
        body = {
            "target": address,
            "certificate": _certificate(target),
            "secret": token.secret,
            "project": target.name,
            "profiles": _profiles(record, target),
        }
        with _cancelled_if_it_fails(target, token):
            sending = source.start("POST", f"/1.0/images/{record.fingerprint}/export", json=body)
            try:
                wait_or_cancel(source, sending, self.report, f"sending the image {record.fingerprint[:12]}", "")
            except NotFoundError:
                pass  # the server no longer knows how it ended; the target's images tell
            except OperationFailedError as error:
                if not (target.info.cluster and target.holds(record.fingerprint)):
                    raise
                warn_of_copies(record.fingerprint, error, self.report)
        try:
            made = target.read(record.fingerprint)
        except NotFoundError as error:
            raise OperationFailedError(f"{source.url} sent the image but {target.url} has not got it") from error
        if made.type != record.type:
            # LXD 5.0.2 and Incus 6.0.4 push a split virtual machine as a container.
            delete_image(target, record.fingerprint)
            raise OperationFailedError(
                f"{source.url} sent the {record.type} as a {made.type}; the copy was removed. Use mode='pull' or "
                "'relay'"
            )

    def relay(self) -> None:
        """Export to this machine, then import; verified on the way. Works between any two servers."""
        with temporary_folder("relay") as folder:
            root, *rest = reversed(export_files(self.source, self.record, folder, progress=self.report).paths)
            create_image(
                self.target,
                root,
                Settings(self.public),
                wait=True,
                metadata=rest[0] if rest else None,
                type=self.record.type if rest else None,
                filename=self.record.filename,
                progress=self.report,
            )


def _address(project: Project) -> str:
    """The address at which other servers reach this one; empty when it listens only on its socket."""
    end, info = project.transport.endpoint, project.info
    if end.base:
        return end.base
    if project.dialect.simplestreams:
        return project.url
    loopback = [a for a in info.addresses if a.startswith(("127.", "[::1]"))]
    address = next(iter([a for a in info.addresses if a not in loopback] or loopback), "")
    configured = str(info.config.get("core.https_address") or "")
    host = configured.rpartition(":")[0]
    if configured and host not in ("", "[::]", "0.0.0.0"):  # noqa: S104 - compared, not bound
        address = configured
    return f"https://{address}" if address else ""


def _certificate(project: Project) -> str:
    return project.info.certificate or project.transport.endpoint.pinned


def _protocol(source: Project, target: Project) -> str:
    """The protocol between target and source; Incus speaks LXD's, too, LXD only its own."""
    if source.dialect.simplestreams:
        return "simplestreams"
    return "incus" if source.dialect.incus and target.dialect.incus else "lxd"


def _profiles(record: ImageRecord, target: Project) -> list[str]:
    """The image's profiles that the target knows."""
    known = known_profiles(target)
    return [name for name in record.profiles if name in known]
