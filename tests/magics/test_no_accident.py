"""Nothing happens by accident: public images and changes to many are asked about, and names that moved hit nothing."""

from __future__ import annotations

import threading

import pytest

from tests.kit import factory
from tests.kit.kernel import Kernel
from tests.kit.servers import RunningServer
from tests.kit.waiting import until


@pytest.fixture
def web(kernel: Kernel, server: RunningServer) -> str:
    return server.add_image(factory.small(1), aliases=["web"])


@pytest.mark.slow
def test_making_public_says_who_will_see_it_and_asks(kernel: Kernel, server: RunningServer, web: str) -> None:
    kernel.run("image = %lxdimg info web\n")

    alone = kernel.run("%lxdimg set $image public=yes", ok=False)
    asked = kernel.run("%lxdimg set $image public=yes", answer="n", ok=False)
    left = server.get(f"images/{web}")["public"], kernel.value("image.public, dict(image.changes)")
    done = kernel.run("%lxdimg set web public=yes", answer="y")
    back = kernel.run("%lxdimg set web public=no")

    assert "add --yes" in alone.stderr
    assert "Make 1 image public?" in asked.stdout
    assert "without any authentication" in asked.stdout
    assert left == (False, (False, {}))
    assert "public no → yes" in done.stdout
    assert "public yes → no" in back.stdout


def test_a_change_to_several_images_asks_and_to_one_does_not(kernel: Kernel, server: RunningServer, web: str) -> None:
    server.add_image(factory.small(2), aliases=["db"])
    kernel.run("df = %lxdimg list\n")

    refused = kernel.run("%lxdimg set $df expires_at=2031-01-01", ok=False)
    asked = kernel.run("%lxdimg set $df expires_at=2031-01-01", answer="no", ok=False)
    kernel.run("%lxdimg set web expires_at=2031-01-01")
    # The other is the only one that would change.
    kernel.run("%lxdimg set $df expires_at=2031-01-01")

    assert "add --yes" in refused.stderr
    assert "Change 2 images?" in asked.stdout
    assert {image["expires_at"][:4] for image in server.get("images?recursion=1")} == {"2031"}


def test_an_alias_that_moved_while_it_was_asked_hits_the_image_that_was_shown(
    kernel: Kernel, server: RunningServer, web: str
) -> None:
    other = server.add_image(factory.small(2))
    request = kernel.client.execute("%lxdimg delete web", allow_stdin=True)
    moved = threading.Event()

    def move() -> None:
        until(kernel.client.stdin_channel.msg_ready, timeout=30)
        server.raw("PUT", "/1.0/images/aliases/web", json={"target": other, "description": ""})
        moved.set()

    thread = threading.Thread(target=move)
    thread.start()
    assert moved.wait(30)
    cell = kernel.finish(request, "y")
    thread.join()

    assert web[:12] in cell.stdout
    assert [image["fingerprint"] for image in server.get("images?recursion=1")] == [other]
    assert server.get("images/aliases/web")["target"] == other
