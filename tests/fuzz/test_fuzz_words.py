"""Generated words of users: filters, lines of %lxdimg, completion, aliases, YAML in cells, times, remotes."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn

import yaml
from IPython.core.completer import CompletionContext

from lxdimg_nb import filters
from lxdimg_nb.client.config.client_config import ClientConfig
from lxdimg_nb.client.dialect import Dialect
from lxdimg_nb.client.project import alias_path
from lxdimg_nb.errors import InvalidRequestError, ServerUnreachableError
from lxdimg_nb.magics.line.completion import Completion
from lxdimg_nb.magics.line.words import quoted, silenced, split
from lxdimg_nb.magics.line.yaml_body import load
from lxdimg_nb.magics.session import image_lookup
from lxdimg_nb.magics.session.session import Invocation, Session
from lxdimg_nb.magics.verbs.plan_verbs import _from_yaml
from lxdimg_nb.magics.verbs.root import LXDIMG, run
from lxdimg_nb.text import formats
from lxdimg_nb.values import ImageRecord, ServerInfo, parse_time
from tests.kit import inventories
from tests.kit.fuzz import fuzz, mutated, odd_json, sentences

_TERMS = [
    *("os", "release", "size", "age", "idle", "public", "alias", "created", "type", "properties.x", "architecture"),
    *("=", "!=", "<", ">", ">=", " ", "  ", ",", "*", "?", "'", '"', "\\", "(", ")", "eq", "and", "or", "not"),
    *(
        "yes",
        "ubuntu",
        "1GiB",
        "90d",
        "-1d",
        "9" * 30,
        "2026-01-31",
        "never",
        "now",
        "amd64",
        "vm",
        "[",
        "(?",
        "ß",
        "İ",
    ),
]
_RECORD = ImageRecord.from_json(inventories.image(1, aliases=[{"name": "web"}, {"name": "a b"}]))


@fuzz("filters", sentences(_TERMS, most=12))
def test_a_filter(text: str) -> None:
    found = filters.parse(text, known_properties=["os", "x"])

    assert found.matches(_RECORD) in (True, False)
    assert filters.parse(str(found)).matches(_RECORD) is found.matches(_RECORD)


class _Nowhere(Session):
    """A session that reaches no server."""

    def __init__(self) -> None:
        super().__init__(SimpleNamespace(user_ns={}, set_next_input=lambda _: None), lambda _: None)

    def _open(self, *_: object, **__: object) -> NoReturn:
        raise ServerUnreachableError("nobody is there")

    def warm(self, remote: str = "") -> None:
        pass


_VERBS = [verb.label for verb in LXDIMG.every_verb if verb.label not in ("demo", "connect")]
_WORDS = [
    *_VERBS,
    *(
        "--alias",
        "--project",
        "-o",
        "x",
        "--",
        "-c",
        "-f",
        "--help",
        "--yes",
        "--columns=",
        "=",
        "'",
        '"',
        "\\",
        "$x",
        "$",
    ),
    *(
        " ",
        " ",
        " ",
        "\t",
        ";",
        "#",
        ":",
        "there:",
        "a:b",
        "https://h/x",
        "os=a",
        "{x}",
        "?",
        "!",
        "\n",
        "\0",
        "web",
        "7",
    ),
]
_VARIABLES = {"x": "a b", "n": 5, "l": ["web"], "none": None, "image": _RECORD}


@fuzz("lines of %lxdimg", sentences(_WORDS, most=9))
def test_a_line(line: str) -> None:
    assert silenced(line) in (True, False)
    run(split(line, _VARIABLES), Invocation(_Nowhere()))


@fuzz("lines of %lxdimg, split", sentences(_WORDS, most=9))
def test_the_words_of_a_line(line: str) -> None:
    for word in split(line, _VARIABLES):
        assert [again.text for again in split(quoted(word.text, always=True), {})] == [word.text]


@fuzz("completion", sentences(_WORDS, most=7))
def test_a_completion(line: str) -> None:
    code = f"%lxdimg {line}"
    context = CompletionContext(token="", full_text=code, cursor_position=len(code), cursor_line=0, limit=None)

    offered = Completion(LXDIMG, _Nowhere()).matcher(context)["completions"]

    assert all(one.text.isprintable() for one in offered)


_NAMES = [
    "a",
    "ubuntu/24.04",
    ":",
    "/",
    " ",
    "-",
    "--",
    "'",
    '"',
    "$",
    "%2f",
    "?",
    "#",
    "..",
    ".",
    "ä",
    "\u202e",
    "\0",
    "\\",
    "é",
]
_DIALECTS = [
    Dialect(ServerInfo(server, version, "trusted", "default", False))
    for server, version in (("lxd", "5.0.2"), ("incus", "6.0.4"), ("incus", "7.2"))
]


@fuzz("aliases", sentences(_NAMES, most=6))
def test_an_alias(name: str) -> None:
    assert [word.text for word in split(quoted(name), {})] == [name]
    remote, rest = image_lookup.split_name(name, quoted=True)
    assert (remote, rest) == ("", name) or f"{remote}:{rest}" == name
    for dialect in _DIALECTS:
        with contextlib.suppress(InvalidRequestError):
            assert dialect.check_alias(name) == name
            path = alias_path(name).removeprefix("/1.0/images/aliases/")
            assert "/" not in path
            assert path not in ("", ".", "..")
            assert path.isascii()


_CELL = {
    "prune": {"filter": "os=ubuntu", "keep_last": 2, "unused_for": "90d", "rules": [{"name": "a", "older_than": "1y"}]}
}
_YAML = [
    yaml.safe_dump(_CELL).encode(),
    b"alias:\n  name: a:1\n  to: b\n",
    b"set:\n  public: yes\n  properties: {a: b}\n",
]


@fuzz("YAML in cells", mutated(_YAML) | odd_json([_CELL]).map(lambda d: yaml.safe_dump(d).encode()))
def test_a_cell(content: bytes) -> None:
    body = content.decode(errors="replace")
    assert isinstance(load(body), dict)
    assert isinstance(_from_yaml(body)[0], str)


@fuzz("times and sizes", sentences([*"0123456789", "d", "h", "GiB", "kB", " ", "-", ".", ":", "T", "Z", "+", "e", "٣"]))
def test_a_time_or_size(text: str) -> None:
    for parse in (formats.parse_duration, formats.parse_size):
        with contextlib.suppress(ValueError, OverflowError):
            parse(text)
    assert parse_time(text) is None or parse_time(text).tzinfo is not None  # type: ignore[union-attr]


_CONFIG = {
    "default-remote": "there",
    "remotes": {
        "there": {"addr": "https://127.0.0.1:8443", "protocol": "lxd", "auth_type": "tls", "project": "web"},
        "store": {"addr": "https://user:pw@h/s", "protocol": "simplestreams", "public": True},
    },
}


@fuzz(
    "configurations of lxc and incus",
    mutated([yaml.safe_dump(_CONFIG).encode()]) | odd_json([_CONFIG]).map(lambda d: yaml.safe_dump(d).encode()),
)
def test_a_configuration(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "config.yml").write_bytes(content)
        config = ClientConfig("lxc", (Path(folder),))
        for name, remote in config.remotes().items():
            assert isinstance(name + remote.project + remote.protocol, str)
            assert repr(remote)
        config.default()
