"""What inventories cost: frames of 10 to 100,000 images, a fleet, history and differences.

    python -m tests.benchmarks.bench_inventory [frame] [fleet] [history] [--images 100000] [--rounds 3]

Each way to a frame runs in a process of its own, in turn with the others, so that its memory is its own and
other load meets all alike. Times are CPU seconds of the process unless they say wall.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import json
import os
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.benchmarks.measure import quiet

SYSTEMS = (("Ubuntu", "noble"), ("Ubuntu", "jammy"), ("Debian", "bookworm"), ("Alpine", "3.20"), ("Fedora", "41"))


def images(count: int, seed: int = 1) -> Iterator[dict[str, Any]]:
    """Images as LXD and Incus describe them, about 700 bytes each."""
    rng = random.Random(seed)
    for i in range(count):
        system, release = rng.choice(SYSTEMS)
        serial = f"2026{rng.randrange(1, 12):02d}{rng.randrange(1, 28):02d}"
        source = {
            "alias": release,
            "certificate": "",
            "protocol": "simplestreams",
            "server": "https://images.example.org",
            "image_type": "",
        }
        yield {
            "auto_update": rng.random() < 0.3,
            "properties": {
                "architecture": "amd64",
                "description": f"{system} {release} amd64 ({serial}_{i})",
                "label": "release",
                "name": f"image-{i}",
                "os": system,
                "release": release,
                "serial": serial,
                "type": "squashfs",
                "variant": rng.choice(["default", "cloud"]),
            },
            "public": rng.random() < 0.1,
            "expires_at": "1970-01-01T00:00:00Z",
            "profiles": ["default"],
            "aliases": [{"name": f"{release}/{i}", "description": ""}] if i % 2 else [],
            "architecture": "x86_64",
            "cached": rng.random() < 0.2,
            "filename": f"{release}-{i}.tar.gz",
            "fingerprint": hashlib.sha256(str(i).encode()).hexdigest(),
            "size": rng.randrange(10**6, 10**9),
            **({"update_source": source} if i % 2 else {}),
            "type": "container",
            "created_at": f"2026-{rng.randrange(1, 12):02d}-01T00:00:00Z",
            "last_used_at": "0001-01-01T00:00:00Z",
            "uploaded_at": f"2026-08-{rng.randrange(1, 28):02d}T10:11:12.{rng.randrange(10**9):09d}Z",
            "project": "default",
        }


def document(count: int) -> bytes:
    """The reply to a listing of so many images."""
    envelope = {"type": "sync", "status": "Success", "status_code": 200, "operation": "", "error_code": 0, "error": ""}
    return json.dumps({**envelope, "metadata": list(images(count))}, separators=(",", ":")).encode()


def loads(payload: bytes) -> Any:
    return json.loads(payload)["metadata"]


def normalize(payload: bytes) -> Any:
    import pandas as pd

    return pd.json_normalize(json.loads(payload)["metadata"])


def ours(payload: bytes) -> Any:
    from lxdimg_nb.inventory import frame_from_json

    return frame_from_json(payload)


def records(payload: bytes) -> Any:
    """As `client.images.df()` does it: the records exist, to be checked for completeness, and go as they are read.

    Its peak is that of `json.loads`, where the text and all objects exist together; the frame adds nothing to it.
    """
    from lxdimg_nb.inventory import make_frame
    from lxdimg_nb.values import ImageRecord

    gc.disable()
    try:
        found = [ImageRecord.from_json(row) for row in json.loads(payload)["metadata"]]
        found.reverse()
        return make_frame(found.pop() for _ in range(len(found)))
    finally:
        gc.enable()


def msgspec_records(payload: bytes) -> Any:
    """The same frame with an optional decoder: a fifth quicker for three times the memory, so it has no place."""
    import msgspec

    from lxdimg_nb.inventory import frame_from_json

    gc.disable()
    try:
        return frame_from_json(msgspec.json.decode(payload)["metadata"])
    finally:
        gc.enable()


WAYS: dict[str, Callable[[bytes], Any]] = {
    "json.loads alone": loads,
    "json_normalize (untyped)": normalize,
    "frame of records": records,
    "frame_from_json": ours,
    "msgspec, then our columns": msgspec_records,
}


def one_way(name: str, path: str) -> None:
    """In a process of its own: prints CPU seconds and MiB above what was there before, as JSON."""
    import pandas as pd  # noqa: F401 (its import is not what is measured)

    import lxdimg_nb.inventory

    _ = lxdimg_nb.inventory
    payload = Path(path).read_bytes()
    WAYS[name](document(50))
    _reset_peak()
    before = _rss("VmRSS")
    begin = time.process_time()
    made = WAYS[name](payload)
    seconds = time.process_time() - begin
    print(json.dumps({"seconds": seconds, "mib": (_rss("VmHWM") - before) / 1024, "rows": len(made)}))


def _reset_peak() -> None:
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        print("the peak of memory cannot be reset here", file=sys.stderr)


def _rss(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def bench_frame(count: int, rounds: int) -> None:
    """Every way to a frame, in turn."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "images.json"
        path.write_bytes(document(count))
        print(f"\n{count:,} images, {path.stat().st_size / 2**20:.0f} MiB of JSON; median of {rounds}")
        found: dict[str, list[dict[str, float]]] = {}
        for _ in range(rounds):
            for name in WAYS:
                done = subprocess.run(
                    [sys.executable, "-m", __spec__.name, "--way", name, "--path", str(path)],
                    capture_output=True,
                    text=True,
                    check=False,
                )
                if done.returncode == 0:
                    found.setdefault(name, []).append(json.loads(done.stdout))
    base = statistics.median(r["seconds"] for r in found["json_normalize (untyped)"])
    print(f"{'way':<28}{'µs an image':>14}{'to json_normalize':>20}{'MiB':>8}")
    for name in WAYS:
        if name not in found:
            print(f"{name:<28}{'not installed':>14}")
            continue
        seconds = statistics.median(r["seconds"] for r in found[name])
        mib = statistics.median(r["mib"] for r in found[name])
        print(f"{name:<28}{seconds / count * 1e6:>14.1f}{seconds / base:>20.2f}{mib:>8.0f}")


