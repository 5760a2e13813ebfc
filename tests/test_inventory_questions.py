"""`df.lxdimg`: each question finds what it is about, and says why."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from lxdimg_nb.errors import InvalidRequestError, NotFoundError
from lxdimg_nb.inventory import eol, frame
from lxdimg_nb.inventory.frame import Part, fleet_frame
from lxdimg_nb.models import ImageRecord
from tests.inventories import NOW, SERVER, days_ago, fingerprint, image, inventory


def found(df: pd.DataFrame, count: int = 9) -> list[object]:
    """Which of the images 0, 1, 2 … a frame holds."""
    names = {fingerprint(i): i for i in range(count)}
    return [names[f] for f in df.index.get_level_values("fingerprint")]


def test_a_filter_picks_rows_and_knows_the_properties_at_hand() -> None:
    df = inventory(image(0, names=["web"]), image(1, public=True, properties={"os": "Ubuntu", "flavour": "x"}))

    assert found(df.lxdimg.where("os=ubuntu public=yes flavour=x")) == [1]
    assert found(df.lxdimg.where("web,nothing")) == [0]
    assert found(df.lxdimg.where("flavour=")) == [0]
    assert found(df.lxdimg.where("age>9d idle<11d expires=never")) == [0, 1]
    with pytest.raises(InvalidRequestError, match="did you mean 'flavour'"):
        df.lxdimg.where("flavor=x")


def test_a_filter_says_the_same_of_rows_as_of_records() -> None:
    raw = image(
        0,
        names=["a", "bb"],
        public=True,
        cached=True,
        filename="f",
        update_source={"server": "https://s", "protocol": "lxd", "alias": "x"},
    )
    df, record = inventory(raw), ImageRecord.from_json(raw)

    for text in (
        "alias=bb arch=amd64 type=ct cached=yes auto_update=no size=100 filename=f",
        "profiles=default project=default source=https* source.alias=x",
        "uploaded<now created<now used=never serial=0 description= 5feceb",
    ):
        assert len(df.lxdimg.where(text)) == 1, text
        from lxdimg_nb.filters import parse

        assert parse(text).matches(record, NOW), text


def test_a_filter_on_a_column_that_was_dropped_is_told() -> None:
    with pytest.raises(InvalidRequestError, match="no column 'public'"):
        inventory(image())[["size", "alias"]].lxdimg.where("public=yes")


def test_stale_images_are_idle_and_old() -> None:
    df = inventory(
        image(0, uploaded_at=days_ago(100)),
        image(1, uploaded_at=days_ago(100), last_used_at=days_ago(5)),
        image(2, uploaded_at=days_ago(200), last_used_at=days_ago(95)),
        image(3, uploaded_at=None),
    )

    stale = df.lxdimg.stale("90D")

    assert found(stale) == [0, 2]
    assert stale["reason"].tolist() == ["never used, uploaded 3 months ago", "last used 3 months ago"]
    assert found(df.lxdimg.stale(timedelta(days=4))) == [0, 1, 2]
    assert found(df.lxdimg.stale("1y")) == []
    with pytest.raises(InvalidRequestError, match="not a duration"):
        df.lxdimg.stale("soon")


def test_ages_are_counted_from_when_the_frame_was_taken() -> None:
    df = inventory(image(0))

    assert len(df.lxdimg.stale("9d")) == 1
    assert len(df.lxdimg.stale("9d", now=NOW - timedelta(days=5))) == 0


def test_unused_images_need_to_be_known() -> None:
    records = [ImageRecord.from_json(image(i)) for i in range(2)]

    assert found(frame(records, used_by={fingerprint(0): ["default/c1"]}).lxdimg.unused()) == [1]
    with pytest.raises(InvalidRequestError, match="used_by=True"):
        frame(records).lxdimg.unused()


def test_exposed_images_that_were_made_here_may_hold_secrets() -> None:
    source = {"server": "https://s", "protocol": "simplestreams", "alias": "x"}
    df = inventory(image(0, public=True), image(1), image(2, public=True, update_source=source))

    exposed = df.lxdimg.exposed()

    assert found(exposed) == [0, 2]
    assert "may hold secrets" in exposed["reason"].iloc[0]
    assert "copy" in exposed["reason"].iloc[1]


def test_expired_images_are_there_and_the_answer_says_why() -> None:
    df = inventory(image(0, expires_at=days_ago(3)), image(1, expires_at=days_ago(-3)), image(2))

    expired = df.lxdimg.expired()

    assert found(expired) == [0]
    assert expired["reason"].tolist() == ["expired 3 days ago; no server removes it for that"]


def test_duplicates_are_copies_or_builds() -> None:
    df = inventory(
        image(0, project="blue"),
        image(0, project="red"),
        image(1, project="blue"),
        image(2, project="blue", properties={"os": "Debian", "release": "trixie"}),
        image(3, project="blue", properties={}),
        image(4, project="blue", properties={}),
        all_projects=True,
    )

    again = df.lxdimg.duplicates()

    assert found(again[again["kind"] == "copies"]) == [0, 0]
    assert found(again[again["kind"] == "builds"]) == [0, 1]
    assert set(again["reason"]) == {"2 places", "2 builds"}
    assert again[again["kind"] == "builds"]["group"].nunique() == 1
    assert found(df.lxdimg.duplicates(per=["release", "arch"]).query("kind == 'builds'")) == [0, 1]
    assert len(inventory(image(0)).lxdimg.duplicates()) == 0
    assert len(inventory().lxdimg.duplicates()) == 0


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
    assert answer.attrs["eol_table"] == eol.AS_OF.isoformat()
    assert "support" not in df
    assert inventory().lxdimg.eol()["support"].tolist() == []


def test_the_version_helps_where_the_release_is_no_help() -> None:
    df = inventory(image(0, properties={"os": "ubuntu", "release": "Noble Numbat", "version": "24.04"}))

    assert df.lxdimg.eol()["support"].tolist() == ["supported"]


def test_support_counts_whole_months_and_the_longer_support() -> None:
    assert eol.support("fedora", ["41"], date(2025, 12, 31)).status == "supported"
    assert eol.support("fedora", ["41"], date(2026, 1, 1)).status == "ended"
    assert eol.support("debian", ["12"], date(2026, 7, 11)).until == date(2028, 6, 30)
    assert eol.support("debian", ["12"], date(2026, 7, 12)).status == "extended"
    assert eol.support("debian", ["12"], date(2028, 7, 1)).status == "ended"


def test_every_end_in_the_table_is_a_date_after_its_beginning() -> None:
    for (system, release), dates in eol._SUPPORT.items():
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
    client: Any = SimpleNamespace(info=SimpleNamespace(trusted=False))

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
    ("ask", "says"),
    [
        (lambda q: q.stale(90), "90 is not a duration; write '90D'"),
        (lambda q: q.stale("6M"), "may be minutes or months"),
        (lambda q: q.stale("1D", now="2026-06-01"), "now is a datetime"),
        (lambda q: q.summary([]), "a summary is by something"),
        (lambda q: q.plot.uploads("banana"), "no frequency of pandas"),
    ],
)
def test_a_question_that_makes_no_sense_is_one_clear_error(ask: Callable[[Any], object], says: str) -> None:
    with pytest.raises(InvalidRequestError, match=says):
        ask(inventory(image(0)).lxdimg)


def test_summary_counts_bytes_once_a_server() -> None:
    ubuntu = {"os": "Ubuntu", "release": "noble"}
    df = inventory(
        image(0, project="blue", size=100, public=True),
        image(0, project="red", size=100),
        image(1, project="blue", size=10, names=["x"], auto_update=True, uploaded_at=days_ago(1)),
        image(2, project="red", size=1, properties=ubuntu),
        image(3, project="red", size=7, properties={}),
        all_projects=True,
    )

    by_os = df.lxdimg.summary("os")

    assert by_os.index.name == "os"
    assert by_os["images"].to_dict() == {"Debian": 3, "": 1, "Ubuntu": 1}
    assert by_os["bytes"].to_dict() == {"Debian": 110, "": 7, "Ubuntu": 1}
    assert by_os["shared"].sum() == 0
    assert by_os.loc["Debian", ["public", "auto_update", "aliased"]].tolist() == [1, 1, 1]
    assert by_os.loc["Debian", "newest"] == pd.Timestamp(NOW - timedelta(days=1))
    by_project = df.lxdimg.summary("project")
    assert by_project["bytes"].to_dict() == {"blue": 110, "red": 108}
    assert by_project["shared"].to_dict() == {"blue": 100, "red": 100}
    assert by_project.attrs["bytes"] == by_os.attrs["bytes"] == 118
    assert df.lxdimg.summary(["os", "release"]).index.names == ["os", "release"]
    with pytest.raises(InvalidRequestError, match=r"no column 'relaese'; did you mean 'release'\?"):
        df.lxdimg.summary("relaese")


def test_summary_of_nothing_has_the_same_shape() -> None:
    empty, full = inventory().lxdimg.summary("type"), inventory(image(0)).lxdimg.summary("type")

    assert empty.dtypes.to_dict() == full.dtypes.to_dict()
    assert empty.index.names == full.index.names
    assert len(empty) == 0


def test_the_accessor_is_for_inventories_only() -> None:
    with pytest.raises(AttributeError, match="frames of images"):
        pd.DataFrame({"a": [1]}).lxdimg  # noqa: B018


@pytest.mark.parametrize(
    ("fields", "question", "says"),
    [
        ({}, "why it is here", "uploaded, published or copied without a source, 10 days ago"),
        ({"cached": True}, "why it is here", "fetched it on its own"),
        ({"auto_update": True}, "automatic update", "on, but in vain: it has no source"),
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

    answer = frame(records, used_by={fingerprint(0): ["default/c1", "default/c1/snap0"]}).lxdimg.explain(fingerprint(0))

    assert answer.answers["used by"] == "default/c1, default/c1/snap0"
    assert "2 users" in answer.answers["deleting it breaks"]


def test_explain_refuses_to_guess() -> None:
    df = inventory(image(0, names=["a"]), image(0, project="red"), all_projects=True)

    with pytest.raises(NotFoundError, match="no image 'nope'"):
        df.lxdimg.explain("nope")
    with pytest.raises(NotFoundError, match="2 images that fit"):
        df.lxdimg.explain(fingerprint(0))


def test_csv_holds_no_formula_and_no_control(tmp_path: Path) -> None:
    nasty = {
        "description": "=cmd|'/c calc'!A1",
        "note": "+1\x1b[31m\n2",
        "at": " @SUM(1)",
        "minus": "-1",
        "fine": "a=b",
    }
    df = inventory(image(0, properties=nasty, names=["=x"], filename="\u202e=y"))
    path = tmp_path / "images.csv"

    assert df.lxdimg.to_csv(path) is None

    rows = list(csv.DictReader(io.StringIO(path.read_text())))
    assert path.read_text() == df.lxdimg.to_csv()
    assert rows[0]["properties.description"].startswith("'=")
    assert rows[0]["properties.note"] == "'+1 2"
    assert rows[0]["properties.at"].startswith("'")
    assert rows[0]["properties.minus"] == "'-1"
    assert rows[0]["properties.fine"] == "a=b"
    assert rows[0]["alias"] == rows[0]["aliases"] == "'=x"
    assert rows[0]["size"] == "100"
    assert rows[0]["uploaded_at"].startswith("2026-05-22T00:00:00")
    assert not any(value.lstrip()[:1] in tuple("=+-@") for row in rows for value in row.values() if value)


def test_show_is_the_frames_own_look_with_a_title() -> None:
    assert "my images" in str(inventory(image(0)).lxdimg.show(title="my images"))


def test_answers_keep_what_the_frame_knows_of_its_origin() -> None:
    df = inventory(image(0, expires_at=days_ago(3)))

    for answer in (df.lxdimg.expired(), df.lxdimg.where("public=no"), df.lxdimg.eol()):
        assert answer.attrs["server"] == SERVER
        assert datetime.fromisoformat(answer.attrs["taken"]).astimezone(UTC) == NOW
