"""Tab completion of %lxdimg in a real kernel, as JupyterLab requests it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

import lxdimg_nb
from lxdimg_nb.magics.session.session import Session
from tests.kit import factory
from tests.kit.counts import count
from tests.kit.hostile_server import HostileServer, envelope, http_reply
from tests.kit.inventories import image
from tests.kit.kernel import Kernel, remotes, running
from tests.kit.servers import RunningServer
from tests.kit.waiting import until


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the kernel works and has its home."""
    made = tmp_path_factory.mktemp("kernel")
    (made / "images").mkdir()
    (made / "images" / "one image.tar.gz").write_bytes(b"")
    (made / "alpine.tar.gz").write_bytes(b"")
    return made


@pytest.fixture(scope="module")
def shared_kernel(folder: Path) -> Iterator[Kernel]:
    with running(folder, HOME=str(folder)) as kernel:
        kernel.run("%load_ext lxdimg_nb\n%config IPCompleter.use_jedi = False")
        yield kernel


@pytest.fixture
def kernel(shared_kernel: Kernel, server: RunningServer) -> Kernel:
    """The kernel, connected to a server with two images, which it has heard of."""
    server.add_image(factory.small(1), aliases=["web", "ubuntu/noble"], properties={"os": "Ubuntu", "color": "red"})
    server.add_image(factory.small(2), aliases=["db"], properties={"os": "Alpine", "my key": "x"})
    shared_kernel.run(f"%lxdimg connect {server.url}")
    assert until(lambda: "db" in shared_kernel.complete("%lxdimg info "))
    return shared_kernel


def test_verbs_are_offered_everywhere_a_line_can_stand(shared_kernel: Kernel) -> None:
    for code in ("%lxdimg sh", "df = %lxdimg sh", "x = 1\nfor i in []:\n    %lxdimg sh", "a, b = %lxdimg sh"):
        assert shared_kernel.complete(code) == ["show"]
    assert shared_kernel.complete("%%lxdimg ed") == ["edit"]
    assert "list" in shared_kernel.complete("%lxdimg ")
    assert shared_kernel.complete("%lxdimg alias cr") == ["create"]
    assert shared_kernel.complete("%lxdimg help sh") == ["show"]


def test_what_is_offered_replaces_the_word_and_says_what_it_is(kernel: Kernel) -> None:
    code = "image = %lxdimg info ubuntu/n"

    (offer,) = kernel.offers(code)

    assert (offer["text"], offer["type"]) == ("ubuntu/noble", "alias")
    assert (offer["start"], offer["end"]) == (code.index("ubuntu"), len(code))


def test_flags_are_offered_once_and_only_those_of_the_verb(shared_kernel: Kernel) -> None:
    assert shared_kernel.complete("%lxdimg list --a") == ["--all-projects"]
    assert shared_kernel.complete("%lxdimg list --all-projects --a") == []
    assert shared_kernel.complete("%lxdimg copy x --mode pu") == ["pull", "push"]
    assert shared_kernel.complete("%lxdimg copy x --mode=pus") == ["--mode=push"]
    assert "--alias" in shared_kernel.complete("%lxdimg import x --alias one --")


def test_images_are_offered_by_alias_and_by_fingerprint(kernel: Kernel, server: RunningServer) -> None:
    fingerprint = server.get("images/aliases/web")["target"]

    assert {"web", "ubuntu/noble", "db"} <= set(kernel.complete("%lxdimg delete "))
    assert kernel.complete(f"%lxdimg show {fingerprint[:5]}") == [fingerprint[:12]]
    assert "web" in kernel.complete("%lxdimg delete db ")
    assert kernel.complete("%lxdimg alias rename w") == ["web"]


def test_a_name_that_needs_quotes_gets_them(kernel: Kernel) -> None:
    assert kernel.complete("%lxdimg get-property db m") == ["'my key'"]
    assert kernel.complete("%lxdimg get-property db 'my") == ["'my key'"]
    assert kernel.complete('%lxdimg get-property db "my') == ['"my key"']


def test_property_keys_are_those_of_the_named_image(kernel: Kernel) -> None:
    of_web = kernel.complete("%lxdimg set-property web ")

    assert "color" in of_web
    assert "'my key'" not in of_web
    assert "'my key'" in kernel.complete("%lxdimg unset-property $x ")


