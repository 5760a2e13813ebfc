"""The benchmark of panels runs, at sizes that say nothing of speed; and what it counts holds on any machine."""

from __future__ import annotations

import json

import pytest

from lxdimg_nb import connect
from lxdimg_nb import demo as demo_server
from lxdimg_nb.panels.base import assets
from lxdimg_nb.panels.upload.file_receiver import PIECE, WINDOW
from tests.benchmarks import bench_panels
from tests.benchmarks.bench_panels import MOST_BYTES, PARTS, Bench, Sizes
from tests.benchmarks.measure import processor_times
from tests.benchmarks.panels_in_browser import MOST_BYTES_AGAIN
from tests.kit import factory
from tests.kit.frontend import FrontEnd
from tests.kit.lab import PLACE

PIECES = 6


@pytest.mark.long
def test_the_benchmark_of_panels_measures_every_part_beside_its_peers(chromium, tmp_path):
    begin = processor_times()
    megabytes = PIECES * PIECE / 1e6
    sizes = Sizes(images=600, megabytes=megabytes - 0.1, changes=2, rounds=1)
    bench = Bench(sizes, tmp_path, chromium, PLACE, kinds=("demo",))

    bench_panels.run(bench, PARTS)
    text, data = bench_panels.report(bench, begin)

    rows = {row["peer"]: row for series in json.loads(json.dumps(data))["series"] for row in series["rows"]}
    assert {"ITable of a frame", "comm", "server extension", "demo: public switched", "search"} < set(rows)
    assert all(row["wall_s"] >= 0 for row in rows.values())
    assert all(f"| {peer} |" in text for peer in rows)
    assert all(target["title"] in text for target in data["targets"])
    # What holds whatever the machine does.
    assert rows["panel, the server read as well"]["wire_bytes"] < MOST_BYTES
    assert rows["the same panel once more"]["wire_bytes"] < MOST_BYTES_AGAIN
    assert rows["demo: public switched"]["wire_bytes"] < MOST_BYTES
    comm, extension = bench.wires["comm"], bench.wires["server extension"]
    # How much is on the way follows the line, up to four pieces of 4 MiB.
    assert comm["sent"] > 1e6 * sizes.megabytes
    assert comm["most"] <= 2 * WINDOW
    assert comm["largest"] < PIECE + 4096
    assert (extension["pieces"], extension["bodies"]) == (0, ["File"])  # a part of one is read half as quickly
    assert extension["sent"] < 64 * 1024


def test_all_that_a_view_of_many_images_is_told_at_first_is_small():
    with demo_server.start(inventory=False) as server, connect(server.url) as client:
        demo_server.fill(server, 5_000)
        panel = client.images.panel()
        view = FrontEnd(panel)

        view.begin()
        view.settle()

        assert view.parts["list"]["total"] == 5_000
        # With the script and the style, which travel with the first panel of a page.
        assert len(json.dumps(view.told)) + sum(len(part) for part in assets.bundle()) < MOST_BYTES
        panel.close()


def test_a_change_made_elsewhere_is_told_once(demo):
    fingerprint = demo.add_image(factory.small(1))
    with connect(demo.url) as client:
        panel = client.images.panel()
        view = FrontEnd(panel).begin()
        assert view.sees(lambda p: p["header"]["live"] == "live")
        view.settle()
        view.told.clear()

        demo.raw("PATCH", f"/1.0/images/{fingerprint}", json={"public": True})

        column = view.parts["list"]["columns"].index("public")
        assert view.sees(lambda p: p["list"]["rows"][0]["cells"][column] == "yes")
        view.settle()
        assert len([told for told in view.told if told["type"] == "parts" and "list" in told["parts"]]) == 1
        assert len(json.dumps(view.told)) < 8 * 1024
        panel.close()
