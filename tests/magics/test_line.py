"""How a line of %lxdimg is parsed: quotes, variables, options."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lxdimg_nb import filters
from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.magics.line.command import HelpRequested, Verb, VerbGroup, argument, flag, option, verb
from lxdimg_nb.magics.line.help import verb_table
from lxdimg_nb.magics.line.types import TEXT, Choice
from lxdimg_nb.magics.line.words import quoted, silenced, split
from lxdimg_nb.magics.session.image_lookup import split_name
from lxdimg_nb.magics.session.session import Invocation, Session, split_remote
from lxdimg_nb.magics.verbs.root import LXDIMG
from lxdimg_nb.values import ImageRecord


def texts(line: str, **variables: object) -> list[str]:
    return [word.text for word in split(line, variables)]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", []),
        ("  list   os=a ", ["list", "os=a"]),
        ("a 'b c' \"d e\"", ["a", "b c", "d e"]),
        ("a='b c'd", ["a=b cd"]),
        (r"a\ b \$c", ["a b", "$c"]),
        (r'"a\"b\\c\$d\e"', ['a"b\\c$d\\e']),
        ("''", [""]),
        ("{x} $5 $ a$", ["{x}", "$5", "$", "a$"]),
        ("a # b", ["a"]),
        ("a #b c#d", ["a", "#b", "c#d"]),
        ("a b;", ["a", "b"]),
        ("a b ; # c", ["a", "b"]),
        ("a;b 'c;'", ["a;b", "c;"]),
        (";", []),
    ],
)
def test_words_are_split_as_in_a_shell(line: str, words: list[str]) -> None:
    assert texts(line) == words


def test_variables_are_filled_in_once_and_never_split() -> None:
    name = "two words $other 'x"

    assert texts("$name", name=name, other="no") == [name]
    assert texts("a=$name.b", name=name) == [f"a={name}.b"]
    assert texts("\"<$name>\" '$name'", name=name) == [f"<{name}>", "$name"]


@pytest.mark.parametrize(
    ("line", "silent"), [("a;", True), ("a ; # b", True), ("a", False), ("a # b;", False), ("'a;'", False)]
)
def test_a_semicolon_at_the_end_hides_the_result(line: str, silent: bool) -> None:
    assert silenced(line) is silent


@pytest.mark.parametrize(
    ("line", "term"),
    [
        ("'os=ubuntu'", ("os", "=", ("ubuntu",))),
        ('"description=Ubuntu 22*"', ("description", "=", ("Ubuntu 22*",))),
        ("'size > 5'", ("size", ">", ("5",))),
        ("'os=a,b'", ("os", "=", ("a", "b"))),
        ('"os=$x"', ("os", "=", ("a,b*",))),
        ("'a quoted word'", ("", "", ("a quoted word",))),
        ("'-x=3'", ("", "", ("-x=3",))),
    ],
)
def test_a_whole_filter_may_be_quoted(line: str, term: tuple[str, str, tuple[str, ...]]) -> None:
    (word,) = split(line, {"x": "a,b*"})

    (found,) = filters.parse(word.typed, known_properties=["os"]).terms

    assert (found.field.removeprefix("properties."), found.operator, found.values) == term


@pytest.mark.parametrize(
    ("line", "found"), [("'alias=w*'", True), ("'alias='$x", False), ('"alias=$x"', False), ("alias='w*'", False)]
)
def test_wild_cards_work_in_a_quoted_term_and_never_from_a_variable(line: str, found: bool) -> None:
    image = ImageRecord({"fingerprint": "a" * 64, "aliases": [{"name": "web"}]})

    (word,) = split(line, {"x": "w*"})

    assert filters.parse(word.typed).matches(image) is found


def test_a_variable_alone_keeps_its_object() -> None:
    frame = object()

    (alone,), (part,) = split("$f", {"f": frame}), split("x$f", {"f": 3})

    assert (alone.value, alone.variable) == (frame, "f")
    assert (part.value, part.variable, part.text) == (None, "", "x3")


def test_a_variable_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="'x' is None"):
        split("info $x", {"x": None})


@pytest.mark.parametrize("line", ["'a", '"a', "a 'b c", "$missing", '"$missing"'])
def test_open_quotes_and_unknown_variables_are_errors(line: str) -> None:
    with pytest.raises(InvalidRequestError):
        split(line, {})


@given(st.text())
def test_quoted_text_splits_to_itself(text: str) -> None:
    words = split(quoted(text), {})

    assert [word.text for word in words] == [text]


@given(st.lists(st.text(min_size=1), max_size=4))
def test_quoted_words_stay_apart(words: list[str]) -> None:
    assert texts(" ".join(map(quoted, words))) == words


@given(st.text(min_size=1).filter(lambda text: "\0" not in text))
def test_a_variable_in_a_filter_is_a_value_whatever_it_holds(value: str) -> None:
    (word,) = split("alias=$value", {"value": value})

    (term,) = filters.parse(word.typed).terms

    assert (term.field, term.values) == ("alias", (value,))


@verb("try")
@argument("one", "ONE", TEXT)
@argument("more", "MORE", TEXT, required=False, many=True)
@option("-n", "--name", "names", metavar="NAME", repeatable=True, help="")
@flag("-y", "--yes", help="")
@option("--kind", type=Choice("a", "b"), metavar="K", help="")
def attempt(invocation: Invocation, **given: Any) -> dict[str, Any]:
    """Return what was given."""
    return given | {"project": invocation.project, "result_name": invocation.result_name}


def call(line: str, **variables: object) -> dict[str, Any]:
    words = [*split("try", {}), *split(line, variables)]
    return called(words)


def called(words: list[Any]) -> dict[str, Any]:
    group = VerbGroup("", (attempt,))
    with group.make_context("%lxdimg", words, obj=Invocation(Session(None, lambda _: None))) as ctx:
        made: dict[str, Any] = group.invoke(ctx)
        return made


def test_options_stand_anywhere() -> None:
    made = call("--yes one -n x two --name=y three")

    assert (made["one"], made["more"]) == ("one", ("two", "three"))
    assert (made["yes"], made["names"], made["kind"]) == (True, ("x", "y"), None)


def test_short_options_are_joined_as_in_a_shell() -> None:
    assert call("one -ynx -n=y")["names"] == ("x", "y")


def test_a_word_in_quotes_or_from_a_variable_is_no_option() -> None:
    made = call("'--yes' $x -- --no", x="--kind")

    assert (made["one"], made["more"]) == ("--yes", ("--kind", "--no"))
    assert (made["yes"], made["kind"]) == (False, None)


def test_the_value_of_an_option_may_come_from_a_variable() -> None:
    assert call("one --name=$x -n $x", x="--a b")["names"] == ("--a b", "--a b")


@pytest.mark.parametrize("line", ["--help", "one -h", "-n x --help nonsense"])
def test_the_help_option_shows_help(line: str) -> None:
    with pytest.raises(HelpRequested) as asked:
        call(line)

    assert asked.value.command is attempt


@pytest.mark.parametrize("line", ["one '--help'", "one -- -h", "one -n -h"])
def test_a_value_that_looks_like_help_is_a_value(line: str) -> None:
    assert call(line)["one"] == "one"


@pytest.mark.parametrize("line", ["--project web try a", "--project=web try a", "-o x --project web try a"])
def test_options_of_all_verbs_may_stand_before_the_verb(line: str) -> None:
    made = called([*split(line)])

    assert (made["project"], made["one"]) == ("web", "a")
    assert made["result_name"] == ("x" if "-o" in line else None)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "ONE is missing; write %lxdimg try ONE [MORE…]"),
        ("one --nam x", "did you mean '--name'?"),
        ("one --name", "--name NAME"),
        ("one --yes=no", "takes no value"),
        ("one --kind c", "--kind: write one of a, b"),
        ("one --kind a --kind b", "twice"),
        ("one -o class", "not a valid variable name"),
    ],
)
def test_a_wrong_option_is_named(line: str, said: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        call(line)

    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("web", ("", "web")),
        ("staging:web", ("staging", "web")),
        ("staging:", ("staging", "")),
        ("lxc:images:alpine/3.20", ("lxc:images", "alpine/3.20")),
        ("incus:web", ("incus", "web")),
        ("ubuntu/a:b", ("", "ubuntu/a:b")),
        (":web", ("", ":web")),
    ],
)
def test_a_remote_stands_before_a_colon(text: str, found: tuple[str, str]) -> None:
    assert split_remote(text) == found


def test_in_quotes_a_colon_is_part_of_the_name_unless_there_is_such_a_remote(home: Path) -> None:
    assert split_name("release:8", quoted=True) == ("", "release:8")
    assert split_name("ubuntu:8", quoted=True) == ("ubuntu", "8")
    assert split_name("release:8") == ("release", "8")
    assert split_name("staging:release:8") == ("staging", "release:8")


def test_the_notebook_on_verbs_has_the_table_of_them() -> None:
    book = nbformat.read(Path(__file__).parents[2] / "notebooks" / "magics.ipynb", as_version=4)

    tables = [cell.source for cell in book.cells if cell.source.startswith("| verb |")]

    assert tables == [verb_table(LXDIMG)], "python -m tests.kit.outputs magics"


def every_verb() -> Iterator[tuple[Verb, list[str]]]:
    for one in LXDIMG.every_verb:
        with one.context_class(one) as ctx:
            yield one, [name for param in one.get_params(ctx) for name in param.opts if name.startswith("-")]


def test_the_verbs_are_declared_consistently() -> None:
    labels = [one.label for one, _ in every_verb()]

    assert len(labels) == len(set(labels))
    for one, options in every_verb():
        assert len(options) == len(set(options)), one.label
        assert {"--project", "-o", "--help"} < set(options), one.label
        assert one.summary
        assert len(one.summary) <= 90, one.label