def test_filters_offer_fields_and_values(kernel: Kernel) -> None:
    assert kernel.complete("%lxdimg list co") == ["color="]
    assert kernel.complete("%lxdimg list os=") == ["os=Alpine", "os=Ubuntu"]
    assert kernel.complete("%lxdimg list os=Ubuntu pub") == ["public="]
    assert kernel.complete("%lxdimg list os=Alpine,U") == ["os=Alpine,Ubuntu"]
    assert kernel.complete("%lxdimg list os!=U") == ["os!=Ubuntu"]
    assert "size>1GiB" in kernel.complete("%lxdimg list size>")
    assert kernel.complete("%lxdimg list age>=9") == ["age>=90d"]
    assert kernel.complete("%lxdimg list public=") == ["public=yes", "public=no"]
    assert kernel.complete("%lxdimg set web auto") == ["auto_update="]
    assert "size" in kernel.complete("%lxdimg list -c ")
    assert kernel.complete("%lxdimg list -c size,col") == ["size,color"]


def test_choices_are_offered(kernel: Kernel, tmp_path: Path) -> None:
    begun = kernel.run(f"%lxdimg export web {tmp_path} -b").stdout.split()[1]

    assert kernel.complete("%lxdimg demo st") == ["start", "stop"]
    assert begun in kernel.complete("%lxdimg transfers ")
    kernel.run(f"%lxdimg transfers {begun}")


def test_projects_are_offered(kernel: Kernel) -> None:
    assert kernel.complete("%lxdimg list --project def") == ["default"]


def test_files_and_folders_are_offered(shared_kernel: Kernel) -> None:
    assert shared_kernel.complete("%lxdimg import al") == ["alpine.tar.gz"]
    assert shared_kernel.complete("%lxdimg import im") == ["images/"]
    assert shared_kernel.complete("%lxdimg import images/") == ["'images/one image.tar.gz'"]
    assert shared_kernel.complete("%lxdimg import ~/al") == ["~/alpine.tar.gz"]


def test_variables_are_offered_behind_a_dollar(shared_kernel: Kernel) -> None:
    shared_kernel.run("my_frame = 1")

    assert shared_kernel.complete("%lxdimg delete $my_f") == ["$my_frame"]


def test_remotes_are_offered(shared_kernel: Kernel) -> None:
    assert "ubuntu-daily" in shared_kernel.complete("%lxdimg connect ubuntu-")
    assert shared_kernel.complete("%lxdimg info ubuntu-minimal-d") == ["ubuntu-minimal-daily:"]


def test_remotes_are_offered_wherever_one_may_stand(shared_kernel: Kernel) -> None:
    for line in ("alias list", "list", "import x", "publish c1", "copy x", "alias delete"):
        assert shared_kernel.complete(f"%lxdimg {line} ubuntu-d") == ["ubuntu-daily:"], line


def test_names_after_a_remote_are_those_of_its_server(kernel: Kernel, server: RunningServer, folder: Path) -> None:
    (folder / ".config" / "lxc").mkdir(parents=True, exist_ok=True)
    remotes(folder / ".config" / "lxc", there={"addr": server.url, "protocol": "lxd"})
    kernel.run("%config LxdimgMagics.remote = ''")

    assert until(lambda: "there:web" in kernel.complete("%lxdimg info there:w"))

    assert kernel.complete("%lxdimg alias delete there:w") == ["there:web"]
    assert kernel.complete("%lxdimg get-property there:web co") == ["color"]
    assert kernel.complete("%lxdimg list there: os=U") == ["os=Ubuntu"]


def test_flags_before_the_verb_and_their_values_are_offered(kernel: Kernel) -> None:
    assert kernel.complete("%lxdimg --project def") == ["default"]
    assert kernel.complete("%lxdimg --project default sh") == ["show"]
    assert kernel.complete("%lxdimg list --form") == ["--format"]
    assert kernel.complete("%lxdimg list -f js") == ["json"]


def test_nothing_is_offered_outside_of_the_magic(shared_kernel: Kernel) -> None:
    assert "show" not in shared_kernel.complete("x = 'lxdimg sh")
    assert "show" not in shared_kernel.complete("# %lxdimg sh")
    assert "edit" not in shared_kernel.complete("x = 1\n%%lxdimg ed")


def test_changes_made_elsewhere_are_offered(kernel: Kernel, server: RunningServer) -> None:
    server.add_image(factory.small(3), aliases=["news"])

    assert until(lambda: kernel.complete("%lxdimg info ne") == ["news"])


def test_tab_never_waits_for_a_server_that_does_not_answer(
    shared_kernel: Kernel, demo: RunningServer, tmp_path: Path
) -> None:
    import socket

    path = tmp_path / "silent.socket"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        shared_kernel.run(f"%config LxdimgMagics.remote = {str(path)!r}")

        begin = time.monotonic()
        offers = shared_kernel.complete("%lxdimg info w")
        took = time.monotonic() - begin

        # Nor does the next server wait for the one that is still being asked.
        shared_kernel.run(f"%config LxdimgMagics.remote = {demo.url!r}")
        shared_kernel.run("%lxdimg status")
        in_all = time.monotonic() - begin
    assert "web" not in offers
    assert took < 5
    assert in_all < 15


