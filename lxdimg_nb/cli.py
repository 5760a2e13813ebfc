"""The command `lxdimg-nb`: `lab` opens JupyterLab on the tour, `demo` runs a demo server, `import` imports a file."""

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
# The rest of the line, including --help, is passed on.
_PASS_THROUGH = {"ignore_unknown_options": True, "help_option_names": []}


@click.group(no_args_is_help=False, epilog="The rest happens in a notebook: import lxdimg_nb, or %load_ext lxdimg_nb.")
@click.version_option(lxdimg_nb.__version__, message="%(prog)s %(version)s")
def _commands() -> None:
    """Manage the images of LXD and Incus from a notebook."""


@_commands.command("lab", context_settings=_PASS_THROUGH, short_help="Open JupyterLab, on the tour if it is found.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def _lab(arguments: tuple[str, ...]) -> None:
    """Open JupyterLab; takes the arguments of `jupyter lab`."""
    if find_spec("jupyterlab") is None:
        raise click.ClickException("JupyterLab is not installed; pip install 'lxdimg-nb[lab]'")
    sys.stdout.flush()
    # JupyterLab replaces this process, with its signals and its terminal.
    os.execv(sys.executable, _lab_command(arguments))  # noqa: S606


@_commands.command("demo", context_settings=_PASS_THROUGH, short_help="Run a demo server; see `lxdimg-nb demo --help`.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def _demo(ctx: click.Context, arguments: tuple[str, ...]) -> None:
    """Run a demo server."""
    from lxdimg_nb import demo

    ctx.exit(demo.main(arguments))


@_commands.command("import", context_settings=_PASS_THROUGH, short_help="Import an image, as %lxdimg import does.")
@click.option("--server", default="", help="A remote, a URL or the path of a socket.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def _import(server: str, arguments: tuple[str, ...]) -> None:
    """Import an image; takes the arguments of `%lxdimg import` and --server."""
    from lxdimg_nb.client.project import changes_noted
    from lxdimg_nb.errors import LxdImageError
    from lxdimg_nb.magics.session.messages import format_error, stopped
    from lxdimg_nb.magics.shell_command import run_verb

    if {"-b", "--background"} & set(arguments):
        raise click.ClickException("an import from a shell waits until it is done; leave out --background")
    with changes_noted() as changes:
        try:
            shown = run_verb("import", arguments, server)
        except LxdImageError as error:
            raise click.ClickException(_in_shell_words(format_error(error))) from error
        except KeyboardInterrupt as error:
            raise click.ClickException(_in_shell_words(format_error(error, stopped(error, changes)))) from error
    if "--help" in arguments or "-h" in arguments:
        click.echo(str(shown).replace("%lxdimg", "lxdimg-nb"))


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: the arguments; by default those of the process.

    Returns:
        The exit status.
    """
    try:
        _commands.main(argv, prog_name="lxdimg-nb")
    except SystemExit as end:
        return int(end.code or 0)


def _in_shell_words(text: str) -> str:
    """The message of an error in a notebook, as it is said in a shell."""
    for notebook, shell in (
        ("%lxdimg import", "lxdimg-nb import"),
        ("%lxdimg connect https://host:8443, or a remote of %lxdimg remotes", "--server with a URL or a remote's name"),
        ("; %lxdimg list shows what is there now", ""),
        (": %lxdimg demo", ": lxdimg-nb demo, then --server with its address"),
    ):
        text = text.replace(notebook, shell)
    return "\n".join(line for line in text.splitlines() if "sys.last_value" not in line)


def _lab_command(arguments: Sequence[str]) -> list[str]:
    """The command that starts JupyterLab, on the tour unless the arguments name a file or folder."""
    command = [sys.executable, "-m", "jupyter", "lab"]
    folder = _tour_root()
    if folder is not None and all(word.startswith("-") for word in arguments):
        # As the default page rather than a file to open, so that the URL that JupyterLab prints leads there, too.
        command += [f"--ServerApp.root_dir={folder}", f"--LabApp.default_url=/lab/tree/{TOUR}"]
    return [*command, *arguments]


def _tour_root() -> Path | None:
    """The current folder, or the checkout that the package runs from, if it has the tour."""
    folders = (Path.cwd(), Path(lxdimg_nb.__file__).resolve().parent.parent)
    return next((folder for folder in folders if (folder / TOUR).is_file()), None)
