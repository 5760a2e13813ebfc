"""%lxdimg for hands that know `lxc image` and `incus image`: short verbs, joined flags, remotes; advice in verbs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests import certificates, factory
from tests.kernel import Kernel, running
from tests.servers import RunningServer


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
    """The kernel, connected to the server, which holds an image web."""
    shared_kernel.run(f"%lxdimg connect {server.url}")
    server.add_image(factory.small(1), aliases=["web"])
    return shared_kernel


def test_the_short_verbs_of_lxc_are_taken(kernel: Kernel, server: RunningServer) -> None:
    server.add_project("other")

    assert kernel.run("%lxdimg ls -clf").text.splitlines()[2].split()[-1] == "web"
    kernel.run("%lxdimg alias mv web db")
    kernel.run("%lxdimg cp db --target-project other")
    assert kernel.run("%lxdimg alias ls").text.splitlines()[1].split()[0] == "db"
    kernel.run("%lxdimg rm db --yes")

    assert server.get("images") == []
    assert len(server.get("images?project=other")) == 1
    assert "list" in kernel.run("%lxdimg help ls").text


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("info none", "%lxdimg list shows them"),
        ("alias delete none", "%lxdimg alias list shows them"),
        ("alias create web web", "%lxdimg alias point web IMAGE moves it"),
        ("import $file", "--reuse takes what is there"),
        ("list --project none", "%lxdimg list --all-projects shows what there is"),
        ("connect /none.socket", "there is no such socket"),
        ("list -x", "it takes -c, --all-projects"),
        ("list -zlf", "no flag '-zlf'"),
    ],
)
def test_advice_is_given_in_verbs(kernel: Kernel, tmp_path: Path, line: str, said: str) -> None:
    file = tmp_path / "image.tar.gz"
    file.write_bytes(factory.small(1))

    cell = kernel.run(f"file = {str(file)!r}\n%lxdimg {line}", ok=False)

    assert said in cell.stderr
    assert cell.stderr.count("\n") == 1
    for python in ("images.", "exist_ok", "connect("):
        assert python not in cell.stderr


def test_without_a_server_the_way_on_is_a_verb(shared_kernel: Kernel) -> None:
    cell = shared_kernel.run("%config LxdimgMagics.remote = ''\n%lxdimg list", ok=False)

    assert "%lxdimg connect https://host:8443" in cell.stderr
    assert "%lxdimg demo" in cell.stderr
    assert "lxdimg_nb" not in cell.stderr


def test_alone_it_says_what_became_of_a_server_that_is_gone(kernel: Kernel, server: RunningServer) -> None:
    if server.kind == "demo":
        kernel.run("%lxdimg demo")
        kernel.run("get_ipython().magics_manager.registry['LxdimgMagics'].session.demo.close()")
    else:
        server.kill()

    cell = kernel.run("%lxdimg")

    assert "no answer from unix://" in cell.text
    assert "%lxdimg connect" in cell.text
    server.restart()
    kernel.run(f"%lxdimg connect {server.url}")


def test_alone_it_says_whose_images_a_project_shows(kernel: Kernel, server: RunningServer) -> None:
    server.add_project("shared", features_images=False)

    cell = kernel.run("%lxdimg status --project shared")

    assert "shared (with the images of default)" in cell.text
    assert "1, " in cell.text


def test_a_refusal_says_how_to_be_trusted(shared_kernel: Kernel, server: RunningServer, tmp_path: Path) -> None:
    url = server.listen()
    (tmp_path / "server.crt").write_text(certificates.of_server(url))
    shared_kernel.run(f"%lxdimg connect {url} --server-cert {tmp_path / 'server.crt'}")

    cell = shared_kernel.run("%lxdimg alias list", ok=False)

    assert "%lxdimg connect URL --token -" in cell.stderr


def test_names_of_another_server_are_listed_and_made_there(
    kernel: Kernel, server: RunningServer, configuration: Path, tmp_path: Path
) -> None:
    found = {"there": {"addr": server.url, "protocol": "lxd"}}
    (configuration / "config.yml").write_text(yaml.safe_dump({"remotes": found}))
    kernel.run("%config LxdimgMagics.remote = ''")

    kernel.run("%lxdimg alias create there:db web")
    listed = kernel.run("%lxdimg alias list there:")
    kernel.run("%lxdimg alias point there:web db")
    kernel.run(f"made = %lxdimg export there:db {tmp_path}\n")

    assert [row.split()[0] for row in listed.text.splitlines()[1:]] == ["db", "web"]
    assert {a["name"] for a in server.get("images/aliases?recursion=1")} == {"db", "web"}
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [factory.small(1)]


def test_edit_shows_what_differs_before_it_writes(kernel: Kernel, server: RunningServer) -> None:
    cell = kernel.run("%%lxdimg edit web\npublic: yes\nauto_update: yes")
    refused = kernel.run("%%lxdimg edit web\npublic: no\nprofiles: nobody", ok=False)

    assert [line.strip() for line in cell.stdout.splitlines()[:2]] == ["public no → yes", "auto_update no → yes"]
    assert cell.stdout.splitlines()[2].endswith("written")
    assert "profiles default → nobody" in refused.stdout
    assert "written" not in refused.stdout
    assert server.get("images?recursion=1")[0]["public"] is True
