"""Documents with 100,000 entries or 10 MB of text: YAML in seconds, whole as a value, shown within limits."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from lxdimg_nb.magics.line import yaml_body
from lxdimg_nb.magics.show import yaml_text
from lxdimg_nb.magics.show.results import MAX_LINES, Text
from lxdimg_nb.values import Change, ImageRecord, writable_fields
from tests.kit.counts import count, long_run
from tests.kit.hostile_server import HostileServer
from tests.kit.inventories import fingerprint, image
from tests.kit.kernel import Kernel
from tests.kit.processor_time import processor_seconds

MANY, MEGABYTES = (100_000, 10) if long_run() else (6_000, 1)
# More than a text shows.
LINES = max(MANY, MAX_LINES + 1_000)
ODD = [
    "😀",
    "\x85",
    "a\nb",
    "x: y",
    "yes",
    "1.10",
    " lead",
    "#c",
    "\u2028",
    "\x1b[31m",
    "'",
    '"',
    "",
    "\\U0001F600",
    "é",
]
WORDS = "x y " * 250_000
DOCUMENTS: dict[str, dict[str, Any]] = {
    "profiles": {"profiles": [f"profile-{i}" for i in range(MANY)]},
    "properties": {"properties": {f"key-{i}": "v" for i in range(MANY)}},
    "one of 10 MB": {"properties": {"description": WORDS * MEGABYTES}},
    "odd": {"profiles": ODD * (MANY // 15), "public": True, "expires_at": None, "size": 5},
}


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_a_large_document_is_read_as_it_was(kind: str) -> None:
    text = yaml_text.yaml_text(DOCUMENTS[kind])

    assert yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)) == DOCUMENTS[kind]  # noqa: S506 - safe
    count("huge images", inputs=1)


def test_a_large_document_takes_less_than_a_tenth_of_it_written_in_python() -> None:
    taken = processor_seconds(lambda: yaml_text.yaml_text(DOCUMENTS["one of 10 MB"]))

    assert taken < processor_seconds(lambda: yaml.safe_dump(WORDS[: len(WORDS) * MEGABYTES // 10]))


def test_a_small_document_is_written_as_before() -> None:
    shown = yaml_text.yaml_text({"properties": {"description": "😀 ü", "release": "11.10"}})

    assert shown == "properties:\n  description: 😀 ü\n  release: '11.10'\n"


def test_a_line_break_of_mainframes_is_read_as_it_was() -> None:
    document = {"properties": {"a": "x\x85y", "b": "\ud800"}}

    assert yaml.safe_load(yaml_text.yaml_text(document))["properties"] == {"a": "x\x85y", "b": "\ufffd"}


def test_half_of_a_character_is_no_error() -> None:
    document = {"properties": {"a": "\ud800", "b": "x" * yaml_text.LARGE}}

    assert yaml.safe_load(yaml_text.yaml_text(document))["properties"]["a"] == "\ufffd"
    assert "uD800" in yaml_text.yaml_text({"a": "\ud800"})


def test_a_text_of_very_many_lines_shows_the_first_and_is_whole() -> None:
    text = Text("\n".join(f"- profile-{i}" for i in range(MAX_LINES + 80_000)))
    html = text._repr_html_()

    assert len(html.splitlines()) == MAX_LINES + 1
    assert html.endswith("… and 80,000 more lines: the value has all</pre>")
    assert len(text.splitlines()) == MAX_LINES + 80_000


def test_what_was_shown_can_be_edited_however_long_it_is() -> None:
    lines = "".join(f"- profile-{i}\n" for i in range(MANY))

    loaded = yaml_body.load(f"# a comment\nprofiles:\n{lines}properties:\n  release: 11.10\n  flag: yes\n  none:\n")

    assert loaded["profiles"] == DOCUMENTS["profiles"]["profiles"]
    assert loaded["properties"] == {"release": "11.10", "flag": "yes", "none": None}


def test_a_change_of_very_many_properties_and_a_record_are_short_to_read() -> None:
    record = ImageRecord(image(1, properties=DOCUMENTS["properties"]["properties"], names=["a" * 1_000_000] * 3))
    change = Change(record.fingerprint, writable_fields(record), {"properties": {}})

    assert len(repr(record)) < 1_000
    assert len(change.lines()) == 101
    assert change.lines()[-1] == f"and {MANY - 100:,} more"
    assert max(map(len, (repr(change), str(change.table()), change._repr_html_()))) < 20_000
    assert len(repr(Change("", {"properties": {}}, {"properties": {"k" * 1_000_000: "v"}}))) < 1_000


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["profiles", pytest.param("properties", marks=pytest.mark.long)])
def test_verbs_show_an_image_of_very_many_within_limits(shared_kernel: Kernel, kind: str) -> None:
    one = fingerprint(1)
    entries: Any = [f"entry-{i}" for i in range(LINES)]
    with HostileServer(image(1, **{kind: entries if kind == "profiles" else dict.fromkeys(entries, "v")})) as server:
        shared_kernel.run(f"%lxdimg connect {server.url}")
        shared_kernel.run(f"shown = %lxdimg show {one}\nlisted = %lxdimg list -f yaml")
        cells = [shared_kernel.run(line) for line in (f"%lxdimg info {one}", f"%lxdimg show {one}", "%lxdimg list")]
        lengths = shared_kernel.value("[len(text.splitlines()) for text in (shown, listed)]")

    assert [LINES < length < LINES + 50 for length in lengths] == [True, True]
    assert max(len(cell.text) for cell in cells) < 1_000_000
    assert "more lines: the value has all" in cells[1].text
    count("huge images", inputs=1)


def test_a_document_written_in_python_would_be_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml_text, "_QuickDumper", yaml.SafeDumper)

    with pytest.raises(AssertionError):
        test_a_large_document_takes_less_than_a_tenth_of_it_written_in_python()
