"""The parts of `bench_panels` that are measured in a browser."""

from __future__ import annotations

import ast
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lxdimg_nb import demo
from lxdimg_nb.panels.base.assets import bundle
from tests.benchmarks.bare import Book, Page, browser
from tests.benchmarks.measure import Cost, Series, Target, quiet
from tests.kit import daemons, factory, servers
from tests.kit.lab import lab_server
from tests.kit.servers import RunningServer

if TYPE_CHECKING:
    from tests.benchmarks.bench_panels import Bench

__all__ = ["ITABLE_COLUMNS", "run"]

MOST_BYTES = 64 * 1024
MOST_BYTES_AGAIN = 16 * 1024
MOST_SECONDS_SEEN = 0.3
LEAST_MEGABYTES_A_SECOND = 40.0
MOST_MIB = 32.0
# What `lxc image list` shows.
ITABLE_COLUMNS = ("aliases", "fingerprint", "public", "description", "architecture", "type", "size", "uploaded_at")
ROWS = "tbody tr[data-key]"
NONE = float("nan")


def run(bench: Bench, parts: Sequence[str]) -> None:
    """Measure these parts in one browser."""
    wanted = [part for part in (view, upload, change) if part.__name__ in parts]
    if not wanted:
        return
    notebooks, url = lab_server(bench.place)
    with browser(bench.chromium) as page:
        page.open_lab(url)
        for part in wanted:
            part(bench, page, notebooks)


@contextmanager
def _book(page: Page, notebooks: Path, *cells: str) -> Iterator[Book]:
    book = Book(page, notebooks, cells)
    try:
        yield book
    finally:
        book.close()


@contextmanager
def _server(kind: servers.Kind) -> Iterator[RunningServer]:
    folder = Path(tempfile.mkdtemp(prefix=f"lxb-{kind}-", dir="/tmp"))
    try:
        start = {"demo": servers.start_demo, "lxd": servers.start_lxd, "incus": servers.start_incus}[kind]
        server = start(folder)
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _load() -> str:
    return f"load {os.getloadavg()[0]:.1f}"


def _say(title: str, name: str, cost: Cost) -> None:
    print(f"  {title}: {name} {cost.wall:.3f} s {cost.note}", file=sys.stderr)


# Many images


def view(bench: Bench, page: Page, notebooks: Path) -> None:
    """The first view of a server with many images, once more in another view, and the same images in an ITable."""
    count, rounds = bench.sizes.images, bench.sizes.rounds
    with _server("demo") as server:
        demo.fill(server.demo, count)
        prepare = (
            f"import lxdimg_nb, itables.widget, pandas, os\nclient = lxdimg_nb.connect({server.url!r})\n"
            f"df = pandas.DataFrame(client.images.df()).reset_index()[{list(ITABLE_COLUMNS)!r}].astype(str)\n"
            "print(os.getpid())"
        )
        ways = {
            "ITable of a frame": ("itables.widget.ITable(df, select=True, maxBytes=0)", "tbody tr:nth-child(2) td"),
            "panel, the server read as well": ("panel = client.images.panel()\npanel", ROWS),
            "the same panel once more": ("panel", ROWS),
        }
        cells = [prepare, *(code for code, _ in ways.values())]
        first = Series(f"First view of {count:,} images in JupyterLab", rounds)
        steps = Series(f"Seen in the browser, {count:,} images", rounds)
        for number in range(rounds):
            # A kernel of its own each round, so that nothing of the last one is in the way.
            with _book(page, notebooks, *cells) as book:
                kernel = int(book.run(0, seconds=300).split()[-1])
                page.run(_FORGET)
                for at, (name, (code, selector)) in enumerate(ways.items(), 1):
                    quiet(bench.patience)
                    cost = _first_view(page, book, at, code, selector, kernel)
                    first.costs.setdefault(name, []).append(cost)
                    _say(first.title, f"round {number + 1}, {name}", cost)
                for name, costs in _looks(page, book.output(3)).items():
                    steps.costs.setdefault(name, []).extend(costs)
    bench.results.series += [first, steps]
    bench.results.held_to(
        first,
        Target(
            "first view: bytes to the browser, all of them", "panel, the server read as well", "", MOST_BYTES, "wire"
        ),
        Target("once more: bytes to the browser", "the same panel once more", "", MOST_BYTES_AGAIN, "wire"),
        Target("first view, to ITable's", "panel, the server read as well", "ITable of a frame", 1.0),
    )


# As in a page that has not shown a panel yet: it asks for script and style.
_FORGET = """(() => {
  for (const name of Object.getOwnPropertySymbols(globalThis))
    if (String(name.description).startsWith('lxdimg_nb ')) delete globalThis[name];
})()"""


