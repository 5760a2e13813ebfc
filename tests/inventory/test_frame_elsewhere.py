"""A frame goes into other libraries as it is; the cookbook says what to write for those that are not tested here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import narwhals
import pandas as pd
import pyarrow
import pytest
from itables.widget import ITable

from lxdimg_nb.inventory import InventoryFrame
from tests.kit.inventories import days_ago, image, inventory


@pytest.fixture(params=[False, True], ids=["one project", "all projects"])
def frame(request: pytest.FixtureRequest) -> InventoryFrame:
    rows = [
        image(i, names=[f"web-{i}"] if i else [], size=100 + i, public=i == 1, last_used_at=days_ago(i), project="web")
        for i in range(3)
    ]
    return inventory(*rows, all_projects=request.param)


def test_itables_shows_it(frame: InventoryFrame) -> None:
    table: Any = ITable(frame)

    assert "web-1" in str(table._dt_args)


def test_duckdb_finds_it_by_its_name(frame: InventoryFrame) -> None:
    df = frame

    found = duckdb.sql('SELECT "properties.os", count(*), sum(size) FROM df GROUP BY ALL').fetchall()
    aliases = duckdb.sql("SELECT list_extract(aliases, 1) FROM df WHERE public AND last_used_at < now()").fetchall()

    assert len(df) == 3
    assert found == [("Debian", 3, 303)]
    assert aliases == [("web-1",)]


def test_parquet_and_arrow_keep_values_dtypes_and_index(frame: InventoryFrame, tmp_path: Path) -> None:
    frame.to_parquet(tmp_path / "images.parquet")
    back = pd.read_parquet(tmp_path / "images.parquet")

    assert list(back.columns) == list(frame.columns)
    assert back.index.names == frame.index.names
    assert (back["size"] == frame["size"]).all()
    assert isinstance(back["last_used_at"].dtype, pd.DatetimeTZDtype)
    assert back["aliases"].map(list).tolist() == frame["aliases"].tolist()
    assert pyarrow.Table.from_pandas(frame).num_rows == 3


def test_narwhals_reads_it_as_plotly_and_great_tables_do(frame: InventoryFrame) -> None:
    seen: Any = narwhals.from_native(frame, eager_only=True)

    assert seen["size"].sum() == 303
    assert seen.filter(narwhals.col("public"))["alias"].to_list() == ["web-1"]
