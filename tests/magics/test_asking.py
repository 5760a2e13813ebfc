"""Every verb either only reads, changes the one thing that is named and says so, or asks; the request log proves it."""

from __future__ import annotations

import builtins
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import lxdimg_nb
from lxdimg_nb import Client
from lxdimg_nb.demo import DemoServer
from lxdimg_nb.errors import InvalidRequestError, OperationCancelledError
from lxdimg_nb.magics.line.command import VerbGroup
from lxdimg_nb.magics.line.words import split
from lxdimg_nb.magics.session.session import Invocation, Session
from lxdimg_nb.magics.verbs.root import LXDIMG, run
from tests.kit import counts, factory
from tests.kit.servers import RunningServer

SEEN = "without any authentication"
HOST_KEYS = "host keys"


@dataclass(frozen=True)
class Row:
    """A line and what it says. Lines that ask name what is lost or who will see it; the answer is no."""

    verb: str
    line: str
    says: tuple[str, ...] = ()
    body: str | None = None


ASKS = (
    Row("set", "set web public=yes", (SEEN, "public no → yes")),
    Row("set", "set web db expires_at=2031-01-01", ("expires_at",)),
    Row("edit", "edit web", (SEEN, "making it public"), "public: true"),
    Row("edit", "edit web", ("removing ", "release noble → none"), "properties: {os: Ubuntu}"),
    Row("delete", "delete web", ("1 image", "alias", "project default")),
    Row("delete", "delete $df", ("2 images", "aliases")),
    Row("plan apply", "plan apply $prune", ("will be gone", "Instances made from them stay", "images to delete")),
    Row("plan apply", "plan apply $publish", (SEEN, "2 images will be public")),
    Row("publish", "publish c1 --force", ("Stop c1",)),
    Row("copy", "copy web db --target-project other --public", (SEEN, "project other", "2 images")),
    Row("refresh", "refresh web db", ("will be gone", "2 images")),
)
"""What makes public, deletes, prunes, stops or changes many."""
SAYS = (
    Row("import", "import $file --public --alias new", (SEEN,)),
    Row("publish", "publish c1 --public --alias p", (SEEN, HOST_KEYS)),
    Row("copy", "copy web --target-project other --public", (SEEN, "project other")),
)
"""Of one image, `--public` is the answer; who will see it is said."""
CHANGES = (
    Row("set-property", "set-property web note x", ("note none → x",)),
    Row("unset-property", "unset-property web release", ("release noble → none",)),
    Row("alias create", "alias create more web", ("more: none →",)),
    Row("alias rename", "alias rename web page", ("web → page",)),
    Row("alias delete", "alias delete web", ("→ none; the image stays",)),
    Row("alias point", "alias point web db", ("web: ",)),
    Row("set", "set web expires_at=2031-01-01", ("expires_at",)),
)
"""One value of what is named, before → after."""
READS = (
    *(Row(name, name) for name in ("remotes", "status", "list", "transfers", "help", "panel")),
    *(Row(name, f"{name} web") for name in ("info", "show", "used-by", "contents")),
    Row("alias list", "alias list"),
    Row("get-property", "get-property web os"),
    Row("check", "check $file"),
    Row("diff", "diff $df $df"),
    Row("export", "export web $folder"),
    Row("edit", "edit web"),
    Row("plan", "plan", (), "prune: {keep_last: 1}"),
    Row("plan", "plan"),
)
# Groups, and what is about another server: a catalogue is read-only, and a demo server is the kernel's own.
ELSEWHERE = {"alias", "connect", "catalogue", "demo", "monitor"}


