"""The contract of `client.images`, the same on the demo server, a real LXD and a real Incus."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from lxdimg_nb import Client
from lxdimg_nb.errors import (
    ApiError,
    ChangedMeanwhileError,
    ConflictError,
    ImageExistsError,
    InvalidImageError,
    InvalidRequestError,
    NotFoundError,
)
from lxdimg_nb.models import Progress
from tests import factory
from tests.servers import RunningServer

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
    fingerprint = server.add_image(factory.small(10), aliases=["os/10 ünï?#&%2F", "plain"])

    names = [fingerprint, fingerprint[:12], "plain", "os/10 ünï?#&%2F"]

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
    twin.public = server.kind != "x"
    twin.update()
    assert server.get(f"images/{both}")["public"] is False
    assert server.get(f"images/{both}?project=web")["public"] is True
    assert client.projects() == ["default", "shared", "web"]
    with pytest.raises(NotFoundError):
        client.in_project("nowhere")


@pytest.mark.parametrize("form", ["bytes", "path", "file", "stream"])
def test_an_image_comes_from_bytes_path_or_file(
    server: RunningServer, client: Client, tmp_path: Path, form: str
) -> None:
    data = factory.small(20)
    path = tmp_path / "twenty.tar.gz"
    path.write_bytes(data)
    seen: list[Progress] = []

    if form == "bytes":
        image = client.images.create(data, wait=True, progress=seen.append)
    elif form == "path":
        image = client.images.create(path, wait=True, progress=seen.append)
    elif form == "file":
        with path.open("rb") as file:
            image = client.images.create(file, wait=True, progress=seen.append)
            assert not file.closed
    else:
        image = client.images.create(_Once(data), wait=True, progress=seen.append)

    assert image.fingerprint == factory.fingerprint(data)
    assert image.filename == ("twenty.tar.gz" if form in ("path", "file") else "")
    assert [p.done for p in seen if p.phase == "send"][-1] == len(data)


class _Once(io.RawIOBase):
    """A stream that can be read once, like a download."""

    def __init__(self, data: bytes) -> None:
        self._inner = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        return self._inner.readinto(buffer)


@pytest.mark.parametrize("vm", [False, True])
@pytest.mark.parametrize("swapped", [False, True])
def test_a_split_image_is_told_apart_by_content(server: RunningServer, client: Client, vm: bool, swapped: bool) -> None:
    metadata, rootfs = factory.split(1, vm=vm)

    image = client.images.create(
        *((metadata,) if swapped else (rootfs,)), wait=True, metadata=rootfs if swapped else metadata
    )

    assert image.fingerprint == factory.fingerprint(metadata, rootfs)
    assert server.get(f"images/{image.fingerprint}")["type"] == ("virtual-machine" if vm else "container")


@pytest.mark.parametrize("given", [None, 'other "name".squashfs'])
def test_a_split_image_keeps_the_name_of_its_root_file(
    server: RunningServer, client: Client, tmp_path: Path, given: str | None
) -> None:
    metadata, rootfs = factory.split(4)
    (tmp_path / "meta.tar.gz").write_bytes(metadata)
    (tmp_path / "naïve.squashfs").write_bytes(rootfs)

    image = client.images.create(
        tmp_path / "naïve.squashfs", metadata=tmp_path / "meta.tar.gz", wait=True, filename=given
    )

    assert image.filename == ("other _name_.squashfs" if given else "naïve.squashfs")


@pytest.mark.parametrize(
    "name", ["naïve файл 日本.tar.gz", "100%+a&b;c=d.tar.gz", " led by a space.tar.gz", "a\tb\n.tar"]
)
@pytest.mark.parametrize("wait", [True, False])
def test_a_file_name_arrives_as_it_is_written(
    server: RunningServer, client: Client, tmp_path: Path, name: str, wait: bool
) -> None:
    (tmp_path / name).write_bytes(factory.small(5))

    image = client.images.create(tmp_path / name, wait=wait, aliases="a")

    if image.operation is not None:
        client.operations.wait(image.operation)
    # Headers hold no control characters and do not begin with a space.
    assert server.get(f"images/{image.fingerprint}")["filename"] == name.strip().replace("\t", "_").replace("\n", "_")


def test_create_sets_everything_at_once(server: RunningServer, client: Client) -> None:
    image = client.images.create(
        factory.small(21, with_properties=False),
        public=True,
        wait=True,
        filename="naïve файл.tar.gz",
        properties={"os": "debian", "кто": "мы"},
        aliases=["one", "two/deep"],
        auto_update=True,
        expires_at="2035-06-01",
        profiles=[],
    )

    raw = server.get(f"images/{image.fingerprint}")
    assert raw["properties"] == {"os": "debian", "кто": "мы"}
    assert sorted(a["name"] for a in raw["aliases"]) == ["one", "two/deep"]
    assert (raw["public"], raw["auto_update"], raw["profiles"]) == (True, True, [])
    assert raw["expires_at"].startswith("2035-06-01T00:00:00")
    assert raw["filename"] == "naïve файл.tar.gz"
    assert server.alive


def test_without_waiting_the_fingerprint_is_right_and_the_operation_runs(server: RunningServer, client: Client) -> None:
    data = factory.small(22)

    image = client.images.create(data)

    assert image.fingerprint == factory.fingerprint(data)
    assert image.operation is not None
    client.operations.wait(image.operation)
    assert image.reload().size == len(data)


@pytest.mark.parametrize("form", ["unified", "split", "vm"])
def test_without_waiting_names_properties_and_expiry_go_along(server: RunningServer, client: Client, form: str) -> None:
    data: bytes = factory.small(22)
    metadata = None
    if form != "unified":
        metadata, data = factory.split(22, vm=form == "vm")

    image = client.images.create(
        data,
        metadata=metadata,
        public=True,
        filename="f.bin",
        properties={"os": "mine", "new": "ü"},
        aliases=["one"],
        expires_at="2035-06-01",
    )
    assert image.operation is not None
    client.operations.wait(image.operation)

    raw = server.get(f"images/{image.fingerprint}")
    assert raw["properties"] == factory.properties(22) | {"os": "mine", "new": "ü"}
    assert [a["name"] for a in raw["aliases"]] == ["one"]
    assert raw["expires_at"].startswith("2035-06-01")
    assert raw["public"] is True
    with pytest.raises(InvalidRequestError, match="wait=True"):
        client.images.create(factory.small(23), auto_update=True)
    with pytest.raises(InvalidRequestError, match="wait=True"):
        client.images.create(_Once(factory.small(23)), aliases="two")


def test_an_image_that_is_there_is_refused_before_a_byte_is_sent(server: RunningServer, client: Client) -> None:
    data = factory.small(23)
    fingerprint = server.add_image(data, public=True)
    seen: list[Progress] = []

    with pytest.raises(ImageExistsError) as caught:
        client.images.create(data, wait=True, progress=seen.append)

    assert caught.value.fingerprint == fingerprint
    assert {p.phase for p in seen} == {"hash"}
    assert client.images.create(data, wait=True, exist_ok=True).public is True


def test_an_import_can_be_run_again_with_its_aliases(server: RunningServer, client: Client) -> None:
    data, other = factory.small(27), factory.small(28)
    fingerprint = server.add_image(data, aliases=["web"], properties={"mine": "yes"})

    again = client.images.create(data, wait=True, aliases=["web", "new"], properties={"mine": "no"}, exist_ok=True)

    assert (again.fingerprint, again.properties["mine"]) == (fingerprint, "yes")
    assert [a.name for a in again.aliases] == ["web"]
    server.add_image(other, aliases=["db"])
    for taken in (["db"], ["web", "db"]):
        with pytest.raises(ConflictError, match="taken"):
            client.images.create(data, wait=True, aliases=taken, exist_ok=True)
    with pytest.raises(ConflictError, match="taken"):
        client.images.create(factory.small(29), wait=True, aliases="web", exist_ok=True)
    assert len(server.get("images")) == 2


def test_a_stream_that_is_there_already_is_said_afterwards(server: RunningServer, client: Client) -> None:
    data = factory.small(24)
    server.add_image(data)

    with pytest.raises(ImageExistsError):
        client.images.create(_Once(data), wait=True)

    assert client.images.create(_Once(data), wait=True, exist_ok=True).fingerprint == factory.fingerprint(data)


BROKEN = {**factory.BROKEN, "disk alone": factory.qcow2()}


@pytest.mark.parametrize("what", sorted(BROKEN))
def test_a_file_that_is_no_image_is_refused_before_it_is_sent(server: RunningServer, client: Client, what: str) -> None:
    with pytest.raises(InvalidImageError) as caught:
        client.images.create(BROKEN[what], wait=True)
    with pytest.raises(InvalidImageError, match="create_from_url"):
        client.images.create("https://host/image.tar.gz", wait=True)

    assert "\n" not in str(caught.value)
    assert server.get("images") == []
    assert server.alive


def test_a_taken_alias_is_said_before_a_byte_is_sent(server: RunningServer, client: Client) -> None:
    server.add_image(factory.small(25), aliases=["taken"])

    with pytest.raises(ConflictError, match="taken"):
        client.images.create(factory.small(26), wait=True, aliases=["taken"])

    assert len(server.get("images")) == 1


def test_check_says_what_an_import_would_meet(server: RunningServer, client: Client, tmp_path: Path) -> None:
    data = factory.small(27)

    found = client.images.check(data)

    assert (found.fingerprint, found.kind, found.type) == (factory.fingerprint(data), "unified", "container")
    assert (found.architecture, found.size, found.exists, found.ok) == ("x86_64", len(data), False, True)
    assert found.properties == factory.properties(27)
    server.add_image(data)
    assert client.images.check(data).exists
    metadata, rootfs = factory.split(3, vm=True)
    split = client.images.check(metadata, rootfs)
    assert (split.kind, split.type, split.swapped) == ("split", "virtual-machine", True)
    assert split.fingerprint == factory.fingerprint(metadata, rootfs)
    assert "metadata=" in client.images.check(b"hsqs" + bytes(600)).notes[0]
    for broken in BROKEN.values():
        if broken:
            assert client.images.check(broken).problems
    assert len(server.get("images")) == 1


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
