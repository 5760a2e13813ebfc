"""Plans: made without touching anything, and applied without touching what is protected by then."""

from __future__ import annotations

import contextlib
import re
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import lxdimg_nb as lxdimg
from lxdimg_nb.client import Client
from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.inventory import Fleet, Plan, frame
from lxdimg_nb.inventory.plan import Rule
from lxdimg_nb.models import ImageRecord
from tests import factory, servers
from tests.inventories import NOW, SERVER, Canned, days_ago, fingerprint, image, inventory
from tests.servers import RunningServer

TOMORROW = datetime.now(UTC) + timedelta(days=1)


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


# Making plans


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
    df = frame(records, server=SERVER, taken_at=NOW, used_by={fingerprint(0): users or []})

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


# Applying plans


REQUEST = re.compile(rb"^((?:GET|POST|PUT|PATCH|DELETE) \S+) HTTP", re.MULTILINE)


@contextlib.contextmanager
def witness(server: RunningServer) -> Iterator[tuple[str, list[str]]]:
    """A socket in front of a server, and the first line of every request that went through it."""
    folder = Path(tempfile.mkdtemp(prefix="lxi-witness-", dir="/tmp"))
    lines: list[str] = []

    def pump(source: socket.socket, sink: socket.socket, note: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if note:
                    lines.extend(
                        m.decode() for m in re.findall(rb"^((?:GET|POST|PUT|PATCH|DELETE) \S+) HTTP", data, re.M)
                    )
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect(str(server.socket))
                opened.extend((near, far))
                for pair in ((near, far, True), (far, near, False)):
                    threading.Thread(target=pump, args=pair, daemon=True).start()

    opened: list[socket.socket] = []
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(folder / "unix.socket"))
    listener.listen()
    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"unix://{folder}/unix.socket", lines
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for one in opened:
            one.close()
        thread.join(5)
        (folder / "unix.socket").unlink()
        folder.rmdir()


def fill(server: RunningServer, count: int) -> list[str]:
    """So many builds of one product, the newest first."""
    product = {"os": "Debian", "release": "bookworm"}
    made = [server.add_image(factory.small(i), properties=product | {"serial": str(i)}) for i in range(count)]
    return made[::-1]


def there(server: RunningServer) -> list[str]:
    """The fingerprints on the server, as it says itself."""
    return sorted(str(url).rsplit("/", 1)[-1] for url in server.get("images"))


def states(receipts: pd.DataFrame) -> dict[str, str]:
    return dict(zip(receipts["fingerprint"], receipts["state"], strict=True))


def detail(receipts: pd.DataFrame, fingerprint: str) -> str:
    return str(receipts.set_index("fingerprint").loc[fingerprint, "detail"])


PRUNE: dict[str, Any] = {"keep_last": 1, "per": ["os", "release"], "grace": "0s"}


def test_making_and_showing_a_plan_sends_no_write(server: RunningServer) -> None:
    fill(server, 3)
    with witness(server) as (url, lines), lxdimg.connect(url) as client:
        df = client.images.df(used_by=True)
        before = list(lines)

        plans = [
            lxdimg.plan.prune(df, **PRUNE),
            lxdimg.plan.set(df, public=True),
            lxdimg.plan.alias(df, "web", to="os=debian"),
            lxdimg.plan.publish(df, {"c1": "x"}),
        ]
        for plan in plans:
            assert len(plan) > 0
            repr(plan), plan._repr_html_(), plan.frame, plan.without(plan.actions[0].fingerprint or "c1")

        assert lines == before
    assert {line.split()[0] for line in lines} == {"GET"}
    assert len(there(server)) == 3


