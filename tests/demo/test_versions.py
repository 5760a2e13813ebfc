"""The versions that the demo server can speak: their names, their table of facts, and `--as`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lxdimg_nb import demo
from lxdimg_nb.demo.versions.facts import FACTS, Fact
from lxdimg_nb.demo.versions.flavours import INCUS, KNOWN, LXD, flavour_named
from lxdimg_nb.demo.versions.names import fault_of_name
from lxdimg_nb.demo.versions.ranges import covers, version_numbers
from tests.kit.demo_http import ask

SOURCE = Path(demo.__file__).parent


@pytest.mark.parametrize(
    ("marks", "inside", "outside"),
    [
        ("6.5+", ["6.5", "6.10", "7.0.0"], ["6.4", "5.21.9", "6.0.9"]),
        ("5.21.4+ 6.5+", ["5.21.4", "5.21.7", "6.9"], ["5.21.3", "6.1", "5.0.9"]),
        ("6.0+ !6.12+ !6.0.5+", ["6.0.4", "6.11"], ["6.0.5", "6.12", "7.0.1"]),
        ("5.0.2", ["5.0.2"], ["5.0.2.1", "5.0.9"]),
        ("6.1-6.3", ["6.1", "6.3"], ["6.4", "5.21.0"]),
        ("5.21.0-5.21.2", ["5.21.0", "5.21.2"], ["5.21.3", "6.1"]),
        ("all", ["5.0.2", "7.5"], []),
        ("", [], ["5.0.2", "7.5"]),
    ],
)
def test_a_mark_speaks_of_its_line_or_its_series(marks: str, inside: list[str], outside: list[str]) -> None:
    assert all(covers(marks, version_numbers(text)) for text in inside)
    assert not any(covers(marks, version_numbers(text)) for text in outside)


@pytest.mark.parametrize("name", FACTS)
def test_every_fact_has_a_source_sets_versions_apart_and_is_asked_for(name: str) -> None:
    fact = FACTS[name]
    speaking = {one.name for one in KNOWN.values() if one.does(fact)}

    assert fact.text, name
    assert re.search(r"wire|\.go|v\d|extension", fact.source), fact.source
    assert speaking, f"no version shows {name}"
    assert speaking != set(KNOWN), f"all versions show {name}"
    code = "".join(path.read_text() for path in SOURCE.rglob("*.py") if path.parent.name != "versions")
    assert re.search(rf"\bfacts\.{name}\b", code), f"nothing asks for {name}"


def test_every_version_announces_its_extensions() -> None:
    for flavour in KNOWN.values():
        names = flavour.extensions
        assert len(names) == len(set(names)) > 300, flavour.name
        assert ("dev_incus_images" in names) == flavour.is_incus
        assert flavour.version.startswith(flavour.name.split("-")[1].split("+")[0])
    assert len(LXD.extensions) == 318
    assert len(INCUS.extensions) == 450


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("lxd", "5.0.2"),
        ("lxd-5.0", "5.0.2"),
        ("lxd-trixie", "5.0.2"),
        ("lxd-5.21", "5.21.7"),
        ("lxd-6.9", "6.9"),
        ("incus", "6.0.4"),
        ("incus-6.0", "6.0.4"),
        ("incus-7.0", "7.0.2"),
        ("incus-7.2", "7.2"),
        ("incus-7.5", "7.5.1"),
    ],
)
def test_a_series_is_its_newest_version_and_a_product_the_one_that_debian_ships(name: str, version: str) -> None:
    assert flavour_named(name).version == version


@pytest.mark.parametrize("name", ["lxd-4.0", "incus-5.0", "docker-1.0", "lxd-", "LXD-6.9", "", "6.9", "lxd-6.9 "])
def test_an_unknown_version_is_one_error_that_names_the_known_ones(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "state"
    assert demo.main(["--as", name, "--folder", str(folder), "--empty"]) == 1

    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    assert "lxd-5.21.7, lxd-6.1" in said
    assert "incus-7.2" in said
    assert not folder.exists()


def test_product_and_as_exclude_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        demo.main(["--as", "lxd-6.9", "--product", "incus"])

    assert "not allowed with" in capsys.readouterr().err


def test_a_server_says_which_version_it_speaks(tmp_path: Path) -> None:
    with demo.start(product="lxd", version="6.9", inventory=False, https=False) as server:
        said = ask(server.socket, "GET", "/1.0").json["metadata"]

        assert (server.product, server.version) == ("lxd", "6.9")
        assert "LXD 6.9" in repr(server)
        assert said["environment"]["server_version"] == "6.9"
        assert said["auth_methods"] == ["tls", "bearer"]
        assert "auth_bearer" in said["api_extensions"]


def test_a_fact_comes_with_its_extension_or_its_versions() -> None:
    with_extension = Fact(text="x", source="wire", extension="images_all_projects")
    of_versions = Fact(text="x", source="wire", lxd="6.2+", incus="")

    assert [flavour_named(name).does(with_extension) for name in ("lxd", "lxd-6.2", "lxd-6.3", "incus")] == [
        False,
        False,
        True,
        True,
    ]
    assert [flavour_named(name).does(of_versions) for name in ("lxd-6.1", "lxd-6.2", "incus-7.0")] == [
        False,
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("web", ""),
        ("a/b", ""),
        ("9", ""),
        ("ü" * 33, "Maximum name length is 64 characters"),
        ("a" * 65, "Maximum name length is 64 characters"),
        ("a b", "Name cannot contain white space"),
        ("a\u00a0b", "Name cannot contain white space"),
        ('a"b', 'Name contains invalid character "\\""'),
        ("a*b", 'Name contains invalid character "*"'),
        ("-a", "Names must start and end with an alphanumeric character"),
        ("aü", "Names must start and end with an alphanumeric character"),
    ],
)
def test_names_are_judged_as_newer_incus_does(name: str, fault: str) -> None:
    assert fault_of_name(name, slashes=True) == fault


def test_names_of_projects_have_no_slashes() -> None:
    assert fault_of_name("a/b", slashes=False) == 'Name contains invalid character "/"'
