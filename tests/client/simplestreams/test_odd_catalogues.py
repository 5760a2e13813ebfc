"""Catalogues as people serve them, over https: what lxc and incus make of each, and what this package does."""

from __future__ import annotations

import contextlib
import json
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import lxdimg_nb
from lxdimg_nb.client.http import web_client
from lxdimg_nb.client.http.endpoint import Endpoint
from lxdimg_nb.client.simplestreams import catalogue_transport
from lxdimg_nb.errors import FingerprintMismatchError, LxdImageError, UnexpectedReplyError
from tests.client.simplestreams.catalogue_rows import REFUSED, ROWS, fingerprints
from tests.conftest import missing
from tests.kit import factory, streams
from tests.kit.commandline import CommandLine
from tests.kit.streams import Handler, Site

pytestmark = pytest.mark.usefixtures("short_pauses")

LETTERS = fingerprints()


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A web server with every catalogue of the table, each below its name."""
    with streams.serving(tmp_path_factory.mktemp("site")) as site:
        for name, row in ROWS.items():
            row.publish(site, f"/{name}")
        yield site


@pytest.fixture(scope="module", params=["lxc", "incus"])
def listed(request: pytest.FixtureRequest, published: Site, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What `lxc` and `incus` list of each catalogue."""
    program = str(request.param)
    if shutil.which(program) is None:
        missing(f"{program} is not installed")
    home = tmp_path_factory.mktemp(program)
    remotes = {n: {"addr": f"{published.url}/{n}", "protocol": "simplestreams", "public": True} for n in ROWS}
    (home / "config.yml").write_text(json.dumps({"default-remote": "plain", "remotes": remotes}))
    run = CommandLine(program, home / "none", home)
    run.environment["SSL_CERT_FILE"] = published.cert

    def images(name: str) -> str:
        ended = run.ended("image", "list", f"{name}:", "--format", "json")
        if ended.returncode:
            return REFUSED
        return "".join(sorted(LETTERS[image["fingerprint"].lower()] for image in json.loads(ended.stdout) or []))

    with ThreadPoolExecutor(4) as pool:
        return {"program": program, **dict(zip(ROWS, pool.map(images, ROWS), strict=True))}


@pytest.mark.real
@pytest.mark.slow
def test_lxc_and_incus_make_of_each_catalogue_what_the_table_says(listed: dict[str, str]) -> None:
    program = listed.pop("program")
    said = {name: row.theirs for name, row in ROWS.items()}
    said["only-for-incus"] = "a" if program == "incus" else ""

    assert listed == said


@pytest.fixture
def authority(published: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """An authority knows the certificate of the site, as far as it is not pinned."""
    monkeypatch.setattr(
        web_client,
        "Endpoint",
        lambda base, pinned="": Endpoint(base, pinned=pinned, ca="" if pinned else published.cert),
    )


@pytest.mark.usefixtures("authority")
@pytest.mark.parametrize("name", ROWS)
def test_what_can_be_read_is_read_and_the_rest_has_a_reason(published: Site, name: str, tmp_path: Path) -> None:
    row = ROWS[name]
    if row.ours == REFUSED:
        with pytest.raises(LxdImageError) as caught:
            streams.connect(published, f"/{name}")
        assert row.says in str(caught.value)
        assert "\n" not in str(caught.value)
        return
    with streams.connect(published, f"/{name}") as client:
        images = client.images.all()
        df: Any = client.images.df()

        assert "".join(sorted(LETTERS[image.fingerprint] for image in images)) == row.ours
        assert client.images.left_out == len(client.problems) == df.attrs.get("left_out", 0) == row.left_out
        assert ("left out" in df.table().title) is bool(row.left_out)
        assert row.says in " ".join(client.problems)
        for image in images:
            if row.exports:
                image.export(tmp_path)
            else:
                with pytest.raises(FingerprintMismatchError):
                    image.export(tmp_path)


def test_a_catalogue_that_moved_to_another_host_is_read_there(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with streams.serving(tmp_path / "other") as other:
        # An authority knows the other host; the pinned certificate is for the first host alone.
        monkeypatch.setattr(
            web_client,
            "Endpoint",
            lambda base, pinned="": Endpoint(base, pinned=pinned, ca="" if pinned else other.cert),
        )
        streams.ubuntu().publish(other)
        for path in other.files:
            site.answers[path] = lambda h, to=path: h.reply(302, b"", {"Location": f"{other.url}{to}"})  # type: ignore[misc]
        with streams.connect(site) as client:
            image = client.images.get("noble/amd64")

            assert len(client.images.all()) == 18
            assert factory.fingerprint(*image.export(tmp_path).paths) == image.fingerprint
    assert all("Authorization" not in headers for _, _, headers in other.asked)


def test_a_mirror_that_breaks_later_keeps_what_was_read(site: Site) -> None:
    tree = streams.ubuntu()
    tree.publish(site)
    products = next(path for path in site.files if path.endswith("download.json"))
    with streams.connect(site) as client:
        before = client.images.all()
        site.files[products] = bytes(1000)
        client.reload()

        assert client.images.all() == before
        assert any("NUL" in problem for problem in client.problems)
        tree.publish(site)
        client.reload()
        assert not any("NUL" in problem for problem in client.problems)


def test_a_catalogue_that_drips_is_given_up(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue_transport, "MAX_SECONDS", 1.0)
    sent = [0]

    def drip(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(1 << 20))
        handler.end_headers()
        with contextlib.suppress(OSError):
            while sent[0] < 1000:
                handler.wfile.write(b" ")
                handler.wfile.flush()
                sent[0] += 1
                gone.wait(0.02)

    gone = threading.Event()
    site.answers["/streams/v1/index.json"] = drip

    with pytest.raises(UnexpectedReplyError, match="too slowly"):
        streams.connect(site)
    gone.set()
    assert sent[0] < 1000


def test_every_alias_of_a_catalogue_can_be_asked_for(published: Site) -> None:
    found = {
        "aliases-with-spaces": ["a b", "c", "d/e:f", "ü"],
        "aliases-as-a-list": ["a,b", "c"],
        "same-image-twice": ["a", "a/1", "b"],
    }
    for name, aliases in found.items():
        with streams.connect(published, f"/{name}") as client:
            (image,) = client.images.all()
            assert {a.name for a in client.images.aliases.all()} == {*aliases, *(f"{a}/amd64" for a in aliases)}
            assert all(client.images.get(f"{alias}/amd64") == image for alias in aliases)


def test_every_sentence_about_what_was_left_out_counts(site: Site) -> None:
    tree = streams.Tree()
    for number in range(150):
        tree.product(f"{number:03}:1:amd64", os="x", release="1")
    tree.publish(site)

    with streams.connect(site) as client:
        assert (client.images.left_out, len(client.problems)) == (150, 100)
        assert "150 entries of the catalogue left out" in client.images.df().table().title
        fleet = lxdimg_nb.Fleet({"store": client})
        assert "150 entries of the catalogue left out" in fleet.df().table().title
        assert "150 entries of its catalogue left out" in fleet.status().error["store"]
