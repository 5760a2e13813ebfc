"""The verbs of %lxdimg about servers: remotes, catalogues, tokens, the demo server, and no server at all."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from tests.client.test_enroll import token_of
from tests.kit import factory, streams
from tests.kit.kernel import Kernel, remotes, running, store
from tests.kit.servers import RunningServer
from tests.kit.streams import Site


@pytest.mark.slow
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


def test_a_catalogue_is_listed_inspected_and_copied_from(
    kernel: Kernel, server: RunningServer, configuration: Path, tmp_path: Path
) -> None:
    with streams.serving(tmp_path / "site") as site:
        streams.ubuntu().publish(site)
        store(configuration, site.url, site.pem)

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


def test_the_status_of_a_catalogue_tells_what_was_left_out(shared_kernel: Kernel, site: Site) -> None:
    tree = streams.ubuntu()
    for number in range(4):
        tree.product(f"old:{number}:amd64", os="old", release=str(number))
    tree.publish(site)
    shared_kernel.run(f"%lxdimg connect simplestreams+{site.url} --server-cert {site.cert}")

    status = shared_kernel.run("%lxdimg").text

    assert "left out" in status
    assert "the architecture 'pdp11' is not known" in status
    assert "old:1:amd64: a product without versions" in status
    assert "and 2 more" in status
    assert "5 entries of the catalogue left out" in " ".join(shared_kernel.run("%lxdimg list").text.split())


def test_a_server_is_not_a_catalogue(kernel: Kernel, server: RunningServer, configuration: Path) -> None:
    remotes(configuration, mine={"addr": server.url, "protocol": "lxd"})

    assert "%lxdimg list mine:" in kernel.run("%lxdimg catalogue mine", ok=False).stderr


@pytest.mark.parametrize("how", ["variable", "asked"])
def test_a_token_enrols_and_is_never_shown(
    kernel: Kernel, server: RunningServer, configuration: Path, how: str
) -> None:
    url = server.listen()
    token, vault = token_of(server), configuration / "vault"
    vault.mkdir(exist_ok=True)
    (vault / "token").write_text(token)

    typed = kernel.run(f"%lxdimg connect {url} --token {base64.b64encode(b'typed').decode()}", ok=False)
    kernel.run(f"token = open({str(vault / 'token')!r}).read()")
    if how == "variable":
        cell = kernel.run(f"client = %lxdimg connect {url} --token $token\n")
    else:
        cell = kernel.run(f"client = %lxdimg connect {url} --token -\n", answer=token)

    assert "history" in typed.stderr
    for shown in (typed, cell):
        assert token not in shown.stdout + shown.stderr + shown.evalue + shown.text
    assert kernel.value("client.url, client.info.trusted") == (url, True)


def test_the_traceback_of_a_refused_token_or_address_in_a_variable_does_not_show_it(
    kernel: Kernel, server: RunningServer, configuration: Path
) -> None:
    (configuration / "vault").mkdir(exist_ok=True)
    url, vault = server.listen(), configuration / "vault" / "secret"
    kernel.run("import pathlib\n%xmode Verbose")
    words = {f"connect {url} --token $held": "canary", "connect $held": "", "import $held --sha256 " + "0" * 64: ""}
    for line, kind in words.items():
        token = base64.b64encode(b'{"secret": "canary"').decode()
        vault.write_text(token if kind else "https://me:canary@127.0.0.1:1/x?signature=canary")
        kernel.run(f"held = pathlib.Path({str(vault)!r}).read_text()")

        failed = kernel.run(f"%lxdimg {line}", ok=False)
        traced = kernel.run("%tb", ok=False)
        kernel.run("del held")

        said = failed.stderr + failed.evalue + traced.stdout + traced.stderr + str(traced.outputs)
        assert failed.status == "error"
        assert "magics/extension.py" in said
        assert token not in said, line
        assert [row for row in said.replace("\\n", "\n").splitlines() if "canary" in row] == [], line
    kernel.run("%xmode Context")


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


def test_demo_starts_a_server_in_the_kernel_and_stops_it(shared_kernel: Kernel) -> None:
    begun = shared_kernel.run("client = %lxdimg demo\ndf = %lxdimg list\n")
    url = shared_kernel.value("client.url")
    shared_kernel.run("%lxdimg demo stop")

    assert shared_kernel.value("%config LxdimgMagics.remote") == ""
    assert "demo server" in begun.stdout
    assert shared_kernel.value("len(df)") > 5
    assert not Path(url.removeprefix("unix://")).exists()


def test_another_demo_is_not_started_beside_the_first(shared_kernel: Kernel) -> None:
    shared_kernel.run("client = %lxdimg demo --product incus\n")

    refused = shared_kernel.run("%lxdimg demo --product lxd", ok=False)
    shared_kernel.run("again = %lxdimg demo\n")
    same = shared_kernel.value("again.url == client.url")
    shared_kernel.run("%lxdimg demo stop")

    assert "%lxdimg demo stop" in refused.stderr
    assert same is True


@pytest.mark.slow
def test_without_a_server_it_says_what_to_do(tmp_path: Path) -> None:
    with running(tmp_path, HOME=str(tmp_path)) as kernel:
        kernel.run("%load_ext lxdimg_nb")

        alone = kernel.run("%lxdimg").text
        verb = kernel.run("%lxdimg list", ok=False)

    assert "not connected" in alone
    assert "%lxdimg demo" in alone
    assert "start it, or correct $LXD_DIR and $INCUS_DIR, where it was looked for" in alone
    assert "start it, or correct $LXD_DIR and $INCUS_DIR, where it was looked for" in verb.stderr


@pytest.mark.slow
def test_the_environment_names_the_server(tmp_path: Path, demo: RunningServer) -> None:
    fingerprint = demo.add_image(factory.small(1), aliases=["web"])

    with running(tmp_path, HOME=str(tmp_path), LXDIMG_URL=demo.url) as kernel:
        kernel.run("%load_ext lxdimg_nb\nimage = %lxdimg info web\n")

        assert kernel.value("image.fingerprint") == fingerprint
