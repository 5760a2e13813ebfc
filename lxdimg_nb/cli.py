"""`lxdimg-nb lab` and `lxdimg-nb demo`: JupyterLab on the tour, and a demo server."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import click

import lxdimg_nb

__all__ = ["main"]

TOUR = Path("notebooks/tour.ipynb")
# The rest of the line belongs to the command, --help included.
_PASS_ON = {"ignore_unknown_options": True, "help_option_names": []}


@click.group(no_args_is_help=False, epilog="All else happens in a notebook: import lxdimg_nb, or %load_ext lxdimg_nb.")
@click.version_option(lxdimg_nb.__version__, message="%(prog)s %(version)s")
def _commands() -> None:
    """The notebook home of LXD and Incus images."""


@_commands.command("lab", context_settings=_PASS_ON, short_help="JupyterLab, on the tour where it is found.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def _lab(arguments: tuple[str, ...]) -> None:
    """JupyterLab, with the arguments of `jupyter lab`."""
    if find_spec("jupyterlab") is None:
        raise click.ClickException("JupyterLab is not installed; pip install 'lxdimg-nb[lab]'")
    sys.stdout.flush()
    # JupyterLab replaces this process, with its signals and its terminal.
    os.execv(sys.executable, _lab_command(arguments))  # noqa: S606


@_commands.command("demo", context_settings=_PASS_ON, short_help="A demo server; `lxdimg-nb demo --help` tells more.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def _demo(ctx: click.Context, arguments: tuple[str, ...]) -> None:
    """A demo server."""
    from lxdimg_nb import demo

    ctx.exit(demo.main(arguments))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: the arguments; those of the process by default.

    Returns:
        The exit status.
    """
    try:
        _commands.main(argv, prog_name="lxdimg-nb")
    except SystemExit as end:
        return int(end.code or 0)


def _lab_command(arguments: Sequence[str]) -> list[str]:
    """The command that starts JupyterLab, on the tour unless a file or folder is named."""
    command = [sys.executable, "-m", "jupyter", "lab"]
    folder = _home_of_the_tour()
    if folder is not None and all(word.startswith("-") for word in arguments):
        # As the default page instead of a file to open, so that the address that JupyterLab prints has it, too.
        command += [f"--ServerApp.root_dir={folder}", f"--LabApp.default_url=/lab/tree/{TOUR}"]
    return [*command, *arguments]


def _home_of_the_tour() -> Path | None:
    """The current folder or the checkout that the package runs from, if it has the tour."""
    folders = (Path.cwd(), Path(lxdimg_nb.__file__).resolve().parent.parent)
    return next((folder for folder in folders if (folder / TOUR).is_file()), None)
