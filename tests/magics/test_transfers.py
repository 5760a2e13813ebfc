"""The verbs of %lxdimg that transfer data: copy, refresh, import of URLs, background transfers, interrupts."""

from __future__ import annotations

import io
import os
import signal
import tarfile
from pathlib import Path

import pytest

from tests.kit import factory, streams
from tests.kit.kernel import Kernel, remotes
from tests.kit.servers import RunningServer


def test_copy_to_another_project_is_private_and_takes_the_aliases(
    kernel: Kernel, server: RunningServer, web: str
) -> None:
    server.add_project("other")
    server.raw("PATCH", f"/1.0/images/{web}", json={"public": True})

    cell = kernel.run("image = %lxdimg copy web --target-project other --copy-aliases --alias extra\n")

    made = server.get(f"images/{web}?project=other")
    assert f"copied extra ({web[:12]}), private, to project other" in cell.stdout.replace("web (", "extra (")
    assert (made["public"], sorted(a["name"] for a in made["aliases"])) == (False, ["extra", "web"])
    assert kernel.value("image.project") == "other"


def test_copy_to_a_remote(kernel: Kernel, server: RunningServer, web: str, configuration: Path, tmp_path: Path) -> None:
    from lxdimg_nb import demo

    with demo.start(tmp_path / "demo", inventory=False) as other:
        remotes(configuration, elsewhere={"addr": other.url, "protocol": "lxd"})

        kernel.run("image = %lxdimg copy web elsewhere: --alias web --public\n")
        there = kernel.value("image.fingerprint, image.public, [a.name for a in image.aliases]")
        info = kernel.run("%lxdimg info elsewhere:web").text
        kernel.run(f"%lxdimg connect {server.url}")

    assert there == (web, True, ["web"])
    assert web in info


def test_copy_with_reuse_moves_the_aliases(kernel: Kernel, server: RunningServer, web: str) -> None:
    server.add_project("other")
    old = server.add_image(factory.small(2), aliases=["web"], project="other")

    refused = kernel.run("%lxdimg copy web --target-project other --copy-aliases", ok=False)
    said = kernel.run("image = %lxdimg copy web --target-project other --copy-aliases --reuse\n").stdout

    assert refused.ename == "UsageError"
    assert f"web: {old[:12]} → {web[:12]}" in said
    assert server.get("images/aliases/web?project=other")["target"] == web


def test_copy_needs_a_target(kernel: Kernel, web: str) -> None:
    assert "REMOTE:" in kernel.run("%lxdimg copy web", ok=False).stderr
    assert "remotes are" in kernel.run("%lxdimg copy web nowhere:", ok=False).stderr


def test_refresh_says_why_an_image_cannot_be_refreshed(kernel: Kernel, web: str) -> None:
    assert "no source" in kernel.run("%lxdimg refresh web", ok=False).stderr


@pytest.mark.real
def test_refresh_says_which_build_replaced_the_image(
    shared_kernel: Kernel, lxd: RunningServer, demo: RunningServer
) -> None:
    lxd.listen()
    old = lxd.add_image(factory.small(5), aliases=["daily"], public=True)
    kernel = shared_kernel
    kernel.run(f"import lxdimg_nb\nlxd = lxdimg_nb.connect({lxd.url!r})\nsource = lxd.images.get('daily')")
    kernel.run(f"%lxdimg connect {demo.url}")
    kernel.run(f"to = lxdimg_nb.connect({demo.url!r})")
    kernel.run("made = source.copy(to, mode='pull', auto_update=True, aliases='daily')")

    same = kernel.run("image = %lxdimg refresh daily\n").stdout
    new = lxd.add_image(factory.small(6), public=True)
    kernel.run(f"lxd.images.aliases.point('daily', to={new!r})")
    changed = kernel.run("image = %lxdimg refresh daily\n").stdout

    assert same == f"daily ({old[:12]}) is already current\n"
    assert changed.startswith(f"daily ({old[:12]}) → {new[:12]}")
    assert kernel.value("image.fingerprint") == new


def test_a_url_is_imported_if_the_checksum_matches(kernel: Kernel, server: RunningServer, tmp_path: Path) -> None:
    data = factory.small(3)
    with streams.serving(tmp_path / "site") as site:
        site.add({"/image.tar.gz": data})
        line = f"import {site.url}/image.tar.gz --server-cert {site.cert} --alias web --sha256"

        wrong = kernel.run(f"%lxdimg {line} {'0' * 64}", ok=False)
        kernel.run(f"image = %lxdimg {line} {factory.fingerprint(data)} color=red\n")

    assert wrong.ename == "UsageError"
    image = server.get(f"images/{factory.fingerprint(data)}")
    assert (image["properties"]["color"], image["aliases"][0]["name"]) == ("red", "web")


