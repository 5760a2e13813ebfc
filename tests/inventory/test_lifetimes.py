"""Where images are in their lives: a newer build, the end of support, the server's pruning, and all that in words."""

from __future__ import annotations

from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from lxdimg_nb.errors import InvalidRequestError, NotFoundError
from lxdimg_nb.inventory import make_frame
from lxdimg_nb.inventory.frame.frame import Part, fleet_frame
from lxdimg_nb.inventory.questions import end_of_life
from lxdimg_nb.values import ImageRecord
from tests.kit.inventories import NOW, days_ago, fingerprint, image, inventory


def found(df: pd.DataFrame, count: int = 9) -> list[object]:
    """Which of the images 0, 1, 2 … a frame holds."""
    names = {fingerprint(i): i for i in range(count)}
    return [names[f] for f in df.index.get_level_values("fingerprint")]


def test_outdated_follows_the_alias_an_image_came_from() -> None:
    def source(server: str) -> dict[str, str]:
        return {"server": server, "protocol": "simplestreams", "alias": "bookworm"}

    here = inventory(
        image(1, update_source=source("https://up/")),
        image(2, update_source=source("https://up")),
        image(3, update_source=source("https://elsewhere")),
        image(4, update_source=source("https://up"), architecture="aarch64"),
    )
    up = inventory(image(2, names=["bookworm"]), image(0, names=["bookworm"]), server="https://up")

    outdated = here.lxdimg.outdated(up)

    assert found(outdated) == [1]
    assert outdated["newer"].tolist() == [fingerprint(2)]
    assert outdated["reason"].tolist() == ["the alias bookworm it came from is 2 there, 1 here"]
    assert outdated["newer_created_at"].tolist() == [pd.Timestamp(NOW - timedelta(days=11))]


def test_a_catalogue_that_lags_behind_has_nothing_newer() -> None:
    source = {"server": "https://up", "protocol": "simplestreams", "alias": "bookworm"}
    plain = {"os": "Debian", "release": "bookworm"}

    def newer(here: dict[str, Any], there: dict[str, Any]) -> bool:
        up = inventory(image(0, names=["bookworm"], **there), server="https://up")
        return len(inventory(image(1, **here)).lxdimg.outdated(up)) == 1

    new, old = {"properties": plain | {"serial": "2026"}}, {"properties": plain | {"serial": "2025"}}
    for origin in ({}, {"update_source": source}):
        assert newer(old | origin, new)
        assert not newer(new | origin, old)
        assert not newer(new | origin | {"created_at": days_ago(9)}, new | {"created_at": days_ago(9)})
        # Without a serial on both sides the day of the build tells.
        assert not newer({"properties": plain, "created_at": days_ago(1)} | origin, new | {"created_at": days_ago(9)})
        assert newer({"properties": plain, "created_at": days_ago(9)} | origin, new | {"created_at": days_ago(1)})
    undated = {"properties": plain, "created_at": None}
    assert newer(undated | {"update_source": source}, undated)
    assert not newer(undated, undated)


def test_outdated_compares_products_where_there_is_no_source() -> None:
    here = inventory(image(1), image(3), image(5, properties={"os": "Debian"}), image(2, type="virtual-machine"))

    assert found(here.lxdimg.outdated(inventory(image(2)))) == [1]


def test_a_catalogue_may_be_a_remote() -> None:
    class Images:
        def df(self) -> pd.DataFrame:
            return inventory(image(2))

    class Remote:
        images = Images()

    assert found(inventory(image(1)).lxdimg.outdated(Remote())) == [1]
    for wrong in ("ubuntu", pd.DataFrame({"a": [1]})):
        with pytest.raises(InvalidRequestError, match="a catalogue is"):
            inventory(image(1)).lxdimg.outdated(wrong)


def test_eol_keeps_unknown_unknown() -> None:
    releases = [
        ("Ubuntu", "focal"),
        ("ubuntu", "24.04"),
        ("Debian", "bullseye"),
        ("Debian", "Forky"),
        ("Archlinux", "current"),
        ("Rocky", "9.4"),
        ("Alpine Linux", "3.18.2"),
        ("Centos", "9-Stream"),
        ("Plan9", "4"),
        (None, "noble"),
    ]
    df = inventory(
        *(image(i, properties={"release": r} | ({"os": o} if o else {})) for i, (o, r) in enumerate(releases))
    )

    answer = df.lxdimg.eol()

    assert answer["support"].tolist() == [
        "ended",
        "supported",
        "extended",
        "unknown",
        "rolling",
        "supported",
        "ended",
        "supported",
        "unknown",
        "unknown",
    ]
    assert answer["supported_until"].iloc[0] == pd.Timestamp("2025-05-29", tz="UTC")
    assert answer["supported_until"].isna().tolist()[3:5] == [True, True]
    assert answer.attrs["eol_table"] == end_of_life.AS_OF.isoformat()
    assert "support" not in df
    assert inventory().lxdimg.eol()["support"].tolist() == []


def test_the_version_helps_where_the_release_is_no_help() -> None:
    df = inventory(image(0, properties={"os": "ubuntu", "release": "Noble Numbat", "version": "24.04"}))

    assert df.lxdimg.eol()["support"].tolist() == ["supported"]


