"""%lxdimg finds the client that the notebook has: one, several, closed, hidden, chosen."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lxdimg_nb import demo as demo_servers
from tests.kit import factory
from tests.kit.kernel import Kernel, running
from tests.kit.servers import RunningServer


@pytest.fixture(scope="module")
def lonely_kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """A kernel on a machine without LXD and Incus."""
    folder = tmp_path_factory.mktemp("lonely")
    with running(folder, HOME=str(folder)) as kernel:
        yield kernel


@pytest.fixture
def notebook(lonely_kernel: Kernel) -> Kernel:
    """The same, as after a restart: no variables, nothing chosen."""
    lonely_kernel.run("%reset -f")
    lonely_kernel.run("import lxdimg_nb as lxdimg\n%load_ext lxdimg_nb\n%reload_ext lxdimg_nb")
    return lonely_kernel


@pytest.fixture(scope="module")
def other() -> Iterator[demo_servers.DemoServer]:
    with demo_servers.start(inventory=False, product="incus") as server:
        yield server


def names(kernel: Kernel) -> list[str]:
    """The aliases that a listing shows."""
    kernel.run("listed = %lxdimg list\n")
    found: list[str] = kernel.value("sorted(listed.alias.dropna())")
    return found


@pytest.mark.slow
def test_the_one_client_is_used_and_a_line_says_so_once(notebook: Kernel, server: RunningServer) -> None:
    server.add_image(factory.small(1), ["here"])
    notebook.run(f"client = lxdimg.connect({server.url!r})")

    first = notebook.run("df = %lxdimg list\n")
    second = notebook.run("df = %lxdimg list\n")
    state = notebook.run("%lxdimg").text

    assert first.stdout.startswith("using $client: ")
    assert f" at {server.url}, project default" in first.stdout
    assert first.stdout.count("\n") == 1
    assert second.stdout == ""
    assert notebook.value("list(df.alias)") == ["here"]
    assert server.url in state
    assert notebook.value("%config LxdimgMagics.remote") == server.url


def test_several_clients_are_named_and_one_can_be_chosen(
    notebook: Kernel, demo: RunningServer, other: demo_servers.DemoServer
) -> None:
    demo.add_image(factory.small(1), ["one"])
    notebook.run(f"a = lxdimg.connect({demo.url!r})\nb = lxdimg.connect({other.url!r})")

    refused = notebook.run("%lxdimg list", ok=False).stderr
    alone = notebook.run("%lxdimg").text
    notebook.run("%lxdimg connect $a")

    for text in (
        "2 clients are open",
        f"$a (LXD 5.0.2 at {demo.url}, project default)",
        "$b (Incus",
        "%lxdimg connect $a",
    ):
        assert text in refused
    assert "not connected" in alone
    assert "$b (Incus" in alone
    assert names(notebook) == ["one"]


def test_clients_of_one_server_under_two_names_and_addresses_are_one(notebook: Kernel, server: RunningServer) -> None:
    server.add_image(factory.small(1), ["one"])
    notebook.run(
        f"a = lxdimg.connect({server.url!r})\nb = a\n"
        f"c = lxdimg.connect({str(server.socket)!r})\nd = a.in_project('default')"
    )

    assert notebook.run("df = %lxdimg list\n").stdout.startswith("using $a: ")


def test_two_projects_of_a_server_are_two(notebook: Kernel, demo: RunningServer) -> None:
    demo.add_project("web")
    notebook.run(f"a = lxdimg.connect({demo.url!r})\nweb = a.in_project('web')")

    refused = notebook.run("%lxdimg list", ok=False).stderr
    notebook.run("del a")
    used = notebook.run("df = %lxdimg list\n").stdout

    assert "project web" in refused
    assert used.startswith("using $web: ")


def test_closed_clients_are_not_used_and_the_message_tells_how_to_open_one(
    notebook: Kernel, demo: RunningServer, other: demo_servers.DemoServer
) -> None:
    demo.add_image(factory.small(1), ["one"])
    notebook.run(f"a = lxdimg.connect({demo.url!r})\nb = lxdimg.connect({other.url!r})\na.close()")

    first = notebook.run("df = %lxdimg list\n").stdout
    notebook.run("b.close()")
    refused = notebook.run("%lxdimg list", ok=False).stderr
    notebook.run("%lxdimg connect $a")

    assert first.startswith("using $b: ")
    assert "no LXD or Incus answers" in refused
    assert "%lxdimg connect $a opens it" in refused
    assert names(notebook) == ["one"]


def test_what_is_in_a_list_an_object_or_a_hidden_name_is_not_looked_at(notebook: Kernel, demo: RunningServer) -> None:
    notebook.run(
        f"clients = [lxdimg.connect({demo.url!r})]\n_hidden = clients[0]\nimages = clients[0].images\n"
        "class Proxy:\n"
        "    @property\n"
        "    def __class__(self): raise RuntimeError('looked at')\n"
        "proxy = Proxy()"
    )

    refused = notebook.run("%lxdimg list", ok=False).stderr
    notebook.run("one = clients[0]")

    assert "no LXD or Incus answers" in refused
    assert notebook.run("df = %lxdimg list\n").stdout.startswith("using $one: ")


def test_what_was_chosen_stays_whatever_clients_come(
    notebook: Kernel, demo: RunningServer, other: demo_servers.DemoServer
) -> None:
    demo.add_image(factory.small(1), ["one"])
    for choice in (f"%lxdimg connect {demo.url}", f"%config LxdimgMagics.remote = {demo.url!r}"):
        notebook.run(choice)
        notebook.run(f"client = lxdimg.connect({other.url!r})")

        cell = notebook.run("df = %lxdimg list\n")

        assert cell.stdout == ""
        assert notebook.value("list(df.alias)") == ["one"]
        notebook.run("client.close()\ndel client")
    notebook.run(f"client = lxdimg.connect({other.url!r})\n%config LxdimgMagics.remote = ''")
    assert notebook.run("df = %lxdimg list\n").stdout.startswith("using $client: ")


def test_a_variable_that_is_used_stays_in_use_until_it_is_another_client(
    notebook: Kernel, demo: RunningServer, other: demo_servers.DemoServer
) -> None:
    demo.add_image(factory.small(1), ["one"])
    notebook.run(f"client = lxdimg.connect({demo.url!r})\ndf = %lxdimg list\n")

    notebook.run(f"more = lxdimg.connect({other.url!r})")
    with_another = notebook.run("df = %lxdimg list\n").stdout
    kept = notebook.value("list(df.alias)")
    notebook.run("client = more\ndel more")
    replaced = notebook.run("df = %lxdimg list\n").stdout
    notebook.run("del client")
    gone = notebook.run("%lxdimg list", ok=False).stderr

    assert (with_another, kept) == ("", ["one"])
    assert replaced.startswith("using $client: Incus")
    assert "no LXD or Incus answers" in gone
    assert notebook.value("%config LxdimgMagics.remote") == ""


def test_tab_completes_from_the_client_and_chooses_nothing(
    notebook: Kernel, demo: RunningServer, other: demo_servers.DemoServer
) -> None:
    demo.add_image(factory.small(1), ["only-one"])
    notebook.run(f"import os\nos.environ['LXDIMG_URL'] = {other.url!r}")
    notebook.complete("%lxdimg info on")  # connects to the other in the background, with no client about
    notebook.run(f"client = lxdimg.connect({demo.url!r})")

    used = notebook.run("df = %lxdimg list\n").stdout
    notebook.run("del os.environ['LXDIMG_URL']")

    assert used.startswith("using $client: ")
    assert notebook.complete("%lxdimg info on") == ["only-one"]


def test_a_client_that_the_user_closes_is_left_alone_and_his_own_is_not_closed_by_us(
    notebook: Kernel, demo: RunningServer
) -> None:
    notebook.run(f"client = lxdimg.connect({demo.url!r})\ndf = %lxdimg list\n")
    notebook.run("%unload_ext lxdimg_nb")

    assert notebook.value("client.closed") is False
    notebook.run("%load_ext lxdimg_nb")


def test_a_demo_that_connect_started_is_used(notebook: Kernel) -> None:
    cell = notebook.run("client = lxdimg.connect(demo='fallback')\ndf = %lxdimg list\n")
    notebook.run("client.close()")

    assert "This is a demo server" in cell.stdout
    assert "using $client: LXD" in cell.stdout


def test_connect_takes_a_client_a_demo_server_and_a_path_in_a_variable(
    notebook: Kernel, other: demo_servers.DemoServer
) -> None:
    notebook.run(
        f"import pathlib\nclient = lxdimg.connect({other.url!r})\npath = pathlib.Path({str(other.socket)!r})\n"
        "server = lxdimg.demo.start(inventory=False)\nnumber = 3"
    )

    for name, address in (("client", other.url), ("path", other.url), ("server", None)):
        notebook.run(f"result = %lxdimg connect ${name}\n")
        expected = address or notebook.value("server.url")
        assert notebook.value("result.url") == expected
        assert notebook.value("%config LxdimgMagics.remote").removeprefix("unix://") == expected.removeprefix("unix://")
    refused = notebook.run("%lxdimg connect $number", ok=False).stderr
    notebook.run("gone = lxdimg.connect(server.url)\nserver.close()")
    lost = notebook.run("%lxdimg connect $gone", ok=False).stderr

    assert "$number is a int" in refused
    assert "is not reachable" in lost


def test_a_server_that_cannot_be_found_is_said_with_what_to_do_in_verbs(notebook: Kernel) -> None:
    cell = notebook.run("%lxdimg list", ok=False)
    tried = notebook.value("__import__('sys').last_value.tried")

    lines = cell.stderr.strip().splitlines()
    assert lines[0].endswith("no LXD or Incus answers on this machine")
    assert len(lines) == 5
    assert "%lxdimg connect https://host:8443" in cell.stderr
    assert "%lxdimg demo" in cell.stderr
    assert "connect(" not in cell.stderr
    assert len(tried) == 2