def bench_fleet(rounds: int, count: int = 100) -> None:
    """Four private LXD daemons (demo servers where there is no LXD) with some images each."""
    from lxdimg_nb import connect
    from lxdimg_nb.inventory import Fleet
    from tests.kit import daemons, factory, servers

    kind = "lxd" if daemons.why_not("lxd") is None else "demo"
    start = servers.start_lxd if kind == "lxd" else servers.start_demo
    with tempfile.TemporaryDirectory(prefix="lxb-", dir="/tmp") as folder:
        running = []
        try:
            for n in range(4):
                place = Path(folder) / str(n)
                place.mkdir()
                running.append(start(place))
            with ThreadPoolExecutor(4) as pool:
                list(pool.map(lambda s: [s.add_image(factory.small(i)) for i in range(count)], running))
            clients = [connect(server.url) for server in running]
            fleet = Fleet(clients)
            ways: dict[str, Callable[[], object]] = {
                "bare requests, one after the other": lambda: [_bare(client) for client in clients],
                "bare requests, four threads": lambda: list(pool.map(_bare, clients)),
                "a frame each, one after the other": lambda: [client.images.df() for client in clients],
                "the fleet": fleet.df,
            }
            with ThreadPoolExecutor(4) as pool:
                found = _quiet_rounds(ways, rounds)
            for client in clients:
                client.close()
        finally:
            for server in running:
                server.remove()
    base = statistics.median(wall for wall, _ in found["a frame each, one after the other"])
    print(f"\nfour {kind} servers with {count} images each, on {os.cpu_count()} cores; median of {rounds}")
    for name, times in found.items():
        wall, cpu = (statistics.median(column) for column in zip(*times, strict=True))
        print(f"{name:<38}{wall * 1000:>7.0f} ms wall  x{wall / base:.2f}{cpu * 1000:>8.1f} ms CPU here")


def _bare(client: Any) -> object:
    return client.transport.request("GET", "/1.0/images", params={"recursion": "1"}).metadata


def _quiet_rounds(ways: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[tuple[float, float]]]:
    """Wall and CPU seconds of each way, in turn; a round begins when the machine is idle, or after 10 s."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for call in ways.values():
        call()
    for _ in range(rounds):
        quiet(10.0)
        for name, call in ways.items():
            begin = time.process_time()
            wall = _wall(call)
            found[name].append((wall, time.process_time() - begin))
    return found


def _wall(call: Callable[[], object]) -> float:
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def _cpu(call: Callable[[], object]) -> float:
    gc.collect()
    begin = time.process_time()
    call()
    return time.process_time() - begin


def bench_history(most: int) -> None:
    """Record, read back and compare inventories of growing size."""
    from lxdimg_nb.inventory import History, diff, frame_from_json

    print(f"\n{'images':>8}{'record':>10}{'at':>10}{'diff':>10}{'history.diff':>14}   µs an image")
    now = datetime(2026, 6, 1, tzinfo=UTC)
    for count in [n for n in (10, 100, 1_000, 10_000, 100_000) if n <= most]:
        rows = list(images(count))
        before = frame_from_json(rows, server="s", taken_at=now)
        changed = [row | {"size": row["size"] + 1} if i % 100 == 0 else row for i, row in enumerate(rows)]
        after = frame_from_json(changed[count // 50 :], server="s", taken_at=now + timedelta(days=1))
        with tempfile.TemporaryDirectory() as folder:
            history = History(folder)
            times = [_cpu(lambda h=history, b=before: h.record(b))]
            history.record(after)
            times += [_cpu(history.at), _cpu(lambda b=before, a=after: diff(b, a)), _cpu(history.diff)]
        print(
            f"{count:>8}" + "".join(f"{t / count * 1e6:>{w}.1f}" for t, w in zip(times, (10, 10, 10, 14), strict=True))
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", default=["frame", "fleet", "history"])
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--way", help=argparse.SUPPRESS)
    parser.add_argument("--path", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.way:
        one_way(given.way, given.path)
        return
    if "frame" in given.what:
        bench_frame(given.images, given.rounds)
    if "fleet" in given.what:
        bench_fleet(max(9, given.rounds))
    if "history" in given.what:
        bench_history(given.images)


if __name__ == "__main__":
    main()
