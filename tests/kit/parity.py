"""Asking a daemon and the demo server that imitates it the same, and what each of them told.

Ids, times and secrets are blotted out, so that what is left must agree.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from lxdimg_nb import demo
from tests.kit import factory
from tests.kit.demo_http import ask, finished
from tests.kit.servers import RunningServer

OCTETS = {"Content-Type": "application/octet-stream"}
HEADERS = ("content-type", "location", "etag", "content-disposition", "accept-ranges", "content-range")
BLOTS = (
    (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UUID"),
    (r"20[2-9]\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+(Z|[+-]\d\d:\d\d)", "NOW"),
    (r'"secret": "[0-9a-f]{64}"', '"secret": "SECRET"'),
    (r"boundary=[0-9a-f]{60}", "boundary=EDGE"),
)
ONE, TWO = factory.small(1), factory.small(2, compression="xz")
FIRST, SECOND = (hashlib.sha256(data).hexdigest() for data in (ONE, TWO))
SPLIT = factory.split(3)
DOUBLE = hashlib.sha256(b"".join(SPLIT)).hexdigest()
IMAGE = f"/1.0/images/{FIRST}"
Step = tuple[Any, ...]


@pytest.fixture(params=["lxd", "incus"])
def product(request: pytest.FixtureRequest) -> str:
    """`lxd` and `incus` in turn."""
    return str(request.param)


@pytest.fixture
def daemon(product: str, request: pytest.FixtureRequest) -> Path:
    """The socket of the real one."""
    running = request.getfixturevalue(product)
    assert isinstance(running, RunningServer)
    return running.socket


@pytest.fixture
def imitation(product: str) -> Iterator[Path]:
    """The socket of a demo server that plays it."""
    with demo.start(product=product, inventory=False, https=False) as server:
        yield server.socket


def blotted(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    for pattern, blot in BLOTS:
        text = re.sub(pattern, blot, text)
    return text


def told(place: Path, step: Step) -> Any:
    """What one step got: a step is method, path, and maybe body and headers; an operation is waited for."""
    try:
        said = ask(place, *step)
    except (http.client.HTTPException, ConnectionError):
        return "dropped"
    shown = {name: said.headers[name] for name in HEADERS if name in said.headers}
    if "content-type" in shown and "json" not in shown["content-type"]:
        shown.pop("etag", None)
        return said.status, blotted(shown), len(said.body)
    if not said.body:
        return said.status, blotted(shown)
    is_task = said.status == 202 and said.metadata["class"] == "task"
    operation = blotted(finished(place, said)) if is_task else ""
    return said.status, blotted(shown), blotted(said.json), operation


def compare(daemon: Path, imitation: Path, steps: Sequence[Step]) -> None:
    """Take the same steps on both; fails at the first that told something else."""
    real = [told(daemon, step) for step in steps]
    ours = [told(imitation, step) for step in steps]
    for step, theirs, mine in zip(steps, real, ours, strict=True):
        assert mine == theirs, f"{step}: {mine} is not {theirs}"
