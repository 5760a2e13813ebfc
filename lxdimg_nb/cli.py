"""`lxdimg-nb lab` and `lxdimg-nb demo`: JupyterLab on the tour, and a demo server of its own."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import lxdimg_nb

__all__ = ["main"]

TOUR = Path("notebooks/tour.ipynb")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: the arguments; those of the process by default.

    Returns:
        The exit status.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    # What follows the command is the command's own, `--help` included.
    at = next((i for i, word in enumerate(arguments) if not word.startswith("-")), len(arguments))
    command = _parser().parse_args(arguments[: at + 1]).command
    rest = arguments[at + 1 :]
    if command == "demo":
        from lxdimg_nb import demo

        return demo.main(rest)
    if find_spec("jupyterlab") is None:
        print("lxdimg-nb: JupyterLab is not installed; pip install 'lxdimg-nb[lab]'", file=sys.stderr)
        return 1
    sys.stdout.flush()
    # Lab takes this process over, with its signals and its terminal.
    return os.execv(sys.executable, _lab(rest))  # noqa: S606


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lxdimg-nb",
        description="The notebook home of LXD and Incus images.",
        epilog="Everything else happens in a notebook: import lxdimg_nb, or %load_ext lxdimg_nb.",
    )
    parser.add_argument("--version", action="version", version=f"lxdimg-nb {lxdimg_nb.__version__}")
    parser.add_argument(
        "command",
        choices=("lab", "demo"),
        help="lab: JupyterLab, on the tour where it is found, with the arguments of `jupyter lab`; "
        "demo: a server to play with, `lxdimg-nb demo --help` tells more",
    )
    return parser


def _lab(arguments: Sequence[str]) -> list[str]:
    """The command that is JupyterLab, on the tour unless another file or folder is named."""
    command = [sys.executable, "-m", "jupyter", "lab"]
    folder = _home_of_the_tour()
    if folder is not None and all(word.startswith("-") for word in arguments):
        # As the first page and not as a file to open: so it is in the address that Lab prints, too.
        command += [f"--ServerApp.root_dir={folder}", f"--LabApp.default_url=/lab/tree/{TOUR}"]
    return [*command, *arguments]


def _home_of_the_tour() -> Path | None:
    """This folder, or the checkout that this package is run from, where it has the tour."""
    folders = (Path.cwd(), Path(lxdimg_nb.__file__).resolve().parent.parent)
    return next((folder for folder in folders if (folder / TOUR).is_file()), None)