def _first_view(page: Page, book: Book, at: int, code: str, selector: str, kernel: int) -> Cost:
    _forget_peak(kernel)
    held, cpu, load = _held(kernel, "VmRSS"), _processor(kernel), _load()
    page.wire()
    page.expect(f"{book.output(at)}.querySelector({selector!r})")
    begin = time.time()
    book.begin(at)
    wall = page.came(seconds=300) - begin
    wire = page.wire()
    cpu = _processor(kernel) - cpu
    program = sum(map(len, bundle()))
    note = f"{wire['messages']} messages, {load}"
    if "panel()" in code:
        note += f"; {program:,} of the bytes are the panel's script and style, which a page is sent once"
    return Cost(wall, cpu, _held(kernel, "VmHWM") - held, note, wire["received"])


def _looks(page: Page, panel: str) -> dict[str, list[Cost]]:
    """Page, order and search: from the click or the last key to the rows."""
    first = f"{panel}.querySelector({ROWS!r}).dataset.key"
    heading = f"[...{panel}.querySelectorAll('button.lxi-sort')]"

    def look(act: str, test: str) -> Cost:
        load = _load()
        page.wire()
        wall = page.seen(act, test) / 1000
        wire = page.wire()
        return Cost(wall, NONE, NONE, load, wire["received"])

    def other(act: str) -> Cost:
        page.run(f"void (window.__was = {first})")
        return look(act, f"{panel}.querySelector({ROWS!r}) && {first} !== window.__was")

    def typed(query: str, test: str) -> Cost:
        return look(
            f"const box = {panel}.querySelector('.lxi-search'); box.value = {query!r}; "
            "box.dispatchEvent(new Event('input'))",
            test,
        )

    matching = f"{panel}.querySelector('.lxi-footer span').innerText.includes(' of ')"
    return {
        "another page": [other(f"{panel}.querySelector('[aria-label=\"Next page\"]').click()") for _ in range(3)],
        "order by a column": [other(f"{heading}.at({at}).click()") for at in (0, -1)],
        "search, with the 0.12 s that typing is waited for": [
            typed("os=debian", matching),
            typed("", f"!{matching}"),
        ],
    }


# Files of the browser's


def upload(bench: Bench, page: Page, notebooks: Path) -> None:
    """One file, over the comm and through the Jupyter server, in turn; checked, and taken back each time."""
    file = bench.folder / "big.tar.gz"
    fingerprint = factory.big(file, int(bench.sizes.megabytes * 1e6), seed=1)
    size = file.stat().st_size
    with _server("demo") as server:
        show = f"import lxdimg_nb, os\nclient = lxdimg_nb.connect({server.url!r})\nclient.images.panel()"
        with _book(page, notebooks, show, "print((os.getpid(), os.getppid()))") as book:
            book.run(0)
            kernel, jupyter = ast.literal_eval(book.run(1).strip().splitlines()[-1])
            page.until("Boolean(document.querySelector('.lxi-do-upload'))")
            page.run(_WAYS)
            page.run("(document.querySelector('.lxi-do-upload').click(), true)")
            page.run("(document.querySelectorAll('.lxi-ways input')[1].click(), true)")
            peers = {
                way: lambda way=way: _sent(bench, page, way, file, fingerprint, size, (kernel, jupyter))
                for way in ("comm", "server extension")
            }
            series = Series(f"Upload of {size / 1e6:.0f} MB from the browser", bench.sizes.rounds)
            quiet(bench.patience)
            series.run(peers, lambda _: (_taken_back(page, fingerprint), quiet(bench.patience)))
    bench.results.series.append(series)
    bench.results.held_to(
        series,
        Target("upload by comm: s at 40 MB/s", "comm", "", size / 1e6 / LEAST_MEGABYTES_A_SECOND, "seconds"),
        Target("upload by the extension, to the comm's", "server extension", "comm", 1 / 3),
        Target("upload by comm: MiB more in the kernel", "comm", "", MOST_MIB, "memory"),
        Target("upload by the extension: MiB more in the kernel", "server extension", "", MOST_MIB, "memory"),
    )


# With `__comm` the page finds no extension of the Jupyter server. What the other way sends is remembered.
_WAYS = """(() => {
  const fetch = window.fetch;
  window.fetch = (url, ...more) => window.__comm && String(url).includes('/lxdimg/spool/')
    ? Promise.resolve(new Response('', {status: 404})) : fetch(url, ...more);
  const send = XMLHttpRequest.prototype.send;
  window.__bodies = [];
  XMLHttpRequest.prototype.send = function (body) {
    if (body instanceof Blob) window.__bodies.push(body.constructor.name);
    return send.call(this, body);
  };
})()"""
_RECEIVED = "document.querySelector('.lxi-upload [aria-label=Received]')"


