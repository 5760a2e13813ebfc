"""Everything that can be clicked, on servers that speak other versions of LXD and Incus."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import lxdimg_nb
from lxdimg_nb.client.verbs.write.settings import Settings
from lxdimg_nb.values import ImageRecord
from tests.kit import counts, factory, streams
from tests.kit.frontend import FrontEnd, browser, opened, panels
from tests.kit.servers import RunningServer
from tests.kit.spoken import demos, spoken, versions
from tests.kit.streams import Site
from tests.kit.waiting import until

__all__ = ["demos", "panels", "spoken"]

Panels = Callable[[Any], None]
pytestmark = pytest.mark.slow
# In a quick run each test is for two of the versions, and the next one for the other two.
each = pytest.mark.parametrize("version", versions())
odd, even = (each if counts.long_run() else pytest.mark.parametrize("version", versions()[i::2]) for i in (0, 1))
ONE, TWO = factory.fingerprint(factory.small(1)), factory.fingerprint(factory.small(2))
KEY = f"default/{ONE}"


@pytest.fixture
def view(spoken: RunningServer, panels: Panels) -> Any:
    """A view of the browser of the images: one without a name, and one with the alias two."""
    spoken.add_image(factory.small(1))
    spoken.add_image(factory.small(2), aliases=["two"], filename="two.tar.gz")
    with lxdimg_nb.connect(spoken.url) as client:
        yield browser(client, panels)


def ended(view: FrontEnd, kind: str, **content: Any) -> str:
    """Say something that starts a transfer; how that ended."""
    view.say("forget")
    assert view.sees(lambda p: p["transfers"] == [])
    view.say(kind, **content)
    assert view.sees(lambda p: p["transfers"][-1]["state"] not in ("waiting", "running"), timeout=30)
    last: dict[str, str] = view.parts["transfers"][-1]
    assert last["state"] == "done", last
    return last["text"]


def changed(server: RunningServer, view: FrontEnd, says: str, kind: str, **content: Any) -> None:
    """Say something that changes the image; the panel says what became of it."""
    view.say(kind, key=KEY, **content)
    assert view.sees(lambda p: says in p["detail"]["result"]["text"]), view.parts["detail"]["result"]
    assert view.parts["detail"]["result"]["good"]
    # What was read before the change may still be on its way to the view.
    assert until(lambda: all(one._live.get(ONE).raw == server.get(f"images/{ONE}") for one in view.panel._lists))
    assert until(lambda: view.panel.table.rows[KEY].record.raw == server.get(f"images/{ONE}"))
    view.settle()


@even
def test_one_image_is_changed(spoken: RunningServer, version: str, view: FrontEnd) -> None:
    opened(view, ONE)
    assert view.sees(lambda p: p["header"]["live"] == "live")
    edit = {"name": "note", "before": ""}

    changed(spoken, view, "Public off → on.", "set", field="public", value=True, confirmed=True)
    changed(spoken, view, "Public on → off.", "undo")
    changed(spoken, view, "Note none → mine.", "edit", field="properties", value="mine", **edit)
    changed(spoken, view, "→ 2031-01-31", "edit", field="expires_at", value="2031-01-31", **edit)
    changed(spoken, view, "→ none", "edit", field="expires_at", value="", **edit)
    changed(spoken, view, "Profiles default → none", "edit", field="profiles", value="", **edit)
    changed(spoken, view, "Profiles none → default", "edit", field="profiles", value="default", **edit)
    changed(spoken, view, "mine", "add-alias", name="mine")
    assert view.sees(lambda p: [alias["name"] for alias in p["detail"]["aliases"]] == ["mine"])
    changed(spoken, view, "mine", "delete-alias", name="mine")
    assert view.sees(lambda p: p["detail"]["aliases"] == [])

    image = spoken.get(f"images/{ONE}")
    assert (image["public"], image["properties"]["note"], image["aliases"]) == (False, "mine", [])
    assert image["expires_at"][:4] in ("0001", "1970")
    assert image["profiles"] == ["default"]
    counts.count("versions in panels", inputs=1)


@odd
def test_what_others_changed_is_not_overwritten(spoken: RunningServer, version: str, view: FrontEnd) -> None:
    opened(view, ONE)
    spoken.raw("PATCH", f"/1.0/images/{ONE}", json={"properties": {"note": "theirs"}})

    view.say("edit", key=KEY, field="properties", name="note", before="", value="mine")
    assert view.sees(
        lambda p: p["detail"]["result"]["conflict"] == {"name": "note", "theirs": "theirs", "ours": "mine"}
    )
    assert spoken.get(f"images/{ONE}")["properties"]["note"] == "theirs"
    view.say("overwrite", key=KEY)
    assert view.sees(lambda p: p["detail"]["result"]["good"])
    view.say("add-alias", key=KEY, name="two")
    assert view.sees(lambda p: p["detail"]["result"]["movable_alias"] == "two")
    view.say("move-alias", key=KEY)
    assert view.sees(lambda p: p["detail"]["result"]["good"])

    assert spoken.get(f"images/{ONE}")["properties"]["note"] == "mine"
    assert spoken.get("images/aliases/two")["target"] == ONE
    counts.count("versions in panels", inputs=1)


@even
def test_images_are_uploaded_exported_and_deleted(
    spoken: RunningServer, version: str, view: FrontEnd, tmp_path: Path
) -> None:
    (tmp_path / "new.tar.gz").write_bytes(factory.small(3))
    for name, half in zip(("meta", "root"), factory.split(4), strict=True):
        (tmp_path / name).write_bytes(half)
    new, split = factory.fingerprint(factory.small(3)), factory.fingerprint(*factory.split(4))

    for path, second in (("new.tar.gz", ""), ("root", "meta")):
        view.say("check", path=str(tmp_path / path), second=second and str(tmp_path / second))
        assert view.sees(lambda p: p["upload"]["state"] == "checked" and p["upload"]["ok"])
        view.say("upload", aliases=f"up-{path}", public=False)
        assert view.sees(lambda p: p["upload"]["state"] == "done")
    piece = factory.small(5)
    view.say("file-begin", slot="image", name="sent.tar.gz", size=len(piece), modified=1, count=1)
    view.settle()
    begun = next(told for told in view.told if told["type"] == "begin")
    view.say("file-piece", job=begun["job"], offset=0, restart=False, buffers=[piece])
    assert view.sees(lambda p: p["upload"]["state"] == "checked" and p["upload"]["ok"])
    view.say("upload", aliases="", public=True)
    assert view.sees(lambda p: p["upload"]["state"] == "done")
    assert view.sees(lambda p: p["list"]["total"] == 5)

    assert spoken.get("images/aliases/up-new.tar.gz")["target"] == new
    assert spoken.get("images/aliases/up-root")["target"] == split
    assert spoken.get(f"images/{factory.fingerprint(piece)}")["public"] is True
    for fingerprint, files in ((new, 1), (split, 2)):
        folder = tmp_path / fingerprint[:6]
        folder.mkdir()
        opened(view, fingerprint)
        ended(view, "export", key=f"default/{fingerprint}", folder=str(folder))
        assert factory.fingerprint(*sorted(folder.iterdir(), key=lambda path: "root" in path.name)) == fingerprint
        assert len(list(folder.iterdir())) == files
        view.say("delete", key=f"default/{fingerprint}", confirmed=True)
        assert view.sees(lambda p: p["detail"] is None)
    assert len(spoken.get("images")) == 3
    counts.count("versions in panels", inputs=1)


@odd
def test_an_image_is_copied_explained_and_refreshed(
    spoken: RunningServer, version: str, view: FrontEnd, site: Site
) -> None:
    spoken.add_project("web")
    opened(view, TWO)
    ended(view, "copy", key=f"default/{TWO}", target=spoken.url, project="web", aliases="a b/c", auto_update=False)
    assert {a["name"] for a in spoken.get(f"images/{TWO}?project=web")["aliases"]} == {"a", "b/c"}
    view.say("explain", key=f"default/{TWO}")
    assert view.sees(lambda p: p["explained"]["state"] == "ready")

    newer = streams.noble(site, metadata="incus.tar.xz" if spoken.product == "incus" else "lxd.tar.xz")
    with lxdimg_nb.connect(spoken.url) as client:
        old = client.images.create_from_simplestreams(site.url, "noble", server_cert=site.cert, aliases=["noble"])
    newer()
    assert view.sees(lambda p: p["list"]["total"] == 3)
    opened(view, old.fingerprint)
    assert view.parts["detail"]["refreshable"]
    assert ended(view, "refresh", key=f"default/{old.fingerprint}").startswith("Now ")
    assert view.sees(lambda p: "Refreshed" in p["detail"]["result"]["text"])
    assert spoken.get("images/aliases/noble")["target"] != old.fingerprint
    counts.count("versions in panels", inputs=1)


@even
def test_many_images_are_changed_by_a_plan(spoken: RunningServer, version: str, view: FrontEnd) -> None:
    view.say("select", what="found", on=True)
    assert view.sees(lambda p: p["list"]["selected"] == 2)

    wanted = {
        "public": ({}, lambda image: image.public),
        "property": ({"name": "team", "value": "blue"}, lambda image: image.properties.get("team") == "blue"),
        "private": ({}, lambda image: not image.public),
    }
    for action, (words, done) in wanted.items():
        view.say("plan", action=action, **words)
        assert view.sees(lambda p: p["bulk"]["state"] == "planned" and len(p["bulk"]["rows"]) == 2)
        view.say("apply", confirmed=True)
        assert view.sees(lambda p: p["bulk"]["state"] == "applied" and p["bulk"]["good"])
        assert all(done(ImageRecord.from_json(image)) for image in spoken.get("images?recursion=1")), action
        # A plan is made of what the list knows.
        assert until(lambda: all(done(row.record) for row in view.panel.table.rows.values())), action  # noqa: B023
    view.say("plan", action="delete")
    assert view.sees(lambda p: p["bulk"]["yes"] == "Delete 2 images")
    view.say("apply", confirmed=True)
    assert view.sees(lambda p: p["list"]["total"] == 0), view.parts["bulk"]
    assert spoken.get("images") == []
    counts.count("versions in panels", inputs=1)


@odd
def test_projects_are_chosen_and_what_happens_there_is_shown(
    spoken: RunningServer, version: str, view: FrontEnd, panels: Panels
) -> None:
    spoken.add_project("web")
    spoken.add_project("shared", features_images=False)
    view.say("reload")
    assert view.sees(lambda p: {"web", "shared"} <= set(p["projects"]))
    there = spoken.add_image(factory.small(6), project="web")

    view.say("project", project="web")
    assert view.sees(lambda p: [row["key"] for row in p["list"]["rows"]] == [f"web/{there}"])
    assert view.sees(lambda p: p["header"]["live"] == "live")
    second = spoken.add_image(factory.small(7), project="web", aliases=["late"])
    assert view.sees(lambda p: f"web/{second}" in {row["key"] for row in p["list"]["rows"]})
    spoken.wait(spoken.raw("DELETE", f"/1.0/images/{there}?project=web"))
    assert view.sees(lambda p: [row["key"] for row in p["list"]["rows"]] == [f"web/{second}"])
    image = view.panel.images.get("late").panel()
    panels(image)
    alone = FrontEnd(image).begin()
    spoken.raw("PATCH", f"/1.0/images/{second}?project=web", json={"properties": {"note": "new"}})
    assert alone.sees(lambda p: "new" in {one["value"] for one in p["detail"]["properties"]})
    view.say("project", project="shared")
    assert view.sees(lambda p: p["header"]["project"] == "shared" and p["list"]["total"] == 2)
    counts.count("versions in panels", inputs=1)


def test_one_panel_shows_the_servers_of_all_versions(demos: Callable[[str], RunningServer], panels: Panels) -> None:
    made = {name: demos(name) for name in versions()}
    for server in made.values():
        server.clean()
        server.add_image(factory.small(1), aliases=["web"])
    panel = lxdimg_nb.Fleet({name: server.url for name, server in made.items()}).panel()
    panels(panel)
    view = FrontEnd(panel).begin()
    view.say("size", size=100)
    assert view.sees(lambda p: {row["key"] for row in p["list"]["rows"]} == {f"{name}/{KEY}" for name in made})
    assert view.sees(lambda p: p["header"]["live"] == "live")

    for name, server in made.items():
        key = f"{name}/{KEY}"
        view.say("open", key=key)
        assert view.sees(lambda p: p["detail"]["key"] == key)  # noqa: B023
        view.say("set", key=key, field="public", value=True, confirmed=True)
        assert view.sees(lambda p: p["detail"]["public"]["on"])
        assert [other for other, one in made.items() if one.get(f"images/{ONE}")["public"]][-1] == name
        server.raw("PATCH", f"/1.0/images/{ONE}", json={"properties": {"note": name}})
        assert view.sees(lambda p: {"name": "note", "value": name, "whole": True} in p["detail"]["properties"])  # noqa: B023
    counts.count("versions in panels", inputs=len(made))


@pytest.mark.parametrize("version", ["incus-7.5"])
def test_an_upload_that_sets_nothing_is_noticed(
    spoken: RunningServer, version: str, view: FrontEnd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The canary."""
    monkeypatch.setattr(Settings, "apply", lambda _, __, record, ___: record)

    with pytest.raises(AssertionError, match="aliases/up-new"):
        test_images_are_uploaded_exported_and_deleted(spoken, version, view, tmp_path)
