"""Policies side by side on standard fleets: `make bench-placement`.

    python -m bench.placement [--tasks 800] [--fleets boards,…] [--loads 0.5,1,2] [--processes 2]

Each fleet of `bench/scenarios` under each load, with tasks that come one by one and in bursts of 100: simulated by
`foretide.simulate`, with class × workload times measured on public devices (`bench/data`). What Foretide and the other
learned policy predict comes from models that never saw the workload. Every task of a fleet runs as many inferences as
take a middling workload `TASK_SECONDS` on a middling class. Then what wrong predictions cost, and how two teams fare of
equal load. Prints tables and, as its last line, one JSON object, which is also written to
`bench/results/placement.json`; pictures and a page with all of them go to `bench/results/placement`. The timeline of a
burst on real nodes is among them if `make bench-burst` was run before.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from bench.machine import machine
from bench.placement_marks import marks
from bench.placement_plots import Gantt, draw
from bench.predict.__main__ import DATA
from bench.predict.baselines import baseline
from bench.predict.splits import folds
from bench.predict.table import Measured, read
from demo.console import table
from foretide.model import CompletionTimeModel
from foretide.placement.plan import Expected
from foretide.simulate.arrivals import Bursts, Poisson
from foretide.simulate.cluster import SimTask
from foretide.simulate.fleet import NodeGroup
from foretide.simulate.policies import FORETIDE, ORACLE, Policy, fastest_class, foretide, greedy, kubernetes
from foretide.simulate.scenario import Scenario
from foretide.simulate.summary import Summary, compare
from foretide.simulate.trace import Trace
from foretide.simulate.workloads import WorkloadSpec

SCENARIOS: Final = Path(__file__).parent / "scenarios"
RESULT: Final = Path(__file__).parent / "results" / "placement.json"
LOADS: Final = (0.5, 1.0, 2.0)
BURST: Final = 100
TASK_SECONDS: Final = 8.0
SLOTS: Final = 2
DEADLINE_FACTOR: Final = 3.0
DEVIATIONS: Final = (0.0, 0.1, 0.2, 0.4, 0.8)
BURST_TRACES: Final = RESULT.with_name("burst")
OTHERS: Final = {"XGBoost raw": "xgboost_seconds", "FLOPs over peak": "peak"}
"""Greedy policies by the predictions of `bench.predict.baselines`."""

Times = Mapping[str, Mapping[str, float]]
"""workload → class → seconds of a task."""


class Fleet(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Classes by the names of their devices in the table."""

    name: str
    nodes_of_each: int
    classes: list[str]

    @classmethod
    def read_all(cls) -> list[Fleet]:
        """The standard ones."""
        return [msgspec.yaml.decode(path.read_bytes(), type=cls) for path in sorted(SCENARIOS.glob("*.yaml"))]


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What tasks of the workloads that every class of a fleet ran truly take, and what each model says they take."""

    true: Times
    told: dict[str, Times]


def main() -> int:
    """Run, print, write; 0."""
    parser = argparse.ArgumentParser(prog="python -m bench.placement", description=__doc__)
    parser.add_argument("--tasks", type=int, default=800)
    parser.add_argument("--fleets", default="")
    parser.add_argument("--loads", default=",".join(map(str, LOADS)))
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    measured = read(DATA)
    wanted = set(options.fleets.split(",")) if options.fleets else None
    fleets = [fleet for fleet in Fleet.read_all() if wanted is None or fleet.name in wanted]
    print(f"{len(fleets)} fleets, {options.tasks} tasks a scenario; {machine()}", flush=True)
    told = out_of_fold(measured)
    known_fleets = [(fleet, known_of(fleet, measured, told)) for fleet in fleets]
    jobs = [
        (name, scenario, known.told)
        for fleet, known in known_fleets
        for name, scenario in scenarios(fleet, known, options.tasks, [float(each) for each in options.loads.split(",")])
    ]
    found: dict[str, dict[str, Summary]] = {}
    with ProcessPoolExecutor(options.processes) as pool:
        for name, summaries in pool.map(_run, jobs):
            found[name] = summaries
            print(f"\n{lines(name, summaries)}", flush=True)
    held = marks(found)
    rows = [
        [name, f"{each.value:g}", f"{each.bound:g}", "yes" if each.met else "NO", each.worst]
        for name, each in held.items()
    ]
    print(f"\n{table(['mark', 'value', 'at most', 'met', 'worst in'], rows)}")
    result: dict[str, Any] = {"machine": machine(), **msgspec.to_builtins(found), "marks": msgspec.to_builtins(held)}
    regrets = sensitivity(known_fleets, options.tasks, options.processes)
    result["regret_by_deviation"] = regrets
    result["slowdown_between_teams"] = shared = fairness(known_fleets, options.tasks, options.processes)
    rows = [[name, *(f"{ratio:.2f}" for ratio in each.values())] for name, each in shared.items()]
    header = ["mean slow-down of one team over the other's, load 1", *TEAMS]
    print(f"\n{table(header, rows)}")
    for path in draw(RESULT.with_suffix(""), found, regrets, burst_timeline()):
        print(f"drawn: {path}")
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result))
    return 0


def out_of_fold(measured: Measured) -> dict[str, np.ndarray]:
    """Seconds of one inference per row as each model tells them that was learned without the row's architecture."""
    told = {name: np.zeros(len(measured)) for name in ("foretide", *OTHERS)}
    for train, asked in folds("configuration", measured, 0):
        learned, question = measured.take(train), measured.take(asked)
        model = CompletionTimeModel(calibrate=False, threads=2).fit(learned.table, learned.seconds)
        told["foretide"][asked] = model.predict(question.table)
        for name, label in OTHERS.items():
            told[name][asked] = baseline(label).fit(learned.table, learned.seconds).predict(question.table)
    return told


