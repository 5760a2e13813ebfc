"""A failed operation is told by what was being done; servers call most of them "Downloading image"."""

from __future__ import annotations

import io
import re

import pytest

from lxdimg_nb import Client
from lxdimg_nb.errors import InvalidRequestError, OperationFailedError
from tests.kit import factory
from tests.kit.newer import speaks
from tests.kit.servers import RunningServer


class _Once(io.RawIOBase):
    """A stream that is not looked at before it is sent."""

    def __init__(self, data: bytes) -> None:
        self._inner = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        return self._inner.readinto(buffer)


@pytest.mark.parametrize("what", ["bad architecture", "no metadata.yaml"])
def test_a_refused_upload_is_a_failed_import(server: RunningServer, client: Client, what: str) -> None:
    # Debian trixie's LXD puts the name in quotes.
    reasons = {
        "bad architecture": "Architecture isn't supported: \"?pdp11",
        "no metadata.yaml": "missing metadata.yaml",
    }

    with pytest.raises(OperationFailedError, match=f"^the import failed on the server: .*{reasons[what]}") as caught:
        client.images.create(_Once(factory.BROKEN[what]), wait=True)

    assert re.search(reasons[what], caught.value.reason)
    assert server.get("images") == []


def test_whoever_waits_later_is_not_told_of_a_download(server: RunningServer, client: Client) -> None:
    image = client.images.create(_Once(factory.BROKEN["no date"]))
    assert image.operation is not None

    with pytest.raises(OperationFailedError, match=r"^making the image failed on the server: Missing creation date"):
        client.operations.wait(image.operation)


def test_what_the_server_cannot_fetch_is_a_failed_fetching(server: RunningServer, client: Client) -> None:
    if speaks(server, "NO_URL_SOURCE"):
        with pytest.raises(InvalidRequestError, match="does not fetch from URLs"):
            client.images.create_from_url("https://127.0.0.1:1/image", by="server")
        return
    with pytest.raises(OperationFailedError, match=r"^fetching the image failed on the server: "):
        client.images.create_from_url("https://127.0.0.1:1/image", by="server")


def test_a_failed_publication_names_the_instance(demo: RunningServer) -> None:
    import lxdimg_nb

    demo.add_instance("web", demo.add_image(factory.small(1)))
    demo.demo.faults.add(fail_operation="no space left on device", method="POST", path="^/1.0/images", times=1)

    with (
        lxdimg_nb.connect(demo.url) as client,
        pytest.raises(OperationFailedError, match=r"^publishing web failed on the server: no space left on device"),
    ):
        client.images.publish("web")
