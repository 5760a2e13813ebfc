"""The table of steps is whole: each is shown by a test that is there, or has a reason; and a story that does nothing
fails."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kit import counts
from tests.kit.drivers import ClientDriver
from tests.kit.steps import KIND, TESTS, Step, faults, read, step, table

LINE = "| a | | |\n|---|\n| delete | basic.sh | | an image is deleted | test_one_steps.py |\n"


def test_every_step_is_shown_or_has_a_reason() -> None:
    assert faults(list(table().values()), TESTS) == []


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Tests that show one step."""
    (tmp_path / "suites").mkdir()
    (tmp_path / "suites/test_one_steps.py").write_text("with step('delete'):\n    pass\n")
    (tmp_path / "test_two.py").write_text("def test_there(): ...\n")
    return tmp_path


def test_a_whole_table_passes(folder: Path) -> None:
    there = "| b | | image.sh | elsewhere | test_two.py::test_there |\n| c | x.sh | | | not here: needs a cluster |\n"

    assert read(LINE)[0] == Step("delete", "basic.sh", "", "an image is deleted", "test_one_steps.py")
    assert faults(read(LINE + there), folder) == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("| delete | a.sh | | | test_one_steps.py |", "delete stands twice"),
        ("| b | | | what | test_two.py::test_there |", "no suite is named"),
        ("| b | a.sh | | what | test_one_steps.py |", "test_one_steps.py does not show it"),
        ("| b | a.sh | | what | test_three.py |", "test_three.py does not show it"),
        ("| b | a.sh | | what | test_two.py::test_gone |", "there is no test_two.py::test_gone"),
        ("| b | a.sh | | what | test_three.py::test_there |", "there is no test_three.py::test_there"),
        ("| b | a.sh | | what | not here: |", "b"),
    ],
)
def test_a_fault_in_the_table_is_found(folder: Path, line: str, said: str) -> None:
    (found, *_) = faults(read(LINE + line + "\n"), folder)

    assert said in found


def test_a_step_that_is_not_in_the_table_is_found(folder: Path) -> None:
    (folder / "suites/test_more_steps.py").write_text("with step('new'):\n    pass\n")

    assert faults(read(LINE), folder) == ["test_more_steps.py shows new, which is not in the table"]


def test_a_step_counts_and_says_which_it_was_when_it_fails() -> None:
    counts.take()
    with step("delete"):
        pass
    with pytest.raises(AssertionError) as caught, step("delete"):
        raise AssertionError

    assert counts.take() == [(KIND, 1, 0, 0)]
    assert "step 'delete' of basic.sh" in caught.value.__notes__[0]
    with pytest.raises(KeyError), step("no such step"):
        pass


WRITES = ("create", "edit", "delete_alias")
if counts.long_run():
    WRITES += ("set_property", "unset_property", "delete", "add_alias", "rename_alias")


@pytest.mark.parametrize("verb", WRITES)
@pytest.mark.parametrize("driver", ["demo"], indirect=True)
def test_a_verb_that_does_nothing_is_noticed(
    driver: ClientDriver, files: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    from tests.suites import test_basic_steps as basic
    from tests.suites import test_image_steps as image

    monkeypatch.setattr(ClientDriver, verb, lambda *_, **__: "0" * 64)
    stories = (
        lambda: basic.test_exports_and_imports(driver, files, tmp_path),
        lambda: basic.test_aliases(driver, files),
        lambda: image.test_properties_and_edits(driver, files),
    )

    noticed = False
    for story in stories:
        driver.server.clean()
        try:
            story()
        except Exception:  # noqa: BLE001 - whatever a story notices it by
            noticed = True
            break
    counts.take()
    assert noticed
