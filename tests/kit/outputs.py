"""Executes the notebooks on a demo server and keeps in them what they show, for readers without a kernel.

Run as `python -m tests.kit.outputs [NAME…]`, from the top of the checkout, when a notebook or its outputs change.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

from lxdimg_nb import demo
from lxdimg_nb.magics.line.help import verb_table
from lxdimg_nb.magics.verbs.root import LXDIMG
from tests.kit.kernel import private_sockets

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
KEPT = ("image/png", "text/html", "text/plain")
KEY = "lxdimg_nb"
WIDGET = "application/vnd.jupyter.widget-view+json"

# What is another on every machine and in every run.
PLACES = (
    (r"/tmp/lxdimg-\w+", "/tmp/lxdimg-demo"),
    (r"/tmp/tmp\w+", "/tmp/tmp"),
    (r"127\.0\.0\.1:\d+", "127.0.0.1:8443"),
)


def execute(path: Path, url: str) -> nbformat.NotebookNode:
    """A notebook, executed on a server in its own folder."""
    notebook = nbformat.read(path, as_version=4)
    environment = {**os.environ, "LXDIMG_URL": url, "PYTHONPATH": os.fspath(FOLDER.parent), "TMPDIR": "/tmp"}
    with private_sockets() as settings:
        runner = NotebookClient(
            notebook,
            config=settings,
            timeout=120,
            kernel_name="python3",
            record_timing=False,
            coalesce_streams=True,
            resources={"metadata": {"path": os.fspath(FOLDER)}},
        )
        runner.execute(env=environment)
    return notebook


def digest(notebook: nbformat.NotebookNode) -> str:
    """What tells whether the cells are those that the outputs came from."""
    sources = "\0".join(f"{cell.cell_type}\0{cell.source}" for cell in notebook.cells if cell.cell_type == "code")
    return hashlib.sha256(sources.encode()).hexdigest()


def readable(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """An executed notebook as it is kept: texts, tables and pictures, and nothing that takes a kernel."""
    count = 0
    for cell in notebook.cells:
        cell.metadata = {}
        if cell.cell_type == "code":
            count += 1
            cell.execution_count = count
            cell.outputs = [kept for output in cell.outputs if (kept := _kept(output, count)) is not None]
    kernel = notebook.metadata.kernelspec
    notebook.metadata = {"kernelspec": kernel, "language_info": {"name": "python"}, KEY: {"shown": digest(notebook)}}
    return notebook


def shape(notebook: nbformat.NotebookNode) -> list[list[tuple[str, ...]]]:
    """Which kinds of outputs there are, cell by cell."""
    return [
        [(output.output_type, *sorted(output.get("data", {}))) for output in cell.outputs]
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


def _kept(output: Mapping[str, Any], count: int) -> nbformat.NotebookNode | None:
    kind = output["output_type"]
    if kind == "stream":
        text = "".join(line.rsplit("\r", 1)[-1] for line in output["text"].splitlines(keepends=True))
        return nbformat.v4.new_output("stream", name="stdout", text=_told(text)) if output["name"] == "stdout" else None
    data = {name: text for name, text in output["data"].items() if name in KEPT}
    data |= {name: _told(text) for name, text in data.items() if name.startswith("text/")}
    if WIDGET in output["data"] and "text/html" not in data:
        return None  # a bar, which is over
    numbered = {"execution_count": count} if kind == "execute_result" else {}
    return nbformat.v4.new_output(kind, data=data, **numbered)


def _told(text: str) -> str:
    for pattern, instead in PLACES:
        text = re.sub(pattern, instead, text)
    return text


def main(names: list[str]) -> None:
    """Execute these notebooks, or all of them, each on a demo server of its own."""
    for path in NOTEBOOKS:
        if not names or path.stem in names:
            with demo.start() as server:
                notebook = readable(execute(path, server.url))
            for cell in notebook.cells:
                if cell.source.startswith("| verb |"):
                    cell.source = verb_table(LXDIMG)
            nbformat.write(notebook, path)
            print(f"{path.name}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main(sys.argv[1:])
