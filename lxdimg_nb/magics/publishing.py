"""`publish`: an image of an instance or of a snapshot, here or on another server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lxdimg_nb.errors import ImageExistsError, InvalidRequestError
from lxdimg_nb.magics.grammar import Argument, Call, Flag, Verb
from lxdimg_nb.magics.session.prompts import confirm
from lxdimg_nb.magics.verbs.change_verbs import YES, moment, pairs
from lxdimg_nb.magics.verbs.list_verbs import REMOTE
from lxdimg_nb.magics.verbs.transfer_verbs import ALIAS, BACKGROUND, EXPIRE, PUBLIC, REUSE, copied, long, named, new

if TYPE_CHECKING:
    from lxdimg_nb.client import Client, Image
    from lxdimg_nb.client.files.progress import ProgressArgument
    from lxdimg_nb.magics.session.session import Session

__all__ = ["VERBS"]


def _publish(session: Session, call: Call) -> Any:
    client, instance = session.named(call.text("INSTANCE[/SNAPSHOT]"), call.project)
    words = call.some("REMOTE:|KEY=VALUE")
    remotes = [word for word in words if REMOTE.fullmatch(word.text)][:1]
    properties = pairs([word for word in words if word not in remotes])
    target = session.at(remotes[0].text[:-1]) if remotes else client
    if (target.url, target.project) == (client.url, client.project):
        target = client
    if target is not client:
        _welcome(target, call)
    _ask(client, instance, call)

    def work(progress: ProgressArgument) -> Image:
        if target is client:
            image, _ = _made(client, instance, call, properties, progress)
            return named(client, image, call.options("--alias") if call.has("--reuse") else [])
        image, ours = _made(client, instance, call, properties, progress, passing=True)
        try:
            return copied(call, image, target, progress)
        finally:
            if ours:
                image.delete()

    where = "" if target is client else f" on {target.url}"
    return long(
        call,
        f"publish of {instance}",
        target.url,
        work,
        lambda image: f"published {instance} as {new(image)}"[:-1] + where,
    )


def _welcome(target: Client, call: Call) -> None:
    """Raise where the image could not be copied to, before it is made."""
    from lxdimg_nb.client.verbs.finish_import import checked_aliases

    if target.images.dialect.catalogue:
        raise InvalidRequestError(f"{target.url} only offers images; publish to an LXD or Incus")
    if not call.has("--reuse"):
        checked_aliases(target.images, call.options("--alias"))


def _ask(client: Client, instance: str, call: Call) -> None:
    from lxdimg_nb.client.verbs.publish import is_running

    if call.has("--force") and is_running(client.images, instance):
        question = f"Stop {instance} on {client.url} without asking it, publish it, and start it again?"
        confirm(question, [], yes=call.has("--yes"))


def _made(
    client: Client,
    instance: str,
    call: Call,
    properties: dict[str, str],
    progress: ProgressArgument,
    *,
    passing: bool = False,
) -> tuple[Image, bool]:
    """The image where the instance is, and whether it was not there before; one that only passes has no name."""
    reuse, expiry = call.has("--reuse"), call.option("--expire")
    try:
        image = client.images.publish(
            instance,
            aliases=() if reuse or passing else call.options("--alias"),
            public=call.has("--public") and not passing,
            properties=properties or None,
            expires_at=moment(expiry) if expiry else None,
            compression=call.option("--compression"),
            format=call.option("--format"),
            stop=call.has("--force"),
            progress=progress,
        )
    except ImageExistsError as error:
        if not (reuse or passing):
            raise
        return client.images.get(error.fingerprint), False
    return image, True


VERBS = (
    Verb(
        "publish",
        "make an image of an instance, or of a snapshot",
        _publish,
        (Argument("INSTANCE[/SNAPSHOT]", "instance"), Argument("REMOTE:|KEY=VALUE", "pair", optional=True, many=True)),
        (
            ALIAS,
            PUBLIC,
            Flag("--force", "stop an instance that runs for the while, after asking", short="-f"),
            YES,
            Flag("--compression", "gzip, zstd, xz, none …", "NAME"),
            EXPIRE,
            REUSE,
            Flag("--format", "where the server can choose", "FORMAT", choices=("unified", "split")),
            BACKGROUND,
        ),
        more="What is published can hold the instance's secrets: think before it is public. With REMOTE: it is copied "
        "there and not kept here.",
    ),
)
