"""Plans: which images, with which reason and which protection, made without touching anything."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pandas as pd
import pytest

import lxdimg_nb as lxdimg
from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.inventory import Fleet, Plan, make_frame
from lxdimg_nb.inventory.plans.planning import Rule
from lxdimg_nb.values import ImageRecord
from tests.kit.inventories import NOW, SERVER, Canned, days_ago, fingerprint, image, inventory


def numbers(plan: Plan, action: str = "delete") -> list[int]:
    """Which of the images 0, 1, 2 … something is to be done with."""
    names = {fingerprint(i): i for i in range(20)}
    return sorted(names[step.fingerprint] for step in plan.steps if step.action == action)


def why(plan: Plan, i: int) -> str:
    """Why an image is left alone, or not."""
    (step,) = [s for s in plan.steps if s.fingerprint == fingerprint(i)]
    return step.protection or step.reason


def builds(count: int, **fields: Any) -> list[dict[str, Any]]:
    """So many builds of one product, image 0 the newest."""
    return [image(i, created_at=days_ago(10 + i), **fields) for i in range(count)]


def test_the_newest_builds_of_each_product_stay() -> None:
    other = {"os": "Ubuntu", "release": "noble"}
    df = inventory(*builds(4), image(4, properties=other), image(5, properties={}))

    plan = lxdimg.plan.prune(df, keep_last=2)

    assert numbers(plan) == [2, 3]
    assert why(plan, 0) == "among the newest 2 of its product"
    assert why(plan, 2).startswith("build 3 of 4 of its product, newest first")
    assert why(plan, 4) == "the only build of its product"
    assert why(plan, 5) == "its product is not known"


def test_a_product_is_what_the_user_says() -> None:
    df = inventory(*(image(i, properties={"team": "a" if i < 3 else "b"}, created_at=days_ago(i)) for i in range(5)))

    assert numbers(lxdimg.plan.prune(df, keep_last=1, per=["team"])) == [1, 2, 4]
    assert numbers(lxdimg.plan.prune(df, keep_last=1, per=["team", "arch"])) == [1, 2, 4]
    assert numbers(lxdimg.plan.prune(df, keep_last=1, per="team")) == [1, 2, 4]
    assert numbers(lxdimg.plan.prune(df, rules=[Rule(keep_last=1, per="team")])) == [1, 2, 4]
    assert numbers(lxdimg.plan.prune(df, keep_last=1)) == []
    with pytest.raises(InvalidRequestError, match="did you mean 'team'"):
        lxdimg.plan.prune(df, keep_last=1, per=["taem"])


def test_builds_are_counted_in_each_project_and_server_apart() -> None:
    df = inventory(
        *(image(i, project="blue" if i < 2 else "red", created_at=days_ago(i)) for i in range(3)), all_projects=True
    )

    assert numbers(lxdimg.plan.prune(df, keep_last=1)) == [1]


@pytest.mark.parametrize(
    ("fields", "users", "says"),
    [
        ({"names": ["web"]}, None, "has the alias web"),
        ({"public": True}, None, "public"),
        ({"properties": {"os": "Debian", "release": "bookworm", "pinned": "Yes"}}, None, "pinned"),
        ({}, ["default/c1"], "used by default/c1"),
        ({"uploaded_at": days_ago(0.1)}, None, "uploaded 2 hours ago"),
        ({"uploaded_at": None}, None, "its upload is not dated"),
    ],
)
def test_what_protects_an_image_is_said(fields: dict[str, Any], users: list[str] | None, says: str) -> None:
    records = [ImageRecord.from_json(image(0, expires_at=days_ago(1)) | image(0, expires_at=days_ago(1), **fields))]
    df = make_frame(records, server=SERVER, taken_at=NOW, used_by={fingerprint(0): users or []})

    plan = lxdimg.plan.prune(df, expired=True)

    assert numbers(plan) == []
    assert why(plan, 0) == says
    assert numbers(lxdimg.plan.prune(df, expired=True, keep=(), grace="0s")) == [0]


def test_a_filter_pins() -> None:
    plan = lxdimg.plan.prune(inventory(*builds(3)), keep_last=1, pinned="serial=2")

    assert numbers(plan) == [1]
    assert why(plan, 2) == "pinned"


def test_all_conditions_must_hold() -> None:
    df = inventory(
        image(0, uploaded_at=days_ago(100)),
        image(1, uploaded_at=days_ago(100), last_used_at=days_ago(3)),
        image(2, uploaded_at=days_ago(40), expires_at=days_ago(1)),
        image(3, uploaded_at=days_ago(100), expires_at=days_ago(1)),
    )

    assert numbers(lxdimg.plan.prune(df, unused_for="30D")) == [0, 2, 3]
    assert numbers(lxdimg.plan.prune(df, unused_for="30D", older_than="60d")) == [0, 3]
    assert numbers(lxdimg.plan.prune(df, unused_for=timedelta(30), older_than="60d", expired=True)) == [3]
    plan = lxdimg.plan.prune(df, unused_for="30D", expired=True, filter="serial=0,1,2")
    assert (why(plan, 0), why(plan, 1), why(plan, 3)) == (
        "not expired",
        "idle for 3 days, not expired",
        "no rule is about it",
    )


def test_listing_and_acting_are_one_predicate() -> None:
    df = inventory(
        image(0, uploaded_at=days_ago(100)), image(1, last_used_at=days_ago(1)), image(2, uploaded_at=days_ago(95))
    )

    stale = df.lxdimg.stale("90D").index
    planned = lxdimg.plan.prune(df, unused_for="90D").frame.query("action == 'delete'")

    assert sorted(planned.index.get_level_values("fingerprint")) == sorted(stale)


def test_the_first_rule_that_fits_decides() -> None:
    df = inventory(*builds(4), image(4, properties={"os": "Ubuntu", "release": "noble"}, uploaded_at=days_ago(50)))
    rules = [
        Rule(filter="serial=2", keep_last=9, name="hands off"),
        Rule(filter="os=debian", keep_last=1),
        Rule(older_than="30d"),
    ]

    plan = lxdimg.plan.prune(df, rules=rules)

    assert numbers(plan) == [1, 3, 4]
    assert why(plan, 2) == "among the newest 9 of its product" or why(plan, 2) == "the only build of its product"
    assert why(plan, 1).startswith("rule 2: build 2 of 3")
    assert why(plan, 4).startswith("rule 3: uploaded 1 month ago")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "needs a condition"),
        ({"keep_last": -1}, "0 or more"),
        ({"keep_last": True}, "0 or more"),
        ({"keep_last": "2"}, "0 or more"),
        ({"keep_last": 1.5}, "0 or more"),
        ({"keep_last": 1, "keep": None}, "keep takes some of"),
        ({"older_than": 90}, "90 is not a duration"),
        ({"older_than": "6M"}, "minutes or months"),
        ({"unused_for": "soon"}, "not a duration"),
        ({"keep_last": 1, "filter": "sizze=1"}, "did you mean 'size'"),
        ({"keep_last": 1, "keep": ["usd"]}, "keep takes some of pinned, used"),
        ({"keep_last": 1, "keep": "used"}, "keep takes some of"),
        ({"keep_last": 1, "rules": [Rule(expired=True)]}, "not both"),
        ({"keep_last": 1, "grace": "ever"}, "not a duration"),
    ],
)
def test_a_prune_that_makes_no_sense_is_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidRequestError, match=says):
        lxdimg.plan.prune(inventory(image(0)), **options)


def test_a_plan_is_made_of_images() -> None:
    with pytest.raises(InvalidRequestError, match="frame of images"):
        lxdimg.plan.set(pd.DataFrame({"a": [1]}), public=True)


def test_a_plan_is_a_frame_and_reads_well() -> None:
    df = inventory(*builds(3), image(9, names=["web"]))

    plan = lxdimg.plan.prune(df, keep_last=1, filter="os=debian")

    assert len(plan) == 2
    assert plan.bytes == 200
    assert isinstance(plan.frame, pd.DataFrame)
    assert plan.frame.index.names == ["server", "project", "fingerprint"]
    assert plan.frame["action"].tolist() == ["delete", "delete", "keep", "keep"]
    assert plan.summary == f"prune: 2 images to delete · 200 B · 2 left alone · {SERVER}, project default"
    seen = repr(plan)
    assert fingerprint(2)[:12] in seen
    assert "has the alias web" in seen
    assert "<table>" in plan._repr_html_()
    assert not lxdimg.plan.prune(df, expired=True)
    assert "nothing to do" in repr(lxdimg.plan.prune(df, expired=True))


def test_what_a_long_plan_would_change_is_shown_before_what_stays() -> None:
    df = inventory(*builds(150), *(image(f"web {i}", names=[f"web-{i}"], properties={}) for i in range(100)))

    table = lxdimg.plan.prune(df, keep_last=1, grace="0s").table()

    assert [row[0] for row in table.rows] == ["delete"] * 149 + ["keep"] * 51
    assert table.note == "and 50 more: plan.frame has all"


def test_rows_can_be_struck_out_by_hand() -> None:
    plan = lxdimg.plan.prune(inventory(*builds(4)), keep_last=1)

    less = plan.without(fingerprint(2)[:12])

    assert (numbers(plan), numbers(less)) == ([1, 2, 3], [1, 3])
    assert why(less, 2) == "left out by hand"
    with pytest.raises(InvalidRequestError, match="no image 'nope'"):
        plan.without("nope")


def test_setting_changes_only_what_is_not_so() -> None:
    source = {"server": "https://s", "protocol": "simplestreams", "alias": "x"}
    df = inventory(image(0, public=True), image(1), image(2, update_source=source))

    plan = lxdimg.plan.set(df, public=True, auto_update=True, properties={"team": "a", "variant": None})

    steps = {numbers(Plan("x", [s], {}), "set")[0]: s for s in plan.actions}
    assert steps[0].changes == {"properties.team": (None, "a"), "properties.variant": ("default", None)}
    assert steps[0].reason == "auto_update is left off: it has no source"
    assert steps[1].changes["public"] == (False, True)
    assert "may hold secrets" in steps[1].reason
    assert "secrets" not in steps[2].reason
    assert steps[2].changes["auto_update"] == (False, True)
    assert steps[2].words.startswith("public: no → yes, auto_update: no → yes, properties.team: none → a")
    assert numbers(lxdimg.plan.set(df, public=True, filter="public=yes"), "keep") == [0]
    assert why(lxdimg.plan.set(df, auto_update=True), 1) == "it has no source to be updated from"
    assert len(lxdimg.plan.set(df, expires_at=None)) == 0
    assert len(lxdimg.plan.set(df, expires_at="2030-01-01T00:00:00Z", profiles=["default"])) == 3


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "nothing to set"),
        ({"public": "yes"}, "True or False"),
        ({"properties": {"a": 1}}, "texts by name"),
        ({"expires_at": "tomorrow"}, "no time"),
        ({"expires_at": 5}, "no time"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidRequestError, match=says):
        lxdimg.plan.set(inventory(image(0)), **options)


def test_an_alias_goes_to_the_newest_that_fits() -> None:
    df = inventory(*builds(2), image(5, names=["web"], properties={}))

    plan = lxdimg.plan.alias(df, "web", to="os=debian")

    (step,) = plan.actions
    assert step.changes == {"web": (fingerprint(5), fingerprint(0))}
    assert f"web: {fingerprint(5)[:12]} → {fingerprint(0)[:12]}" in repr(plan)
    assert lxdimg.plan.alias(df, "db", to=fingerprint(1)[:12]).actions[0].changes == {"db": (None, fingerprint(1))}
    assert lxdimg.plan.alias(df, "db", to="web").actions[0].fingerprint == fingerprint(5)
    assert why(lxdimg.plan.alias(df, "web", to=fingerprint(5)), 5) == "already so"
    with pytest.raises(InvalidRequestError, match="no image of the frame fits"):
        lxdimg.plan.alias(df, "web", to="os=plan9")
    for nothing in ("", None):
        with pytest.raises(InvalidRequestError, match="points at an image"):
            lxdimg.plan.alias(df, "web", to=nothing)  # type: ignore[arg-type]
    with pytest.raises(InvalidRequestError, match="has a name"):
        lxdimg.plan.alias(df, "", to="web")


def test_publishing_knows_taken_aliases() -> None:
    df = inventory(image(0, names=["web"]))

    plan = lxdimg.plan.publish(df, {"c1": "new", "c2/snap0": "web", "c3": ""}, public=True)

    assert [s.changes["instance"][1] for s in plan.actions] == ["c1", "c3"]
    assert "host keys" in plan.actions[0].reason
    assert [s.protection for s in plan.steps if s.action == "keep"] == [
        f"the alias web points at {fingerprint(0)[:12]}"
    ]
    for wrong in ({"c1": "a", "c2": "a"}, [], {"": "a"}):
        with pytest.raises(InvalidRequestError, match="name at least one"):
            lxdimg.plan.publish(df, wrong)
    with pytest.raises(InvalidRequestError, match="one project of one server"):
        lxdimg.plan.publish(inventory(image(0), all_projects=True), ["c1"])


def test_each_step_has_a_reason_or_a_protection() -> None:
    df = inventory(*builds(3), image(5, names=["web"], public=True))
    fleet = Fleet({"a": Canned(image(1, names=["x"]), image(2, names=["y"])), "b": Canned(image(3, names=["y"]))}).df()

    plans = [
        lxdimg.plan.prune(df, keep_last=1),
        lxdimg.plan.set(df, public=True, properties={"team": "a"}),
        lxdimg.plan.alias(df, "web", to="os=debian"),
        lxdimg.plan.alias(df, "new", to="web"),
        lxdimg.plan.publish(df, {"c1": "golden", "c2": "web"}),
        lxdimg.plan.copy(fleet, to=["a", "b"], copy_aliases=True),
    ]

    for plan in plans:
        assert plan.frame.query("action == 'keep'")["protection"].ne("").all(), plan
        assert plan.frame.query("action != 'keep'")["reason"].ne("").all(), plan
    assert [step.reason for step in plans[5].actions] == [
        "missing there",
        "missing there; aliases taken there: y",
        "missing there; aliases taken there: y",
    ]


def test_an_alias_is_promised_to_one_copy_only() -> None:
    held = {"a": Canned(image(1, names=["x"])), "b": Canned(image(2, names=["x"])), "c": Canned()}

    plan = lxdimg.plan.copy(Fleet(held).df(), to="c", copy_aliases=True)

    assert [step.changes for step in plan.actions] == [{"aliases": ([], ["x"])}, {}]
    assert [step.reason for step in plan.actions] == ["missing there", "missing there; aliases taken there: x"]


def test_copying_needs_a_fleet() -> None:
    with pytest.raises(InvalidRequestError, match="fleet's frame"):
        lxdimg.plan.copy(inventory(image(0)), to="b")
