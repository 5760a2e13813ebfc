"""The filter language: the meaning of terms, and errors."""

from __future__ import annotations

import pickle
import time
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.filters import FIELDS, Filter, parse
from lxdimg_nb.values import ImageRecord

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def record(**fields: Any) -> ImageRecord:
    raw = {
        "fingerprint": "ab" * 32,
        "aliases": [{"name": "web"}, {"name": "noble/amd64"}],
        "architecture": "x86_64",
        "type": "container",
        "public": True,
        "auto_update": False,
        "cached": False,
        "size": 3 * 1024**3,
        "filename": "web.tar.xz",
        "profiles": ["default", "gpu"],
        "properties": {
            "os": "Ubuntu",
            "release": "noble",
            "version": "24.04",
            "description": "Ubuntu 24.04, LTS",
        },
        "created_at": "2026-01-01T00:00:00Z",
        "uploaded_at": "2026-01-31T12:00:00Z",
        "last_used_at": "0001-01-01T00:00:00Z",
        "expires_at": "1970-01-01T00:00:00Z",
        "update_source": {"server": "https://images.example", "protocol": "simplestreams", "alias": "noble"},
    }
    return ImageRecord.from_json({**raw, **fields}, project="blue")


@pytest.mark.parametrize(
    "text",
    [
        "os=ubuntu",
        "os=ubuntu release=noble public=yes size>1GiB age>90d",
        "properties.os=Ubuntu",
        "release=jammy,noble",
        "alias=web",
        "alias=noble/*",
        "aliases=w?b",
        "alias!=db",
        "fingerprint=abab*",
        "arch=amd64",
        "architecture=x86_64",
        "type=ct",
        "project=blue",
        "public=YES cached=no auto_update!=true",
        "size>=3GiB size<=3GiB size=3221225472 size!=1 size<4GiB",
        "size > 1GiB",
        "properties.os eq ubuntu and type eq container",
        "os eq ubu.* and os ne debian",
        'description eq "Ubuntu 24.04, LTS"',
        "uploaded>2026-01-01 uploaded<2026-02-01",
        "uploaded=2026-01-31",
        "uploaded=2026-01",
        "created_at<=2026-01-01",
        "used=never expires=never",
        "last_used_at= expires_at=",
        "idle>90d",
        "age<1y",
        "profiles=gpu",
        "source.protocol=simplestreams source.alias=noble source.server=*example",
        "source=*",
        "description='ubuntu 24.04, lts'",
        'description="Ubuntu 24.04, LTS"',
        "version>9.10 version<=24.04",
        "variant=",
        "variant!=cloud",
        "os!=",
        "web",
        "ubuntu,debian",
        "ABAB",
        "u*24",
        "",
        "   ",
    ],
)
def test_matches(text: str) -> None:
    assert parse(text).matches(record(), NOW)


@pytest.mark.parametrize(
    "text",
    [
        "os=debian",
        "os=ubunt",
        "os=ubuntu release=jammy",
        "alias=we",
        "alias!=web",
        "alias=",
        "arch=arm64",
        "type=vm",
        "public=no",
        "size<1GiB",
        "age>1y",
        "used>2000-01-01",
        "used<2030-01-01",
        "expires<now",
        "used!=never",
        "uploaded=2026-02",
        "profiles!=gpu",
        "source=",
        "variant=cloud",
        "variant=*",
        "os=",
        "version>24.04",
        "variant>1",
        "nothing-like-it",
        "alias='w*'",
        "description=ubuntu,lts*nope",
    ],
)
def test_does_not_match(text: str) -> None:
    assert not parse(text).matches(record(), NOW)


def test_an_attribute_wins_over_a_property_of_its_name() -> None:
    image = record(architecture="aarch64", properties={"architecture": "amd64", "type": "disk"})

    assert parse("architecture=aarch64").matches(image)
    assert not parse("architecture=amd64").matches(image)
    assert parse("properties.architecture=amd64 properties.type=disk").matches(image)


def test_terms_may_come_already_split() -> None:
    chosen = parse(["os=ubuntu", "description=Ubuntu 24.04*"])

    assert chosen.matches(record())
    assert [term.field for term in chosen.terms] == ["properties.os", "description"]


