"""Values are shown as text and as harmless HTML."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
from IPython.lib.pretty import pretty

from lxdimg_nb.text.tables import Table
from lxdimg_nb.values import Alias, Change, ImageRecord, Operation, ServerInfo, image_table, images_table
from tests.kit.hostile_text import HOSTILE, NASTY, RAW, Page, assert_harmless

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def test_an_image_is_shown_with_every_attribute_and_no_certificate() -> None:
    seen = str(image_table(ImageRecord.from_json(RAW), now=NOW))

    for part in (
        "ab" * 32,
        "web",
        "3.00 MiB (3,145,728 bytes)",
        "public",
        "3 days ago",
        "in 1 month",
        "https://s lxd a",
    ):
        assert part in seen
    assert "properties.os" in seen
    assert "PEM" not in seen


@dataclass
class Look:
    """Anything with the attributes of an image will do."""

    record: ImageRecord

    def __getattr__(self, name: str) -> Any:
        return getattr(self.record, name)


TABLES = [
    image_table(ImageRecord.from_json(RAW), now=NOW),
    image_table(Look(ImageRecord.from_json(RAW)), now=NOW),
    images_table([ImageRecord.from_json(RAW)] * 3, now=NOW),
    images_table([], now=NOW),
    Alias("web", "words", "ab" * 32, "container").table(),
    Change("ab" * 32, {"public": False}, {"public": True}).table(),
    Change("ab" * 32, {}, {}).table(),
    Operation("1", "task", "Creating", "Running", 103, "", True, {"download_progress": "rootfs: 3%"}, {}).table(),
    Operation("1", "task", "Creating", "Failure", 400, "no room", False, {}, {}).table(),
    ServerInfo("lxd", "5.0.2", "trusted", "default", False, addresses=("127.0.0.1:8443",)).table(),
]


@pytest.mark.parametrize("seen", TABLES)
def test_every_value_has_text_and_harmless_html(seen: Table) -> None:
    assert str(seen).strip()
    assert repr(seen) == str(seen)
    assert_harmless(seen.html())
    assert seen._repr_html_() == seen.html()


def test_values_show_themselves() -> None:
    record = ImageRecord.from_json(RAW)
    operation = Operation("1", "task", "Creating", "Failure", 400, "no room", False, {}, {})
    server = ServerInfo("lxd", "5.0.2", "trusted", "default", False)

    assert "properties.os" in record._repr_html_()
    assert "ab" * 6 in Alias("web", "words", "ab" * 32)._repr_html_()
    assert "no room" in operation._repr_html_()
    assert "lxd 5.0.2" in server._repr_html_()
    assert "unchanged" in Change("ab" * 32, {}, {})._repr_html_()


def test_an_unchanged_image_says_so() -> None:
    assert "unchanged" in str(Change("ab" * 32, {}, {}).table())


def test_a_change_shows_before_and_after() -> None:
    seen = Change("ab" * 32, {"public": False}, {"public": True}).table()

    assert seen.rows == (("public", "no", "yes"),)


def test_a_value_on_its_own_is_a_table_in_a_terminal_and_in_a_list_it_is_its_repr() -> None:
    alias = Alias("web", "words", "ab" * 32)

    assert pretty(alias) == str(alias.table())
    assert pretty([alias]).startswith("[Alias(name='web'")


def test_a_change_is_one_line_in_a_list_or_a_terminal() -> None:
    change = Change("ab" * 32, {"public": False}, {"public": True})

    assert repr([change]) == "[<Change abababababab: public no → yes>]"


def test_no_last_use_and_no_expiry_are_shown_as_never() -> None:
    never = "0001-01-01T00:00:00Z"
    image = ImageRecord.from_json(RAW | {"last_used_at": never, "expires_at": never, "created_at": never})
    change = Change("ab" * 32, {"expires_at": None}, {"expires_at": NOW})

    seen = dict(image_table(image, now=NOW).rows)

    assert (seen["last_used_at"], seen["expires_at"]) == ("never", "never")
    assert seen["created_at"] == ""
    assert change.table().rows[0][1] == "never"


def test_many_images_are_cut_and_counted() -> None:
    seen = str(images_table([ImageRecord.from_json(RAW)] * 100, now=NOW))

    assert "100 images" in seen
    assert "40 more" in seen


def test_hostile_values_are_harmless_in_every_table() -> None:
    nasty = ImageRecord.from_json(HOSTILE)
    shown = [
        image_table(nasty),
        images_table([nasty]),
        Alias(NASTY, NASTY, NASTY).table(),
        Change(NASTY, {NASTY: NASTY}, {NASTY: NASTY}).table(),
        Operation(NASTY, NASTY, NASTY, NASTY, 400, NASTY, True, {}, {}).table(),
        ServerInfo(NASTY, NASTY, NASTY, NASTY, False, name=NASTY).table(),
    ]

    for table in shown:
        assert_harmless(table.html())
        assert "\x1b" not in str(table)
        assert "\u202e" not in str(table)
        assert "alert(1)" in Page(table.html()).text