def test_pruning_deletes_what_was_planned_and_nothing_else(server: RunningServer, client: Client) -> None:
    newest, middle, oldest = fill(server, 3)
    other = server.add_image(factory.small(9), properties={"os": "Other", "release": "1"})
    plan = lxdimg.plan.prune(client.images.df(used_by=True), **PRUNE)

    receipts = plan.apply(client, confirm=True)

    assert there(server) == sorted([newest, other])
    assert states(receipts) == {middle: "done", oldest: "done"}
    assert receipts.summary == "2 done"
    assert "2 done" in repr(receipts)
    assert plan.receipts is receipts
    again = plan.apply(client, confirm=True)
    assert set(states(again).values()) == {"skipped"}
    assert detail(again, oldest) == "gone already"


def _alias(server: RunningServer, fp: str) -> None:
    server.raw("POST", "/1.0/images/aliases", json={"name": "web", "target": fp})


def _public(server: RunningServer, fp: str) -> None:
    server.raw("PATCH", f"/1.0/images/{fp}", json={"public": True})


def _pinned(server: RunningServer, fp: str) -> None:
    server.raw("PATCH", f"/1.0/images/{fp}", json={"properties": {"pinned": "yes"}})


def _edited(server: RunningServer, fp: str) -> None:
    server.raw("PATCH", f"/1.0/images/{fp}", json={"properties": {"note": "mine"}})


def _used(server: RunningServer, fp: str) -> None:
    server.add_instance("c1", fp)


RACES = {"alias": _alias, "public": _public, "pinned": _pinned, "edited": _edited, "used": _used}


@pytest.mark.parametrize("race", RACES.values(), ids=RACES)
def test_what_is_protected_after_planning_is_not_deleted(
    server: RunningServer, client: Client, race: Callable[[RunningServer, str], None]
) -> None:
    _, middle, oldest = fill(server, 3)
    plan = lxdimg.plan.prune(client.images.df(), **PRUNE)
    race(server, oldest)

    receipts = plan.apply(client, confirm=True)

    assert oldest in there(server)
    assert states(receipts) == {middle: "done", oldest: "skipped"}


