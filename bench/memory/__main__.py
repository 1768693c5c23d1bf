"""Memory predicted for pairs that were held out, against what was measured of them.

    python -m bench.memory [TABLE.csv]

*Killed* is a pair whose prediction, taken as the limit, is below the need: the peak that was measured and
`KERNEL_BYTES`. *Over* is by how much the prediction exceeds the need. Held out are, with all else known: single pairs
(the workload was measured on other classes), whole workloads, all workloads of an architecture, all of a family; and
all but two workloads on two classes. The last line is one JSON object, also written to `bench/results/memory.json`;
its `oom_share` and `median_over_estimate` are of single pairs and whole workloads together, one of each for every row.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median, quantiles
from typing import Any, Final, NamedTuple

from bench.machine import machine
from bench.memory.peaks import DATA, read
from foretide.memory import Memories
from foretide.observation import Observation, Question

RESULT: Final = Path(__file__).parents[1] / "results" / "memory.json"
KERNEL_BYTES: Final = 2 * 2**20
"""By which least limits exceed reported peaks in the middle (`bench.memory.least_limit`)."""
TURNS: Final = 10
FEW_TURNS: Final = 60
FEW_ASKED: Final = 30


class Pair(NamedTuple):
    """A held-out pair: bytes predicted, and bytes that it needs."""

    predicted: int
    need: int

    @property
    def is_killed(self) -> bool:
        """Whether the task would have been."""
        return self.predicted < self.need

    @property
    def over(self) -> float:
        """Share of the need by which the prediction exceeds it."""
        return self.predicted / self.need - 1


class Row(NamedTuple):
    """A measured pair."""

    architecture: str
    seen: Observation

    @property
    def question(self) -> Question:
        """What would be asked of it."""
        row = self.seen
        return Question(
            workload=row.workload,
            node_class=row.node_class,
            signature=row.signature,
            precision=row.precision,
            cpu_millis=row.cpu_millis,
            runtime=row.runtime,
        )


def main(arguments: list[str]) -> int:
    """Evaluate every regime of each runtime, print the table and the JSON line."""
    rows = [Row(*each) for each in read(Path(arguments[0]) if arguments else DATA)]
    print(machine())
    print(f"{'runtime':8}{'held out':14}{'pairs':>7}{'killed %':>10}{'over %':>8}{'p90':>6}")
    regimes: dict[str, dict[str, Any]] = {}
    marked: list[Pair] = []
    for runtime in sorted({row.seen.runtime for row in rows}):
        own = [row for row in rows if row.seen.runtime == runtime]
        held_out = {
            "pair": _pairs(own),
            "workload": _groups(own, lambda row: row.seen.workload),
            "architecture": _groups(own, lambda row: row.architecture),
            "family": _groups(own, lambda row: row.seen.signature.family),
            "all but two": _few(own),
        }
        for name, pairs in held_out.items():
            regimes[f"{runtime} {name}"] = _figures(pairs)
            _print(runtime, name, pairs)
        marked += held_out["pair"] + held_out["workload"]
    _print("both", "pair, workload", marked)
    found = _figures(marked)
    line = {
        "machine": machine(),
        "oom_share": found["oom_share"],
        "median_over_estimate": found["median_over_estimate"],
        "regimes": regimes,
    }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(line, indent=2) + "\n")
    print(json.dumps(line))
    return 0


def _pairs(rows: list[Row]) -> list[Pair]:
    """A third of the workloads' pairs on one class at a time; those that no other class knows are left out."""
    found: list[Pair] = []
    workloads = sorted({row.seen.workload for row in rows})
    for node_class in sorted({row.seen.node_class for row in rows}):
        for turn in range(3):
            held = set(workloads[turn::3])
            out = [row for row in rows if row.seen.node_class == node_class and row.seen.workload in held]
            kept = [row for row in rows if row.seen.node_class != node_class or row.seen.workload not in held]
            elsewhere = {row.seen.workload for row in kept}
            found += _ask(kept, (row for row in out if row.seen.workload in elsewhere))
    return found


def _groups(rows: list[Row], group: Callable[[Row], str]) -> list[Pair]:
    """Whole groups, a tenth of them at a time, or one where there are fewer."""
    groups = sorted({group(row) for row in rows})
    random.Random(1).shuffle(groups)
    turns = min(TURNS, len(groups))
    found: list[Pair] = []
    for turn in range(turns):
        out = set(groups[turn::turns])
        kept = [row for row in rows if group(row) not in out]
        found += _ask(kept, (row for row in rows if group(row) in out))
    return found


def _few(rows: list[Row]) -> list[Pair]:
    """Two workloads on two classes are all that is known, as when a cluster starts."""
    workloads, classes = sorted({row.seen.workload for row in rows}), sorted({row.seen.node_class for row in rows})
    found: list[Pair] = []
    for turn in range(FEW_TURNS):
        draw = random.Random(turn)
        known = set(draw.sample(workloads, 2))
        on = set(draw.sample(classes, min(2, len(classes))))
        kept = [row for row in rows if row.seen.workload in known and row.seen.node_class in on]
        others = [row for row in rows if row.seen.workload not in known]
        found += _ask(kept, draw.sample(others, min(FEW_ASKED, len(others))))
    return found


def _ask(known: Iterable[Row], asked: Iterable[Row]) -> list[Pair]:
    memories = Memories(row.seen for row in known)
    return [
        Pair(memories.estimate(row.question).peak_bytes, (row.seen.memory_peak_bytes or 0) + KERNEL_BYTES)
        for row in asked
    ]


def _figures(pairs: list[Pair]) -> dict[str, Any]:
    over = [pair.over for pair in pairs]
    return {
        "pairs": len(pairs),
        "oom_share": round(sum(pair.is_killed for pair in pairs) / len(pairs), 4),
        "median_over_estimate": round(median(over), 4),
        "p90_over_estimate": round(quantiles(over, n=10)[-1], 4),
    }


def _print(runtime: str, name: str, pairs: list[Pair]) -> None:
    found = _figures(pairs)
    shares = (100 * found[key] for key in ("oom_share", "median_over_estimate", "p90_over_estimate"))
    print("{:8}{:14}{:7}{:10.2f}{:8.1f}{:6.0f}".format(runtime, name, len(pairs), *shares), flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
