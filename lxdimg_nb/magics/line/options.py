"""Parameters that several verbs take."""

from __future__ import annotations

from itertools import chain
from typing import Any

import click

from lxdimg_nb.magics.line.command import argument, flag, option
from lxdimg_nb.magics.line.server_types import ALIAS_NAME, COLUMNS, IMAGE, IMAGES
from lxdimg_nb.magics.line.types import WHEN, Choice


def each_once(ctx: click.Context, param: click.Parameter, value: Any) -> Any:
    """The images of several words as one list without duplicates; `callback` of an argument."""
    return value if ctx.resilient_parsing else list(dict.fromkeys(chain.from_iterable(value)))


IMAGE_ARGUMENT = argument("image", "IMAGE", IMAGE)
IMAGES_ARGUMENT = argument("images", "IMAGE", IMAGES, many=True, callback=each_once)
ALIASES = option(
    "--alias", "aliases", type=ALIAS_NAME, metavar="NAME", repeatable=True, help="an alias for it; may be repeated"
)
ALL_PROJECTS = flag("--all-projects", help="of all projects")
AUTO_UPDATE = flag("--auto-update", help="keep it up to date, if it has a source")
BACKGROUND = flag("-b", "--background", on_invocation=True, help="in the background; %lxdimg transfers shows it")
COLUMN_OPTION = option(
    "-c",
    "--columns",
    type=COLUMNS,
    metavar="COLUMNS",
    help="only these: letters as in lxc, or names with commas",
)
EXPIRE = option("--expire", type=WHEN, metavar="WHEN", help="a date, or 90d")
_FORMATS = Choice("table", "csv", "csv,header", "json", "yaml", "compact")
FORMAT = option("-f", "--format", "form", type=_FORMATS, metavar="FORMAT", help="as text instead of a frame")
MAKE_METADATA = flag("--make-metadata", help="make the metadata of a file that has none, from what lies in it")
PUBLIC = flag("--public", help="visible without authentication")
REUSE = flag("--reuse", help="move aliases that are taken to this image")
VM = flag("--vm", on_invocation=True, help="the virtual machine, if a catalogue has a container of the same name")
YES = flag("-y", "--yes", help="without asking")