def known_of(fleet: Fleet, measured: Measured, told: Mapping[str, np.ndarray]) -> Known:
    """Times of one task, for workloads that all classes of the fleet ran."""
    row_of = {
        (device, workload): row
        for row, (device, workload) in enumerate(zip(measured.table.device, measured.table.workload, strict=True))
    }
    common = sorted(
        workload
        for workload in set(measured.table.workload)
        if all((device, workload) in row_of for device in fleet.classes)
    )
    logs = [math.log(measured.seconds[row_of[device, name]]) for name in common for device in fleet.classes]
    inferences = TASK_SECONDS / math.exp(float(np.mean(logs)))
    true: dict[str, dict[str, float]] = {}
    predicted: dict[str, dict[str, dict[str, float]]] = {name: {} for name in told}
    for workload in common:
        rows = {device: row_of[device, workload] for device in fleet.classes}
        true[workload] = {device: float(measured.seconds[row] * inferences) for device, row in rows.items()}
        for name, seconds in told.items():
            predicted[name][workload] = {device: float(seconds[row] * inferences) for device, row in rows.items()}
    return Known(true=true, told=dict(predicted))


def scenarios(fleet: Fleet, known: Known, tasks: int, loads: Sequence[float]) -> Iterator[tuple[str, Scenario]]:
    """Every load with either way of arriving, by name."""
    nodes = [
        NodeGroup(node_class=name, count=fleet.nodes_of_each, cpu_millis=1000 * SLOTS, memory_mebibytes=4096)
        for name in fleet.classes
    ]
    workloads = [
        WorkloadSpec(
            name=name, seconds=dict(true), predicted=dict(known.told["foretide"][name]), deadline_factor=DEADLINE_FACTOR
        )
        for name, true in known.true.items()
    ]
    for load in loads:
        for label, arrivals in (("Poisson", Poisson()), (f"bursts of {BURST}", Bursts(size=BURST))):
            name = f"{fleet.name}, load {load:g}, {label}"
            yield name, Scenario(name=name, nodes=nodes, workloads=workloads, arrivals=arrivals, load=load, tasks=tasks)


def sensitivity(fleets: Sequence[tuple[Fleet, Known]], tasks: int, processes: int) -> dict[str, dict[float, float]]:
    """Regret of the plan by fleet and standard deviation of predictions that are made up, in bursts at load 1."""
    jobs = [
        (fleet.name, deviation, _made_up(fleet, known, tasks, deviation))
        for fleet, known in fleets
        for deviation in DEVIATIONS
    ]
    found: dict[str, dict[float, float]] = {fleet.name: {} for fleet, _ in fleets}
    with ProcessPoolExecutor(processes) as pool:
        for (fleet, deviation, _), regret in zip(jobs, pool.map(_regret, [job[2] for job in jobs]), strict=True):
            found[fleet][deviation] = round(regret, 4)
    return found


