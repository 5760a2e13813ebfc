"""`import` and `publish`: images of files, folders, URLs and instances."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from lxdimg_nb.client import Image
from lxdimg_nb.client.files.progress import ProgressArgument
from lxdimg_nb.client.verbs.write.publish import is_running
from lxdimg_nb.client.verbs.write.settings import free_aliases
from lxdimg_nb.errors import ImageExistsError, InvalidRequestError
from lxdimg_nb.magics.line.command import argument, flag, option, verb
from lxdimg_nb.magics.line.options import (
    ALIASES,
    AUTO_UPDATE,
    BACKGROUND,
    EXPIRE,
    MAKE_METADATA,
    PUBLIC,
    REUSE,
    YES,
)
from lxdimg_nb.magics.line.server_types import REMOTE_COLON, REMOTE_NAME, RemoteName, separate_remote
from lxdimg_nb.magics.line.types import FILE, PAIR, Choice, Pair, first_matching
from lxdimg_nb.magics.session.prompts import confirm
from lxdimg_nb.magics.session.session import Invocation
from lxdimg_nb.magics.verbs.asking import MAY_HOLD_KEYS, public_note
from lxdimg_nb.magics.verbs.long_running import (
    copy_image,
    describe,
    metadata_of,
    packed_folder,
    point_aliases,
    run_or_start,
)
from lxdimg_nb.text.secret import shown_address

_TYPES = {"container": "container", "vm": "virtual-machine", None: None}


@verb("import")
@argument("file", "FILE|URL", FILE)
@argument("words", "ROOTFS|REMOTE:|KEY=VALUE", first_matching(REMOTE_COLON, PAIR, FILE), required=False, many=True)
@ALIASES
@PUBLIC
@AUTO_UPDATE
@EXPIRE
@REUSE
@option("--type", "kind", type=Choice("container", "vm"), metavar="TYPE", help="of a split image, if it is ambiguous")
@MAKE_METADATA
@option("--sha256", metavar="SUM", help="the checksum that the file at the URL must have")
@option("--server-cert", type=FILE, metavar="FILE", help="the only certificate to accept from the URL")
@BACKGROUND
def import_image(
    invocation: Invocation,
    file: Any,
    words: Sequence[Any],
    aliases: tuple[str, ...],
    public: bool,
    auto_update: bool,
    expire: datetime | str | None,
    reuse: bool,
    kind: str | None,
    make_metadata: bool,
    sha256: str | None,
    server_cert: str | None,
) -> Image | None:
    """Import an image from files or a folder on the kernel's machine, or from a URL.

    For a split image, name the metadata and the root file system. A folder with metadata.yaml and rootfs is packed with
    its owners and modes, which needs root. KEY=VALUE sets properties.

    With --make-metadata, a root file system, a disk, a docker save file or an OCI layout becomes an image. What os=,
    release=, architecture=, description=, name=, variant=, serial=, creation_date= do not say is read from the file;
    image= names one of several container images.
    """
    remote, others = separate_remote(words)
    properties = dict(word for word in others if isinstance(word, Pair))
    files = [word for word in others if not isinstance(word, Pair)]
    from_url = isinstance(file, str) and file.startswith(("https://", "http://"))
    if len(files) > 1:
        raise InvalidRequestError(
            f"an image is one file, or two (metadata and root file system); {files[1]} is a third"
        )
    if from_url and (files or kind or make_metadata):
        raise InvalidRequestError("an import from a URL is one file, a unified image, without --type or metadata")
    if make_metadata and files:
        raise InvalidRequestError("--make-metadata makes the metadata; name only the root file system")
    for name, value in (("--sha256", sha256), ("--server-cert", server_cert)):
        if value and not from_url:
            raise InvalidRequestError(f"{name} needs an https:// URL")
    client = invocation.client(remote)
    options: dict[str, Any] = {
        "properties": (not make_metadata and properties) or None,
        "aliases": () if reuse else aliases,
        "expires_at": expire,
        "exist_ok": reuse,
    }

    as_file: dict[str, Any] = {"public": public, "wait": True, "type": _TYPES[kind], "auto_update": auto_update or None}

    def work(progress: ProgressArgument) -> Image:
        if from_url:
            expected: dict[str, Any] = {"sha256": sha256, "server_cert": server_cert}
            image = client.images.create_from_url(file, public, auto_update, progress=progress, **expected, **options)
        elif make_metadata:
            made = metadata_of(file, properties, progress)
            image = client.images.create(file, metadata=made, progress=progress, **as_file, **options)
        elif files:
            image = client.images.create(files[0], metadata=file, progress=progress, **as_file, **options)
        else:
            with packed_folder(file, progress) as data:
                image = client.images.create(data, progress=progress, **as_file, **options)
        return point_aliases(client, image, aliases if reuse else ())

    path = shown_address(str(file)) if isinstance(file, str | os.PathLike) else ""
    return run_or_start(
        invocation,
        f"import of {Path(path).name or 'an image'}",
        work,
        lambda image: f"imported {describe(image)}, on {client.url}",
        where=client.url,
        note=public_note(public, client),
    )


@verb("publish")
@argument("instance", "INSTANCE[/SNAPSHOT]", REMOTE_NAME)
@argument("words", "REMOTE:|KEY=VALUE", first_matching(REMOTE_COLON, PAIR), required=False, many=True)
@ALIASES
@PUBLIC
@flag("-f", "--force", help="stop a running instance for the duration, after asking")
@YES
@option("--compression", metavar="NAME", help="gzip, zstd, xz, none …")
@EXPIRE
@REUSE
@option("--format", "form", type=Choice("unified", "split"), metavar="FORMAT", help="if the server supports it")
@BACKGROUND
def publish(
    invocation: Invocation,
    instance: RemoteName,
    words: Sequence[Any],
    aliases: tuple[str, ...],
    public: bool,
    force: bool,
    yes: bool,
    compression: str | None,
    expire: datetime | str | None,
    reuse: bool,
    form: str | None,
) -> Image | None:
    """Make an image of an instance or a snapshot.

    The image may contain secrets of the instance: think before you make it public. With REMOTE: it is copied there and
    not kept here.
    """
    remote, pairs = separate_remote(words)
    client, name = invocation.client(instance.remote), instance.name
    target = invocation.session.client_for(remote) if remote else client
    if (target.url, target.project) == (client.url, client.project):
        target = client
    if target is not client:
        # Find out what cannot be copied before the image is made.
        if target.info.product == "simplestreams":
            raise InvalidRequestError(f"{target.url} only offers images; publish to an LXD or Incus")
        free_aliases(target.server_project, () if reuse else aliases)
    if force and is_running(client.server_project, name):
        confirm(f"Stop {name} on {client.url} without asking it, publish it, and start it again?", [], yes=yes)

    def make(progress: ProgressArgument, **options: Any) -> Image:
        return client.images.publish(
            name,
            properties=dict(pairs) or None,
            expires_at=expire,
            compression=compression,
            format=form,
            stop=force,
            progress=progress,
            **options,
        )

    def here(progress: ProgressArgument) -> Image:
        try:
            image = make(progress, aliases=() if reuse else aliases, public=public)
        except ImageExistsError as error:
            if not reuse:
                raise
            image = client.images.get(error.fingerprint)
        return point_aliases(client, image, aliases if reuse else ())

    def there(progress: ProgressArgument) -> Image:
        ours = True
        try:
            image = make(progress)
        except ImageExistsError as error:
            image, ours = client.images.get(error.fingerprint), False
        try:
            return copy_image(image, target, progress, aliases=aliases, public=public, reuse=reuse)
        finally:
            if ours:
                image.delete()

    where = "" if target is client else f" on {target.url}"
    return run_or_start(
        invocation,
        f"publish of {name}",
        here if target is client else there,
        lambda image: f"published {name} as {describe(image)}{where}",
        where=target.url,
        note=public_note(public, target, MAY_HOLD_KEYS),
    )


VERBS = (import_image, publish)
