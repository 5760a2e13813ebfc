"""%%lxdimg edit: an image as YAML in a cell; differences first, concurrent edits never overwritten."""

from __future__ import annotations

import pytest

from tests.kit import factory
from tests.kit.kernel import Kernel
from tests.kit.servers import RunningServer


def test_edit_makes_a_cell_that_can_be_run(kernel: Kernel, server: RunningServer, web: str) -> None:
    made = kernel.run("%lxdimg edit web").payload[0]["text"]

    edited = made.replace("public: false", "public: true").replace("os: Ubuntu", "os: Mine\n  version: 11.10")
    asked = kernel.run(edited, answer="n", ok=False)
    cell = kernel.run(edited, answer="y")

    image = server.get(f"images/{web}")
    assert "making it public?" in asked.stdout
    assert "without any authentication" in asked.stdout
    assert made.startswith("%%lxdimg edit web --base ")
    assert "public no → yes" in cell.stdout
    assert "os Ubuntu → Mine" in cell.stdout
    assert (image["public"], image["properties"]["os"], image["properties"]["version"]) == (True, "Mine", "11.10")


def test_edit_writes_nothing_after_a_concurrent_edit(kernel: Kernel, server: RunningServer, web: str) -> None:
    made = kernel.run("%lxdimg edit web").payload[0]["text"]
    server.raw("PATCH", f"/1.0/images/{web}", json={"properties": {"os": "theirs"}})

    cell = kernel.run(made.replace("public: false", "public: true"), ok=False)

    assert "was changed since" in cell.stderr
    assert server.get(f"images/{web}")["public"] is False


def test_edit_keeps_fields_that_are_not_in_the_cell(kernel: Kernel, server: RunningServer, web: str) -> None:
    before = server.get(f"images/{web}")

    kernel.run("%%lxdimg edit web\nauto_update: false\nexpires_at: 2031-02-03\n")

    after = server.get(f"images/{web}")
    assert after["expires_at"].startswith("2031-02-03")
    assert {k: before[k] for k in ("public", "properties", "profiles")} == {
        k: after[k] for k in ("public", "properties", "profiles")
    }


def test_edit_asks_before_it_removes_a_property(kernel: Kernel, server: RunningServer, web: str) -> None:
    cell = "%%lxdimg edit web{flag}\nproperties:\n  os: Ubuntu\n"

    refused = kernel.run(cell.format(flag=""), ok=False)
    asked = kernel.run(cell.format(flag=""), answer="n", ok=False)
    there = server.get(f"images/{web}")["properties"]
    kernel.run(cell.format(flag=" --yes"))

    assert "--yes" in refused.stderr
    assert "release noble → none" in asked.stdout
    assert there == factory.properties(1)
    assert server.get(f"images/{web}")["properties"] == {"os": "Ubuntu"}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("publik: yes", "did you mean 'public'?"),
        ("public: perhaps", "yes or no"),
        ("public: [1", "line 3"),
        ("- public", "KEY: VALUE lines"),
        ("public: {a: b}", "public takes a single value"),
        ("public: no\npublic: yes", "line 3: 'public' is given twice"),
        ("", "empty"),
        ("fingerprint: abc", "cannot be written"),
    ],
)
def test_edit_says_in_one_line_what_is_wrong(kernel: Kernel, web: str, body: str, said: str) -> None:
    cell = kernel.run(f"%%lxdimg edit web\n{body}", ok=False)

    assert cell.ename == "UsageError"
    assert cell.stderr.count("\n") == 1
    assert said in cell.stderr