def _sent(
    bench: Bench, page: Page, way: str, file: Path, fingerprint: str, size: int, processes: Sequence[int]
) -> Cost:
    """From the click until the kernel says that it has all of it; then checked, which is not part of the time."""
    kernel, jupyter = processes
    page.run(f"void (window.__comm = {'true' if way == 'comm' else 'false'})")
    page.until("Boolean(document.querySelector('[data-name=file-image]'))")
    page.choose("[data-name=file-image]", file)
    for process in processes:
        _forget_peak(process)
    held, cpu = [_held(process, "VmRSS") for process in processes], _processor(kernel) + _processor(jupyter)
    load = _load()
    page.wire()
    click = "document.querySelector('.lxi-upload button[type=submit]').click()"
    test = f"window.__clicked && !{_RECEIVED}"
    page.run("void (window.__clicked = false)")
    wall = page.seen(f"{click}; await __seen(() => {_RECEIVED}); __clicked = true", test, seconds=600) / 1000
    wire, cpu = page.wire(), _processor(kernel) + _processor(jupyter) - cpu
    page.until(f"document.querySelector('.lxi-upload').innerText.includes({fingerprint!r})", seconds=300)
    more = [_held(process, "VmHWM") - before for process, before in zip(processes, held, strict=True)]
    bench.wires[way] = {**wire, "bodies": page.run("window.__bodies.splice(0)")}
    note = f"{size / 1e6 / wall:.0f} MB/s, the Jupyter server {more[1]:.0f} MiB more, {load}, "
    if way == "comm":
        note += f"at most {wire['most']} of {wire['pieces']} pieces at once"
    else:
        note += "in one request"
    return Cost(wall, cpu, more[0], note, wire["received"])


def _taken_back(page: Page, fingerprint: str) -> None:
    page.run("([...document.querySelectorAll('.lxi-upload button')].at(-1).click(), true)")
    page.until(f"!document.querySelector('.lxi-upload').innerText.includes({fingerprint!r})")


# Changes made elsewhere


def change(bench: Bench, page: Page, notebooks: Path) -> None:
    """From a bare request of somebody else's until the browser shows what it did."""
    series = Series("A change made elsewhere until the browser shows it", bench.sizes.changes)
    for kind in bench.kinds:
        if daemons.why_not(kind) is not None:
            continue
        with _server(kind) as server:
            fingerprint = server.add_image(factory.small(1), aliases=["web"])
            show = f"import lxdimg_nb\nclient = lxdimg_nb.connect({server.url!r})\nclient.images.panel()"
            with _book(page, notebooks, show) as book:
                book.run(0)
                page.until("Boolean(document.querySelector('.lxi-live-live'))")
                for name, changed in _changes(server, fingerprint).items():
                    costs = [_seen(page, book.output(0), *changed(i)) for i in range(bench.sizes.changes)]
                    series.costs[f"{kind}: {name}"] = costs
                    _say(series.title, f"{kind}: {name}, last of {len(costs)}", costs[-1])
    bench.results.series.append(series)
    bench.results.held_to(
        series,
        *(Target(f"{name}: s, median", name, "", MOST_SECONDS_SEEN, "seconds") for name in series.costs),
    )


Change = tuple[Callable[[], object], str]


def _changes(server: RunningServer, fingerprint: str) -> dict[str, Callable[[int], Change]]:
    """What to do and what the panel's rows then show, for the n-th change of a kind."""

    def sent(method: str, path: str, document: object = None) -> None:
        reply = server.raw(method, f"/1.0/images{path}", json=document)
        assert reply.status < 300, reply.body[:300]

    def public(n: int) -> Change:
        def act() -> None:
            sent("PATCH", f"/{fingerprint}", {"public": n % 2 == 0})

        return act, f"rows()[0].querySelector('.lxi-n-public').innerText === '{'no' if n % 2 else 'yes'}'"

    def alias(n: int) -> Change:
        if n % 2:
            return lambda: sent("DELETE", f"/aliases/a{n - 1}"), "!text().includes('(+1)')"
        return lambda: sent("POST", "/aliases", {"name": f"a{n}", "target": fingerprint}), "text().includes('(+1)')"

    def image(n: int) -> Change:
        if n % 2:
            return lambda: sent("DELETE", f"/{factory.fingerprint(factory.small(n + 1))}"), "rows().length === 1"
        return lambda: server.add_image(factory.small(n + 2)), "rows().length === 2"

    return {"public switched": public, "alias made or deleted": alias, "image imported or deleted": image}


def _seen(page: Page, panel: str, act: Callable[[], object], test: str) -> Cost:
    """Seconds from just before the request; the changes do not come at an even pace."""
    time.sleep(random.uniform(0.2, 0.6))
    rows = f"const rows = () => [...{panel}.querySelectorAll({ROWS!r})]"
    page.wire()
    page.expect(f"{{ {rows}, text = () => rows().map(row => row.innerText).join(); return {test} }}")
    load, begin = _load(), time.time()
    act()
    written = time.time() - begin
    wall = page.came() - begin
    if wall <= 0:
        raise RuntimeError(f"that was shown before it was done: {test}")
    return Cost(wall, NONE, NONE, f"the request took {written:.3f} s, {load}", page.wire()["received"])


# Processes


def _held(process: int, what: str) -> float:
    """MiB: `VmRSS`, or `VmHWM` for the peak."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith(f"{what}:"):
            return int(line.split()[1]) / 1024
    raise KeyError(what)


def _forget_peak(process: int) -> None:
    Path(f"/proc/{process}/clear_refs").write_text("5")


def _processor(process: int) -> float:
    """Seconds of processor so far."""
    words = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")
