"""%lxdimg where bytes move and things go on: copy, refresh, publish, transfers, events, catalogues, editing."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests import factory, streams
from tests.kernel import Kernel, running
from tests.servers import RunningServer
from tests.test_enroll import token_of


@pytest.fixture(scope="module")
def configuration(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder where lxc keeps its remotes, as far as the kernel knows."""
    return tmp_path_factory.mktemp("lxc")


@pytest.fixture(scope="module")
def shared_kernel(tmp_path_factory: pytest.TempPathFactory, configuration: Path) -> Iterator[Kernel]:
    home = {"LXD_CONF": str(configuration), "INCUS_CONF": str(configuration / "none")}
    with running(tmp_path_factory.mktemp("kernel"), **home, HOME=str(configuration)) as kernel:
        kernel.run("%load_ext lxdimg_nb")
        yield kernel


@pytest.fixture
def kernel(shared_kernel: Kernel, server: RunningServer) -> Kernel:
    """The kernel, connected to the server."""
    shared_kernel.run(f"%lxdimg connect {server.url}")
    return shared_kernel


@pytest.fixture
def web(server: RunningServer) -> str:
    """An image with the alias web."""
    return server.add_image(factory.small(1), aliases=["web"])


def remotes(configuration: Path, **found: dict[str, object]) -> None:
    """Write the remotes that the kernel knows."""
    (configuration / "config.yml").write_text(yaml.safe_dump({"remotes": found}))


# copy, refresh, publish


def test_copy_to_another_project_is_private_and_takes_the_names(
    kernel: Kernel, server: RunningServer, web: str
) -> None:
    server.add_project("other")
    server.raw("PATCH", f"/1.0/images/{web}", json={"public": True})

    cell = kernel.run("image = %lxdimg copy web --target-project other --copy-aliases --alias extra\n")

    made = server.get(f"images/{web}?project=other")
    assert f"copied extra ({web[:12]}), private, to project other" in cell.stdout.replace("web (", "extra (")
    assert (made["public"], sorted(a["name"] for a in made["aliases"])) == (False, ["extra", "web"])
    assert kernel.value("image.project") == "other"


def test_copy_to_a_remote_by_its_name(
    kernel: Kernel, server: RunningServer, web: str, configuration: Path, tmp_path: Path
) -> None:
    from lxdimg_nb import demo

    with demo.start(tmp_path / "demo", inventory=False) as other:
        remotes(configuration, elsewhere={"addr": other.url, "protocol": "lxd"})

        kernel.run("image = %lxdimg copy web elsewhere: --alias web --public\n")
        there = kernel.value("image.fingerprint, image.public, [a.name for a in image.aliases]")
        info = kernel.run("%lxdimg info elsewhere:web").text
        kernel.run(f"%lxdimg connect {server.url}")

    assert there == (web, True, ["web"])
    assert web in info


def test_copy_with_reuse_moves_the_names(kernel: Kernel, server: RunningServer, web: str) -> None:
    server.add_project("other")
    old = server.add_image(factory.small(2), aliases=["web"], project="other")

    refused = kernel.run("%lxdimg copy web --target-project other --copy-aliases", ok=False)
    said = kernel.run("image = %lxdimg copy web --target-project other --copy-aliases --reuse\n").stdout

    assert refused.ename == "UsageError"
    assert f"web: {old[:12]} → {web[:12]}" in said
    assert server.get("images/aliases/web?project=other")["target"] == web


def test_copy_wants_to_know_where_to(kernel: Kernel, web: str) -> None:
    assert "REMOTE:" in kernel.run("%lxdimg copy web", ok=False).stderr
    assert "remotes are" in kernel.run("%lxdimg copy web nowhere:", ok=False).stderr


def test_refresh_says_why_an_image_cannot_be(kernel: Kernel, web: str) -> None:
    assert "no source" in kernel.run("%lxdimg refresh web", ok=False).stderr


@pytest.mark.real
def test_refresh_says_what_took_the_place(shared_kernel: Kernel, lxd: RunningServer, demo: RunningServer) -> None:
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


