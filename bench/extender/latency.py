"""Time and CPU of a request to Foretide's extender, beside an extender in Go that knows nothing and answers 0.

    python -m bench.extender.latency [--seconds 12] [names_1000 …]

Run by ``make bench-extender``. Both are processes of their own, kept-alive, and get the same bodies in turn: the names
of 500 to 10,000 nodes, which are all that the fleet has, and 5,000 nodes as a whole (25 MB). Each body is another Pod's
and has its nodes in another order, as kube-scheduler's do. Twice: while 200 of Foretide's Pods run and nothing changes
(`quiet`), and while 2,000 run and 20 events of Pods a second are told (`busy`). Replies are held against what
kube-scheduler takes. Foretide decides with the deadline that the chart gives; what it answered without a decision is
told as `fail_open_share`, since that costs little. Prints a table, the marks, and as its last line one JSON object,
also written to ``bench/results/extender.json``.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from bench.extender import acceptance
from bench.extender.connection import Connection
from bench.extender.fleet import Form, request_bodies
from bench.extender.in_turn import ask_in_turn
from bench.extender.servers import Server, fleet_api, foretide, go_zero
from bench.machine import machine
from demo.console import table
from demo.marks import held, marks_table

RESULT: Final = Path(__file__).parents[1] / "results" / "extender.json"
SECONDS: Final = 12.0
"""How long names of one number are asked about; whole Nodes twice as long."""


@dataclass(frozen=True, slots=True)
class Case:
    """What is sent: so many nodes in a form, for so many Pods in turn out of so many different ones."""

    form: Form
    nodes: int
    pods_per_turn: int
    bodies: int


@dataclass(frozen=True, slots=True)
class Load:
    """What goes on in the fleet meanwhile."""

    pods: int
    events_per_second: float


CASES: Final = {
    "names_500": Case("names", 500, 40, 64),
    "names_1000": Case("names", 1000, 20, 64),
    "names_5000": Case("names", 5000, 8, 32),
    "nodes_5000": Case("nodes", 5000, 1, 3),
    "names_10000": Case("names", 10_000, 4, 16),
}
LOADS: Final = {"quiet": Load(200, 0.0), "busy": Load(2000, 20.0)}
COLUMNS: Final = ("p50", "p95", "p99", "cpu")


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description="Foretide's extender beside one in Go that knows nothing.")
    parser.add_argument("--seconds", type=float, default=SECONDS, help=f"for each number of names ({SECONDS:g})")
    parser.add_argument("cases", nargs="*", help=f"all, or some of {', '.join(CASES)}")
    options = parser.parse_args(arguments)
    if strange := set(options.cases) - CASES.keys():
        parser.error(f"{min(strange)} is none of {', '.join(CASES)}")
    cases = {name: case for name, case in CASES.items() if name in (options.cases or CASES)}
    print(f"Foretide's extender beside Go's, milliseconds a request; {machine()}", flush=True)
    by_load = {}
    for name, load in LOADS.items():
        print(f"\n{name}: {load.pods} Pods run, {load.events_per_second:g} events of Pods a second", flush=True)
        by_load[name] = measure(cases, load, options.seconds)
        print(lines(by_load[name]), flush=True)
    figures = {**by_load["quiet"], "busy": by_load["busy"]}
    result = {"machine": machine(), **figures, "marks": held(figures, marks(cases))}
    print(f"\n{marks_table(result['marks'])}")
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"\n{json.dumps(result)}")


def marks(cases: Mapping[str, Case]) -> dict[str, float]:
    """The most that each ratio to Go may be, and the share that fails open."""
    most: dict[str, float] = {}
    for load in ("", "busy."):
        most |= {f"{load}{name}.to_go.p99": 1.0 for name, case in cases.items() if case.form == "names"}
        for name, case in cases.items():
            if case.nodes >= 1000:
                bound = 0.7 if case.form == "names" else 0.25
                most |= {f"{load}{name}.to_go.{figure}": bound for figure in ("p50", "cpu")}
            most[f"{load}{name}.fail_open_share"] = 0.01
    return most


def measure(cases: Mapping[str, Case], load: Load, seconds: float) -> dict[str, Any]:
    """Figures of each case under a load."""
    found: dict[str, Any] = {}
    for nodes in dict.fromkeys(case.nodes for case in cases.values()):
        with ExitStack() as stack:
            directory = Path(stack.enter_context(TemporaryDirectory()))
            kubeconfig = stack.enter_context(fleet_api(nodes, load.pods, load.events_per_second, directory))
            ours = stack.enter_context(foretide(kubeconfig, directory))
            theirs = stack.enter_context(go_zero())
            for name, case in cases.items():
                if case.nodes != nodes:
                    continue
                bodies = request_bodies(case.form, nodes, case.bodies, random.Random(11))
                gc.collect()
                gc.freeze()
                for server in (ours, theirs):
                    check(server, bodies[0])
                before = ours.answers()
                taken = ask_in_turn(
                    [ours, theirs],
                    bodies,
                    seconds=seconds if case.form == "names" else 2 * seconds,
                    pods_per_turn=case.pods_per_turn,
                )
                found[name] = {
                    **side_by_side(taken[ours.name].figures(), taken[theirs.name].figures()),
                    "fail_open_share": round(ours.answers().since(before).failed_open_share, 4),
                    "rss_mib": ours.resident()._asdict(),
                }
    return {name: found[name] for name in cases}


def check(server: Server, body: bytes) -> None:
    """Hold the answers to one request against what kube-scheduler takes; RuntimeError where it would not."""
    asked = acceptance.Asked.of(body)
    with Connection(server.port) as connection:
        for verb in acceptance.VERBS:
            status = connection.ask(verb, body)
            try:
                acceptance.check(verb, asked, status, connection.answer())
            except acceptance.Refused as error:
                raise RuntimeError(f"{server.name}: {verb} with {len(asked.names)} nodes: {error}") from error


def side_by_side(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> dict[str, Any]:
    """Foretide's figures, Go's under ``go_``, and the ratios."""
    return {
        **ours,
        **{f"go_{name}": value for name, value in theirs.items()},
        "to_go": {name: round(ours[f"{name}_ms"] / theirs[f"{name}_ms"], 3) for name in COLUMNS},
    }


def lines(found: Mapping[str, Mapping[str, Any]]) -> str:
    """The figures of a load: ours, Go's and their ratio, for each quantile and the CPU."""
    header = ["", "requests", *(f"{name} {whose}" for name in COLUMNS for whose in ("ms", "Go", "ratio")), "fail open"]
    return table(header, [_row(name, figures) for name, figures in found.items()])


def _row(name: str, figures: Mapping[str, Any]) -> Sequence[str]:
    cells = [name.replace("_", " "), str(figures["requests"])]
    for column in COLUMNS:
        cells += [f"{figures[f'{column}_ms']:.3f}", f"{figures[f'go_{column}_ms']:.3f}"]
        cells.append(f"{figures['to_go'][column]:.2f}")
    return [*cells, f"{figures['fail_open_share']:.1%}"]


if __name__ == "__main__":
    main(sys.argv[1:])
