"""What panels cost: 100,000 images beside ITable, files from the browser, and changes made elsewhere.

    python -m tests.benchmarks.bench_panels [list] [view] [upload] [change] [--quick] [--rounds 3]

`list` is the kernel's part alone. The others are measured in a JupyterLab of its own, in a headless Chromium that
is spoken to over the bare DevTools protocol: `view` is the first view of many images, and a page, an order and a
search; `upload` sends a file over the comm and through our extension of the Jupyter server, in turn; `change` is a
change that somebody else makes in a server until the browser shows it, on every server that can be had here.
Where the machine is not idle, the ratios count; the load stands beside each number.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lxdimg_nb.panels.image.image_row import Row
from lxdimg_nb.panels.images.table import ImageTable
from lxdimg_nb.panels.images.table_columns import COLUMNS
from lxdimg_nb.values import ImageRecord
from tests.benchmarks import panels_in_browser
from tests.benchmarks.bench_inventory import images
from tests.benchmarks.measure import Cost, Results, Series, Target, machine, processor_times, tell
from tests.kit import servers

PARTS = ("list", "view", "upload", "change")
MOST_BYTES = 64 * 1024
MOST_SECONDS = 0.25
SEARCHES = (
    "noble", "os=ubuntu", "os=ubuntu release=noble", "public=yes", "size>500MiB", "age>90d", "noble/1*",
    "alias=jammy/*", "used=never", "no such image",
)  # fmt: skip


@dataclass
class Sizes:
    """How much of everything."""

    images: int = 100_000
    megabytes: float = 500.0
    changes: int = 30
    rounds: int = 3


@dataclass
class Bench:
    """One run.

    Attributes:
        folder: for the file that is sent.
        chromium: the browser's path.
        place: where the files of JupyterLab and what browsers send lie in a folder of their own.
        kinds: the servers in which changes are made, as far as they can be had.
        patience: so many seconds at most an upload or a first view waits for the machine to be idle.
        wires: what the page's websockets carried in the last upload of each kind.
    """

    sizes: Sizes
    folder: Path
    chromium: str
    place: str
    kinds: tuple[servers.Kind, ...] = ("demo", "lxd", "incus")
    patience: float = 0.0
    wires: dict[str, dict[str, Any]] = field(default_factory=dict)
    results: Results = field(default_factory=Results)


def spent(step: Callable[[], object]) -> Cost:
    """What a step costs this process."""
    wall, cpu = time.perf_counter(), time.process_time()
    step()
    return Cost(time.perf_counter() - wall, time.process_time() - cpu, float("nan"))


def look(table: ImageTable, step: Callable[..., object], *given: object) -> Cost:
    """What a step on a table costs, with the view that follows it."""
    views: list[Any] = []

    def both() -> None:
        step(*given)
        views.append(table.view())

    cost = spent(both)
    return Cost(cost.wall, cost.cpu, cost.memory, cost.note, len(json.dumps(views[0])))


def kernel_part(bench: Bench) -> None:
    """A table of so many images, looked at as people do."""
    records = [ImageRecord(raw) for raw in images(bench.sizes.images)]
    changed = Row.of(ImageRecord({**records[7].raw, "public": not records[7].raw["public"]}))
    steps = Series(f"{len(records):,} images in the kernel, without a browser", bench.sizes.rounds)
    document = _itable(records)

    def noted(name: str, costs: list[Cost]) -> None:
        steps.costs.setdefault(name, []).extend(costs)

    for _ in range(bench.sizes.rounds):
        noted("ITable: the document", [document()])
        table = ImageTable()
        rows = [Row.of(r) for r in records]
        noted("first view", [look(table, table.replace, rows)])
        noted("another page", [look(table, table.turn, number) for number in (1, 77, table.pages - 1)])
        for name in COLUMNS:
            noted("order by a column, first time", [look(table, table.order, name)])
            noted("the same, turned round", [look(table, table.order, name)])
        noted("search", [look(table, table.search, query) for query in SEARCHES])
        table.search("")
        noted("a change made elsewhere", [look(table, table.put, changed) for _ in range(3)])
    bench.results.series.append(steps)
    bench.results.held_to(
        steps,
        Target("bytes of a view", "first view", "", MOST_BYTES, "wire"),
        *(
            Target(f"{name}: s of processor, median", name, "", MOST_SECONDS, "processor")
            for name in ("another page", "order by a column, first time", "the same, turned round", "search")
        ),
    )


def _itable(records: Sequence[ImageRecord]) -> Callable[[], Cost]:
    import itables  # type: ignore[import-not-found,unused-ignore]
    import pandas as pd

    from lxdimg_nb.inventory import make_frame

    table = pd.DataFrame(make_frame(records)).reset_index()[list(panels_in_browser.ITABLE_COLUMNS)].astype(str)

    def document() -> Cost:
        made: list[str] = []
        cost = spent(lambda: made.append(itables.to_html_datatable(table, maxBytes=0)))
        return Cost(cost.wall, cost.cpu, cost.memory, "in one document", len(made[0]))

    return document


def run(bench: Bench, parts: Sequence[str]) -> None:
    """Measure these parts."""
    if "list" in parts:
        kernel_part(bench)
    panels_in_browser.run(bench, parts)


def report(bench: Bench, begin: Sequence[int]) -> tuple[str, dict[str, Any]]:
    """What was measured, as Markdown and as JSON."""
    return bench.results.report(
        "What panels cost",
        machine(begin, **vars(bench.sizes)),
        "Ratios are medians over the rounds, each to the first peer's in the same round; of the medians where one peer",
        "was asked more often. Memory is the kernel's peak beyond what it held before. Targets are meant for 100,000",
        "images and 500 MB on a quiet machine.",
    )


def main() -> None:
    """Run what was asked for and print the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="part", help=f"of {', '.join(PARTS)}; all without")
    parser.add_argument("--quick", action="store_true", help="smaller and fewer; under three minutes")
    parser.add_argument("--rounds", type=int, default=0)
    parser.add_argument("--images", type=int, default=0)
    parser.add_argument("--megabytes", type=float, default=0, help="of the file that is sent")
    parser.add_argument("--changes", type=int, default=0, help="of each kind, in each server")
    parser.add_argument("--patience", type=float, help="seconds to wait for an idle machine before each, at most")
    parser.add_argument("--json", type=Path, help="write the results there, too")
    parser.add_argument("--markdown", type=Path, help="write the report there, too")
    options = parser.parse_args()
    unknown = set(options.parts) - set(PARTS)
    if unknown:
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        parser.error("this needs a Chromium (as root on Debian, tests/run installs it)")
    usual = Sizes(images=30_000, megabytes=100.0, changes=6, rounds=2) if options.quick else Sizes()
    sizes = Sizes(**{name: getattr(options, name) or value for name, value in vars(usual).items()})
    folder = Path(tempfile.mkdtemp(prefix="lxb-", dir="/dev/shm" if Path("/dev/shm").is_dir() else "/tmp"))
    begin = processor_times()
    patience = (2.0 if options.quick else 10.0) if options.patience is None else options.patience
    bench = Bench(sizes, folder, chromium, str(folder.parent), patience=patience)
    try:
        run(bench, options.parts or PARTS)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    tell(*report(bench, begin), options.markdown, options.json)


if __name__ == "__main__":
    main()
