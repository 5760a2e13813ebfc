"""%%lxdimg plan: rules as YAML in a cell, a plan to review, applied after asking."""

from __future__ import annotations

import pytest

from tests.kit import factory
from tests.kit.kernel import Kernel
from tests.kit.servers import RunningServer

PRUNE = """%%lxdimg plan -o plan
prune:
  filter: os=Ubuntu
  keep_last: 0
  grace: 0s
"""


@pytest.mark.slow
def test_a_plan_is_made_reviewed_and_applied(kernel: Kernel, server: RunningServer) -> None:
    goes = server.add_image(factory.small(1))
    stays = [server.add_image(factory.small(6), aliases=["named"]), server.add_image(factory.small(2))]

    made = kernel.run(PRUNE)
    planned = kernel.value("[(s.fingerprint, s.action) for s in plan.actions]")
    untouched = server.get("images")
    refused = kernel.run("%lxdimg plan apply $plan", ok=False)
    asked = kernel.run("%lxdimg plan apply $plan", answer="n", ok=False)
    done = kernel.run("receipts = %lxdimg plan apply $plan --yes\n")

    assert made.stdout.startswith("plan = prune: 1 image to delete")
    assert planned == [(goes, "delete")]
    assert len(untouched) == 3
    assert "--yes" in refused.stderr
    assert goes[:12] in asked.stdout
    assert "1 done" in done.stdout
    assert kernel.value("list(receipts.state.astype(str))") == ["done"]
    assert sorted(server.get("images")) == sorted(f"/1.0/images/{f}" for f in stays)


def test_a_plan_sets_properties_as_they_were_typed(kernel: Kernel, server: RunningServer) -> None:
    web = server.add_image(factory.small(1), aliases=["web"])

    kernel.run(
        "%%lxdimg plan -o plan\nset:\n  filter: alias=web\n  public: yes\n  expires_at: 2031-02-03T00:00:00Z\n"
        "  properties:\n    version: 11.10\n    flag: yes\n    variant:\n"
    )
    kernel.run("%lxdimg plan apply $plan --yes")

    image = server.get(f"images/{web}")
    assert (image["public"], image["properties"]["version"], image["properties"]["flag"]) == (True, "11.10", "yes")
    assert image["expires_at"].startswith("2031-02-03")
    assert "variant" not in image["properties"]


def test_a_plan_moves_an_alias(kernel: Kernel, server: RunningServer) -> None:
    server.add_image(factory.small(1), aliases=["web"])
    new = server.add_image(factory.small(2))

    kernel.run("df = %lxdimg list\n")
    kernel.run(f"%%lxdimg plan $df -o plan\nalias:\n  name: web\n  to: {new[:12]}\n")
    kernel.run("%lxdimg plan apply $plan --yes")

    assert server.get("images/aliases/web")["target"] == new


def test_rules_are_a_list(kernel: Kernel, server: RunningServer) -> None:
    server.add_image(factory.small(1))

    kernel.run(
        "%%lxdimg plan -o plan\nprune:\n  grace: 0s\n  keep: [used]\n  rules:\n"
        "  - filter: os=Debian\n    keep_last: 0\n  - older_than: 10d\n    name: old ones\n"
    )

    assert kernel.value("[rule.name for rule in plan.rules.__self__.rules]") == ["", "old ones"]


def test_without_a_body_a_cell_to_start_from_is_made(kernel: Kernel) -> None:
    made = kernel.run("%lxdimg plan").payload[0]["text"]

    assert made.startswith("%%lxdimg plan\n")
    assert "nothing to do" in kernel.run(made).text
    kernel.run("df = %lxdimg list\n")
    assert kernel.run("%lxdimg plan $df").payload[0]["text"].startswith("%%lxdimg plan $df\nprune:")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("# nothing", "one of prune, set"),
        ("pruen:\n  keep_last: 2", "did you mean 'prune'?"),
        ("prune:\n  keep_lst: 2", "did you mean 'keep_last'?"),
        ("prune:\n  keep_last: two", "takes a number"),
        ("prune:\n  keep_last: 2\nset:\n  public: no", "one of prune, set"),
        ("prune:", "a rule needs a condition"),
        ("prune:\n  rules:\n    keep_last: 2", "each with a dash"),
        ("prune:\n  rules:\n  - keep_last: 2\n    pinned: a", "a rule has no 'pinned'"),
        ("set:\n  public: perhaps", "yes or no"),
        ("alias:\n  name: web", "alias needs to"),
        ("prune:\n  filter: relaese=noble\n  keep_last: 1", "did you mean 'release'?"),
        ("prune:\n keep_last: 1\n keep_last: 2", "line 4: 'keep_last' is given twice"),
    ],
)
def test_a_mistake_in_the_rules_is_one_line(kernel: Kernel, body: str, said: str) -> None:
    cell = kernel.run(f"%%lxdimg plan\n{body}", ok=False)

    assert cell.ename == "UsageError"
    assert cell.stderr.count("\n") == 1
    assert said in cell.stderr


def test_only_a_plan_is_applied(kernel: Kernel) -> None:
    assert "is not a plan" in kernel.run("x = 1\n%lxdimg plan apply $x", ok=False).stderr


def test_a_plan_of_another_server_is_refused(kernel: Kernel, server: RunningServer) -> None:
    server.add_image(factory.small(1))
    kernel.run(PRUNE)

    kernel.run("%lxdimg demo --empty")
    refused = kernel.run("%lxdimg plan apply $plan --yes", ok=False)
    kernel.run("%lxdimg demo stop")

    assert "was made for" in refused.stderr
    assert len(server.get("images")) == 1