def test_publish_makes_an_image_of_an_instance(kernel: Kernel, server: RunningServer) -> None:
    base = server.add_image(factory.small(1))
    server.add_instance("c1", base)

    cell = kernel.run("image = %lxdimg publish c1 os=mine --alias golden --compression none\n")

    image = server.get(f"images/{kernel.value('image.fingerprint')}")
    assert cell.stdout.startswith("published c1 as golden (")
    assert image["properties"]["os"] == "mine"
    assert "no instance 'c2'" in kernel.run("%lxdimg publish c2", ok=False).stderr


def test_used_by_names_the_instances(kernel: Kernel, server: RunningServer) -> None:
    server.add_instance("c1", server.add_image(factory.small(1), aliases=["web"]))

    assert kernel.value("%lxdimg used-by web") == ["default/c1"]
    kernel.run("df = %lxdimg list --used-by\n")
    assert kernel.value("list(df.used_by)") == [["default/c1"]]


# looking


def test_check_says_what_an_import_would_meet_and_sends_nothing(
    kernel: Kernel, server: RunningServer, web: str, tmp_path: Path
) -> None:
    (tmp_path / "there.tar.gz").write_bytes(factory.small(1))
    (tmp_path / "new.tar.gz").write_bytes(factory.small(2))

    kernel.run(f"a = %lxdimg check {tmp_path}/there.tar.gz\nb = %lxdimg check {tmp_path}/new.tar.gz\n")

    assert kernel.value("a.exists, a.ok, a.fingerprint, b.exists, b.ok") == (True, False, web, False, True)
    assert "already there yes" in " ".join(kernel.run("a").text.split())
    assert len(server.get("images")) == 1


def test_contents_lists_the_files_and_compares_two_images(kernel: Kernel, server: RunningServer) -> None:
    server.add_image(factory.small(1, rootfs_files={"etc/one": b"1"}), aliases=["one"])
    server.add_image(factory.small(1, rootfs_files={"etc/two": b"22"}), aliases=["two"])

    kernel.run("files = %lxdimg contents one\nchanges = %lxdimg contents one two\n")

    assert "rootfs/etc/one" in kernel.value("list(files.index)")
    assert "0644" in kernel.run("files").text
    assert kernel.value("changes.change.astype(str).to_dict()") == {
        "rootfs/etc/one": "removed",
        "rootfs/etc/two": "added",
    }


def test_diff_compares_a_frame_with_now(kernel: Kernel, server: RunningServer, web: str) -> None:
    kernel.run("before = %lxdimg list\npart = %lxdimg list os=Nothing\n")
    server.raw("PATCH", f"/1.0/images/{web}", json={"public": True})
    new = server.add_image(factory.small(2))

    kernel.run("changes = %lxdimg diff $before\n")

    assert kernel.value("sorted(zip(changes.fingerprint, changes.change.astype(str), changes.field))") == sorted(
        [(web, "changed", "public"), (new, "added", "")]
    )
    assert "part of an inventory" in kernel.run("%lxdimg diff $part", ok=False).stderr


def test_diff_reads_a_history(kernel: Kernel, server: RunningServer, web: str, tmp_path: Path) -> None:
    kernel.run(f"import lxdimg_nb\nhistory = lxdimg_nb.History({str(tmp_path / 'h')!r})")
    kernel.run("df = %lxdimg list\n")
    kernel.run("record = history.record(df)")
    server.raw("PATCH", f"/1.0/images/{web}", json={"public": True})
    kernel.run("df = %lxdimg list\n")
    kernel.run("record = history.record(df)")

    kernel.run(f"changes = %lxdimg diff {tmp_path}/h\n")

    assert kernel.value("list(changes.field)") == ["public"]


def test_monitor_shows_events_and_returns_them(kernel: Kernel, server: RunningServer, web: str) -> None:
    kernel.run(
        "import threading\n"
        f"import lxdimg_nb; client = lxdimg_nb.connect({server.url!r}); image = client.images.get('web')\n"
        "def change(): image.public = True; image.update()\n"
        "timer = threading.Timer(0.5, change)"
    )

    cell = kernel.run("timer.start()\nevents = %lxdimg monitor --types lifecycle --count 1 --for 20s\n")

    assert "image-updated" in cell.stdout
    assert kernel.value("list(events.what)") == ["image-updated"]
    assert web in kernel.value("events.source.iloc[0]")


