"""Whether the extender stays as it is over hours: 50 requests a second while Pods come and go.

    python -m bench.extender.soak [--seconds 3600]

Run by ``make soak`` (SECONDS=600 for less). Its process watches a fleet of 1,000 nodes on which 2,000 of Foretide's
Pods run; 20 events of Pods a second are told, and both verbs are asked for a new Pod 25 times a second. The run is cut
into sixty parts. After the first tenth, which warms up, the memory in the last tenth is held against that in the tenth
after the warm-up, and the p99 of the last third against that of the first, by the median of their parts. Prints a line
for each part and, as its last line, one JSON object, also written to ``bench/results/soak.json``.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from bench.extender.connection import Connection
from bench.extender.fleet import request_bodies
from bench.extender.in_turn import Taken, ask_for
from bench.extender.servers import Foretide, fleet_api, foretide
from bench.machine import machine
from demo.marks import held, marks_table

NODES: Final = 1000
PODS: Final = 2000
EVENTS_PER_SECOND: Final = 20.0
REQUESTS_PER_SECOND: Final = 50.0
SECONDS: Final = 3600.0
PARTS: Final = 60
MARKS: Final = {"rss_growth_percent": 5.0, "p99_drift": 1.2, "fail_open_share": 0.01}
RESULT: Final = Path(__file__).parents[1] / "results" / "soak.json"


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the run: how slow answers were, what they cost, and the memory at its end."""

    seconds: float
    p50_ms: float
    p99_ms: float
    cpu_ms: float
    rss_mib: float
    requests: int


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description="The extender for an hour, while Pods come and go.")
    parser.add_argument("--seconds", type=float, default=SECONDS, help=f"how long ({SECONDS:g})")
    seconds = parser.parse_args(arguments).seconds
    print(
        f"{REQUESTS_PER_SECOND:g} requests and {EVENTS_PER_SECOND:g} events of Pods a second for {seconds:g} s, "
        f"{NODES} nodes, {PODS} Pods; {machine()}\n\n{'s':>7}{'p50 ms':>9}{'p99 ms':>9}{'CPU ms':>9}{'MiB':>8}",
        flush=True,
    )
    parts: list[Part] = []
    with TemporaryDirectory() as name:
        directory = Path(name)
        with (
            fleet_api(NODES, PODS, EVENTS_PER_SECOND, directory) as kubeconfig,
            foretide(kubeconfig, directory) as ours,
        ):
            before = ours.answers()
            for part in soak(ours, seconds):
                parts.append(part)
                figures = f"{part.p50_ms:9.3f}{part.p99_ms:9.3f}{part.cpu_ms:9.3f}{part.rss_mib:8.1f}"
                print(f"{part.seconds:7.0f}{figures}", flush=True)
            fail_open_share = ours.answers().since(before).failed_open_share
    found: dict[str, Any] = {"machine": machine(), **drift(parts), "fail_open_share": round(fail_open_share, 4)}
    found["marks"] = held(found, MARKS)
    print(f"\n{marks_table(found['marks'])}")
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(f"\n{json.dumps(found)}")


def soak(server: Foretide, seconds: float) -> Iterator[Part]:
    """Ask for so long, a part after the other."""
    source = random.Random(3)
    pods_per_second = REQUESTS_PER_SECOND / 2
    begin, number = time.monotonic(), 0
    with Connection(server.port) as connection:
        for part in range(PARTS):
            taken, end = Taken(), begin + seconds * (part + 1) / PARTS
            while time.monotonic() < end or not taken.requests:
                bodies = request_bodies("names", NODES, 1, source)
                time.sleep(max(begin + number / pods_per_second - time.monotonic(), 0.0))
                ask_for(server, connection, bodies, taken)
                number += 1
            figures = taken.figures()
            yield Part(
                time.monotonic() - begin,
                figures["p50_ms"],
                figures["p99_ms"],
                figures["cpu_ms"],
                server.resident().now,
                taken.requests,
            )


def drift(parts: Sequence[Part]) -> dict[str, Any]:
    """How memory and p99 went on after the warm-up."""
    warm = parts[len(parts) // 10 :]
    tenth, third = max(len(parts) // 10, 1), max(len(warm) // 3, 1)
    memory = [statistics.median(part.rss_mib for part in some) for some in (warm[:tenth], warm[-tenth:])]
    slowest = [statistics.median(part.p99_ms for part in some) for some in (warm[:third], warm[-third:])]
    requests = sum(part.requests for part in parts)
    return {
        "seconds": round(parts[-1].seconds, 1),
        "requests": requests,
        "requests_per_second": round(requests / parts[-1].seconds, 1),
        "p50_ms": round(statistics.median(part.p50_ms for part in warm), 4),
        "cpu_ms": round(statistics.median(part.cpu_ms for part in warm), 4),
        "p99_ms": {"first": round(slowest[0], 4), "last": round(slowest[1], 4)},
        "p99_drift": round(slowest[1] / slowest[0], 3),
        "rss_mib": {"first": memory[0], "last": memory[1]},
        "rss_growth_percent": round((memory[1] / memory[0] - 1.0) * 100.0, 2),
    }


if __name__ == "__main__":
    main(sys.argv[1:])
