"""Differences between servers, told by extension, then by product and version."""

from __future__ import annotations

import pytest

from lxdimg_nb.client.dialect import Dialect
from lxdimg_nb.errors import InvalidRequestError, MissingExtensionError
from lxdimg_nb.values import ServerInfo


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
        ("lxd", "6.5", {"shortest_prefix": 12, "url_source": True}),
        ("lxd", "6.9", {"url_source": False}),
        ("incus", "6.0.4", {"shortest_prefix": 1, "url_source": True, "token_field": "trust_token"}),
        ("incus", "7.0.2", {"shortest_prefix": 1, "old_lxd": False}),
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


@pytest.mark.parametrize(
    "name", ["xz --files=/etc/shadow", "gzip  -9", "none -1", "squashfs -1", "zstd -19", "xz -9\n"]
)
def test_options_of_a_compression_are_levels_and_name_no_file(name: str) -> None:
    lxd, incus = Dialect(info("lxd", "5.0.2")), Dialect(info("incus", "6.0.4"))

    assert [d.check_compression("gzip --rsyncable -9") for d in (lxd, incus)] == ["gzip --rsyncable -9"] * 2
    for dialect in (lxd, incus):
        with pytest.raises(InvalidRequestError, match="may not be given"):
            dialect.check_compression(name)


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
