"""The steps of `template.sh`: templates within an image are applied to containers of it, as the image says."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import lxdimg_nb
from lxdimg_nb import Client, demo
from tests.kit.servers import POOL, RunningServer
from tests.kit.steps import step

pytestmark = pytest.mark.slow


def with_template(*when: str) -> bytes:
    """The sample image, whose program waits to be stopped, with a template that tells of its container."""
    buffer = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(demo.sample_image())) as source,
        tarfile.open(fileobj=buffer, mode="w") as made,
    ):
        for member in source:
            content = source.extractfile(member).read() if member.isreg() else b""  # type: ignore[union-attr]
            if member.name.removeprefix("./") == "metadata.yaml":
                document = yaml.safe_load(content)
                document["templates"] = {"/template": {"when": list(when), "template": "told.tpl"}}
                content = yaml.safe_dump(document).encode()
            member.size = len(content)
            made.addfile(member, io.BytesIO(content))
        text = b'name: {{ container.name }}\nuser.foo: {{ config_get("user.foo", "_unset_") }}\n'
        template = tarfile.TarInfo("templates/told.tpl")
        template.size = len(text)
        made.addfile(template, io.BytesIO(text))
    return buffer.getvalue()


@pytest.fixture
def client(real: RunningServer) -> Iterator[Client]:
    """The client of a real server on which containers start."""
    with lxdimg_nb.connect(real.url) as connected:
        yield connected
    for url in real.get("instances"):
        real.stop_instance(url.rsplit("/", 1)[-1])


def told(server: RunningServer, name: str) -> dict[str, Any] | None:
    """What the template became in a container; None where it was not applied."""
    path: Path = server.folder / "storage-pools" / POOL / "containers" / name / "rootfs/template"
    return yaml.safe_load(path.read_text()) if path.exists() else None


def copy(server: RunningServer, name: str, new: str) -> None:
    """Copy a stopped container."""
    server.stop_instance(name)
    document = {"name": new, "source": {"type": "copy", "source": name}}
    server.wait(server.raw("POST", "/1.0/instances", json=document))


@pytest.mark.long
def test_templates(real: RunningServer, client: Client) -> None:
    images = {
        when: client.images.create(with_template(*when.split(",")), aliases=when.replace(",", "-"), wait=True)
        for when in ("create", "copy", "start", "create,copy")
    }
    with step("template-is-in-the-image"):
        assert "templates/told.tpl" in images["create"].contents().files.index
    with step("template-on-create-waits-for-the-first-start"):
        real.add_instance("t1", images["create"].fingerprint)
        assert told(real, "t1") is None
        real.start_instance("t1")
        assert told(real, "t1") == {"name": "t1", "user.foo": "_unset_"}
    with step("template-on-create-is-not-applied-to-copies"):
        copy(real, "t1", "t2")
        real.start_instance("t2")
        assert told(real, "t2") == {"name": "t1", "user.foo": "_unset_"}
    with step("template-on-copy"):
        real.add_instance("t3", images["copy"].fingerprint)
        real.start_instance("t3")
        assert told(real, "t3") is None
        copy(real, "t3", "t4")
        real.start_instance("t4")
        assert told(real, "t4") == {"name": "t4", "user.foo": "_unset_"}
    with step("template-on-start-is-applied-at-every-start"):
        real.add_instance("t5", images["start"].fingerprint)
        real.start_instance("t5")
        assert told(real, "t5") == {"name": "t5", "user.foo": "_unset_"}
        real.stop_instance("t5")
        assert real.raw("PATCH", "/1.0/instances/t5", json={"config": {"user.foo": "bar"}}).status == 200
        real.start_instance("t5")
        assert told(real, "t5") == {"name": "t5", "user.foo": "bar"}
    with step("template-on-create-and-copy"):
        real.add_instance("t6", images["create,copy"].fingerprint)
        real.start_instance("t6")
        copy(real, "t6", "t7")
        real.start_instance("t7")
        assert (told(real, "t6") or {})["name"] == "t6"
        assert (told(real, "t7") or {})["name"] == "t7"
    with step("template-survives-publishing"):
        real.stop_instance("t5")
        made = client.images.publish("t5", aliases="again")
        assert "templates/told.tpl" in made.contents().files.index
