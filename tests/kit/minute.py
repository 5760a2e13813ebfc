"""Runs the examples of the README from top to bottom, on a demo server as if it were the local LXD.

tests/docs/test_readme.py calls it, and tests/matrix runs it as a program with the Pythons and versions of its matrix:
`python minute.py README.md`. It imports nothing but the package and IPython.
"""

from __future__ import annotations

import os
import platform
import re
import sys
import tempfile
from importlib import metadata
from pathlib import Path

from IPython.core.interactiveshell import InteractiveShell

import lxdimg_nb

SHOWN = ("pandas", "ipywidgets", "anywidget", "ipython", "cryptography", "requests", "tornado")


def blocks(readme: str) -> list[tuple[str, str]]:
    """The kind and the code of every fenced block."""
    return re.findall(r"^```(\w+)\n(.*?)^```", readme, re.MULTILINE | re.DOTALL)


def run_examples(shell: InteractiveShell, readme: str) -> int:
    """Run every block of Python and IPython, one after the other in one namespace; returns how many there were.

    Raises:
        AssertionError: one failed; it shows the block and its error.
    """
    found = [code for kind, code in blocks(readme) if kind in ("python", "ipython")]
    for code in found:
        result = shell.run_cell(code)
        assert result.success, f"{code}\n{result.error_before_exec or result.error_in_exec}"
    return len(found)


def main(file: str) -> None:
    """Run the examples of a README in a new folder, and say with which versions."""
    readme = Path(file).read_text(encoding="utf-8")
    for name in ("LXD_DIR", "INCUS_DIR", "INCUS_SOCKET", "LXDIMG_URL"):
        os.environ.pop(name, None)
    with tempfile.TemporaryDirectory() as folder, lxdimg_nb.demo.start() as server:
        os.chdir(folder)
        os.environ["LXD_SOCKET"] = str(server.socket)
        shell = InteractiveShell.instance()
        # What the examples show is of no interest here.
        with open(os.devnull, "w", encoding="utf-8") as nowhere:
            out, sys.stdout = sys.stdout, nowhere
            try:
                count = run_examples(shell, readme)
            finally:
                sys.stdout = out
        shell.run_line_magic("unload_ext", "lxdimg_nb")
        shell.user_ns["client"].close()
        os.chdir("/")
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in SHOWN)
    print(f"{count} examples of the README ran on Python {platform.python_version()} with {versions}")


if __name__ == "__main__":
    main(sys.argv[1])
