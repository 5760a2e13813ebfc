"""Aliases with colons, spaces, dashes, quotes and the like in every verb of %lxdimg and in completion."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from IPython.core.completer import CompletionContext

import lxdimg_nb
from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.magics.line.completion import Completion
from lxdimg_nb.magics.line.words import quoted, split
from lxdimg_nb.magics.session.session import Invocation, Session
from lxdimg_nb.magics.verbs.root import LXDIMG, run
from tests.kit import factory
from tests.kit.kernel import remotes
from tests.kit.servers import RunningServer
from tests.kit.waiting import until

COLON = "release:8"
# `there` is a remote, and here it is the beginning of an alias.
ODD = [
    "a b",
    "-x",
    "--alias",
    "it's",
    '"q"',
    "$name",
    "a=b",
    "public=yes",
    "x:",
    ":x",
    "a;",
    "#h",
    "ä:ö",
    "a/b:c",
    "a,b",
]
WITH_LXD_ONLY = [*ODD, "there:web", "lxd:release:8", "incus:x", "%2F", "a%b?c#d"]
WITH_INCUS = ["a=b", "a;b", "ä:ö", "a/b:c", "a,b", "there:web", "lxd:release:8", "a%2Fb", "a#b"]


class Line:
    """%lxdimg without a kernel, connected to a server, which is also the remote `there`."""

    def __init__(self, server: RunningServer, session: Session) -> None:
        self.server, self.session = server, session
        self.variables: dict[str, Any] = {}

    def __call__(self, line: str, body: str | None = None) -> Any:
        return run(split(line, self.variables), Invocation(self.session, body=body))

    def complete(self, line: str) -> list[str]:
        code = f"%lxdimg {line}"
        context = CompletionContext(token="", full_text=code, cursor_position=len(code), cursor_line=0, limit=None)
        return [one.text for one in Completion(LXDIMG, self.session).matcher(context)["completions"]]

    def aliases(self) -> dict[str, str]:
        found = self.server.get("images/aliases?recursion=1")
        return {alias["name"]: alias["target"] for alias in found}


@pytest.fixture
def lxdimg(server: RunningServer, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Line]:
    monkeypatch.setenv("LXD_CONF", str(home))
    remotes(home, there={"addr": server.url, "protocol": "lxd"})
    session = Session(SimpleNamespace(user_ns={}, set_next_input=lambda _: None), lambda _: None)
    client = session.connect(server.url)
    yield Line(server, session)
    session.close()
    client.close()


Use = Callable[[Line, str, Path], object]
# What each verb does with an image that has the alias, however the alias is written.
VERBS: dict[str, Use] = {
    "info": lambda run, a, _: run(f"info {a}"),
    "show": lambda run, a, _: run(f"show {a}"),
    "get-property": lambda run, a, _: run(f"get-property {a} os"),
    "used-by": lambda run, a, _: run(f"used-by {a}"),
    "contents": lambda run, a, _: run(f"contents {a} {a}"),
    "export": lambda run, a, folder: run(f"export {a} {folder}"),
    "copy": lambda run, a, _: run(f"copy {a} there: --target-project other --alias {COLON} --reuse"),
    "set": lambda run, a, _: run(f"set {a} {a} public=yes --yes"),
    "set-property": lambda run, a, _: run(f"set-property {a} k v"),
    "unset-property": lambda run, a, _: run(f"unset-property {a} k"),
    "edit": lambda run, a, _: run(f"edit {a}", body="public: no"),
    "panel": lambda run, a, _: run(f"panel {a}"),
    "alias create": lambda run, a, _: run(f"alias create 'new:alias' {a}"),
    "alias point": lambda run, a, _: run(f"alias point {a} {a}"),
    "alias rename": lambda run, a, _: (run(f"alias rename {a} 'new:name'"), run(f"alias rename 'new:name' {COLON}")),
    "delete": lambda run, a, _: run(f"delete {a} {a} --yes"),
}
OTHERWISE = {
    # Tested below, because they take a name and not an image.
    *("import", "publish", "plan", "plan apply", "list", "catalogue", "alias list", "alias delete", "refresh"),
    # Take no alias.
    *("connect", "remotes", "status", "demo", "check", "diff", "monitor", "transfers", "help"),
}


def test_every_verb_is_in_a_table() -> None:
    assert {verb.label for verb in LXDIMG.every_verb} == VERBS.keys() | OTHERWISE


@pytest.mark.parametrize("written", [f"'{COLON}'", f'"{COLON}"', "$name", f"there:{COLON}", f"there:'{COLON}'"])
def test_every_verb_finds_an_image_by_an_alias_with_a_colon(
    lxdimg: Line, server: RunningServer, tmp_path: Path, written: str
) -> None:
    fingerprint = server.add_image(factory.small(1), [COLON], {"os": "ubuntu"})
    server.add_project("other")
    lxdimg.variables["name"] = COLON

    for verb, use in VERBS.items():
        assert lxdimg.aliases()[COLON] == fingerprint, verb
        use(lxdimg, written, tmp_path)

    assert server.get("images") == []
    assert list(tmp_path.glob(f"{fingerprint}*"))
    assert [a["name"] for a in server.get("images/aliases?recursion=1&project=other")] == [COLON]


def test_a_name_with_a_colon_is_listed_created_and_deleted(lxdimg: Line, server: RunningServer, tmp_path: Path) -> None:
    first = server.add_image(factory.small(1), [COLON])
    file = tmp_path / "image.tar.gz"
    file.write_bytes(factory.small(2))
    second = factory.fingerprint(factory.small(2))

    assert list(lxdimg(f"list alias={COLON}").index) == [first]
    assert list(lxdimg(f"list '{COLON}'").index) == [first]
    assert list(lxdimg(f"list there: {COLON}").index) == [first]
    assert list(lxdimg(f"alias list {COLON}").index) == [COLON]
    lxdimg(f"import {file} --alias=c:1 --alias 'c:2'")
    lxdimg(f"import {file} --alias {COLON} --reuse")
    assert lxdimg.aliases() == {COLON: second, "c:1": second, "c:2": second}
    plan = lxdimg("plan", body=f"alias:\n  name: {COLON}\n  to: {first}\n")
    lxdimg.variables["plan"] = plan
    lxdimg("plan apply $plan --yes")
    assert lxdimg.aliases()[COLON] == first
    with pytest.raises(InvalidRequestError, match=f"{first[:12]} has no source"):
        lxdimg(f"refresh '{COLON}'")
    lxdimg(f"alias delete '{COLON}'")
    lxdimg("alias delete there:c:1")
    assert lxdimg.aliases() == {"c:2": second}


def test_publish_gives_an_image_an_alias_with_a_colon(lxdimg: Line, server: RunningServer) -> None:
    server.add_instance("c1", server.add_image(factory.small(1)))

    made = lxdimg(f"publish c1 --alias {COLON} --compression none")

    assert lxdimg.aliases() == {COLON: made.fingerprint}


@pytest.mark.parametrize("verb", ["info", "delete --yes", "alias delete", "alias rename x:y", "alias point"])
def test_without_quotes_an_unknown_remote_is_an_error_that_tells_of_them(lxdimg: Line, verb: str) -> None:
    rest = "web" if "point" in verb else ""

    with pytest.raises(InvalidRequestError) as caught:
        lxdimg(f"{verb} {COLON} {rest}" if "rename" not in verb else f"alias rename {COLON} x")

    assert f"'{COLON}'" in "".join(caught.value.__notes__)


@pytest.mark.slow
def test_odd_names_are_offered_so_that_every_verb_takes_them(lxdimg: Line, server: RunningServer) -> None:
    names = WITH_INCUS if server.product == "incus" else WITH_LXD_ONLY
    fingerprint = server.add_image(factory.small(1), names)
    server.add_image(factory.small(2), ["web"])
    assert until(lambda: "web" in lxdimg.complete("info ") and "there:web" in lxdimg.complete("info there:"))

    for name in names:
        written = quoted(name, always=True)
        offered = [o for o in lxdimg.complete("info ") if split(o)[0].text == name]
        begun = written[: len(written) // 2]
        for typed, text in ((begun, name), (f"there:{begun}", f"there:{name}")):
            more = [o for o in lxdimg.complete(f"info {typed}") if split(o)[0].text == text]
            assert more, (name, typed)
            offered += more
        for word in [*offered, written, f"there:{quoted(name)}"]:
            assert lxdimg(f"info {word}").fingerprint == fingerprint, (name, word)
        lxdimg(f"set web {written} public=yes --yes")
        lxdimg(f"alias rename {written} 'new:one'")
        lxdimg(f"alias rename there:new:one there:{quoted(name)}")
        lxdimg(f"alias delete {written}")
        lxdimg(f"alias create there:{quoted(name)} {fingerprint}")
        assert lxdimg.aliases()[name] == fingerprint
    assert all(image["public"] for image in server.get("images?recursion=1"))


def test_a_name_after_alias_is_completed_as_it_is(lxdimg: Line, server: RunningServer) -> None:
    server.add_image(factory.small(1), [COLON, "rel=ö;x0"])
    assert until(lambda: COLON in lxdimg.complete("import x --alias rel"))

    assert lxdimg.complete("copy x --alias=release:") == [f"--alias={COLON}"]
    assert lxdimg.complete("publish x --alias 'release") == [f"'{COLON}'"]


def test_completion_knows_the_image_of_an_alias_with_a_colon(lxdimg: Line, server: RunningServer) -> None:
    server.add_image(factory.small(1), [COLON], {"color": "red"})
    server.add_image(factory.small(2), ["web"], {"size_class": "xl"})
    assert until(lambda: "web" in lxdimg.complete("info "))
    assert until(lambda: "there:web" in lxdimg.complete("info there:"))

    for written in (f"'{COLON}'", f"there:{COLON}"):
        offered = lxdimg.complete(f"get-property {written} ")
        assert "color" in offered
        assert "size_class" not in offered
    assert "color=" in lxdimg.complete("list --project a:b col")


def test_an_alias_here_wins_over_a_remote_in_quotes_only(lxdimg: Line, server: RunningServer) -> None:
    here = server.add_image(factory.small(1), ["there:web"])
    there = server.add_image(factory.small(2), ["web"])

    assert lxdimg("info 'there:web'").fingerprint == here
    assert lxdimg("info there:web").fingerprint == lxdimg("info there:'web'").fingerprint == there
    lxdimg.variables["names"] = ["there:web", "web"]
    assert [i.fingerprint for i in lxdimg("set $names public=yes --yes")] == [here, there]


def test_the_client_takes_odd_names(server: RunningServer) -> None:
    names = [COLON, *(WITH_INCUS if server.product == "incus" else WITH_LXD_ONLY)]
    with lxdimg_nb.connect(server.url) as client:
        image = client.images.create(factory.small(1), wait=True, aliases=names)

        assert {alias.name for alias in image.aliases} == set(names)
        for name in names:
            assert client.images.get(name) == image
            assert client.images.exists(name, alias=True)
            assert not client.images.aliases.point(name, to=image)
            image.delete_alias(name)
            image.add_alias(name)
        assert client.images.df().alias.item() in names


def test_values_of_a_filter_are_offered_so_that_they_mean_themselves(lxdimg: Line, server: RunningServer) -> None:
    wanted = server.add_image(factory.small(1), ["web"], {"team": "a,b", "owner": "w*"})
    server.add_image(factory.small(2), ["db"], {"team": "a", "owner": "wx"})
    assert until(lambda: "db" in lxdimg.complete("info "))

    for typed, offered in (("team=a", "team='a,b'"), ("owner=w", "owner='w*'"), ("alias=w", "alias=web")):
        assert offered in lxdimg.complete(f"list {typed}")
        assert list(lxdimg(f"list {offered}").index) == [wanted]
