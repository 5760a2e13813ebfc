"""A demo server: it serves the REST API of LXD or Incus over a real socket, with small but real images.

    with lxdimg_nb.demo.start() as server:
        client = lxdimg_nb.connect(server.url)

It needs no LXD, no root and no network, and imports nothing of the rest of the package. `python -m
lxdimg_nb.demo` runs one as a process of its own. `sample_image()` is a small image to try things out with, on any
server.
"""

from __future__ import annotations

from .command_line import main
from .demo_server import DemoServer, start
from .filling import fill
from .http.faults import Fault, Faults
from .stock.sample_images import sample_docker_image, sample_image, sample_split_image

__all__ = [
    "DemoServer",
    "Fault",
    "Faults",
    "fill",
    "main",
    "sample_docker_image",
    "sample_image",
    "sample_split_image",
    "start",
]
