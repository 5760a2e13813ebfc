"""The rows behind a list: search, order, pages, selection, and how little of it goes to a browser."""

from __future__ import annotations

import json

import pytest

from lxdimg_nb.filters import parse
from lxdimg_nb.panels.image.image_row import Row
from lxdimg_nb.panels.images.table import ImageTable
from lxdimg_nb.panels.images.table_columns import COLUMNS
from lxdimg_nb.values import ImageRecord


def record(i, **fields):
    raw = {
        "fingerprint": f"{i:064x}",
        "size": i * 1000,
        "properties": {"os": "ubuntu" if i % 2 else "debian", "description": f"image {i}"},
        "aliases": [{"name": f"web-{i}"}],
        "uploaded_at": f"2026-01-{i % 28 + 1:02}T00:00:00Z",
    }
    return ImageRecord(raw | fields)


def table_of(count, **fields):
    table = ImageTable()
    table.replace(Row.of(r) for r in (record(i, **fields) for i in range(count)))
    return table


def aliases(table):
    return [row.record.aliases[0].name for row in table.shown()]


def test_a_search_shows_what_matches_and_counts_it():
    table = table_of(100)

    table.search("os=ubuntu size>=95000")

    assert sorted(aliases(table)) == ["web-95", "web-97", "web-99"]
    view = table.view()
    assert (view["matching"], view["total"]) == (3, 100)


def test_a_plain_word_means_what_it_means_in_every_filter():
    table = table_of(30)
    for query in ("WEB-2", "image", "2", "web-1 image", "web-*", "nothing", '"web-2"', "web-1,web-2"):
        table.search(query)
        wanted = {r.key for r in table.rows.values() if parse(query).matches(r.record)}
        assert {row.key for row in table.found()} == wanted, query


def odd_records():
    yield from (record(i, public=i % 3 == 0, uploaded_at=f"2026-01-0{i + 1}T0{i}:{i % 6}9:59.9Z") for i in range(9))
    for i, odd in enumerate(
        [
            {"public": 1, "size": True, "type": 7, "architecture": ["x"], "aliases": "none", "properties": []},
            {"uploaded_at": "2026-01-02T10:11:12+02:00", "last_used_at": "1970-01-01T00:00:00Z", "cached": True},
            {
                "uploaded_at": "0001-01-01T00:00:00Z",
                "last_used_at": None,
                "aliases": [{"name": 3}, None, {"name": "ſET"}],
            },
            {"uploaded_at": 12, "expires_at": "soon", "properties": {"os": 5, "description": "a[b *c"}, "size": "8"},
            {"aliases": [{"name": "İstanbul"}, {"name": "straße"}], "properties": {"os": "UBUNTU", "release": ""}},
            {"expires_at": "2026-01-05T10:30:00Z", "created_at": "2020-01-05T10:30:00.5Z", "type": "virtual-machine"},
        ],
        100,
    ):
        yield record(i, **odd)


@pytest.mark.parametrize(
    "query",
    [
        "public=yes", "public!=yes", "cached=no", "os=ubuntu", "os!=ubuntu,debian", "os=ub*", "release=",
        "type=container", "type=virtual-machine", "size>4000", "size<=4000", "size!=3000", "age>100d",
        "age<100d", "idle>1d", "uploaded>=2026-01-04", "uploaded<2026-01-04T03:30", "uploaded=2026-01-0*",
        "used=never", "expires<now", "expires!=never", "created<2021-01-01", "alias=web-*", "alias=web-1,s*",
        "alias!=web-1", "alias=", "i?tan", "istan", "ET", "strasse", "a[b", '"*c"', "web-1,image", "*",
        "arch=x", "description=image*", "web public=yes size>2000",
    ],
)  # fmt: skip
def test_every_filter_finds_what_it_finds_elsewhere(query):
    table = ImageTable()
    table.replace(Row.of(r) for r in odd_records())

    table.search(query)

    assert table.problem == ""
    wanted = {row.key for row in table.rows.values() if parse(query).matches(row.record)}
    assert {row.key for row in table.found()} == wanted


def test_changed_rows_keep_their_place_in_every_order():
    table = ImageTable()
    table.replace(Row.of(r) for r in odd_records())
    columns = ("alias", "uploaded", "size", "public")
    for name in columns:
        table.order(name)
        table.found()

    table.put(Row(f"default/{3:064x}", record(3, public=False, size=9, aliases=[{"name": "aaa"}])))
    table.put(Row(f"default/{77:064x}", record(77, properties={"flavour": "new"})))
    table.drop(f"default/{104:064x}")

    for name in columns:
        fresh = ImageTable()
        fresh.replace(table.rows.values())
        fresh.sort = table.sort = name
        fresh.descending = table.descending = True
        table._found = None
        assert [row.key for row in table.found()] == [row.key for row in fresh.found()], name
    table.search("flavour=new")
    assert [row.key for row in table.found()] == [f"default/{77:064x}"]


def test_an_invalid_filter_is_reported_and_keeps_the_list():
    table = table_of(10)
    table.search("os=ubuntu")

    table.search("os=ubuntu sise>1")

    assert "size" in table.problem
    assert len(table.found()) == 5


def test_numbers_in_aliases_sort_as_numbers_and_a_second_click_reverses_the_order():
    table = table_of(12)

    table.order("alias")

    assert aliases(table)[:3] == ["web-0", "web-1", "web-2"]
    table.order("alias")
    assert aliases(table)[:3] == ["web-11", "web-10", "web-9"]


def test_every_column_sorts_a_hostile_record():
    table = table_of(3)
    odd = ImageRecord({"fingerprint": "f" * 64, "properties": {"description": "\u202e\x00" * 500}, "size": "many"})
    table.put(Row.of(odd))

    for name in COLUMNS:
        table.order(name)
        table.columns = (name,)
        assert len(table.view()["rows"]) == 4


def test_pages_stay_within_what_there_is():
    table = table_of(45)
    table.turn(99)
    assert table.page == 2
    assert len(table.shown()) == 5

    table.search("web-1")

    assert table.page == 0


def test_selection_is_by_image_and_survives_search_sort_and_change():
    table = table_of(30)
    chosen = table.shown()[3].key
    table.select([chosen, "no such row"], True)

    table.order("size")
    table.search("os=ubuntu")
    table.put(Row(chosen, table.rows[chosen].record))

    assert table.selected == {chosen}
    table.drop(chosen)
    assert table.selected == set()


def test_all_matching_images_are_selected_not_only_those_of_the_page():
    table = table_of(100)
    table.search("os=ubuntu")

    table.select_found(True)

    assert len(table.selected) == 50


def test_chips_and_words_narrow_together():
    table = table_of(20)
    public = record(3, public=True)
    table.put(Row.of(public))

    table.choose_chips(["public", "no such chip"])

    assert aliases(table) == ["web-3"]
    table.search("web-4")
    assert aliases(table) == []


@pytest.mark.slow
def test_a_page_of_a_hundred_thousand_images_is_small():
    table = table_of(100_000)
    table.size = 50

    payload = json.dumps(table.view())

    assert len(payload) < 64 * 1024
    assert json.loads(payload)["total"] == 100_000


def test_text_of_a_server_is_sanitized_before_it_goes_to_a_browser():
    table = ImageTable()
    odd = record(1, aliases=[{"name": "\x1b[31mred\u202eevil"}], properties={"description": "a\nb\ud800"})
    table.replace([Row.of(odd)])

    text = json.dumps(table.view(), ensure_ascii=False).encode()

    assert b"\x1b" not in text
    assert "\u202e".encode() not in text