class Line:
    """Runs lines as a notebook does, with somebody who gives one answer, or with nobody."""

    def __init__(self, client: Client, server: DemoServer, variables: dict[str, Any]) -> None:
        self.session = Session(SimpleNamespace(user_ns={}, set_next_input=lambda _: None), lambda _: None)
        self.session.use(client)
        self.variables = variables
        self.server = server
        self.said = ""

    def run(self, row: Row, answer: str | None, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """The writing requests of a line; what it said is in `said`."""
        out, begin = io.StringIO(), len(self.server.requests)

        def ask(question: str) -> str:
            out.write(question)
            if answer is None:
                raise EOFError
            return answer

        with monkeypatch.context() as patch:
            patch.setattr(builtins, "input", ask)
            patch.setattr("sys.stdout", out)
            try:
                run(split(row.line, self.variables), Invocation(self.session, body=row.body))
            finally:
                self.said = out.getvalue()
        return self.writes(begin)

    def writes(self, begin: int) -> list[str]:
        return [f"{method} {path}" for method, path in list(self.server.requests)[begin:] if method != "GET"]


@pytest.fixture
def line(demo: RunningServer, tmp_path: Path) -> Iterator[Line]:
    demo.add_project("other")
    web = demo.add_image(factory.small(1), aliases=["web"])
    demo.add_image(factory.small(2), aliases=["db"])
    demo.add_instance("c1", web)
    file = tmp_path / "image.tar.gz"
    file.write_bytes(factory.small(6))
    with lxdimg_nb.connect(demo.url) as client:
        df = client.images.df(used_by=True)
        plan = lxdimg_nb.plan
        variables = {
            "df": df,
            "file": str(file),
            "folder": str(tmp_path),
            "prune": plan.prune(df, older_than="0s", grace="0s", keep=()),
            "publish": plan.set(df, public=True),
        }
        made = Line(client, demo.demo, variables)
        yield made
        made.session.close()


def _verbs(group: VerbGroup, *path: str) -> Iterator[str]:
    for name, command in group.commands.items():
        yield " ".join((*path, name))
        if isinstance(command, VerbGroup):
            yield from _verbs(command, *path, name)


def test_every_verb_is_in_the_table() -> None:
    assert {row.verb for row in (*ASKS, *SAYS, *CHANGES, *READS)} | ELSEWHERE == set(_verbs(LXDIMG))


@pytest.mark.parametrize("row", ASKS, ids=lambda row: row.line)
def test_it_asks_says_what_happens_and_does_nothing_without_a_yes(
    line: Line, demo: RunningServer, monkeypatch: pytest.MonkeyPatch, row: Row
) -> None:
    if row.line.endswith("--force"):
        demo.start_instance("c1")
    before = demo.get("images?recursion=1")
    begin = len(line.server.requests)

    with pytest.raises(InvalidRequestError, match="add --yes"):
        line.run(row, None, monkeypatch)
    with pytest.raises(OperationCancelledError, match="nothing was done"):
        line.run(row, "n", monkeypatch)

    assert line.writes(begin) == []
    assert demo.get("images?recursion=1") == before
    assert [text for text in row.says if text not in line.said] == []
    counts.count("verbs that ask", inputs=1)


@pytest.mark.parametrize("row", [*SAYS, *CHANGES], ids=lambda row: row.line)
def test_it_changes_the_one_thing_that_is_named_and_says_so(
    line: Line, monkeypatch: pytest.MonkeyPatch, row: Row
) -> None:
    assert line.run(row, None, monkeypatch) != []

    assert [text for text in row.says if text not in line.said] == []
    counts.count("verbs that ask", inputs=1)


@pytest.mark.parametrize("row", READS, ids=lambda row: f"{row.line} {row.body or ''}")
def test_it_only_reads(line: Line, monkeypatch: pytest.MonkeyPatch, row: Row) -> None:
    assert line.run(row, None, monkeypatch) == []
    counts.count("verbs that ask", inputs=1)


def test_a_verb_that_writes_without_asking_is_noticed(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """The canary: deleting with `--yes` is what the log must show."""
    written = line.run(Row("delete", "delete web --yes"), None, monkeypatch)

    assert [text.partition("/1.0/")[0] for text in written] == ["DELETE "]


def test_a_plan_in_python_says_what_happens_before_it_asks(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(builtins, "input", lambda question: asked.append(question) or "no")
    begin = len(line.server.requests)

    for name in ("prune", "publish"):
        line.variables[name].apply(line.session.client)

    assert "will be gone" in asked[0]
    assert SEEN in asked[1]
    assert line.writes(begin) == []


@pytest.fixture(scope="module")
def shell() -> Callable[..., int]:
    from lxdimg_nb import cli

    return lambda *words: cli.main(words)


def test_the_shell_says_it_too(
    demo: RunningServer, tmp_path: Path, shell: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "image.tar.gz"
    file.write_bytes(factory.small(1))

    assert shell("import", "--server", demo.url, str(file), "--public") == 0

    assert SEEN in capsys.readouterr().out