def test_completion_works_while_another_server_is_being_connected_to(
    demo: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = Session(None, lambda _: None)
    begun, go_on, told = threading.Event(), threading.Event(), threading.Event()

    def slow(*_: object, **__: object) -> lxdimg_nb.Client:
        begun.set()
        assert go_on.wait(30)
        return lxdimg_nb.connect(demo.url)

    with lxdimg_nb.connect(demo.url) as client:
        session.use(client)
        monkeypatch.setattr(session, "_open", slow)
        opening = threading.Thread(target=session.client_for, args=("slow",))
        opening.start()
        assert begun.wait(60)

        asking = threading.Thread(target=lambda: (session.known_images(client), session.client, told.set()))
        asking.start()

        assert told.wait(60)
        go_on.set()
        opening.join()
        asking.join()
        session.close()


@pytest.mark.parametrize("remote", ["", "slow"])
@pytest.mark.parametrize("closed", [False, True])
def test_a_server_that_answers_a_tab_is_kept_unless_the_session_was_closed_meanwhile(
    demo: RunningServer, monkeypatch: pytest.MonkeyPatch, remote: str, closed: bool
) -> None:
    session = Session(SimpleNamespace(user_ns={}), lambda _: None)
    begun, go_on = threading.Event(), threading.Event()
    made: list[lxdimg_nb.Client] = []

    def slow(*_: object, **__: object) -> lxdimg_nb.Client:
        begun.set()
        assert go_on.wait(60)
        made.append(lxdimg_nb.connect(demo.url))
        return made[-1]

    monkeypatch.setattr(session, "_open", slow)
    try:
        session.warm(remote)
        assert begun.wait(60)
        if closed:
            session.close()
        go_on.set()
        assert session._warming is not None
        session._warming.join()

        assert [client.closed for client in made] == [closed]
        assert session.opened(remote) is (None if closed else made[0])
        assert len(session._known) == (not closed)
    finally:
        session.close()
    assert [client.closed for client in made] == [True]


def test_a_hostile_name_cannot_leave_its_word(kernel: Kernel, server: RunningServer) -> None:
    # Incus refuses spaces, quotes and dollars in names, and newer ones all but letters and digits at the ends.
    name = "x;rm(y)#{z}0" if server.product == "incus" else "x'; rm $(y) \"z"
    server.add_image(factory.small(4), aliases=[name])
    assert until(lambda: any("rm" in o for o in kernel.complete("%lxdimg info ")))

    (offer,) = [o for o in kernel.complete("%lxdimg info ") if "rm" in o]
    kernel.run(f"image = %lxdimg info {offer}\n")

    assert kernel.value("[a.name for a in image.aliases]") == [name]


def test_completion_works_in_a_terminal(demo: RunningServer) -> None:
    from IPython.core.completer import provisionalcompleter
    from IPython.terminal.interactiveshell import TerminalInteractiveShell
    from traitlets.config import Config

    demo.add_image(factory.small(1), aliases=["web"])
    settings = Config({"HistoryManager": {"enabled": False}, "TerminalInteractiveShell": {"simple_prompt": True}})
    shell = TerminalInteractiveShell(config=settings)
    shell.run_line_magic("load_ext", "lxdimg_nb")
    shell.run_line_magic("lxdimg", f"connect {demo.url}")

    def offered(code: str) -> list[str]:
        with provisionalcompleter():
            return [completion.text for completion in shell.Completer.completions(code, len(code))]

    try:
        assert offered("%lxdimg sh") == ["show"]
        assert until(lambda: offered("%lxdimg info w") == ["web"])
    finally:
        shell.run_line_magic("unload_ext", "lxdimg_nb")
        TerminalInteractiveShell.clear_instance()


def test_of_very_many_projects_the_first_that_fit_are_offered(shared_kernel: Kernel) -> None:
    entries = [{"name": f"p{i:06}", "config": {}, "used_by": []} for i in range(5_000)]
    with HostileServer(image(1)) as server:
        server.answers = {r"GET /1.0/projects\?": http_reply(envelope(entries))}
        shared_kernel.run(f"%lxdimg connect {server.url}")
        assert until(lambda: "p000000" in shared_kernel.complete("%lxdimg list --project "))

        assert len(shared_kernel.complete("%lxdimg list --project p")) <= 500
        assert shared_kernel.complete("%lxdimg list --project p00123") == [f"p00123{i}" for i in range(10)]
        server.answers |= {
            "GET /1.0/projects/": http_reply(b'{"type": "error", "error": "no", "error_code": 404}', 404)
        }
        said = shared_kernel.run("%lxdimg list --project p0012345", ok=False).stderr
    assert "did you mean 'p0" in said
    count("100,000 projects", inputs=1)