def test_a_folder_is_packed_and_imported(kernel: Kernel, server: RunningServer, tmp_path: Path) -> None:
    folder = tmp_path / "my folder"
    with tarfile.open(fileobj=io.BytesIO(factory.small(3))) as tar:
        tar.extractall(folder, filter="data")
    kernel.run(f"from pathlib import Path\nfolder = Path({str(folder)!r})")

    checked = kernel.run(f"found = %lxdimg check '{folder}'\n")
    kernel.run("image = %lxdimg import $folder color=red --alias packed\n")
    again = kernel.run(f"%lxdimg import '{folder}/'", ok=False)
    nothing = kernel.run(f"%lxdimg import {tmp_path}", ok=False)

    image = server.get(f"images/{kernel.value('image.fingerprint')}")
    assert checked.stdout == ""
    assert kernel.value("found.ok, found.fingerprint == image.fingerprint") == (True, True)
    assert image["properties"] == {**factory.properties(3), "color": "red"}
    assert "is already there" in again.stderr
    assert "no metadata.yaml" in nothing.stderr


def test_background_transfers_are_listed_and_waited_for(kernel: Kernel, server: RunningServer, tmp_path: Path) -> None:
    path = tmp_path / "image.tar.gz"
    path.write_bytes(factory.small(9))

    begun = kernel.run(f"%lxdimg import {path} --alias later --background")
    number = begun.stdout.split()[1]
    kernel.run(f"image = %lxdimg transfers {number}\nfound = %lxdimg transfers\n")

    assert f"%lxdimg transfers {number} waits" in begun.stdout
    assert server.get("images/aliases/later")["target"] == kernel.value("image.fingerprint")
    assert kernel.value(f"found.state[{number!r}]") == "done"
    assert "no transfer '99'" in kernel.run("%lxdimg transfers 99", ok=False).stderr


def test_waiting_for_a_failed_transfer_raises_its_error(kernel: Kernel, web: str, tmp_path: Path) -> None:
    path = tmp_path / "image.tar.gz"
    path.write_bytes(factory.small(1))

    number = kernel.run(f"%lxdimg import {path} --background").stdout.split()[1]
    cell = kernel.run(f"%lxdimg transfers {number}", ok=False)

    assert cell.ename == "UsageError"
    assert web[:12] in cell.stderr


@pytest.mark.slow
def test_a_cancelled_transfer_is_no_error(kernel: Kernel, server: RunningServer, tmp_path: Path) -> None:
    path = tmp_path / "big.tar"
    factory.big(path, 400 << 20)

    number = kernel.run(f"%lxdimg import {path} --alias big -b").stdout.split()[1]
    cell = kernel.run(f"%lxdimg transfers {number} --cancel")
    again = kernel.run(f"%lxdimg transfers {number}", ok=False)

    assert cell.stdout.startswith(f"cancelling transfer {number} …")
    assert "nothing was left behind" in cell.stdout
    assert "cancelled" in again.stderr
    assert server.get("images/aliases") == []


def test_a_background_transfer_has_no_result_to_store(kernel: Kernel, web: str, tmp_path: Path) -> None:
    cell = kernel.run(f"%lxdimg export web {tmp_path} -b -o made", ok=False)

    assert "%lxdimg transfers NUMBER -o made" in cell.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_error_after_the_import_says_that_the_image_is_there(
    shared_kernel: Kernel, demo: RunningServer, tmp_path: Path
) -> None:
    path = tmp_path / "image.tar.gz"
    path.write_bytes(factory.small(1))
    shared_kernel.run(f"%lxdimg connect {demo.url}")
    assert demo.demo is not None
    demo.demo.faults.add(status=500, method="POST", path="^/1.0/images/aliases", times=1)

    cell = shared_kernel.run(f"%lxdimg import {path} --alias web", ok=False)

    assert "was imported all the same" in cell.stderr
    assert cell.stderr.count("\n") == 1


