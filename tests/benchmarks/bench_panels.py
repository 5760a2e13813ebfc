"""What panels cost: 100,000 images in the list, a change made elsewhere, and files from the browser.

    python -m tests.benchmarks.bench_panels [list] [change] [--images 100000] [--rounds 5]

The list is measured in the kernel, without a browser: bytes to the browser, and milliseconds of processor for a
page, an order, a search and a change; beside it what ITable costs for the same images, where it is installed.
The change is one made in a server by somebody else, until the panel has told its views.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import lxdimg_nb
from lxdimg_nb import demo
from lxdimg_nb.models import ImageRecord
from lxdimg_nb.panels.table import COLUMNS, ImageTable, Row, key_of
from tests import factory
from tests.benchmarks.bench_inventory import images
from tests.frontend import FrontEnd

LARGEST_VIEW = 64 * 1024
LONGEST = 250.0
SEARCHES = (
    "noble", "os=ubuntu", "os=ubuntu release=noble", "public=yes", "size>500MiB", "age>90d", "noble/1*",
    "alias=jammy/*", "used=never", "no such image",
)  # fmt: skip


Times = tuple[float, float]


def spent(step: Callable[[], object]) -> Times:
    """Milliseconds of wall time and of processor for one step."""
    wall, cpu = time.perf_counter(), time.process_time()
    step()
    return (time.perf_counter() - wall) * 1000, (time.process_time() - cpu) * 1000


def look(table: ImageTable, step: Callable[..., object], *given: object) -> Times:
    """What a step on a table costs with the view that follows it."""

    def both() -> None:
        step(*given)
        table.view()

    return spent(both)


def report(name: str, times: list[Times]) -> None:
    """A line: medians and the worst."""
    wall, cpu = ([t[i] for t in times] for i in (0, 1))
    median = statistics.median(cpu)
    verdict = "" if median <= LONGEST else f"  over {LONGEST:.0f} ms"
    print(
        f"  {name:<34} median {median:6.0f} ms cpu, {statistics.median(wall):6.0f} ms wall; "
        f"worst {max(cpu):6.0f} ms cpu  (n={len(times)}){verdict}"
    )


def measure_list(count: int, rounds: int) -> None:
    """A table of so many images, looked at as people do."""
    records = [ImageRecord(raw) for raw in images(count)]
    first, pages, orders, again, searches, changes = (list[Times]() for _ in range(6))
    payload = 0
    changed = Row(key_of(records[7]), ImageRecord({**records[7].raw, "public": True}))
    for _ in range(rounds):
        table = ImageTable()
        rows = [Row(key_of(r), r) for r in records]
        first.append(look(table, table.replace, rows))
        payload = len(json.dumps(table.view()))
        pages += [look(table, table.turn, number) for number in (1, 77, table.pages - 1)]
        for name in COLUMNS:
            orders.append(look(table, table.order, name))
            again.append(look(table, table.order, name))
        searches += [look(table, table.search, query) for query in SEARCHES]
        table.search("")
        changes += [look(table, table.put, changed) for _ in range(3)]
    verdict = "within" if payload <= LARGEST_VIEW else "OVER"
    print(f"{count:,} images in the list; a view is {payload:,} bytes ({verdict} 64 KiB)")
    report("rows taken and first view", first)
    report("another page", pages)
    report("order by a column, first time", orders)
    report("the same, turned round", again)
    report("search", searches)
    report("a change made elsewhere", changes)
    _itable(records)


def _itable(records: list[ImageRecord]) -> None:
    if importlib.util.find_spec("itables") is None:
        print("  ITable is not installed here, so there is nothing to compare with (pip install itables)")
        return
    import itables  # type: ignore[import-not-found,unused-ignore]

    from lxdimg_nb.inventory import frame

    table = frame(records)[["aliases", "description", "architecture", "size", "public", "type"]].astype(str)
    made: list[Any] = []
    wall, cpu = spent(lambda: made.append(itables.to_html_datatable(table, maxBytes=0)))
    print(f"  ITable, six columns: {cpu:.0f} ms cpu, {wall:.0f} ms wall, {len(made[0]):,} bytes to the browser")


def measure_change(rounds: int) -> None:
    """From a write in the server to the panel's message to its views."""
    with demo.start() as server, lxdimg_nb.connect(server.url) as mine, lxdimg_nb.connect(server.url) as theirs:
        image = theirs.images.create(factory.small(1), wait=True)
        panel = mine.images.panel()
        view = FrontEnd(panel).begin()
        assert view.sees(lambda p: p["header"]["live"] == "live")
        view.say("open", key=view.parts["list"]["rows"][0]["key"])
        view.settle()
        times = []
        for i in range(rounds * 4):
            begin = time.perf_counter()
            image.public = i % 2 == 0
            image.save()
            assert view.sees(lambda p: p["detail"]["public"]["on"] is image.public)
            times.append((time.perf_counter() - begin) * 1000)
        panel.close()
    print(f"a change made elsewhere is told to the views in {statistics.median(times):.0f} ms (median of {len(times)}, "
          f"worst {max(times):.0f} ms), the write itself included")  # fmt: skip


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", help="list, change; both without")
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    wanted = given.what or ["list", "change"]
    if "list" in wanted:
        measure_list(given.images, given.rounds)
    if "change" in wanted:
        measure_change(given.rounds)


if __name__ == "__main__":
    main()
