"""`export`, `copy` and `refresh`: verbs that move the bytes of images."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any

from lxdimg_nb.client import Image
from lxdimg_nb.client.files.progress import ProgressArgument
from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.magics.line.command import argument, flag, option, verb
from lxdimg_nb.magics.line.options import ALIASES, BACKGROUND, IMAGE_ARGUMENT, IMAGES_ARGUMENT, PUBLIC, REUSE, VM, YES
from lxdimg_nb.magics.line.server_types import IMAGES, PROJECT, REMOTE_COLON, separate_remote
from lxdimg_nb.magics.line.types import FILE, Choice, first_matching
from lxdimg_nb.magics.session.session import Invocation
from lxdimg_nb.magics.show.image_text import image_name
from lxdimg_nb.magics.verbs.asking import confirm_many, public_note
from lxdimg_nb.magics.verbs.long_running import copy_image, describe, run_or_start


@verb("export")
@IMAGE_ARGUMENT
@argument("target", "TARGET", FILE, required=False)
@VM
@flag("--bundle", help="the two files of a split image as one file that import accepts")
@flag("--sidecar", help="also write aliases, properties and provenance to a JSON file")
@flag("--restart", help="start over, even if an earlier attempt left a part")
@BACKGROUND
def export(invocation: Invocation, image: Image, target: Any, bundle: bool, sidecar: bool, restart: bool) -> Any:
    """Export an image to a folder or file, verified; resumes if interrupted."""
    if target == "-":
        raise InvalidRequestError("a notebook has no standard output to pipe; for the bytes write image.export()")

    def work(progress: ProgressArgument) -> Any:
        return image.export(target or ".", resume=not restart, bundle=bundle, sidecar=sidecar, progress=progress)

    return run_or_start(
        invocation,
        f"export of {image_name(image)}",
        work,
        lambda made: f"exported {image_name(image)} to {made}",
        where=image.server,
    )


@verb("copy")
@argument("words", "IMAGE… REMOTE:", first_matching(REMOTE_COLON, IMAGES), many=True)
@ALIASES
@flag("--copy-aliases", help="with its aliases")
@PUBLIC
@flag("--auto-update", help="keep the copy up to date")
@option("--mode", type=Choice("auto", "pull", "push", "relay"), metavar="MODE", help="which side transfers the data")
@VM
@option("--target-project", type=PROJECT, metavar="PROJECT", help="into this project")
@REUSE
@BACKGROUND
@YES
def copy(invocation: Invocation, words: Sequence[Any], target_project: str | None, yes: bool, **options: Any) -> Any:
    """Copy images to another server or project.

    The copy is private without --public; it asks before it makes several public copies. To another project of the
    same server, --target-project is enough.
    """
    remote, found = separate_remote(words)
    images: list[Image] = list(dict.fromkeys(chain.from_iterable(found)))
    if not found:
        raise InvalidRequestError(f"an image is missing; write %lxdimg {copy.usage}")
    if not remote and target_project is None:
        raise InvalidRequestError("say where to: REMOTE: at the end, or --target-project NAME")
    if len(images) > 1 and options["aliases"]:
        raise InvalidRequestError("--alias names one image; copy the images one by one, or use --copy-aliases")
    target = invocation.session.client_for(remote, target_project)
    if options["public"] and len(images) > 1:
        warning = target.info.public_warning(target.project)
        confirm_many(f"To {target.url}, project {target.project}: make public copies of", images, [warning], yes=yes)

    def copy_one(image: Image) -> Image | None:
        return run_or_start(
            invocation,
            f"copy of {image_name(image)}",
            lambda progress: copy_image(image, target, progress, **options),
            lambda made: f"copied {describe(made)}, to project {target.project} on {target.url}",
            where=target.url,
            note=public_note(options["public"] and len(images) == 1, target),
        )

    made = [copy_one(image) for image in images]
    return made[0] if len(made) == 1 else made


@verb("refresh")
@IMAGES_ARGUMENT
@BACKGROUND
@YES
def refresh(invocation: Invocation, images: list[Image], yes: bool) -> Any:
    """Have the server fetch newer builds of images; asks before it refreshes several."""
    gone = "A newer build takes the place of an image under a new fingerprint; the build that is there will be gone."
    confirm_many("Refresh", images, [gone], yes=yes)

    def refresh_one(image: Image) -> Image | None:
        def said(now: Image) -> str:
            if now.fingerprint == image.fingerprint:
                return f"{image_name(image)} is already current"
            build = now.record.properties.get("serial", "a newer build")
            return f"{image_name(image)} → {now.fingerprint[:12]}, {build}"

        return run_or_start(
            invocation,
            f"refresh of {image_name(image)}",
            lambda progress: image.refresh(progress=progress),
            said,
            where=image.server,
        )

    made = [refresh_one(image) for image in images]
    return made[0] if len(made) == 1 else made


VERBS = (export, copy, refresh)
