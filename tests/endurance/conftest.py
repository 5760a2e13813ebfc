"""What tests of long use stand on: a temporary folder of their own, so that what is left in it is theirs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.usage import own_temporary_folder


@pytest.fixture(scope="module")
def temporary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder for temporary files of this process. pytest's own is made before, outside of it."""
    tmp_path_factory.getbasetemp()
    with own_temporary_folder() as folder:
        yield folder
