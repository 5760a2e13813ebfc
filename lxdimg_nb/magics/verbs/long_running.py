"""Shared by the verbs that transfer images: progress or background, packing of folders, moving of aliases."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from lxdimg_nb.client import Client, Image, image_metadata
from lxdimg_nb.client.files.folder_archive import pack_folder
from lxdimg_nb.client.files.metadata.metadata_tarball import ImageMetadata
from lxdimg_nb.client.files.progress import ProgressArgument
from lxdimg_nb.client.files.root_source import given_folder, is_oci_folder, is_root_folder
from lxdimg_nb.errors import ImageExistsError, InvalidRequestError
from lxdimg_nb.magics.line.types import METADATA_FIELDS
from lxdimg_nb.magics.session.messages import echo
from lxdimg_nb.magics.session.session import Invocation
from lxdimg_nb.magics.show.image_text import image_name

_T = TypeVar("_T")
# What is told of metadata that were made; the rest follows from it.
_TOLD = ("architecture", "os", "release", "creation_date", "type")


def run_or_start(
    invocation: Invocation,
    title: str,
    work: Callable[[ProgressArgument], _T],
    describe_result: Callable[[_T], str],
    *,
    where: str,
    note: str = "",
) -> _T | None:
    """Do the work with a progress bar, or start it in the background.

    Args:
        describe_result: makes the line to print.
        note: a line below, also in the background.
    """
    if not invocation.background:
        result = work(True)
        _say(describe_result(result), note)
        return result
    if invocation.result_name is not None:
        raise InvalidRequestError(
            f"a background transfer has no result yet; get it with %lxdimg transfers NUMBER -o {invocation.result_name}"
        )
    from lxdimg_nb.panels.base.transfers import transfers

    transfer = transfers.start(title, work, where=where, result_text=describe_result)
    _say(f"transfer {transfer.number} has started: {title}; %lxdimg transfers {transfer.number} waits for it", note)
    return None


def _say(*lines: str) -> None:
    for line in filter(None, lines):
        echo(line)


def point_aliases(client: Client, image: Image, aliases: Iterable[str]) -> Image:
    """Point aliases at an image, wherever they pointed before."""
    for alias in aliases:
        change = client.images.aliases.point(alias, to=image)
        if change and change.before.get("target"):
            echo(f"{alias}: {change.before['target'][:12]} → {image.fingerprint[:12]}")
    return image.reload() if aliases else image


def describe(image: Image) -> str:
    """Describe a new image: `web (0123456789ab), private`."""
    return f"{image_name(image)}, {'public' if image.public else 'private'}"


def copy_image(
    image: Image,
    target: Client,
    progress: ProgressArgument,
    *,
    aliases: tuple[str, ...],
    public: bool,
    reuse: bool,
    copy_aliases: bool = False,
    auto_update: bool = False,
    mode: str | None = None,
) -> Image:
    """Copy an image to another server or project; with `reuse`, aliases that are taken are moved."""
    moved = [*aliases, *([alias.name for alias in image.aliases] if copy_aliases else [])] if reuse else []
    try:
        made = image.copy(
            target,
            mode=mode or "auto",
            aliases=() if reuse else aliases,
            copy_aliases=copy_aliases and not reuse,
            public=public,
            auto_update=auto_update,
            progress=progress,
        )
    except ImageExistsError:
        if not reuse:
            raise
        made = target.images.get(image.fingerprint)
    return point_aliases(target, made, moved)


@contextmanager
def packed_folder(data: Any, progress: ProgressArgument) -> Iterator[Any]:
    """Pack the folder of an image to a temporary file; any other data is passed through."""
    folder = given_folder(data)
    if folder is None or is_root_folder(folder) or is_oci_folder(folder):
        yield data
    else:
        with pack_folder(folder, progress=progress) as path:
            yield path


def metadata_of(file: Any, values: Mapping[str, str], progress: ProgressArgument) -> ImageMetadata:
    """The metadata of a file that has none; says what they are and where each value is from.

    Args:
        file: a path or an object in a variable.
        values: what is not read from the file; other names than those of `image_metadata` are properties.
    """
    known: dict[str, Any] = {key: value for key, value in values.items() if key in METADATA_FIELDS}
    if known.get("creation_date", "").isdigit():
        known["creation_date"] = int(known["creation_date"])
    others = {key: value for key, value in values.items() if key not in METADATA_FIELDS}
    made = image_metadata(file, properties=others, progress=progress, **known)
    read = [f"{fact.name} {fact.value} ({fact.source})" for fact in made.facts if fact.name in _TOLD]
    if progress is True:  # not in the background
        for line in ("metadata: " + "; ".join(read), *made.notes):
            echo(line)
    return made