def test_an_empty_filter_is_false_and_matches_everything() -> None:
    for nothing in (None, "", []):
        assert not parse(nothing)
        assert parse(nothing).matches(record())


def test_a_filter_can_be_printed_parsed_again_and_pickled() -> None:
    chosen = parse("os=ubuntu description='a \"b\", c' size > 1GiB web*")

    again = parse(str(chosen))

    assert again == chosen == parse(chosen) == pickle.loads(pickle.dumps(chosen))  # noqa: S301
    assert chosen.fields == {"properties.os", "description", "size"}


def test_a_typo_is_named_with_the_nearest_field() -> None:
    with pytest.raises(InvalidRequestError, match=r"'achitecture'.*did you mean 'architecture'\?.*known:") as caught:
        parse("achitecture=x86_64", known_properties=["os", "build"])

    assert caught.value.suggestion == "architecture"  # type: ignore[attr-defined]


def test_a_property_is_checked_only_against_properties_that_are_known() -> None:
    assert parse("relaese=noble").fields == {"properties.relaese"}
    with pytest.raises(InvalidRequestError, match="did you mean 'release'"):
        parse("relaese=noble", known_properties=[])
    with pytest.raises(InvalidRequestError, match=r"did you mean 'build\.id'"):
        parse("properties.buildid=1", known_properties=["build.id"])
    assert parse("os=x serial=1 build.id=2", known_properties=["build.id"]).fields == {
        "properties.os",
        "properties.serial",
        "properties.build.id",
    }


def test_a_known_property_is_found_in_another_case() -> None:
    assert parse("Flavour=1", known_properties=["flavour"]).fields == {"properties.flavour"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("public=maybe", "yes or no"),
        ("public>yes", "yes or no"),
        ("size>big", "not a size"),
        ("size=", "not a size"),
        ("age>soon", "not a duration"),
        ("age>99999999999y", "age"),
        ("uploaded<90d", "age>90d"),
        ("uploaded<yesterday", "not a time"),
        ("=x", "no condition"),
        ("a!b", "no condition"),
        ("version<1,2", "one value"),
        ("version<", "one value"),
        ("description='open", "quote"),
        ("os eq ubuntu or os eq debian", "os=ubuntu,debian"),
        ("os eq ubuntu and not type eq container", "os!=ubuntu"),
    ],
)
def test_an_invalid_value_is_an_error_that_says_why(text: str, says: str) -> None:
    with pytest.raises(InvalidRequestError, match=says):
        parse(text)


def test_hostile_values_take_linear_time() -> None:
    hostile = record(fingerprint="a1" * 32, properties={"description": "a" * 200_000, "version": "9" * 200_000})

    began = time.perf_counter()
    assert not parse("description=*a*a*a*a*a*a*a*b").matches(hostile)
    assert not parse("a?a*a?a*a?a*b").matches(hostile)
    assert parse("version>1").matches(hostile)

    assert time.perf_counter() - began < 5


@given(st.text(max_size=60))
def test_any_text_parses_or_is_refused(text: str) -> None:
    try:
        chosen = parse(text)
    except InvalidRequestError:
        return
    assert isinstance(chosen, Filter)
    assert chosen.matches(record(), NOW) in (True, False)


@given(st.text(alphabet=st.characters(blacklist_categories=("Cs",)), min_size=1, max_size=40))
def test_a_quoted_value_matches_itself_and_nothing_else(value: str) -> None:
    if '"' in value:
        return
    chosen = parse(f'flavour="{value}"')

    assert chosen.matches(record(properties={"flavour": value}))
    assert not chosen.matches(record(properties={"flavour": value + "x"}))


def test_a_quoted_operator_is_part_of_the_value() -> None:
    assert parse('flavour="="').matches(record(properties={"flavour": "="}))
    assert parse("flavour>'=1'").matches(record(properties={"flavour": "=2"}))


def test_every_field_is_understood() -> None:
    samples = {"public": "yes", "auto_update": "yes", "cached": "yes", "size": "1", "age": "1d", "idle": "1d"}

    for field in FIELDS:
        assert parse(f"{field}={samples.get(field, 'x')}", known_properties=[]).fields == {field}
