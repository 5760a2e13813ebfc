"""One JupyterLab in one page for all tests in a browser, and the notebooks that a test opens there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import missing
from tests.kit.axe import script
from tests.kit.lab import OLD_KERNEL, Books, Lab, install_old_kernel, running_lab


@pytest.fixture(scope="package")
def lab(chromium: str) -> Iterator[Lab]:
    """A JupyterLab in a page. Its Playwright keeps an event loop, so it must not outlive the tests in a browser."""
    with running_lab(chromium) as started:
        yield started


@pytest.fixture
def books(lab: Lab) -> Iterator[Books]:
    """Makes notebooks, and closes them with their kernels after the test."""
    made = Books(lab)
    yield made
    for book in made.opened:
        book.close()


@pytest.fixture(scope="session")
def old_kernel() -> str:
    """The name of a kernel of an ipykernel before 7."""
    why = install_old_kernel()
    if why is not None:
        missing(why)
    return OLD_KERNEL


@pytest.fixture(scope="session")
def axe() -> str:
    """axe-core's script."""
    found = script()
    if found is None:
        missing("axe-core cannot be had from npm")
    return found