def test_monitor_ends_after_its_time_and_by_an_interrupt(kernel: Kernel) -> None:
    assert kernel.run("events = %lxdimg monitor --for 1s\n").status == "ok"

    kernel.run("import threading, _thread\ntimer = threading.Timer(0.5, _thread.interrupt_main)")
    cell = kernel.run("timer.start()\nevents = %lxdimg monitor --for 60s\n")

    assert cell.status == "ok"
    assert kernel.value("type(events).__name__") == "Listing"


def test_panel_is_the_browser_or_one_image(kernel: Kernel, web: str) -> None:
    kernel.run("panel = %lxdimg panel\none = %lxdimg panel web\n")

    assert kernel.value("type(panel).__name__, type(one).__name__") == ("BrowserPanel", "ImagePanel")
    kernel.run("panel.close(); one.close()")


# remotes and catalogues


def test_remotes_are_those_of_lxc_and_incus(kernel: Kernel, configuration: Path) -> None:
    remotes(configuration, staging={"addr": "https://192.0.2.1:8443", "protocol": "lxd", "project": "web"})

    kernel.run("found = %lxdimg remotes\n")

    assert kernel.value("tuple(found.loc['staging', ['address', 'protocol', 'project', 'home']])") == (
        "https://192.0.2.1:8443",
        "lxd",
        "web",
        "lxc",
    )
    assert "ubuntu" in kernel.value("list(found.index)")


def test_a_catalogue_is_listed_looked_at_and_copied_from(
    kernel: Kernel, server: RunningServer, configuration: Path, tmp_path: Path
) -> None:
    with streams.serving(tmp_path / "site") as site:
        streams.ubuntu().publish(site)
        remotes(configuration, store={"addr": site.url, "protocol": "simplestreams", "public": True})
        (configuration / "servercerts").mkdir(exist_ok=True)
        (configuration / "servercerts" / "store.crt").write_text(site.pem)

        kernel.run("df = %lxdimg catalogue store release=noble\nmachine = %lxdimg info store:24.04 --vm\n")
        kernel.run("%lxdimg copy store:24.04 --target-project default --alias noble -o image")

        releases = kernel.value("sorted(set(df['properties.release']))")
        machine = kernel.value("machine.type")
        copied = kernel.value("image.fingerprint, image.public")
        kernel.run(f"%lxdimg connect {server.url}")

    assert releases == ["noble"]
    assert machine == "virtual-machine"
    assert server.get("images/aliases/noble")["target"] == copied[0]
    assert copied[1] is False


def test_an_address_is_imported_when_it_is_what_was_announced(
    kernel: Kernel, server: RunningServer, tmp_path: Path
) -> None:
    data = factory.small(3)
    with streams.serving(tmp_path / "site") as site:
        site.add({"/image.tar.gz": data})
        line = f"import {site.url}/image.tar.gz --server-cert {site.cert} --alias web --sha256"

        wrong = kernel.run(f"%lxdimg {line} {'0' * 64}", ok=False)
        kernel.run(f"image = %lxdimg {line} {factory.fingerprint(data)} color=red\n")

    assert wrong.ename == "UsageError"
    image = server.get(f"images/{factory.fingerprint(data)}")
    assert (image["properties"]["color"], image["aliases"][0]["name"]) == ("red", "web")


def test_a_server_is_no_catalogue(kernel: Kernel, server: RunningServer, configuration: Path) -> None:
    remotes(configuration, mine={"addr": server.url, "protocol": "lxd"})

    assert "%lxdimg list mine:" in kernel.run("%lxdimg catalogue mine", ok=False).stderr


