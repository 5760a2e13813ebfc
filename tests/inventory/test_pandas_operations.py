"""Frames of images in the hands of pandas: they stay inventories, or say in one line what they lack."""

from __future__ import annotations

import copy
import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import lxdimg_nb as lxdimg
from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.inventory import InventoryFrame, diff, make_frame
from lxdimg_nb.inventory.history.difference import Changes
from lxdimg_nb.inventory.plans.receipts import Receipts
from lxdimg_nb.magics.show.frames import Listing
from lxdimg_nb.text.styled_frame import StyledFrame
from lxdimg_nb.values import ImageRecord
from tests.kit.inventories import NOW, SERVER, days_ago, fingerprint, image, inventory


def made() -> InventoryFrame:
    images = [
        image(
            i, names=[f"a{i}", f"alias{i}"], uploaded_at=days_ago(100 + i), created_at=days_ago(100 + i), public=i == 0
        )
        for i in range(4)
    ]
    records = [ImageRecord.from_json(raw) for raw in images]
    return make_frame(records, server=SERVER, taken_at=NOW, used_by={fingerprint(1): ["default/c1"]})


def test_what_is_derived_stays_a_frame_and_copies_and_pickles() -> None:
    df = inventory(*(image(i, size=i) for i in range(3)))

    assert isinstance(df[df["size"] > 1], InventoryFrame)
    assert df.groupby("architecture", observed=True)["size"].sum().to_dict() == {"x86_64": 3}
    for again in (copy.deepcopy(df), pickle.loads(pickle.dumps(df))):  # noqa: S301
        pd.testing.assert_frame_equal(again, df)
        assert again.attrs == df.attrs
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(pd.concat([df, df])) == 6
        assert df.describe().loc["max", "size"] == 2


def through_parquet(df: pd.DataFrame, folder: Path) -> pd.DataFrame:
    df.to_parquet(folder / "df.parquet")
    return pd.read_parquet(folder / "df.parquet")


OPERATIONS: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "filter": lambda df: df[df["size"] > 0],
    "sort": lambda df: df.sort_values("uploaded_at"),
    "copy": lambda df: df.copy(),
    "assign": lambda df: df.assign(own=1),
    "concat": lambda df: pd.concat([df.iloc[:2], df.iloc[2:]]),
    "reset and set": lambda df: df.reset_index().set_index("fingerprint"),
    "join": lambda df: df.join(pd.Series(range(4), index=df.index, name="own")),
    "merge": lambda df: (
        df.reset_index().merge(pd.DataFrame({"alias": ["a1"], "team": ["x"]}), how="left").set_index("fingerprint")
    ),
    "pickle": lambda df: pickle.loads(pickle.dumps(df)),  # noqa: S301 (our own)
}


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_what_pandas_derives_knows_where_it_is_from(operation: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    df = made()

    derived = operation(df)

    assert isinstance(derived, InventoryFrame)
    assert {**derived.attrs} == {**df.attrs}
    assert derived.lxdimg.stale("90D").shape[0] == 4
    plan = lxdimg.plan.prune(derived, older_than="102D", keep=["public"])
    assert sorted(step.fingerprint for step in plan.actions) == sorted(map(fingerprint, (2, 3)))
    assert SERVER in plan.summary


def test_a_parquet_file_of_a_frame_answers_as_the_frame_does(tmp_path: Path) -> None:
    df = made()

    stored = through_parquet(df, tmp_path)

    assert stored.attrs == df.attrs
    assert stored.lxdimg.unused().index.tolist() == df.lxdimg.unused().index.tolist()
    assert stored.lxdimg.to_csv() == df.lxdimg.to_csv()
    assert stored.lxdimg.summary("aliases").equals(df.lxdimg.summary("aliases"))
    assert str(stored.lxdimg.show()) == str(df.lxdimg.show())
    assert diff(stored, df).empty
    assert diff(stored, df.iloc[:1])["before"].dropna().tolist() == diff(df, df.iloc[:1])["before"].dropna().tolist()
    steps = lxdimg.plan.prune(df, older_than="1D").steps
    assert lxdimg.plan.prune(stored, older_than="1D").steps == steps


QUESTIONS: dict[str, Callable[[pd.DataFrame], Any]] = {
    "stale": lambda df: df.lxdimg.stale("90D"),
    "exposed": lambda df: df.lxdimg.exposed(),
    "expired": lambda df: df.lxdimg.expired(),
    "summary": lambda df: df.lxdimg.summary("alias"),
    "drift": lambda df: df.lxdimg.drift(),
    "where": lambda df: df.lxdimg.where("age>1d"),
    "uploads": lambda df: df.lxdimg.plot.uploads(),
    "ages": lambda df: df.lxdimg.plot.ages(),
    "usage": lambda df: df.lxdimg.plot.usage("alias"),
    "prune": lambda df: lxdimg.plan.prune(df, keep_last=1),
}


@pytest.mark.parametrize("ask", QUESTIONS.values(), ids=QUESTIONS)
def test_a_column_that_is_missing_is_named(ask: Callable[[pd.DataFrame], Any]) -> None:
    with pytest.raises(InvalidRequestError, match=r"has no column '[a-z_.]+'; take the whole frame"):
        ask(made()[["alias", "size"]])


def test_times_that_are_none_are_told() -> None:
    df = made()

    for spoiled in (df.assign(uploaded_at=df["uploaded_at"].astype(str)), df.astype({"uploaded_at": object})):
        for ask in ("stale", "where", "prune", "ages"):
            with pytest.raises(InvalidRequestError, match=r"'uploaded_at' holds .*, not times in UTC"):
                QUESTIONS[ask](spoiled)


def test_without_its_index_it_says_how_to_get_it_back() -> None:
    with pytest.raises(AttributeError, match=r"df\.set_index\('fingerprint'\)"):
        made().reset_index().lxdimg  # noqa: B018
    with pytest.raises(InvalidRequestError, match="fingerprints as index"):
        lxdimg.plan.set(made().reset_index(), public=True)


def test_an_image_that_is_there_twice_is_not_planned_for() -> None:
    df = made()

    with pytest.raises(InvalidRequestError, match="is in the frame twice"):
        lxdimg.plan.prune(pd.concat([df, df]), keep_last=1)
    both = inventory(image(0, project="a"), image(0, project="b"), all_projects=True)
    assert len(lxdimg.plan.set(both.reset_index("project"), public=True)) == 2


def test_text_stays_defused_when_the_index_is_gone_and_in_columns_and_rows() -> None:
    df = inventory(image(0, properties={"description": "\x1b]0;gotcha\x07plain \u202egnp.exe"}))
    column = df["description"]

    assert column.str.len().tolist() == [len(column.iloc[0])]
    for shown in (
        repr(df.reset_index()[["description"]]),
        df.reset_index()._repr_html_(),
        repr(column),
        repr(column.copy().head()),
        repr(df.iloc[0]),
        repr(df.loc[fingerprint(0)]),
        str(pickle.loads(pickle.dumps(column))),  # noqa: S301
    ):
        assert "plain" in shown
        assert not {"\x1b", "\x07", "\u202e"} & set(shown)


@pytest.mark.parametrize("kind", [InventoryFrame, StyledFrame, Changes, Receipts, Listing])
def test_frames_with_looks_stay_themselves_without_a_warning(kind: type[pd.DataFrame]) -> None:
    frame = kind({"a": [1, 2], "b": ["x", "y"]})

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        derived = [frame[frame["a"] > 1], frame.copy(), frame.sort_values("b"), frame.set_index("a"), frame[["b"]]]

    assert {type(one) for one in derived} == {kind}
