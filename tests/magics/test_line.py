"""How a line of %lxdimg is read: quotes, variables, flags."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lxdimg_nb import filters
from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.magics.grammar import Argument, Call, Flag, Verb, read, verb_of
from lxdimg_nb.magics.line.words import quoted, silenced, split
from lxdimg_nb.magics.session.session import remote_of
from lxdimg_nb.magics.verbs.root import VERBS, markdown
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
def test_a_semicolon_at_the_end_asks_for_silence(line: str, silent: bool) -> None:
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
def test_a_filter_may_stand_in_quotes_as_a_whole(line: str, term: tuple[str, str, tuple[str, ...]]) -> None:
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


def test_a_variable_that_holds_nothing_names_nothing() -> None:
    with pytest.raises(InvalidRequestError, match="'x' is None"):
        split("info $x", {"x": None})


@pytest.mark.parametrize("line", ["'a", '"a', "a 'b c", "$missing", '"$missing"'])
def test_what_is_not_closed_or_not_there_is_said(line: str) -> None:
    with pytest.raises(InvalidRequestError):
        split(line, {})


@given(st.text())
def test_any_text_survives_being_quoted(text: str) -> None:
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


VERB = Verb(
    "try",
    "",
    lambda *_: None,
    (Argument("ONE", "text"), Argument("MORE", "text", optional=True, many=True)),
    (Flag("--name", "", "NAME", short="-n", many=True), Flag("--yes", ""), Flag("--kind", "", "K", choices=("a", "b"))),
)


def call(line: str, **variables: object) -> Call:
    return read(VERB, split(line, variables))


def test_flags_stand_anywhere() -> None:
    made = call("--yes one -n x two --name=y three")

    assert (made.text("ONE"), [w.text for w in made.some("MORE")]) == ("one", ["two", "three"])
    assert (made.has("--yes"), made.options("--name")) == (True, ["x", "y"])


def test_what_stands_in_quotes_or_comes_from_a_variable_is_no_flag() -> None:
    made = call("'--yes' $x -- --no", x="--kind")

    assert [made.text("ONE"), *(w.text for w in made.some("MORE"))] == ["--yes", "--kind", "--no"]
    assert made.flags == {}


def test_the_value_of_a_flag_may_come_from_a_variable() -> None:
    assert call("one --name=$x -n $x", x="--a b").options("--name") == ["--a b", "--a b"]


@pytest.mark.parametrize("line", ["--help", "one -h", "-n x --help nonsense"])
def test_help_is_asked_for_with_a_flag(line: str) -> None:
    assert call(line).help


@pytest.mark.parametrize("line", ["one '--help'", "one -- -h", "one -n -h"])
def test_what_is_a_value_asks_for_no_help(line: str) -> None:
    assert not call(line).help


@pytest.mark.parametrize("line", ["--project web list a", "--project=web list a", "-o x --project web list a"])
def test_flags_of_all_verbs_may_stand_before_the_verb(line: str) -> None:
    verb, rest = verb_of(VERBS, split(line))
    made = read(verb, rest)

    assert (verb.name, made.project, [w.text for w in made.some("REMOTE:|FILTER")]) == ("list", "web", ["a"])


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "ONE is missing"),
        ("one --nam x", "did you mean '--name'?"),
        ("one --name", "--name NAME"),
        ("one --yes=no", "takes no value"),
        ("one --kind c", "one of a, b"),
        ("one --kind a --kind b", "twice"),
    ],
)
def test_a_wrong_flag_is_named(line: str, said: str) -> None:
    with pytest.raises(InvalidRequestError, match="lxdimg|" + said.replace("?", "\\?")) as caught:
        call(line)

    assert said in str(caught.value)


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
    assert remote_of(text) == found


def test_the_readme_has_the_table_of_verbs() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text()

    # `python -c "from lxdimg_nb.magics.verbs.root import markdown; print(markdown())"` prints it.
    tables = re.findall(r"^\| verb \|.*?\n(?=\n|\Z)", readme, re.MULTILINE | re.DOTALL)

    assert tables == [markdown()]


def test_the_table_of_verbs_makes_sense() -> None:
    names = [verb.name for verb in VERBS]

    assert len(names) == len(set(names))
    for verb in VERBS:
        flags = [name for flag in verb.every_flag for name in (flag.name, flag.short) if name]
        assert len(flags) == len(set(flags)), verb.name
        assert all(not argument.many for argument in verb.arguments[:-1]), verb.name
        assert verb.help
        assert len(verb.help) <= 90, verb.name
