"""The frame: the same columns and dtypes whatever a server sends."""

from __future__ import annotations

import hashlib
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lxdimg_nb.inventory import frame_from_json, make_frame
from lxdimg_nb.inventory.frame import schema
from lxdimg_nb.values import ImageRecord, parse_time

DTYPES = {
    "alias": "string",
    "description": "string",
    "architecture": "category",
    "type": "category",
    "project": "category",
    "size": "int64",
    "public": "bool",
    "auto_update": "bool",
    "cached": "bool",
    "created_at": "datetime64[us, UTC]",
    "uploaded_at": "datetime64[us, UTC]",
    "last_used_at": "datetime64[us, UTC]",
    "expires_at": "datetime64[us, UTC]",
    "aliases": "object",
    "profiles": "object",
    "filename": "string",
    "source.server": "category",
    "source.protocol": "category",
    "source.alias": "category",
}
FIELDS = sorted({*schema.KNOWN_FIELDS, "locations"} - {"fingerprint"})


def image(i: int = 0, **fields: Any) -> dict[str, Any]:
    return {"fingerprint": hashlib.sha256(str(i).encode()).hexdigest(), **fields}


def one(**fields: Any) -> pd.Series[Any]:
    return frame_from_json([image(**fields)]).iloc[0]


def fixed(df: pd.DataFrame) -> dict[str, str]:
    return {name: str(dtype) for name, dtype in df.dtypes.items() if not str(name).startswith("properties.")}


@pytest.mark.parametrize("count", [0, 1, 5_001])
def test_columns_and_dtypes_do_not_depend_on_the_number_of_images(count: int) -> None:
    df = frame_from_json([image(i, size=i, properties={"os": "x", "note": "y"}) for i in range(count)])

    assert fixed(df) == DTYPES
    assert list(df.columns)[: len(DTYPES)] == list(DTYPES)
    assert df.index.name == "fingerprint"
    assert str(df.index.dtype) == "string"
    assert len(df) == count
    assert isinstance(df, pd.DataFrame)


def test_every_attribute_has_its_value() -> None:
    df = frame_from_json(
        [
            image(
                aliases=[{"name": "noble/amd64", "description": ""}, {"name": "web"}],
                architecture="aarch64",
                auto_update=True,
                cached=True,
                created_at="2026-01-02T03:04:05.123456789Z",
                expires_at="1970-01-01T00:00:00Z",
                filename="a.tar.xz",
                last_used_at="0001-01-01T00:00:00Z",
                profiles=["default", "gpu"],
                project="blue",
                properties={"description": "Ubuntu", "os": "ubuntu", "requirements.secureboot": "false"},
                public=True,
                size=12,
                type="virtual-machine",
                update_source={"server": "https://s", "protocol": "lxd", "alias": "a", "certificate": "PEM"},
                uploaded_at="2026-01-02T05:04:05+02:00",
            )
        ]
    )

    row = df.iloc[0].to_dict()
    assert row == row | {
        "alias": "web",
        "aliases": ["noble/amd64", "web"],
        "architecture": "aarch64",
        "auto_update": True,
        "cached": True,
        "created_at": pd.Timestamp("2026-01-02T03:04:05.123456", tz="UTC"),
        "description": "Ubuntu",
        "filename": "a.tar.xz",
        "profiles": ["default", "gpu"],
        "project": "blue",
        "public": True,
        "size": 12,
        "source.alias": "a",
        "source.protocol": "lxd",
        "source.server": "https://s",
        "type": "virtual-machine",
        "uploaded_at": pd.Timestamp("2026-01-02T03:04:05", tz="UTC"),
        "properties.os": "ubuntu",
        "properties.requirements.secureboot": "false",
    }
    assert df[["last_used_at", "expires_at"]].isna().all(axis=None)
    assert "PEM" not in df.to_csv()