@pytest.mark.parametrize("how", ["variable", "asked"])
def test_a_token_enrols_and_is_never_shown(
    kernel: Kernel, server: RunningServer, configuration: Path, how: str
) -> None:
    url = server.listen()
    token = token_of(server)

    typed = kernel.run(f"%lxdimg connect {url} --token {token}", ok=False)
    kernel.run(f"token = {token!r}")
    if how == "variable":
        cell = kernel.run(f"client = %lxdimg connect {url} --token $token\n")
    else:
        cell = kernel.run(f"client = %lxdimg connect {url} --token -\n", answer=token)

    assert "history" in typed.stderr
    for shown in (typed, cell):
        assert token not in shown.stdout + shown.stderr + shown.evalue + shown.text
    assert kernel.value("client.url, client.info.trusted") == (url, True)


def test_a_password_in_an_address_is_not_shown(kernel: Kernel, server: RunningServer, tmp_path: Path) -> None:
    with streams.serving(tmp_path / "site") as site:
        streams.ubuntu().publish(site)
        address = site.url.replace("https://", "simplestreams+https://me:pass-word@")

        cell = kernel.run(f"%lxdimg connect {address} --server-cert {site.cert}")
        alone = kernel.run("%lxdimg").text
        remote = kernel.value("%config LxdimgMagics.remote")
        wrong = kernel.run(f"%lxdimg connect {address}/nothing --server-cert {site.cert}", ok=False)
        kernel.run(f"%lxdimg connect {server.url}")

    assert site.url in alone
    for shown in (cell.text, cell.stdout, alone, remote, wrong.stderr):
        assert "pass-word" not in shown


# transfers and interrupts


def test_what_runs_in_the_background_is_listed_and_waited_for(
    kernel: Kernel, server: RunningServer, tmp_path: Path
) -> None:
    path = tmp_path / "image.tar.gz"
    path.write_bytes(factory.small(9))

    begun = kernel.run(f"%lxdimg import {path} --alias later --background")
    number = begun.stdout.split()[1]
    kernel.run(f"image = %lxdimg transfers {number}\nfound = %lxdimg transfers\n")

    assert f"%lxdimg transfers {number} waits" in begun.stdout
    assert server.get("images/aliases/later")["target"] == kernel.value("image.fingerprint")
    assert kernel.value(f"found.state[{number!r}]") == "done"
    assert "no transfer '99'" in kernel.run("%lxdimg transfers 99", ok=False).stderr


def test_a_transfer_that_failed_says_so_when_it_is_waited_for(kernel: Kernel, web: str, tmp_path: Path) -> None:
    path = tmp_path / "image.tar.gz"
    path.write_bytes(factory.small(1))

    number = kernel.run(f"%lxdimg import {path} --background").stdout.split()[1]
    cell = kernel.run(f"%lxdimg transfers {number}", ok=False)

    assert cell.ename == "UsageError"
    assert web[:12] in cell.stderr


def test_an_interrupt_ends_an_import_and_leaves_nothing(kernel: Kernel, server: RunningServer, tmp_path: Path) -> None:
    path = tmp_path / "big.tar"
    factory.big(path, 400 << 20)
    assert kernel.manager.provisioner is not None
    pid = kernel.manager.provisioner.pid  # type: ignore[attr-defined]
    # The bar tells when to interrupt; what is quick shows none.
    kernel.run("import lxdimg_nb.client.progress as telling; telling.SILENT = 0.0")

    request = kernel.client.execute(f"%lxdimg import {path} --alias big", allow_stdin=False)
    kernel.until_shown(request)
    os.kill(pid, signal.SIGINT)
    cell = kernel.finish(request)

    assert (cell.status, cell.ename) == ("error", "UsageError")
    assert "stopped" in cell.stderr
    assert server.get("images/aliases") == []
    assert kernel.value("1 + 1") == 2


# edit


def test_edit_makes_a_cell_that_can_be_run(kernel: Kernel, server: RunningServer, web: str) -> None:
    made = kernel.run("%lxdimg edit web").payload[0]["text"]

    edited = made.replace("public: false", "public: true").replace("os: Ubuntu", "os: Mine\n  version: 11.10")
    cell = kernel.run(edited)

    image = server.get(f"images/{web}")
    assert made.startswith("%%lxdimg edit web --base ")
    assert "public no → yes" in cell.stdout
    assert "os Ubuntu → Mine" in cell.stdout
    assert (image["public"], image["properties"]["os"], image["properties"]["version"]) == (True, "Mine", "11.10")