def fairness(fleets: Sequence[tuple[Fleet, Known]], tasks: int, processes: int) -> dict[str, dict[str, float]]:
    """By how much more one of two teams of equal load is slowed down than the other, by the plan: the larger ratio."""
    jobs = [
        (name, kind, split(scenario))
        for fleet, known in fleets
        for name, scenario in scenarios(fleet, known, tasks, [1.0])
        for kind, split in TEAMS.items()
    ]
    found: dict[str, dict[str, float]] = {}
    with ProcessPoolExecutor(processes) as pool:
        for (name, kind, _), ratio in zip(jobs, pool.map(_between_teams, [job[2] for job in jobs]), strict=True):
            found.setdefault(name, {})[kind] = round(ratio, 3)
    return found


def _alike(scenario: Scenario) -> Scenario:
    """Two teams with the same workloads."""
    half = [
        msgspec.structs.replace(each, name=f"{each.name}/{team}", team=team)
        for each in scenario.workloads
        for team in ("a", "b")
    ]
    return msgspec.structs.replace(scenario, workloads=half)


def _short_and_long(scenario: Scenario) -> Scenario:
    """One team has the shorter half of the workloads, the other the longer, with as much work each."""
    seconds = {each.name: float(np.mean(list(each.seconds.values()))) for each in scenario.workloads}
    middle = float(np.median(list(seconds.values())))
    count = Counter(seconds[each.name] <= middle for each in scenario.workloads)
    workloads = [
        msgspec.structs.replace(
            each,
            team="short" if seconds[each.name] <= middle else "long",
            weight=1.0 / seconds[each.name] / count[seconds[each.name] <= middle],
        )
        for each in scenario.workloads
    ]
    return msgspec.structs.replace(scenario, workloads=workloads)


TEAMS: Final = {"the same workloads": _alike, "short and long": _short_and_long}


def _between_teams(scenario: Scenario) -> float:
    slowed = compare(scenario, [FORETIDE])[FORETIDE.name].slowdown_by_team.values()
    return max(slowed) / min(slowed)


def burst_timeline() -> Gantt:
    """When tasks of the last burst on real nodes began and ended, by the schedulers; empty if there was none."""
    traces = {name: BURST_TRACES / f"1-{name}.json" for name in ("default", "foretide")}
    return {name: Trace.read(path) for name, path in traces.items() if path.exists()}


def _made_up(fleet: Fleet, known: Known, tasks: int, deviation: float) -> Scenario:
    ((_, scenario),) = [each for each in scenarios(fleet, known, tasks, [1.0]) if isinstance(each[1].arrivals, Bursts)]
    workloads = [msgspec.structs.replace(each, predicted={}) for each in scenario.workloads]
    return msgspec.structs.replace(scenario, workloads=workloads, prediction_deviation=deviation)


def _regret(scenario: Scenario) -> float:
    return compare(scenario, [FORETIDE, ORACLE])[FORETIDE.name].regret or 0.0


def policies(told: Mapping[str, Times]) -> list[Policy]:
    """All that are compared."""

    def foresee(times: Times, task: SimTask) -> Mapping[str, Expected]:
        return {name: Expected(seconds, seconds) for name, seconds in times[task.workload].items()}

    others = [greedy(name, partial(foresee, told[name])) for name in OTHERS]
    fastest = Policy("fastest class first", partial(foresee, told["FLOPs over peak"]), fastest_class)
    return [*kubernetes(), fastest, *others, *foretide()]


def lines(name: str, found: Mapping[str, Summary]) -> str:
    """A scenario's table."""
    default = found["default"]
    rows = [
        [
            policy,
            f"{each.mean_turnaround_seconds:.1f}",
            f"{each.mean_turnaround_seconds / default.mean_turnaround_seconds:.2f}",
            f"{each.p95_turnaround_seconds:.1f}",
            f"{each.p95_turnaround_seconds / default.p95_turnaround_seconds:.2f}",
            f"{(each.deadline_miss_share or 0.0) * 100:.1f}",
            f"{(each.regret or 0.0) * 100:+.1f}",
        ]
        for policy, each in found.items()
    ]
    header = ["policy", "mean s", "to default", "p95 s", "to default", "missed %", "regret %"]
    return f"{name}\n{table(header, rows)}"


def _run(job: tuple[str, Scenario, Mapping[str, Times]]) -> tuple[str, dict[str, Summary]]:
    name, scenario, told = job
    return name, compare(scenario, policies(told))


if __name__ == "__main__":
    sys.exit(main())