def test_a_progress_bar_leaves_no_thread_and_no_widget_behind(kernel: Kernel, tmp_path: Path) -> None:
    path = tmp_path / "big.tar"
    factory.big(path, 50 << 20)
    kernel.run("from ipywidgets.widgets.widget import _instances\nbefore = set(_instances)")
    kernel.run("import lxdimg_nb.client.files.progress as telling, threading; telling.BAR_DELAY = 0.0")

    cell = kernel.run(f"%lxdimg import {path}")

    assert cell.outputs
    assert "tqdm_monitor" not in kernel.value("[thread.name for thread in threading.enumerate()]")
    assert kernel.value("[type(w).__name__ for key, w in _instances.items() if key not in before]") == []


def test_an_interrupted_export_says_that_it_can_be_resumed(
    kernel: Kernel, server: RunningServer, tmp_path: Path
) -> None:
    path = tmp_path / "big.tar"
    factory.big(path, 30 << 20)
    server.add_image(path.read_bytes(), ["big"])
    # An interrupt in the middle, whatever the machine's speed.
    kernel.run(
        "import lxdimg_nb.client.files.progress as telling\n"
        "show = telling.reporting._show\n"
        "def interrupting(self, progress):\n"
        "    if progress.phase == 'receive' and progress.done > progress.total / 3: raise KeyboardInterrupt\n"
        "    show(self, progress)\n"
        "telling.reporting._show = interrupting"
    )

    cell = kernel.run(f"%lxdimg export big {tmp_path / 'out.tar'}", ok=False)
    kernel.run("telling.reporting._show = show")
    kernel.run(f"made = %lxdimg export big {tmp_path / 'out.tar'}\n")

    assert "stopped. What was received is kept" in cell.stderr
    assert kernel.value("0 < made.received < made.size") is True
    assert (tmp_path / "out.tar").read_bytes() == path.read_bytes()


@pytest.mark.slow
def test_an_interrupted_import_leaves_nothing(kernel: Kernel, server: RunningServer, tmp_path: Path) -> None:
    path = tmp_path / "big.tar"
    factory.big(path, 400 << 20)
    assert kernel.manager.provisioner is not None
    pid = kernel.manager.provisioner.pid  # type: ignore[attr-defined]
    # The bar tells when to interrupt; what is quick shows none.
    kernel.run("import lxdimg_nb.client.files.progress as telling; telling.BAR_DELAY = 0.0")

    request = kernel.client.execute(f"%lxdimg import {path} --alias big", allow_stdin=False)
    kernel.until_shown(request)
    os.kill(pid, signal.SIGINT)
    cell = kernel.finish(request)

    assert (cell.status, cell.ename) == ("error", "UsageError")
    assert "stopped" in cell.stderr
    assert server.get("images/aliases") == []
    assert kernel.value("1 + 1") == 2


@pytest.mark.parametrize(
    ("order", "said"),
    [
        ("raise KeyboardInterrupt", "nothing was changed on the server"),
        ("write(*given); raise KeyboardInterrupt", "perhaps after the server had done it; %lxdimg list shows"),
    ],
)
def test_an_interrupted_change_says_whether_it_may_have_been_made(
    kernel: Kernel, server: RunningServer, web: str, order: str, said: str
) -> None:
    # An interrupt right before or after the request, whatever the machine's speed.
    kernel.run(
        "from lxdimg_nb.client.verbs.write import edit\n"
        "write = edit._write\n"
        f"def interrupting(*given): {order}\n"
        "edit._write = interrupting"
    )

    cell = kernel.run("%lxdimg set-property web color red", ok=False)
    kernel.run("edit._write = write")

    assert (cell.ename, cell.stderr.count("\n")) == ("UsageError", 1)
    assert f"stopped{', ' if 'perhaps' in said else '; '}{said}" in cell.stderr
    assert ("color" in server.get(f"images/{web}")["properties"]) is ("perhaps" in said)


def test_an_import_interrupted_when_all_was_sent_says_that_the_image_may_be_there(
    kernel: Kernel, server: RunningServer, tmp_path: Path
) -> None:
    path = tmp_path / "image.tar.gz"
    path.write_bytes(factory.small(1))
    kernel.run(
        "from lxdimg_nb.client.operations import Operations\n"
        "started = Operations.started\n"
        "def interrupting(self, reply): raise KeyboardInterrupt\n"
        "Operations.started = interrupting"
    )

    cell = kernel.run(f"%lxdimg import {path}", ok=False)
    kernel.run("Operations.started = started")

    assert cell.stderr.startswith("UsageError: stopped. All of it was sent, so the server may have the image")
    kernel.run(f"%lxdimg import {path} --reuse --alias web")
    assert server.get("images/aliases/web")["target"] == factory.fingerprint(path)