def test_edit_writes_nothing_when_somebody_else_did(kernel: Kernel, server: RunningServer, web: str) -> None:
    made = kernel.run("%lxdimg edit web").payload[0]["text"]
    server.raw("PATCH", f"/1.0/images/{web}", json={"properties": {"os": "theirs"}})

    cell = kernel.run(made.replace("public: false", "public: true"), ok=False)

    assert "was changed since" in cell.stderr
    assert server.get(f"images/{web}")["public"] is False


def test_edit_leaves_alone_what_is_not_in_the_cell(kernel: Kernel, server: RunningServer, web: str) -> None:
    before = server.get(f"images/{web}")

    kernel.run("%%lxdimg edit web\nauto_update: false\nexpires_at: 2031-02-03\n")

    after = server.get(f"images/{web}")
    assert after["expires_at"].startswith("2031-02-03")
    assert {k: before[k] for k in ("public", "properties", "profiles")} == {
        k: after[k] for k in ("public", "properties", "profiles")
    }


def test_edit_asks_before_a_property_goes(kernel: Kernel, server: RunningServer, web: str) -> None:
    cell = "%%lxdimg edit web{flag}\nproperties:\n  os: Ubuntu\n"

    refused = kernel.run(cell.format(flag=""), ok=False)
    asked = kernel.run(cell.format(flag=""), answer="n", ok=False)
    there = server.get(f"images/{web}")["properties"]
    kernel.run(cell.format(flag=" --yes"))

    assert "--yes" in refused.stderr
    assert "release noble → none" in asked.stdout
    assert there == factory.properties(1)
    assert server.get(f"images/{web}")["properties"] == {"os": "Ubuntu"}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("publik: yes", "did you mean 'public'?"),
        ("public: perhaps", "yes or no"),
        ("public: [1", "line 3"),
        ("- public", "KEY: VALUE lines"),
        ("public: {a: b}", "public takes one text"),
        ("public: no\npublic: yes", "line 3: 'public' is there twice"),
        ("", "empty"),
        ("fingerprint: abc", "cannot be written"),
    ],
)
def test_edit_says_in_one_line_what_is_wrong(kernel: Kernel, web: str, body: str, said: str) -> None:
    cell = kernel.run(f"%%lxdimg edit web\n{body}", ok=False)

    assert cell.ename == "UsageError"
    assert cell.stderr.count("\n") == 1
    assert said in cell.stderr


# demo


def test_demo_starts_a_server_in_the_kernel_and_stops_it(shared_kernel: Kernel) -> None:
    begun = shared_kernel.run("client = %lxdimg demo\ndf = %lxdimg list\n")
    url = shared_kernel.value("client.url")
    shared_kernel.run("%lxdimg demo stop")

    assert shared_kernel.value("%config LxdimgMagics.remote") == ""
    assert "demo server" in begun.stdout
    assert shared_kernel.value("len(df)") > 5
    assert not Path(url.removeprefix("unix://")).exists()


def test_without_a_server_it_says_where_it_looked_and_what_to_do(tmp_path: Path) -> None:
    with running(tmp_path, HOME=str(tmp_path)) as kernel:
        kernel.run("%load_ext lxdimg_nb")

        alone = kernel.run("%lxdimg").text
        verb = kernel.run("%lxdimg list", ok=False)

    assert "not connected" in alone
    assert "%lxdimg demo" in alone
    assert str(tmp_path / "nothing") in verb.stderr


def test_the_environment_names_the_server(tmp_path: Path, demo: RunningServer) -> None:
    fingerprint = demo.add_image(factory.small(1), aliases=["web"])

    with running(tmp_path, HOME=str(tmp_path), LXDIMG_URL=demo.url) as kernel:
        kernel.run("%load_ext lxdimg_nb\nimage = %lxdimg info web\n")

        assert kernel.value("image.fingerprint") == fingerprint
