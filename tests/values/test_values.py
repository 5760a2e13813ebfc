"""What a server said, read without trust."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lxdimg_nb.client.dialect import Dialect
from lxdimg_nb.client.verbs.write.edit import etag_of
from lxdimg_nb.errors import InvalidRequestError, MissingExtensionError, UnexpectedReplyError
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
def test_a_time_survives_the_way_to_a_server_and_back(moment: datetime) -> None:
    assert parse_time(format_time(moment)) == moment


@given(st.dictionaries(st.sampled_from(KEYS), JSON))
def test_a_hostile_image_reads_as_empty_values_never_as_an_error(raw: dict[str, object]) -> None:
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
def test_an_image_without_a_proper_fingerprint_is_none(raw: object) -> None:
    with pytest.raises(UnexpectedReplyError):
        ImageRecord.from_json(raw)


def test_what_is_no_operation_event_or_server_is_said() -> None:
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


def test_an_image_is_on_members_of_a_cluster_alone() -> None:
    def locations(*said: str) -> tuple[str, ...]:
        return ImageRecord.from_json({"fingerprint": FINGERPRINT, "locations": list(said)}).locations

    assert locations("n1", "n2") == ("n1", "n2")
    # Incus 7 without a cluster.
    assert locations("none") == ()


def test_a_change_says_what_differs_in_one_line_that_steers_no_terminal() -> None:
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


def info(product: str = "lxd", version: str = "5.0.2", *extensions: str) -> ServerInfo:
    environment = {"server": product, "server_version": version}
    return ServerInfo.from_json(
        {"api_version": "1.0", "auth": "trusted", "environment": environment, "api_extensions": list(extensions)}
    )


@pytest.mark.parametrize(
    ("product", "version", "expected"),
    [
        ("lxd", "5.0.2", {"shortest_prefix": 1, "url_source": True, "token_field": "password", "old_lxd": True}),
        ("lxd", "5.21.3", {"shortest_prefix": 1, "url_source": True, "old_lxd": False}),
        ("lxd", "5.21.4", {"shortest_prefix": 12, "url_source": True}),
        ("lxd", "6.5", {"shortest_prefix": 12, "url_source": True, "source_protocol": "lxd"}),
        ("lxd", "6.9", {"url_source": False}),
        ("incus", "6.0.4", {"shortest_prefix": 1, "url_source": True, "token_field": "trust_token"}),
        ("incus", "7.0.2", {"shortest_prefix": 1, "source_protocol": "incus", "old_lxd": False}),
    ],
)
def test_servers_differ_as_their_versions_say(product: str, version: str, expected: dict[str, object]) -> None:
    dialect = Dialect(info(product, version))

    assert {name: getattr(dialect, name) for name in expected} == expected


def test_newer_servers_are_told_apart_by_their_extensions() -> None:
    newer = Dialect(info("lxd", "6.1", "explicit_trust_token", "image_copy_profile", "images_all_projects"))
    incus = Dialect(info("incus", "6.0.4", "images_all_projects"))

    assert newer.token_field == "trust_token"
    assert newer.profiles_on_upload
    # LXD shows a fingerprint once even when several projects hold it.
    assert not newer.lists_all_projects
    assert incus.lists_all_projects
    with pytest.raises(MissingExtensionError) as caught:
        newer.require("instance_publish_split", "split")
    assert caught.value.extension == "instance_publish_split"


def test_compressions_are_those_of_the_product() -> None:
    lxd, incus = Dialect(info("lxd", "5.0.2")), Dialect(info("incus", "6.0.4"))

    assert [incus.check_compression(name) for name in ("xz", "lz4")] == ["xz", "lz4"]
    assert lxd.check_compression("xz") == "xz"
    with pytest.raises(InvalidRequestError, match="no compression"):
        lxd.check_compression("lz4")
    with pytest.raises(InvalidRequestError, match="no compression"):
        incus.check_compression("xz -9")


def test_public_outside_the_default_project_is_refused_where_the_server_would() -> None:
    Dialect(info("lxd", "5.0.2")).check_public("web")
    Dialect(info("incus", "7.0")).check_public("web")
    Dialect(info("lxd", "6.8")).check_public("default")
    with pytest.raises(InvalidRequestError, match="project default"):
        Dialect(info("lxd", "6.8")).check_public("web")


@pytest.mark.parametrize("name", ["a b", "a$b", "x" * 65, "-a", "a-", "a?b", "a*"])
def test_incus_names_are_checked_before_they_are_sent(name: str) -> None:
    Dialect(info("lxd")).check_alias(name)
    with pytest.raises(InvalidRequestError):
        Dialect(info("incus", "6.0.4")).check_alias(name)


@pytest.mark.parametrize("name", ["os/1-ünï", "ünos", "a" + "é" * 32 + "b"])
def test_letters_beyond_ascii_are_kept_from_an_incus_that_refuses_them(name: str) -> None:
    for product, version in (("lxd", "5.0.2"), ("incus", "6.0.4"), ("incus", "6.12")):
        Dialect(info(product, version)).check_alias(name)
    for version in ("6.0.6", "6.16", "7.0.2"):
        with pytest.raises(InvalidRequestError, match="on Incus"):
            Dialect(info("incus", version)).check_alias(name)

    assert Dialect(info("incus", "7.0.2")).check_alias("os/ünï#9") == "os/ünï#9"
    assert Dialect(info("incus", "7.0.2")).check_alias("a" + "é" * 31 + "b")


def test_a_stranger_is_told_lxd_from_incus() -> None:
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
