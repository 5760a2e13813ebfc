"""Measuring programs and calls in turn: wall time, processor time, memory; ratios, and how noisy the machine was."""

from __future__ import annotations

import datetime
import json
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = [
    "Cost",
    "Results",
    "Series",
    "Target",
    "Worker",
    "idle_share",
    "machine",
    "processor_times",
    "program",
    "tell",
]

MIB = 1024 * 1024


@dataclass(frozen=True)
class Cost:
    """What one round cost: seconds, of processor, MiB beyond what was held before, a note, bytes to the browser."""

    wall: float
    cpu: float
    memory: float
    note: str = ""
    wire: int | None = None

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.wall + other.wall, self.cpu + other.cpu, max(self.memory, other.memory), self.note or other.note
        )


def program(*argv: str, environment: Mapping[str, str] | None = None, output: Any = subprocess.DEVNULL) -> Cost:
    """Run a program to its end. Its memory is not told: the kernel counts that of the process that started it, too."""
    begin = time.perf_counter()
    process = subprocess.Popen(argv, stdout=output, env=None if environment is None else {**os.environ, **environment})
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{argv[0]} ended with {process.returncode}")
    return Cost(wall, usage.ru_utime + usage.ru_stime, float("nan"))


class Worker:
    """A Python process of its own that makes calls of tests.benchmarks.calls, so that each peer's memory is its own."""

    def __init__(self, peer: str, **settings: Any) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "tests.benchmarks.calls", peer, json.dumps(settings)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __call__(self, name: str, **arguments: Any) -> Cost:
        """What one call cost in that process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps({"call": name, "arguments": arguments}) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline() or '{"error": "the process died"}')
        if "error" in answer:
            raise RuntimeError(f"{name}: {answer['error']}")
        return Cost(**answer)

    def close(self) -> None:
        """End the process."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait(30)


@dataclass
class Target:
    """A number to be reached: `of` against `base`, as a ratio of wall time, or one of `of` alone.

    Attributes:
        what: `wall` is the ratio; `seconds` and `processor` are medians, `memory` is the most MiB, `wire` the most
            bytes.
    """

    title: str
    of: str
    base: str
    most: float
    what: str = "wall"


@dataclass
class Series:
    """Peers that do the same, in turn, round after round; the first is what ratios are against."""

    title: str
    rounds: int
    costs: dict[str, list[Cost]] = field(default_factory=dict)

    def run(self, peers: Mapping[str, Callable[[], Cost]], after: Callable[[str], object] = lambda _: None) -> Series:
        """Measure; `after` cleans up, unmeasured, when a peer is done."""
        for i in range(self.rounds):
            for name, call in peers.items():
                cost = call()
                self.costs.setdefault(name, []).append(cost)
                after(name)
                print(f"  {self.title}, round {i + 1}: {name} {cost.wall:.3f} s {cost.note}", file=sys.stderr)
        return self

    @property
    def base(self) -> str:
        """The peer that ratios are against."""
        return next(iter(self.costs))

    def ratio(self, of: str, base: str, what: str = "wall") -> float:
        """The median over the rounds of one peer's cost to another's in the same round.

        Where one was asked more often than the other in a round it is the ratio of their medians.
        """
        ours, theirs = ([getattr(cost, what) for cost in self.costs[name]] for name in (of, base))
        if len(ours) != len(theirs):
            return statistics.median(ours) / statistics.median(theirs)
        return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))

    def reached(self, target: Target) -> float:
        """The target's number as it was measured."""
        costs = self.costs[target.of]
        if target.what == "memory":
            return max(cost.memory for cost in costs)
        if target.what == "wire":
            return max(cost.wire or 0 for cost in costs)
        if target.what == "seconds":
            return statistics.median(cost.wall for cost in costs)
        if target.what == "processor":
            return statistics.median(cost.cpu for cost in costs)
        return self.ratio(target.of, target.base)

    def rows(self) -> list[dict[str, Any]]:
        """One row a peer: medians, the ratio to the first, the spread."""
        found = []
        for name, costs in self.costs.items():
            walls = [cost.wall for cost in costs]
            found.append(
                {
                    "peer": name,
                    "wall_s": round(statistics.median(walls), 3),
                    "least_s": round(min(walls), 3),
                    "ratio": round(self.ratio(name, self.base), 3),
                    "ratio_of_least": round(min(walls) / min(c.wall for c in self.costs[self.base]), 3),
                    "cpu_s": _known(statistics.median(cost.cpu for cost in costs), 3),
                    "memory_mib": _known(max(cost.memory for cost in costs), 1),
                    "wire_bytes": None if costs[-1].wire is None else max(cost.wire or 0 for cost in costs),
                    "note": costs[-1].note,
                }
            )
        return found

    def markdown(self) -> str:
        """The rows as a table."""
        rows = self.rows()
        if all(row["wire_bytes"] is None for row in rows):
            for row in rows:
                del row["wire_bytes"]
        titles = {
            "peer": "peer",
            "wall_s": "median s",
            "least_s": "least s",
            "ratio": "ratio",
            "ratio_of_least": "ratio of least",
            "cpu_s": "CPU s",
            "memory_mib": "MiB",
            "wire_bytes": "bytes to the browser",
            "note": "",
        }
        lines = [f"## {self.title}", "", f"| {' | '.join(titles[key] for key in rows[0])} |", "|-" * len(rows[0]) + "|"]
        for row in rows:
            cells = ("" if value is None else str(value) for value in row.values())
            lines += [f"| {' | '.join(cells)} |"]
        return "\n".join(lines)


