"""`df.lxdimg`: each question finds what it is about, and says why."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.inventory import make_frame
from lxdimg_nb.values import ImageRecord
from tests.kit.inventories import NOW, SERVER, days_ago, fingerprint, image, inventory


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

    assert found(make_frame(records, used_by={fingerprint(0): ["default/c1"]}).lxdimg.unused()) == [1]
    with pytest.raises(InvalidRequestError, match="used_by=True"):
        make_frame(records).lxdimg.unused()


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


@pytest.mark.parametrize("path", ["/dev/full", "nowhere/x.csv", "", "a\0b", "~no-such-user/x"])
def test_csv_that_cannot_be_written_is_said(path: str) -> None:
    with pytest.raises(InvalidRequestError):
        inventory(image(0)).lxdimg.to_csv(path)


def test_csv_holds_no_formula_and_no_control(tmp_path: Path) -> None:
    nasty = {
        "description": "=cmd|'/c calc'!A1",
        "note": "+1\x1b[31m\n2",
        "at": " @SUM(1)",
        "minus": "-1",
        "next": "a; =1+1;-2",
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
    # Opened where the semicolon separates.
    assert rows[0]["properties.next"] == "a; '=1+1;'-2"
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