@pytest.mark.parametrize(
    "never", [None, "", "0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "0001-01-01T00:00:00+00:00", "nonsense", 0, []]
)
def test_every_spelling_of_never_is_nat(never: Any) -> None:
    df = frame_from_json([image(0, expires_at=never), image(1), image(2, expires_at="2026-01-02T03:04:05Z")])

    assert df["expires_at"].isna().tolist() == [True, True, False]


@example(["2026-01-01T00:00:00+01:00Z", "2026-01-01T00:00:00ZZ", "2026-01-01T00:00:00.1234567+Z"])
@given(
    st.lists(
        st.one_of(
            st.datetimes(min_value=datetime(2, 1, 2), max_value=datetime(9999, 12, 30)).flatmap(
                lambda t: st.sampled_from(
                    [
                        t.isoformat() + "Z",
                        t.isoformat() + "+05:30",
                        t.isoformat() + "-11:00",
                        t.isoformat(timespec="microseconds") + "789Z",
                        t.isoformat(timespec="milliseconds") + "Z",
                        t.isoformat(timespec="seconds"),
                        t.isoformat(sep=" ") + "Z",
                    ]
                )
            ),
            st.sampled_from(["nowZ", "todayTT00:00:00Z", "2026-02-30T00:00:00Z", "2026-01-01T24:61:00Z", "NaT", "Z"]),
            st.text(max_size=40),
            st.none(),
        ),
        max_size=6,
    )
)
def test_a_column_of_times_is_what_the_models_read_one_by_one(values: list[Any]) -> None:
    df = frame_from_json([image(i, created_at=value) for i, value in enumerate(values)])

    read = [None if pd.isna(v) else v.to_pydatetime() for v in df["created_at"]]
    assert read == [parse_time(v) for v in values]


odd = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
hostile = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(FIELDS, odd),
        "properties": st.dictionaries(
            st.one_of(st.sampled_from(["os", "a.b", "a b", "", "properties.os", "ключ", "source.server"]), st.text()),
            st.one_of(st.text(max_size=10), st.sampled_from(["x" * 100_000, "\ud800", "\x1b[31m"]), odd),
            max_size=4,
        ),
        "aliases": st.lists(st.one_of(odd, st.fixed_dictionaries({"name": st.text(max_size=9)})), max_size=3),
        "update_source": st.dictionaries(
            st.sampled_from(["server", "alias", "protocol", "certificate", "image_registry"]), odd
        ),
        "a_future_field": odd,
    },
)


@pytest.mark.slow
@settings(max_examples=150, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.lists(hostile, max_size=4), st.booleans())
def test_a_hostile_server_cannot_change_the_shape(images: list[dict[str, Any]], extra: bool) -> None:
    rows = [image(i) | fields for i, fields in enumerate(images)]

    df = frame_from_json(json.dumps(rows).encode(), extra=extra)

    shape = fixed(df)
    assert (shape.pop("extra", None) == "object") is extra
    assert shape == DTYPES
    assert df.index.tolist() == [row["fingerprint"] for row in rows]
    assert df.columns.is_unique
    records = [ImageRecord.from_json(row) for row in json.loads(json.dumps(rows))]
    for record, (_, row) in zip(records, df.iterrows(), strict=True):
        assert (row["public"], row["cached"], row["auto_update"]) == (record.public, record.cached, record.auto_update)
        assert pd.isna(row["created_at"]) is (record.created_at is None)
        assert record.created_at in (None, row["created_at"])
        assert [name for name in row["aliases"] if name] == [a.name for a in record.aliases if a.name]
    repr(df)
    df._repr_html_()


@settings(max_examples=40, deadline=None)
@given(st.lists(hostile, max_size=3))
def test_a_frame_of_records_is_the_frame_of_their_document(images: list[dict[str, Any]]) -> None:
    rows = json.loads(json.dumps([image(i) | fields for i, fields in enumerate(images)]))
    taken = datetime(2026, 1, 1, tzinfo=UTC)

    of_records = make_frame(
        [ImageRecord.from_json(row, project="blue") for row in rows], project="blue", taken_at=taken
    )
    of_document = frame_from_json(json.dumps({"metadata": rows}).encode(), project="blue", taken_at=taken)

    pd.testing.assert_frame_equal(of_records, of_document)
    assert of_records.attrs == of_document.attrs


def test_wrong_types_read_as_empty_never_as_text() -> None:
    row = one(
        size="big",
        public="true",
        architecture=["x86_64"],
        filename=7,
        aliases={"name": "x"},
        profiles="default",
        properties=["os"],
        update_source="https://s",
        type=None,
    )

    assert row["size"] == 0
    assert row["public"] == False  # noqa: E712 (a numpy bool)
    assert row["type"] == "container"
    assert row["aliases"] == row["profiles"] == []
    assert row[["architecture", "filename", "source.server", "alias"]].isna().all()


def test_sizes_beyond_64_bits_are_capped() -> None:
    df = frame_from_json([image(0, size=2**70), image(1, size=5)])

    assert df["size"].tolist() == [2**63 - 1, 5]


def test_keys_that_look_like_columns_stay_apart() -> None:
    df = frame_from_json(
        [
            image(
                **{
                    "properties": {
                        "properties.os": "1",
                        "os": "2",
                        "a.b": "3",
                        "a": "4",
                        "a" + chr(0xD800): "5",
                        "a" + chr(0xDFFF): "6",
                    },
                    "properties.os": "7",
                    "source.server": "8",
                }
            )
        ],
        extra=True,
    )

    row = df.iloc[0]
    assert (row["properties.properties.os"], row["properties.os"], row["properties.a.b"]) == ("1", "2", "3")
    assert row["properties.a"] == "4"
    assert {"5", "6"} <= {str(v) for v in row.filter(like="properties.a").tolist()}
    assert row["source.server"] is pd.NA or pd.isna(row["source.server"])
    assert row["extra"] == {"properties.os": "7", "source.server": "8"}