@dataclass
class Results:
    """What one run measured."""

    series: list[Series] = field(default_factory=list)
    targets: list[tuple[Target, float]] = field(default_factory=list)

    def held_to(self, series: Series, *targets: Target) -> None:
        """Note what was reached."""
        self.targets += [(target, series.reached(target)) for target in targets]

    def report(self, title: str, facts: Mapping[str, Any], *notes: str) -> tuple[str, dict[str, Any]]:
        """All of it as Markdown and as JSON."""
        lines = [f"# {title}", "", ", ".join(f"{key} {value}" for key, value in facts.items()) + ".", "", *notes]
        lines += ["", "| target | at most | measured | |", "|-|-|-|-|"]
        for target, value in self.targets:
            verdict = "reached" if value <= target.most else "**not reached**"
            most, measured = (f"{n:,.0f}" if target.what == "wire" else f"{n:.4g}" for n in (target.most, value))
            lines.append(f"| {target.title} | {most} | {measured} | {verdict} |")
        text = "\n".join(lines) + "\n\n" + "\n\n".join(series.markdown() for series in self.series) + "\n"
        data = {
            "facts": dict(facts),
            "targets": [{**vars(target), "measured": round(value, 4)} for target, value in self.targets],
            "series": [{"title": series.title, "rows": series.rows()} for series in self.series],
        }
        return text, data


def tell(text: str, data: Mapping[str, Any], markdown: Path | None, json_file: Path | None) -> None:
    """Print a report, and write it where that is wanted."""
    print(text)
    if markdown:
        markdown.write_text(text)
    if json_file:
        json_file.write_text(json.dumps(data, indent=2) + "\n")


def machine(begin: Sequence[int], **more: Any) -> dict[str, Any]:
    """What numbers depend on; `begin` are the `processor_times` before the first of them."""
    return {
        "when": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        **more,
        "processors": os.cpu_count(),
        "python": sys.version.split()[0],
        "idle_share": round(idle_share(begin, processor_times()), 3),
        "load": [round(value, 2) for value in os.getloadavg()],
    }


def _known(value: float, digits: int) -> float | None:
    return None if math.isnan(value) else round(value, digits)


def quiet(seconds: float) -> None:
    """Wait until the machine has next to nothing to do, but so many seconds at most."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        before = processor_times()
        time.sleep(0.4)
        if idle_share(before, processor_times()) > 0.85:
            return


def idle_share(before: Sequence[int], after: Sequence[int]) -> float:
    """The part of all processors' time between two readings of `processor_times` that nobody used."""
    spent = [b - a for a, b in zip(before, after, strict=True)]
    return (spent[3] + spent[4]) / max(1, sum(spent))


def processor_times() -> list[int]:
    """The first line of /proc/stat."""
    with open("/proc/stat") as file:
        return [int(word) for word in file.readline().split()[1:9]]
