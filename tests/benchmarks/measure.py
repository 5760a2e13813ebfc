"""Measuring programs and calls in turn: wall time, processor time, memory; ratios, and how noisy the machine was."""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Cost", "Series", "Target", "Worker", "idle_share", "processor_times", "program"]

MIB = 1024 * 1024


@dataclass(frozen=True)
class Cost:
    """What one round cost: seconds, seconds of processor, MiB beyond what was held before; and a note."""

    wall: float
    cpu: float
    memory: float
    note: str = ""

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
    """A number to be reached: `of` against `base`, as a ratio of wall time or as MiB more."""

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
        """The median over the rounds of one peer's cost to another's in the same round."""
        return statistics.median(
            getattr(a, what) / getattr(b, what) for a, b in zip(self.costs[of], self.costs[base], strict=True)
        )

    def reached(self, target: Target) -> float:
        """The target's number as it was measured."""
        if target.what == "memory":
            return max(cost.memory for cost in self.costs[target.of])
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
                    "cpu_s": round(statistics.median(cost.cpu for cost in costs), 3),
                    "memory_mib": None if math.isnan(costs[0].memory) else round(max(c.memory for c in costs), 1),
                    "note": costs[-1].note,
                }
            )
        return found

    def markdown(self) -> str:
        """The rows as a table."""
        lines = [
            f"## {self.title}",
            "",
            "| peer | median s | least s | ratio | ratio of least | CPU s | MiB | |",
            "|-|-|-|-|-|-|-|-|",
        ]
        for row in self.rows():
            cells = ("" if value is None else str(value) for value in row.values())
            lines += [f"| {' | '.join(cells)} |"]
        return "\n".join(lines)


def idle_share(before: Sequence[int], after: Sequence[int]) -> float:
    """The part of all processors' time between two readings of `processor_times` that nobody used."""
    spent = [b - a for a, b in zip(before, after, strict=True)]
    return (spent[3] + spent[4]) / max(1, sum(spent))


def processor_times() -> list[int]:
    """The first line of /proc/stat."""
    with open("/proc/stat") as file:
        return [int(word) for word in file.readline().split()[1:9]]
