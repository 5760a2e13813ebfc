"""Reading what servers say without trusting it."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lxdimg_nb.client.verbs.write.edit import etag_of
from lxdimg_nb.errors import UnexpectedReplyError
from lxdimg_nb.values import (
    Change,
    Event,
    ImageRecord,
    Operation,
    ServerInfo,
    fingerprints,
    format_time,
    parse_time,
)

FINGERPRINT = "ab" * 32
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
FIELDS = [
    name
    for name, value in vars(ImageRecord).items()
    if isinstance(value, property) and name not in ("raw", "default_project")
]
KEYS = [*FIELDS, "update_source"]


@pytest.mark.parametrize(
    "never",
    [None, "", "0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "1970-01-01T02:00:00+02:00", 0, "no", "0001-01-01"],
)
def test_every_spelling_of_never_is_none(never: object) -> None:
    assert parse_time(never) is None


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2031-05-05T10:00:00+02:00", datetime(2031, 5, 5, 8, tzinfo=UTC)),
        ("2026-11-23T12:00:00.123456789Z", datetime(2026, 11, 23, 12, 0, 0, 123456, tzinfo=UTC)),
        ("2026-11-23T12:00:00.1Z", datetime(2026, 11, 23, 12, 0, 0, 100000, tzinfo=UTC)),
        ("9999-12-31T23:59:59Z", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
        ("9999-12-31T23:59:59-10:00", None),
    ],
)
def test_times_are_utc_to_the_microsecond(text: str, time: datetime | None) -> None:
    assert parse_time(text) == time


@given(st.datetimes(min_value=datetime(1971, 1, 1), timezones=st.just(timezone(timedelta(hours=3)))))
def test_a_formatted_time_parses_to_the_same_time(moment: datetime) -> None:
    assert parse_time(format_time(moment)) == moment


@given(st.dictionaries(st.sampled_from(KEYS), JSON))
def test_a_malformed_image_reads_as_empty_values_never_as_an_error(raw: dict[str, object]) -> None:
    record = ImageRecord.from_json({**raw, "fingerprint": FINGERPRINT})

    for name in FIELDS:
        getattr(record, name)
    assert record.fingerprint == FINGERPRINT
    assert isinstance(record.size, int)
    assert all(isinstance(v, str) for v in record.properties.values())
    assert len(etag_of(record)) == 64


@pytest.mark.parametrize(
    "raw",
    [
        None,
        [],
        "x",
        {},
        {"fingerprint": "AB" * 32},
        {"fingerprint": "../x"},
        {"fingerprint": 3},
        {"fingerprint": FINGERPRINT + "\n"},
    ],
)
def test_an_image_without_a_valid_fingerprint_is_refused(raw: object) -> None:
    with pytest.raises(UnexpectedReplyError):
        ImageRecord.from_json(raw)


def test_other_replies_are_no_operation_event_or_server() -> None:
    for kind in (Operation, Event, ServerInfo):
        for raw in (None, [], {}, "x", {"id": 3}, {"type": None}, {"auth": "trusted"}):
            with pytest.raises(UnexpectedReplyError):
                kind.from_json(raw)


def test_fingerprints_are_read_from_urls_and_nothing_else() -> None:
    urls = [f"/1.0/images/{FINGERPRINT}", f"/1.0/images/{FINGERPRINT}?project=x", "/1.0/images/abc", None, "/1.0/x", 3]

    assert fingerprints(urls) == [FINGERPRINT, FINGERPRINT]


@pytest.mark.parametrize(
    ("metadata", "done", "text"),
    [
        ({"download_progress": "rootfs: 12% (4.10MB/s)"}, 12, "rootfs: 12% (4.10MB/s)"),
        ({"create_image_from_container_pack_progress": "Image pack: 2% (8MB/s)"}, 2, "Image pack: 2% (8MB/s)"),
        ({"progress": {"percent": "40", "stage": "x"}}, 40, "x"),
        ({"download_progress": "1.20MB (600.00kB/s)"}, 0, "1.20MB (600.00kB/s)"),
    ],
)
def test_progress_is_read_in_every_dialect(metadata: dict[str, object], done: int, text: str) -> None:
    progress = Operation.from_json({"id": "1", "metadata": metadata}).progress

    assert progress is not None
    assert (progress.done, progress.text) == (done, text)


def test_locations_are_empty_without_a_cluster() -> None:
    def locations(*said: str) -> tuple[str, ...]:
        return ImageRecord.from_json({"fingerprint": FINGERPRINT, "locations": list(said)}).locations

    assert locations("n1", "n2") == ("n1", "n2")
    # Incus 7 without a cluster.
    assert locations("none") == ()


def test_a_change_is_one_safe_line() -> None:
    before = {"public": False, "properties": {"os": "a", "same": "1"}, "expires_at": None}
    after = {
        "public": True,
        "properties": {"os": "\x1b[2Jb\u202e", "same": "1"},
        "expires_at": datetime(2030, 1, 1, tzinfo=UTC),
    }

    text = str(Change(FINGERPRINT, before, after))

    assert text == (
        f"{FINGERPRINT[:12]}: public no → yes, properties.os a → b�, expires_at never → 2030-01-01 00:00 UTC"
    )
    assert str(Change(FINGERPRINT, {}, {})) == f"{FINGERPRINT[:12]}: unchanged"


def test_an_untrusted_reply_tells_lxd_from_incus() -> None:
    def untrusted(*extensions: str) -> str:
        raw = {"api_version": "1.0", "auth": "untrusted", "api_extensions": list(extensions) or None}
        return ServerInfo.from_json(raw).product

    assert untrusted("devlxd_images") == "lxd"
    assert untrusted("etag", "image_types") == "lxd"
    assert untrusted("etag", "dev_incus_images") == "incus"
    assert untrusted() == "incus"


def test_secrets_and_certificates_are_in_no_repr() -> None:
    secret = "f00d" * 16
    operation = Operation.from_json({"id": "1", "metadata": {"secret": secret}})
    source = ImageRecord.from_json(
        {"fingerprint": FINGERPRINT, "update_source": {"server": "s", "certificate": secret}}
    ).update_source

    assert operation.secret == secret
    assert source is not None
    assert source.certificate == secret
    for value in (operation, source):
        assert dataclasses.is_dataclass(value)
        assert secret not in repr(value)
