"""The contract of `client.images`, the same on the demo server, a real LXD and a real Incus."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from lxdimg_nb import Client
from lxdimg_nb.errors import (
    ApiError,
    ChangedMeanwhileError,
    ConflictError,
    InvalidRequestError,
    NotFoundError,
)
from tests.kit import factory
from tests.kit.newer import speaks
from tests.kit.servers import RunningServer

SEED_ATTRIBUTES = (
    "aliases",
    "architecture",
    "auto_update",
    "cached",
    "created_at",
    "expires_at",
    "filename",
    "fingerprint",
    "last_used_at",
    "properties",
    "public",
    "size",
    "uploaded_at",
)


def test_the_seed_reads_switches_and_exports_an_image(server: RunningServer, client: Client) -> None:
    image_data = factory.small(1)

    image = client.images.create(image_data, public=True, wait=True)

    assert image.fingerprint == factory.fingerprint(image_data)
    assert [i.fingerprint for i in client.images.all()] == [image.fingerprint]
    assert server.get(f"images/{image.fingerprint}")["public"] is True
    image = client.images.get(image.fingerprint)
    assert image.public is True
    image.public = False
    image.update()
    assert server.get(f"images/{image.fingerprint}")["public"] is False
    assert image.export() == image_data


def test_every_attribute_of_the_seed_reads_as_the_server_has_it(server: RunningServer, client: Client) -> None:
    fingerprint = server.add_image(factory.small(2), aliases=["web"], filename="two.tar.gz")

    image = client.images.get("web")

    raw = server.get(f"images/{fingerprint}")
    values = {name: getattr(image, name) for name in SEED_ATTRIBUTES}
    assert [a.name for a in values["aliases"]] == ["web"]
    assert values["fingerprint"] == fingerprint
    assert values["architecture"] == raw["architecture"] == "x86_64"
    assert values["properties"] == raw["properties"]
    assert values["size"] == raw["size"] == len(factory.small(2))
    assert values["filename"] == raw["filename"] == "two.tar.gz"
    assert (values["public"], values["auto_update"], values["cached"]) == (False, False, False)
    assert values["last_used_at"] is None
    assert values["expires_at"] is None
    assert isinstance(values["created_at"], datetime)
    assert abs((values["uploaded_at"] - datetime.now(UTC)).total_seconds()) < 300


def test_reading_an_attribute_is_no_request(server: RunningServer, client: Client) -> None:
    server.add_image(factory.small(3))
    [image] = client.images.all()
    client.close()
    server.stop()

    values = [getattr(image, name) for name in SEED_ATTRIBUTES]

    assert len(values) == 13


@pytest.mark.parametrize("name", ["size", "aliases", "fingerprint", "project", "nonsense"])
def test_what_cannot_be_written_cannot_be_assigned(server: RunningServer, client: Client, name: str) -> None:
    server.add_image(factory.small(3))
    [image] = client.images.all()

    with pytest.raises(AttributeError, match=name):
        setattr(image, name, "x")


def test_update_sends_only_what_changed_and_keeps_profiles_and_expiry(server: RunningServer, client: Client) -> None:
    fingerprint = server.add_image(factory.small(4))
    server.raw(
        "PUT",
        f"/1.0/images/{fingerprint}",
        json={"properties": {"os": "x", "keep": "me"}, "profiles": [], "expires_at": "2031-05-05T10:00:00+02:00"},
    )
    image = client.images.get(fingerprint)

    image.auto_update = True
    change = image.update()

    raw = server.get(f"images/{fingerprint}")
    assert raw["profiles"] == []
    assert raw["expires_at"].startswith("2031-05-05T")
    assert raw["properties"] == {"os": "x", "keep": "me"}
    assert raw["auto_update"] is True
    assert (dict(change.before), dict(change.after)) == ({"auto_update": False}, {"auto_update": True})
    assert str(change) == f"{fingerprint[:12]}: auto_update no → yes"


def test_all_five_fields_can_be_written_and_cleared(server: RunningServer, client: Client) -> None:
    fingerprint = server.add_image(factory.small(5))
    server.raw("POST", "/1.0/profiles", json={"name": "web", "config": {}})
    image = client.images.get(fingerprint)

    image.public, image.auto_update = True, True
    image.properties = {"os": "debian", "ключ с пробелом": 'a "b" <c> & d', "dots.in.key": "\\backslash \t"}
    image.profiles = ["web", "default"]
    image.expires_at = datetime(2033, 1, 2, 3, 4, 5, tzinfo=UTC)
    image.update()

    again = client.images.get(fingerprint)
    assert again.properties == {"os": "debian", "ключ с пробелом": 'a "b" <c> & d', "dots.in.key": "\\backslash \t"}
    assert (again.public, again.auto_update, sorted(again.profiles)) == (True, True, ["default", "web"])
    assert again.expires_at == datetime(2033, 1, 2, 3, 4, 5, tzinfo=UTC)
    again.expires_at = date(2034, 1, 2)
    again.update()
    assert again.reload().expires_at == datetime(2034, 1, 2, tzinfo=UTC)

    again.expires_at = None
    again.profiles = []
    del again.properties["os"]
    again.properties["dots.in.key"] = ""
    again.update()

    cleared = client.images.get(fingerprint)
    assert cleared.expires_at is None
    assert cleared.profiles == []
    assert cleared.properties == {"ключ с пробелом": 'a "b" <c> & d'}


def test_properties_removed_by_a_patch_are_gone(server: RunningServer, client: Client) -> None:
    fingerprint = server.add_image(factory.small(6), properties={"a": "1", "b": "2"})
    image = client.images.get(fingerprint)

    image.properties = {"b": "2", "c": "<&>\u2028\x07\b\f\\b"}
    image.update()

    assert server.get(f"images/{fingerprint}")["properties"] == {"b": "2", "c": "<&>\u2028\x07\b\f\\b"}
    image.properties["b"] = "3"
    assert image.update().after["properties"]["b"] == "3"


@pytest.mark.parametrize("field", ["public", "properties", "expires_at", "profiles"])
def test_a_concurrent_edit_is_said_and_nothing_is_written(server: RunningServer, client: Client, field: str) -> None:
    fingerprint = server.add_image(factory.small(7), properties={"os": "a"})
    image = client.images.get(fingerprint)
    ours = {
        "public": True,
        "properties": {"os": "ours"},
        "expires_at": datetime(2034, 1, 1, tzinfo=UTC),
        "profiles": [],
    }
    server.raw("PATCH", f"/1.0/images/{fingerprint}", json={"properties": {"os": "theirs"}})
    before = server.get(f"images/{fingerprint}")
    setattr(image, field, ours[field])

    with pytest.raises(ChangedMeanwhileError) as caught:
        image.update()

    assert caught.value.theirs["properties"]["os"] == "theirs"
    assert caught.value.ours[field] == ours[field]
    assert server.get(f"images/{fingerprint}") == before
    assert image.changes == {field: ours[field]}
    image.reload()
    setattr(image, field, ours[field])
    assert image.update()


def test_a_concurrent_change_of_the_expiry_is_noticed_though_no_etag_covers_it(
    server: RunningServer, client: Client
) -> None:
    fingerprint = server.add_image(factory.small(8))
    image = client.images.get(fingerprint)
    body = {**server.get(f"images/{fingerprint}"), "expires_at": "2040-01-01T00:00:00Z"}
    server.raw("PUT", f"/1.0/images/{fingerprint}", json=body)

    image.profiles = []
    with pytest.raises(ChangedMeanwhileError) as caught:
        image.update()

    assert caught.value.theirs["expires_at"] == datetime(2040, 1, 1, tzinfo=UTC)
    assert server.get(f"images/{fingerprint}")["profiles"] == ["default"]


def test_an_unknown_profile_is_refused_and_changes_nothing(server: RunningServer, client: Client) -> None:
    fingerprint = server.add_image(factory.small(9))
    image = client.images.get(fingerprint)
    image.profiles = ["nowhere"]

    with pytest.raises(ApiError):
        image.update()

    assert server.get(f"images/{fingerprint}")["profiles"] == ["default"]


def test_images_are_found_by_alias_fingerprint_and_prefix(server: RunningServer, client: Client) -> None:
    # What Incus 6.16 and newer takes: no spaces, no ? and &, ASCII at both ends.
    odd = "os/10:ünï#%2Fz" if server.product == "incus" else "os/10 ünï?#&%2F"
    fingerprint = server.add_image(factory.small(10), aliases=[odd, "plain"])

    names = [fingerprint, fingerprint[:12], "plain", odd]

    assert {client.images.get(name).fingerprint for name in names} == {fingerprint}
    assert client.images.get_by_alias("plain").fingerprint == fingerprint
    assert client.images.exists(fingerprint)
    assert client.images.exists("plain", alias=True)
    assert not client.images.exists(fingerprint, alias=True)
    assert not client.images.exists("0" * 64)


def test_alias_wins_over_a_fingerprint_that_starts_alike(server: RunningServer, client: Client) -> None:
    one, other = server.add_image(factory.small(11)), server.add_image(factory.small(12))
    server.raw("POST", "/1.0/images/aliases", json={"name": one[:12], "target": other})

    assert client.images.get(one[:12]).fingerprint == other


@pytest.mark.parametrize("name", ["nothing", "0" * 64, "abcdef012345", "%", "_" * 12, "ABCDEF012345", "..", "a/../b"])
def test_an_unknown_name_is_one_clear_error(server: RunningServer, client: Client, name: str) -> None:
    server.add_image(factory.small(13))

    with pytest.raises((NotFoundError, InvalidRequestError)) as caught:
        client.images.get(name)

    assert "\n" not in str(caught.value)


def test_an_ambiguous_prefix_names_the_candidates(server: RunningServer, client: Client) -> None:
    first: dict[str, str] = {}
    number = 0
    while True:
        fingerprint = factory.fingerprint(factory.small(number))
        if fingerprint[:2] in first:
            break
        first[fingerprint[:2]] = fingerprint
        number += 1
    pair = [first[fingerprint[:2]], fingerprint]
    for i in range(number + 1):
        if factory.fingerprint(factory.small(i)) in pair:
            server.add_image(factory.small(i))

    if speaks(server, "LONG_PREFIX"):
        with pytest.raises(NotFoundError, match="at least 12 digits"):
            client.images.get(fingerprint[:2])
        return
    with pytest.raises(ConflictError, match="2 images begin with"):
        client.images.get(fingerprint[:2])


def test_the_listing_is_one_request_and_sorted(server: RunningServer, client: Client) -> None:
    made = sorted(server.add_image(factory.small(i)) for i in range(5))
    seen: list[str] = []
    request = client.transport.request
    client.transport.request = lambda *a, **k: (seen.append(a[1]), request(*a, **k))[1]  # type: ignore[method-assign]

    listed = [image.fingerprint for image in client.images.all()]

    assert listed == made
    assert seen == ["/1.0/images"]


def test_a_polite_listing_gives_the_same(server: RunningServer, client: Client) -> None:
    for i in range(3):
        server.add_image(factory.small(i), aliases=[f"a{i}"])

    polite = client.images.all(polite=True)

    assert [i.record.raw for i in polite] == [i.record.raw for i in client.images.all()]


def test_a_filter_says_which_images(server: RunningServer, client: Client) -> None:
    server.add_image(factory.small(1), aliases=["keep"])
    server.add_image(factory.small(2), public=True)

    assert [a.name for i in client.images.all(filter="public=no") for a in i.aliases] == ["keep"]
    with pytest.raises(InvalidRequestError):
        client.images.all(filter="size>many")
    with pytest.raises(InvalidRequestError, match="relaese"):
        client.images.all(filter="relaese=noble")


def test_projects_keep_their_images_apart(server: RunningServer, client: Client) -> None:
    server.add_project("web")
    server.add_project("shared", features_images=False)
    both = server.add_image(factory.small(1), aliases=["x"])
    server.add_image(factory.small(1), project="web", properties={"where": "web"})
    only = server.add_image(factory.small(2), project="web")

    everything = client.images.all(all_projects=True)

    assert [(i.project, i.fingerprint) for i in everything] == sorted([("default", both), ("web", both), ("web", only)])
    web = client.in_project("web")
    assert {i.fingerprint for i in web.images.all()} == {both, only}
    twin = next(i for i in everything if i.project == "web" and i.fingerprint == both)
    twin.properties = {"where": "there"}
    twin.update()
    assert "where" not in server.get(f"images/{both}")["properties"]
    assert server.get(f"images/{both}?project=web")["properties"] == {"where": "there"}
    assert client.projects() == ["default", "shared", "web"]
    with pytest.raises(NotFoundError):
        client.in_project("nowhere")


def test_delete_takes_the_aliases_along(server: RunningServer, client: Client) -> None:
    fingerprint = server.add_image(factory.small(28), aliases=["gone"])
    image = client.images.get("gone")

    image.delete()

    assert server.get("images") == []
    assert client.images.aliases.all() == []
    with pytest.raises(NotFoundError):
        image.delete()
    with pytest.raises(NotFoundError):
        image.public = True
        image.update()
    assert not client.images.exists(fingerprint)


def test_the_frame_is_one_request_and_typed_for_an_empty_server_too(server: RunningServer, client: Client) -> None:
    empty = client.images.df()
    server.add_image(factory.small(29), aliases=["web"], public=True)

    full = client.images.df()

    assert len(empty) == 0
    assert len(full) == 1
    shared = list(empty.columns)
    assert empty.dtypes.astype(str).to_dict() == full[shared].dtypes.astype(str).to_dict()
    assert full.index.name == "fingerprint"
    assert bool(full["public"].iloc[0]) is True
    assert str(full["size"].dtype) == "int64"
    assert str(full["uploaded_at"].dtype) == "datetime64[us, UTC]"