def test_unknown_fields_are_told_and_kept_on_request_without_certificates() -> None:
    rows = [
        image(0, locations=["n1"], update_source={"certificate": "PEM", "image_registry": "r"}),
        image(1, release_title="24.04 LTS"),
    ]

    plain, full = frame_from_json(rows), frame_from_json(rows, extra=True)

    assert plain.attrs["unknown"] == ["locations", "release_title", "update_source.image_registry"]
    assert "extra" not in plain
    assert full["extra"].tolist() == [
        {"locations": ["n1"], "update_source.image_registry": "r"},
        {"release_title": "24.04 LTS"},
    ]


def test_property_dtypes_depend_on_the_key_alone() -> None:
    few = frame_from_json([image(0, properties={"os": "a", "serial": "1"})])
    many = frame_from_json([image(i, properties={"os": str(i), "serial": "1"}) for i in range(500)])

    for df in (few, many):
        assert (str(df["properties.os"].dtype), str(df["properties.serial"].dtype)) == ("category", "string")
    assert many["properties.os"].cat.categories.is_monotonic_increasing


def test_a_property_that_an_image_lacks_is_na() -> None:
    df = frame_from_json([image(i, properties={"odd": "x"} if i % 2 else {"even": "y"}) for i in range(2_500)])

    assert df["properties.odd"].isna().tolist() == [i % 2 == 0 for i in range(2_500)]
    assert df["properties.even"].dropna().unique().tolist() == ["y"]


@settings(deadline=None)
@given(
    st.lists(st.dictionaries(st.sampled_from(["name", "os", "serial", "pinned"]), st.text("abc"), max_size=4)),
    st.sampled_from(["python", "pyarrow"]),
)
@example([{"name": "one"}, {"name": "two", "pinned": "yes"}, {"name": "three"}], "pyarrow")
def test_every_property_stands_in_the_row_of_its_image(properties: list[dict[str, str]], storage: str) -> None:
    with pd.option_context("mode.string_storage", storage):
        df = frame_from_json([image(i, properties=found) for i, found in enumerate(properties)])

    names = schema.property_columns(df)
    rows = zip(*(df[name] for name in names), strict=True) if names else ((),) * len(df)
    read = [{n.removeprefix("properties."): v for n, v in zip(names, r, strict=True) if not pd.isna(v)} for r in rows]
    assert read == properties


def test_too_many_property_keys_keep_the_commonest_and_say_so() -> None:
    rows = [image(i, properties={"os": "x", **{f"k{i}-{j}": "v" for j in range(40)}}) for i in range(50)]

    with pytest.warns(UserWarning, match="1,001 more property keys"):
        df = frame_from_json(rows)

    assert len(schema.property_columns(df)) == 1_000
    assert df["properties.os"].tolist() == ["x"] * 50


def test_all_projects_are_an_index_of_project_and_fingerprint() -> None:
    rows = [image(0, project="blue"), image(0, project="red"), image(1)]

    df = frame_from_json(rows, all_projects=True)

    assert df.index.names == ["project", "fingerprint"]
    assert df.index.get_level_values("project").tolist() == ["blue", "red", "default"]
    assert df.loc["red"].index.tolist() == [rows[1]["fingerprint"]]
    assert df.reset_index()["project"].nunique() == 3
    assert fixed(df) == {k: v for k, v in DTYPES.items() if k != "project"}
    assert frame_from_json([], all_projects=True).index.names == ["project", "fingerprint"]


def test_a_server_that_sends_no_project_gets_the_one_asked() -> None:
    assert frame_from_json([image()], project="blue")["project"].tolist() == ["blue"]
    assert make_frame([ImageRecord.from_json(image(), project="red")])["project"].tolist() == ["red"]


def test_users_of_images_become_a_column() -> None:
    rows = [ImageRecord.from_json(image(i)) for i in range(2)]

    df = make_frame(rows, used_by={rows[1].fingerprint: ["default/c1"]})

    assert df["used_by"].tolist() == [[], ["default/c1"]]


def test_attrs_say_who_and_when_and_survive_a_file(tmp_path: Path) -> None:
    df = frame_from_json(
        [image()], server="unix:///s", product="lxd", identity="ab", taken_at=datetime(2026, 1, 2, 3, tzinfo=UTC)
    )
    path = tmp_path / "images.parquet"

    df.to_parquet(path)

    assert df.attrs == {
        "server": "unix:///s",
        "project": "default",
        "taken": "2026-01-02T03:00:00.000000Z",
        "product": "lxd",
        "identity": "ab",
        "images": 1,
        "unknown": [],
    }
    back = pd.read_parquet(path)
    assert back.attrs == df.attrs
    assert back["size"].tolist() == df["size"].tolist()
    assert df[df.public].attrs == df.attrs


def test_import_of_the_package_does_not_bring_pandas() -> None:
    import subprocess

    code = "import lxdimg_nb, lxdimg_nb.filters, lxdimg_nb.text.display, sys; print('pandas' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "False"