def test_support_counts_whole_months_and_the_longer_support() -> None:
    assert end_of_life.support("fedora", ["41"], date(2025, 12, 31)).status == "supported"
    assert end_of_life.support("fedora", ["41"], date(2026, 1, 1)).status == "ended"
    assert end_of_life.support("debian", ["12"], date(2026, 7, 11)).until == date(2028, 6, 30)
    assert end_of_life.support("debian", ["12"], date(2026, 7, 12)).status == "extended"
    assert end_of_life.support("debian", ["12"], date(2028, 7, 1)).status == "ended"


def test_every_end_in_the_table_is_a_date_after_its_beginning() -> None:
    for (system, release), dates in end_of_life._SUPPORT.items():
        assert system.isalnum()
        assert release == release.lower()
        assert list(dates) == sorted(dates)
        assert all(date(2015, 1, 1) < day < date(2040, 1, 1) for day in dates)


def test_pruning_follows_the_servers_own_rule() -> None:
    df = inventory(
        image(0, cached=True, uploaded_at=days_ago(40), last_used_at=days_ago(5)),
        image(1, cached=True, uploaded_at=days_ago(9)),
        image(2, uploaded_at=days_ago(400), expires_at=days_ago(300)),
    )

    goes = df.lxdimg.will_be_pruned()

    assert found(goes) == [1, 0]
    assert goes["pruned_at"].tolist() == [pd.Timestamp(NOW + timedelta(days=d)) for d in (1, 5)]
    assert "never used" in goes["reason"].iloc[0]
    assert "not set as far as we know, so 10" in goes["reason"].iloc[0]
    assert found(df.lxdimg.will_be_pruned(within="2d")) == [1]
    assert found(df.lxdimg.will_be_pruned(0)) == []
    assert df.lxdimg.will_be_pruned({"images.remote_cache_expiry": "30"})["pruned_at"].max() == pd.Timestamp(
        NOW + timedelta(days=25)
    )


def test_pruning_wants_to_know_whose_settings_hold() -> None:
    df = fleet_frame([Part(name, [ImageRecord.from_json(image(0, cached=True))]) for name in ("a", "b")])
    info = SimpleNamespace(trusted=False)
    project = SimpleNamespace(info=info, in_project=lambda _: project)
    client: Any = SimpleNamespace(info=info, server_project=project)

    assert len(df.lxdimg.will_be_pruned(3)) == 2
    assert len(df.lxdimg.will_be_pruned({"a": client, "b": client})) == 2
    for wrong, says in (
        (client, "2 servers; give a client for each"),
        ({"a": client}, "b, too"),
        ("10", "settings are"),
    ):
        with pytest.raises(InvalidRequestError, match=says):
            df.lxdimg.will_be_pruned(wrong)


@pytest.mark.parametrize(
    ("fields", "question", "says"),
    [
        ({}, "why it is here", "uploaded, published or copied without a source, 10 days ago"),
        ({"cached": True}, "why it is here", "fetched it on its own"),
        ({"auto_update": True}, "automatic update", "on, without effect: it has no source"),
        ({}, "automatic update", "off, and cannot work"),
        ({"update_source": "S"}, "automatic update", "off; switched on it would follow noble"),
        ({"update_source": "S", "auto_update": True}, "automatic update", "under a new fingerprint"),
        ({"update_source": "direct"}, "automatic update", "no longer update from a plain URL"),
        ({}, "when it goes", "never by itself: the server only prunes images that it cached itself"),
        ({"cached": True}, "when it goes", "at the next daily pruning"),
        ({"cached": True, "last_used_at": days_ago(1)}, "when it goes", "in 9 days"),
        ({}, "expiry", "none is set"),
        ({"expires_at": days_ago(1)}, "expiry", "passed; no server removes or blocks"),
        ({"public": True}, "who can fetch it", "everybody"),
        ({}, "used by", "not known"),
        ({}, "deleting it frees", "up to 100 B"),
        ({"names": ["web", "www"]}, "deleting it breaks", "would vanish: web, www"),
        ({}, "deleting it breaks", "no alias points at it"),
    ],
)
def test_explain_answers(fields: dict[str, Any], question: str, says: str) -> None:
    if isinstance(protocol := fields.get("update_source"), str):
        source = {"server": "https://s", "alias": "noble", "protocol": "direct" if protocol == "direct" else "lxd"}
        fields = fields | {"update_source": source}
    df = inventory(image(0, **fields), image(1))

    answer = df.lxdimg.explain(fingerprint(0)[:12])

    assert says in answer.answers[question]


def test_explain_knows_what_other_projects_hold() -> None:
    df = inventory(image(0, project="blue", names=["web"]), image(0, project="red"), all_projects=True)

    answer = df.lxdimg.explain("web")

    assert answer.answers["deleting it frees"].startswith("nothing: the same 100 B are held by 1 other project (red)")
    assert "image 5feceb66ffc8" in str(answer)
    assert "<table>" in answer._repr_html_()


def test_explain_counts_users() -> None:
    records = [ImageRecord.from_json(image(0))]

    answer = make_frame(records, used_by={fingerprint(0): ["default/c1", "default/c1/snap0"]}).lxdimg.explain(
        fingerprint(0)
    )

    assert answer.answers["used by"] == "default/c1, default/c1/snap0"
    assert "2 users" in answer.answers["deleting it breaks"]


def test_explain_refuses_to_guess() -> None:
    df = inventory(image(0, names=["a"]), image(0, project="red"), all_projects=True)

    with pytest.raises(NotFoundError, match="no image 'nope'"):
        df.lxdimg.explain("nope")
    with pytest.raises(NotFoundError, match="2 images that fit"):
        df.lxdimg.explain(fingerprint(0))
