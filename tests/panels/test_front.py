"""The browser's side of panels: its lint, its types, its own tests, and that the bundle is what its sources build."""

from __future__ import annotations

import pytest

from tests.conftest import missing
from tests.kit import node


@pytest.fixture(scope="module")
def front() -> None:
    """The packages of package-lock.json are installed."""
    why = node.install()
    if why is not None:
        missing(why)


@pytest.mark.parametrize(
    "script", ["types", "check", *(pytest.param(script, marks=pytest.mark.slow) for script in ("lint", "test"))]
)
def test_the_script_of_package_json_passes(front, script):
    done = node.run("run", "--silent", script)

    assert done.returncode == 0, f"npm run {script} failed in {node.FRONT.name}/:\n{done.stdout[-8000:]}"
