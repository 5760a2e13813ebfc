"""A file that lacks only its metadata: the upload offers to make them, and uploads it with them."""

from __future__ import annotations

import pytest

import lxdimg_nb
from tests.kit import container_images as oci
from tests.kit import factory
from tests.kit.container_images import Image, layer, member
from tests.kit.frontend import browser, panels
from tests.kit.waiting import until

__all__ = ["panels"]


@pytest.fixture
def view(demo, panels):
    """A view of the browser of the demo server's images."""
    with lxdimg_nb.connect(demo.url) as client:
        yield browser(client, panels)


def check(view, path):
    view.say("check", path=str(path), second="")
    assert view.sees(lambda p: p["upload"]["state"] == "checked")
    return view.parts["upload"]


def make(view, **given):
    before = view.parts["upload"]["job"]
    view.say("make-metadata", **{"os": "", "release": "", "architecture": "", "image": ""} | given)
    assert view.sees(lambda p: p["upload"]["state"] == "checked" and p["upload"]["job"] != before)
    return view.parts["upload"]


def test_a_docker_save_file_is_uploaded_with_metadata_that_are_made(demo, view, tmp_path):
    path = tmp_path / "app.tar"
    path.write_bytes(oci.docker_save(Image([oci.system()])))

    bare = check(view, path)
    made = make(view, release="9")
    view.say("upload", aliases="app", public=False)
    assert view.sees(lambda p: p["upload"]["state"] == "done")

    assert (bare["ok"], bare["bare"]) == (False, True)
    assert bare["problems"] == [
        "There is no metadata.yaml in it: it is a container image (docker save, or an OCI layout)."
    ]
    facts = {fact["name"]: fact["value"] for fact in made["facts"]}
    assert (made["ok"], made["bare"], made["problems"]) == (True, False, [])
    assert facts["Release"] == "9 (given)"
    assert facts["Architecture"] == "x86_64 (the container image's configuration)"
    image = demo.get(f"images/{demo.get('images/aliases/app')['target']}")
    assert (image["properties"]["os"], image["properties"]["release"]) == ("debian", "9")


def test_what_cannot_be_read_may_be_given_after_all(view, tmp_path):
    path = tmp_path / "root.tar"
    path.write_bytes(layer(member("etc/"), member("usr/")))

    assert check(view, path)["bare"] is True
    view.say("make-metadata", os="", release="", architecture="", image="")
    assert view.sees(lambda p: "name it: architecture" in "".join(p["upload"]["problems"]))
    assert view.parts["upload"]["bare"] is True
    view.say("make-metadata", os="", release="", architecture="arm64", image="")

    assert view.sees(lambda p: p["upload"]["state"] == "checked" and p["upload"]["ok"])


def test_one_of_several_container_images_is_named(view, tmp_path):
    path = tmp_path / "two.tar"
    path.write_bytes(oci.docker_save(Image([oci.system()]), Image([oci.system(183)], "arm64", names=("b:2",))))

    check(view, path)
    view.say("make-metadata", os="", release="", architecture="", image="")
    assert view.sees(lambda p: "name one below" in p["upload"]["problems"][0])
    several = view.parts["upload"]
    view.say("make-metadata", os="", release="", architecture="", image="b:2")

    assert "name one below: app:1.0 (linux/amd64), b:2 (linux/arm64)" in several["problems"][0]
    assert view.sees(
        lambda p: p["upload"]["ok"] and any(f["value"].startswith("aarch64") for f in p["upload"]["facts"])
    )


@pytest.mark.parametrize("data", [factory.small(1), b"This is a letter.\n" * 40, factory.BROKEN["no date"]])
def test_other_files_are_offered_nothing(view, tmp_path, data):
    path = tmp_path / "file"
    path.write_bytes(data)

    found = check(view, path)
    view.say("make-metadata", os="", release="", architecture="x86_64", image="")

    view.settle()
    assert found["bare"] is False
    assert view.parts["upload"] == found


def test_another_file_may_be_chosen_instead(view, tmp_path):
    path = tmp_path / "root.tar"
    path.write_bytes(oci.system())

    check(view, path)
    view.say("unload")
    assert view.sees(lambda p: p["upload"]["state"] == "empty")
    view.say("make-metadata", os="", release="", architecture="", image="")
    view.settle()

    assert view.parts["upload"]["state"] == "empty"
    assert until(lambda: view.panel.upload._bare is None)


def test_a_second_click_disturbs_nothing(demo, view, tmp_path):
    """It once emptied the form, so that a file from the browser was deleted while its metadata were made."""
    content = oci.docker_save(Image([oci.system()]))
    view.say("file-begin", slot="image", name="app.tar", size=len(content), modified=1, count=1)
    assert view.sees(lambda p: p["upload"]["state"] == "receiving")
    begun = next(told for told in reversed(view.told) if told["type"] == "begin")
    view.say("file-piece", job=begun["job"], offset=0, buffers=[content])
    assert view.sees(lambda p: p["upload"]["state"] == "checked")
    assert view.parts["upload"]["bare"]
    view.told.clear()

    for kind, given, state in (
        ("make-metadata", {"os": "", "release": "9", "architecture": "", "image": ""}, "checked"),
        ("upload", {"aliases": "app", "public": False}, "done"),
    ):
        job = view.parts["upload"].get("job")
        view.say(kind, **given)
        view.say(kind, **given)
        assert view.sees(
            lambda p, new=(state, job): p["upload"]["state"] == new[0] and p["upload"].get("job") != new[1]
        )
        view.say(kind, **given)
        view.settle()

    shown = [told["parts"]["upload"] for told in view.told if told["type"] == "parts" and "upload" in told["parts"]]
    assert {one["state"] for one in shown} == {"checking", "checked", "uploading", "done"}
    assert len(demo.get("images")) == 1
