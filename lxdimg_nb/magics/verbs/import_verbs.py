"""`import`: files, a folder or an address as an image."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.magics.grammar import Argument, Call, Flag, Verb
from lxdimg_nb.magics.verbs.change_verbs import moment, pairs
from lxdimg_nb.magics.verbs.transfer_verbs import ALIAS, BACKGROUND, EXPIRE, PUBLIC, REUSE, long, named, new

if TYPE_CHECKING:
    from lxdimg_nb.client import Image
    from lxdimg_nb.client.files.progress import ProgressArgument
    from lxdimg_nb.magics.line.words import Word
    from lxdimg_nb.magics.session.session import Session

__all__ = ["VERBS", "file_of"]

_TYPES = {"container": "container", "vm": "virtual-machine", None: None}


def _import(session: Session, call: Call) -> Any:
    files, remote, properties = _sorted(call.some("ROOTFS|REMOTE:|KEY=VALUE"))
    first = call.one("FILE|URL")
    address = first.value is None and first.text.startswith(("https://", "http://"))
    _fitting(call, files, address=address)
    client = session.at(remote, call.project)
    aliases, reuse, expiry = call.options("--alias"), call.has("--reuse"), call.option("--expire")
    options: dict[str, Any] = {
        "properties": properties or None,
        "aliases": () if reuse else aliases,
        "expires_at": moment(expiry) if expiry else None,
        "exist_ok": reuse,
    }

    def fetch(progress: ProgressArgument) -> Image:
        return client.images.create_from_url(
            first.text,
            call.has("--public"),
            call.has("--auto-update"),
            sha256=call.option("--sha256"),
            server_cert=call.option("--server-cert"),
            progress=progress,
            **options,
        )

    def send(progress: ProgressArgument) -> Image:
        with file_of(first, progress, alone=not files) as data:
            return client.images.create(
                files[0] if files else data,
                public=call.has("--public"),
                wait=True,
                metadata=data if files else None,
                type=_TYPES[call.option("--type")],
                auto_update=True if call.has("--auto-update") else None,
                progress=progress,
                **options,
            )

    def work(progress: ProgressArgument) -> Image:
        image = fetch(progress) if address else send(progress)
        return named(client, image, aliases if reuse else [])

    name = first.variable if first.value is not None else first.text.partition("?")[0].rstrip("/").rpartition("/")[2]
    return long(
        call,
        f"import of {name or 'an image'}",
        client.url,
        work,
        lambda image: f"imported {new(image)} on {client.url}",
    )


def _fitting(call: Call, files: list[str], *, address: bool) -> None:
    """Raise where words and flags do not go together."""
    if len(files) > 1:
        raise InvalidRequestError(
            f"an image is one file, or two: the metadata and the root file system; {files[1]} is a third"
        )
    if address and (files or call.has("--type")):
        raise InvalidRequestError("from an address comes a unified image: one file, without --type")
    for flag in ("--sha256", "--server-cert"):
        if call.has(flag) and not address:
            raise InvalidRequestError(f"{flag} goes with an https:// address")


@contextmanager
def file_of(word: Word, progress: ProgressArgument, *, alone: bool = True) -> Iterator[Any]:
    """What a word names to import: a file's path, an object of the user's, or a folder, packed meanwhile."""
    data: Any = word.value if word.value is not None else word.text
    if alone and isinstance(data, str | os.PathLike) and Path(data).expanduser().is_dir():
        from lxdimg_nb.client.files.folder_archive import packed

        with packed(Path(data).expanduser(), progress=progress) as path:
            yield path
    else:
        yield data


def _sorted(words: list[Word]) -> tuple[list[str], str, dict[str, str]]:
    """Files, the remote and the properties among the words behind the first file."""
    remote, files, properties = "", [], []
    for word in words:
        if word.text.endswith(":") and "/" not in word.text:
            remote = word.text[:-1]
        elif "=" in word.text and not Path(word.text).expanduser().exists():
            properties.append(word)
        else:
            files.append(word.text)
    return files, remote, pairs(properties)


VERBS = (
    Verb(
        "import",
        "import an image from a file or two of the kernel's machine, a folder, or an address",
        _import,
        (Argument("FILE|URL", "file"), Argument("ROOTFS|REMOTE:|KEY=VALUE", "file", optional=True, many=True)),
        (
            ALIAS,
            PUBLIC,
            Flag("--auto-update", "keep it fresh, where it has a source"),
            EXPIRE,
            REUSE,
            Flag("--type", "of a split image, when its content does not tell", "TYPE", choices=("container", "vm")),
            Flag("--sha256", "what the file at the address must be", "SUM"),
            Flag("--server-cert", "the certificate of the address, and no other", "FILE", "file"),
            BACKGROUND,
        ),
        more="For a split image name the metadata and the root file system. A folder with metadata.yaml and rootfs is "
        "packed with its owners and modes, which wants root. KEY=VALUE sets properties.",
    ),
)