@pytest.mark.parametrize("race", RACES.values(), ids=RACES)
def test_what_is_protected_while_applying_is_not_deleted(
    demo: RunningServer, race: Callable[[RunningServer, str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, middle, oldest = fill(demo, 3)
    with lxdimg.connect(demo.url) as client:
        plan = lxdimg.plan.prune(client.images.df(), **PRUNE)
        listing = client.images.df

        def listed_then_raced(**options: Any) -> pd.DataFrame:
            fresh = listing(**options)
            race(demo, oldest)
            return fresh

        monkeypatch.setattr(client.images, "df", listed_then_raced)

        receipts = plan.apply(client, confirm=True)

    assert oldest in there(demo)
    assert states(receipts) == {middle: "done", oldest: "skipped"}


def test_an_image_that_became_one_of_the_newest_stays(server: RunningServer, client: Client) -> None:
    newest, middle, oldest = fill(server, 3)
    plan = lxdimg.plan.prune(client.images.df(), **PRUNE)
    server.wait(server.raw("DELETE", f"/1.0/images/{newest}"))

    receipts = plan.apply(client, confirm=True)

    assert there(server) == [middle]
    assert states(receipts) == {middle: "skipped", oldest: "done"}
    assert "among the newest" in detail(receipts, middle) or "the only build" in detail(receipts, middle)


def test_an_image_that_is_gone_is_no_failure(demo: RunningServer) -> None:
    _, middle, oldest = fill(demo, 3)
    with lxdimg.connect(demo.url) as client:
        plan = lxdimg.plan.prune(client.images.df(), **PRUNE)
        client.images.delete(oldest)

        receipts = plan.apply(client, confirm=True)

    assert states(receipts) == {middle: "done", oldest: "skipped"}


def test_settings_are_applied_and_other_edits_are_not_overwritten(server: RunningServer, client: Client) -> None:
    two, one, zero = fill(server, 3)
    plan = lxdimg.plan.set(client.images.df(), properties={"team": "a"}, expires_at="2031-01-02T03:04:05Z")
    server.raw("PATCH", f"/1.0/images/{one}", json={"properties": {"team": "b"}})
    server.wait(server.raw("DELETE", f"/1.0/images/{zero}"))

    receipts = plan.apply(client, confirm=True)

    assert states(receipts) == {two: "done", one: "skipped", zero: "skipped"}
    assert "changed since the plan was made: properties" in detail(receipts, one)
    assert "team" in detail(receipts, two)
    after = server.get(f"images/{two}")
    assert after["properties"]["team"] == "a"
    assert after["expires_at"].startswith("2031-01-02T03:04:05")
    assert after["profiles"] == ["default"]
    assert server.get(f"images/{one}")["properties"]["team"] == "b"


def test_flags_are_switched(server: RunningServer, client: Client) -> None:
    (only,) = fill(server, 1)

    receipts = lxdimg.plan.set(client.images.df(), public=True).apply(client, confirm=True)

    assert server.get(f"images/{only}")["public"] is True
    assert "public no → yes" in detail(receipts, only)


def test_an_alias_is_moved_unless_somebody_moved_it(server: RunningServer, client: Client) -> None:
    new, middle, old = fill(server, 3)
    _alias(server, old)
    plan = lxdimg.plan.alias(client.images.df(), "web", to="os=debian")

    receipts = plan.apply(client, confirm=True)

    assert states(receipts) == {new: "done"}
    assert server.get("images/aliases/web")["target"] == new
    assert detail(plan.apply(client, confirm=True), new) == "already so"
    server.raw("PUT", "/1.0/images/aliases/web", json={"target": middle, "description": ""})
    refused = plan.apply(client, confirm=True)
    assert states(refused) == {new: "skipped"}
    assert f"web points at {middle[:12]}" in detail(refused, new)


def test_a_failure_does_not_end_the_work(demo: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    _, middle, oldest = fill(demo, 3)
    with lxdimg.connect(demo.url) as client:
        plan = lxdimg.plan.prune(client.images.df(), **PRUNE)
        first = plan.actions[0].fingerprint
        delete = client.images.delete

        def refuse(fp: str, *, wait: bool = True) -> Any:
            if fp == first:
                raise lxdimg.errors.ApiError("no", status_code=500)
            return delete(fp, wait=wait)

        monkeypatch.setattr(client.images, "delete", refuse)

        receipts = plan.apply(client, confirm=True)

    assert sorted(states(receipts).values()) == ["done", "failed"]
    assert detail(receipts, first) == "no"
    assert {middle, oldest} - {first} == {fp for fp, state in states(receipts).items() if state == "done"}


def test_a_lost_server_is_not_asked_again_for_each_image(start: Callable[[], RunningServer]) -> None:
    server = start()
    fill(server, 3)
    with lxdimg.connect(server.url) as client:
        plan = lxdimg.plan.set(client.images.df(), public=True)
        server.stop()

        receipts = plan.apply(client, confirm=True)

    assert receipts["state"].tolist() == ["failed", "not tried", "not tried"]


def test_it_can_be_stopped_and_called_again(demo: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    newest, *rest = fill(demo, 4)
    stop = threading.Event()
    with lxdimg.connect(demo.url) as client:
        plan = lxdimg.plan.prune(client.images.df(), **PRUNE)
        delete = client.images.delete

        def delete_and_stop(fp: str, *, wait: bool = True) -> Any:
            done = delete(fp, wait=wait)
            stop.set()
            return done

        monkeypatch.setattr(client.images, "delete", delete_and_stop)
        first = plan.apply(client, confirm=True, stop=stop)
        stop.clear()
        second = plan.apply(client, confirm=True)

    assert sorted(states(first).values()) == ["done", "not tried", "not tried"]
    assert sorted(states(second).values()) == ["done", "done", "skipped"]
    assert there(demo) == [newest]
    assert len(rest) == 3


def test_an_interrupt_leaves_the_receipts(demo: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(demo, 4)
    with lxdimg.connect(demo.url) as client:
        plan = lxdimg.plan.prune(client.images.df(), **PRUNE)
        calls: list[str] = []
        delete = client.images.delete

        def interrupted(fp: str, *, wait: bool = True) -> Any:
            calls.append(fp)
            if len(calls) == 2:
                raise KeyboardInterrupt
            return delete(fp, wait=wait)

        monkeypatch.setattr(client.images, "delete", interrupted)
        with pytest.raises(KeyboardInterrupt):
            plan.apply(client, confirm=True)

    assert plan.receipts is not None
    assert plan.receipts["state"].tolist() == ["done", "failed", "not tried"]
    assert "interrupted" in plan.receipts["detail"].iloc[1]


@pytest.mark.parametrize(("answer", "left"), [("yes", 1), ("", 2), ("no", 2)])
def test_it_asks_and_says_what_it_is_about_to_do(
    demo: RunningServer, monkeypatch: pytest.MonkeyPatch, answer: str, left: int
) -> None:
    fill(demo, 2)
    asked: list[str] = []
    monkeypatch.setattr("builtins.input", lambda question: asked.append(question) or answer)
    with lxdimg.connect(demo.url) as client:
        receipts = lxdimg.plan.prune(client.images.df(), **PRUNE).apply(client)

    assert "1 image to delete" in asked[0]
    assert client.url in asked[0]
    assert "project default" in asked[0]
    assert len(there(demo)) == left
    assert receipts["state"].tolist() == ["done" if left == 1 else "not tried"]


def test_where_nobody_can_be_asked_nothing_is_done(demo: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(_: str) -> str:
        raise EOFError

    fill(demo, 2)
    monkeypatch.setattr("builtins.input", nobody)
    with (
        lxdimg.connect(demo.url) as client,
        pytest.raises(InvalidRequestError, match="confirm=True"),
    ):
        lxdimg.plan.prune(client.images.df(), **PRUNE).apply(client)

    assert len(there(demo)) == 2


@pytest.fixture
def start() -> Iterator[Callable[[], RunningServer]]:
    """Starts demo servers of a test's own."""
    running: list[RunningServer] = []

    def one() -> RunningServer:
        running.append(servers.start_demo(Path(tempfile.mkdtemp(prefix="lxi-plan-", dir="/tmp"))))
        return running[-1]

    yield one
    for server in running:
        server.remove()


def test_a_plan_for_another_server_is_refused_and_nothing_changes(
    demo: RunningServer, start: Callable[[], RunningServer]
) -> None:
    other = start()
    fill(demo, 2), fill(other, 2)
    with (
        lxdimg.connect(demo.url) as client,
        lxdimg.connect(other.url) as stranger,
        witness(other) as (url, lines),
        lxdimg.connect(url) as watched,
    ):
        plan = lxdimg.plan.prune(client.images.df(), **PRUNE)

        for wrong in (stranger, watched):
            with pytest.raises(InvalidRequestError, match=r"was made for .* nothing was changed"):
                plan.apply(wrong, confirm=True)

        assert {line.split()[0] for line in lines} == {"GET"}
    assert len(there(demo)) == len(there(other)) == 2
    assert plan.receipts is None


def test_a_server_is_known_again_by_its_certificate_at_another_address(demo: RunningServer) -> None:
    fill(demo, 2)
    with (
        lxdimg.connect(demo.url) as client,
        witness(demo) as (url, _),
        lxdimg.connect(url) as elsewhere,
    ):
        receipts = lxdimg.plan.prune(client.images.df(), **PRUNE).apply(elsewhere, confirm=True)

    assert receipts["state"].tolist() == ["done"]


def test_a_plan_for_another_project_is_refused(demo: RunningServer) -> None:
    fill(demo, 2)
    demo.add_project("blue")
    with lxdimg.connect(demo.url) as client:
        plan = lxdimg.plan.prune(client.images.df(), **PRUNE)

        with pytest.raises(InvalidRequestError, match="made for the project default"):
            plan.apply(client.in_project("blue"), confirm=True)


def test_a_plan_of_a_frame_that_names_no_server_is_refused(demo: RunningServer) -> None:
    fill(demo, 2)
    with lxdimg.connect(demo.url) as client:
        nameless = frame(client.images.records())

        with pytest.raises(InvalidRequestError, match="names no server"):
            lxdimg.plan.prune(nameless, **PRUNE).apply(client, confirm=True)


def test_every_project_is_pruned_by_a_client_of_one(server: RunningServer, client: Client) -> None:
    product = {"os": "Debian", "release": "bookworm"}
    server.add_project("blue")
    kept = [
        server.add_image(factory.small(1), properties=product),
        server.add_image(factory.small(1), project="blue", properties=product),
    ]
    gone = server.add_image(factory.small(0), project="blue", properties=product)
    plan = lxdimg.plan.prune(client.images.df(all_projects=True), **PRUNE)

    receipts = plan.apply(client, confirm=True)

    assert states(receipts) == {gone: "done"}
    assert there(server) == kept[:1]
    assert [str(u).rsplit("/", 1)[-1].split("?")[0] for u in server.get("images?project=blue")] == kept[1:]


def test_a_plan_with_nothing_to_do_asks_nobody() -> None:
    plan = lxdimg.plan.prune(inventory(image(0)), expired=True)

    assert plan.apply({}).summary == "nothing was to do"


def test_images_are_copied_where_they_are_missing(start: Callable[[], RunningServer]) -> None:
    one, two = start(), start()
    common, missing = fill(one, 2)
    assert two.add_image(factory.small(1)) == common
    _alias(one, missing)
    with lxdimg.connect(one.url) as first, lxdimg.connect(two.url) as second:
        df = Fleet({"one": first, "two": second}).df()

        plan = lxdimg.plan.copy(df, to=["two"], copy_aliases=True)

        assert [(s.fingerprint, s.server, s.source) for s in plan.actions] == [(missing, "two", "one")]
        with pytest.raises(InvalidRequestError, match="2 servers; give a client for each"):
            plan.apply(first, confirm=True)
        with pytest.raises(InvalidRequestError, match="give a client for it"):
            plan.apply({"one": first}, confirm=True)
        with pytest.raises(InvalidRequestError, match="made for"):
            plan.apply({"one": second, "two": first}, confirm=True)
        receipts = plan.apply({"one": first, "two": second}, confirm=True)
        again = plan.apply({"one": first, "two": second}, confirm=True)

    assert states(receipts) == {missing: "done"}, receipts
    assert there(two) == sorted([common, missing])
    assert two.get("images/aliases/web")["target"] == missing
    assert detail(again, missing) == "already there"


def test_copying_to_a_server_that_is_not_there_is_refused(start: Callable[[], RunningServer]) -> None:
    server = start()
    df = Fleet({"one": server.url, "dead": "unix:///nowhere.socket"}).df()

    for target, says in (("nope", "no server 'nope'"), ("dead", "did not answer")):
        with pytest.raises(InvalidRequestError, match=says):
            lxdimg.plan.copy(df, to=target)


def test_an_instance_is_published(server: RunningServer, client: Client) -> None:
    (base,) = fill(server, 1)
    server.add_instance("c1", base)
    df = client.images.df()
    plan = lxdimg.plan.publish(df, {"c1": "golden"}, properties={"os": "Mine"})

    receipts = plan.apply(client, confirm=True)

    assert receipts["state"].tolist() == ["done"], receipts["detail"].tolist()
    made = server.get("images/aliases/golden")["target"]
    assert made in receipts["detail"].iloc[0]
    assert server.get(f"images/{made}")["properties"]["os"] == "Mine"
    again = plan.apply(client, confirm=True)
    assert again["detail"].tolist() == ["the alias golden was taken meanwhile"]
