"""Where the servers of a fleet differ."""

from __future__ import annotations

import matplotlib
import pytest
from matplotlib import pyplot

from lxdimg_nb.errors import InvalidRequestError
from lxdimg_nb.inventory import Fleet
from lxdimg_nb.inventory.frame.frame import Part, fleet_frame
from lxdimg_nb.values import ImageRecord
from tests.kit.inventories import Canned, image, inventory


def test_drift_of_aliases_and_images() -> None:
    fleet = Fleet(
        {
            "a": Canned(image(1, names=["web", "same"]), image(2, names=["only"])),
            "b": Canned(image(1, names=["same"]), image(3, names=["web"])),
            "empty": Canned(),
            "dead": "unix:///nowhere.socket",
        }
    )
    fleet.df()

    aliases, images = fleet.drift(), fleet.drift(by="image")

    one, two, three = (image(i)["fingerprint"] for i in (1, 2, 3))
    assert aliases.columns.tolist() == ["a", "b", "empty", "state"]
    assert aliases.loc["web", ["a", "b"]].tolist() == [one, three]
    assert aliases["empty"].isna().all()
    assert aliases["state"].to_dict() == {"only": "missing", "same": "missing", "web": "differs"}
    assert images.loc[one, ["a", "b", "empty"]].tolist() == [True, True, False]
    assert images.loc[two, ["a", "b"]].tolist() == [True, False]
    assert set(images["state"]) == {"missing"}
    assert aliases.attrs["unanswered"] == ["dead"]
    with pytest.raises(InvalidRequestError, match="'alias' or by 'image'"):
        fleet.drift(by="size")


def test_drift_compares_projects_of_one_name() -> None:
    rows = {
        "a": [image(1, names=["web"], project="blue"), image(2, names=["web"], project="red")],
        "b": [image(1, names=["web"], project="blue"), image(3, names=["web"], project="red")],
    }
    parts = [Part(name, [ImageRecord.from_json(raw) for raw in raws]) for name, raws in rows.items()]
    df = fleet_frame(parts, attrs={"servers": {"a": {}, "b": {}}, "unanswered": []})

    aliases, images = df.lxdimg.drift(), df.lxdimg.drift(by="image")
    matplotlib.use("Agg")

    assert aliases.columns.tolist() == ["a", "b", "state"]
    assert aliases["state"].to_dict() == {("blue", "web"): "same", ("red", "web"): "differs"}
    assert images.index.names == ["project", "fingerprint"]
    assert images["state"].value_counts().to_dict() == {"missing": 2, "same": 1, "differs": 0}
    labels = [text.get_text() for text in df.lxdimg.plot.drift().get_yticklabels()]
    assert labels == ["red: web", "blue: web"]
    pyplot.close("all")


def test_drift_between_projects_and_when_all_is_the_same() -> None:
    df = inventory(image(1, names=["web"], project="blue"), image(1, names=["web"], project="red"), all_projects=True)

    assert df.lxdimg.drift().columns.tolist() == ["blue", "red", "state"]
    assert df.lxdimg.drift()["state"].tolist() == ["same"]
    assert df.lxdimg.drift(by="image")["state"].tolist() == ["same"]
    assert len(inventory().lxdimg.drift()) == 0
