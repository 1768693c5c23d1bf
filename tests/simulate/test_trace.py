"""A trace holds all that a simulation needs, says what is wrong with a file, and goes through the command."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from demo.replay import trace
from foretide.placement.plan import Expected, NodeState
from foretide.placement.resources import Resources
from foretide.placement.timeline import Lags
from foretide.simulate.cluster import SimTask
from foretide.simulate.parts import ScenarioError
from foretide.simulate.policies import foretide, kubernetes
from foretide.simulate.summary import compare
from foretide.simulate.trace import Trace, record
from foretide_cli.__main__ import main
from tests.demo import ended_tasks

NODES = [
    NodeState("fast-1", "fast", Resources(2000, 2**31, 110), Resources(100, 2**20, 3), 100),
    NodeState("slow-1", "slow", Resources(1000, 2**31, 110, {"nvidia.com/gpu": 1})),
]
LAGS = {"fast": Lags(1.25, 0.05), "slow": Lags(2.0, 0.05)}


def task(number: int, *, deadline_seconds: float = math.inf, latest_open_seconds: float = math.inf) -> SimTask:
    return SimTask(
        key=f"t{number}",
        workload="net",
        arrival_seconds=1_790_000_000.0 + number,
        requests=Resources(500, 2**20, 1),
        cpu_millis=1000,
        true_seconds={"fast": 2.0 + number, "slow": 9.0},
        expected={"fast": Expected(2.5, 3.0), "slow": Expected(8.0, 10.0)},
        deadline_seconds=deadline_seconds,
        latest_open_seconds=latest_open_seconds,
    )


TASKS = [task(0, deadline_seconds=30.0), task(1, latest_open_seconds=1_790_000_061.0), task(2)]


def test_what_was_recorded_is_simulated_from_the_file_as_it_is_from_memory(tmp_path: Path) -> None:
    made = record("three", TASKS, NODES, LAGS, {"t0": ("fast-1", 1_790_000_000.5, 1_790_000_002.5)})
    made.write(tmp_path / "three.json")
    found = Trace.read(tmp_path / "three.json")
    assert found == made
    assert (found.node_states(), found.lags()) == (NODES, LAGS)
    tasks = found.sim_tasks()
    assert [each.arrival_seconds for each in tasks] == [0.0, 1.0, 2.0]
    assert [(each.deadline_seconds, each.latest_open_seconds) for each in tasks] == [
        (30.0, math.inf),
        (math.inf, 61.0),
        (math.inf, math.inf),
    ]
    assert [(each.true_seconds, each.expected, each.requests) for each in tasks] == [
        (each.true_seconds, each.expected, each.requests) for each in TASKS
    ]
    assert (found.traced[0].node, found.traced[0].bound_seconds, found.traced[0].finish_seconds) == ("fast-1", 0.5, 2.5)
    assert found.traced[1].bound_seconds is None
    summaries = compare(found, [kubernetes()[0], *foretide()])
    assert summaries["foretide"].mean_turnaround_seconds < 10.0


def test_a_run_of_the_demo_becomes_a_trace() -> None:
    ran = [
        ended_tasks.task("a", work=10_000, wait=500, node_class="fast", deadline=12.0),
        ended_tasks.task("b", work=20_000, created=300, node_class="slow"),
    ]
    predicted = {"net": {"fast": Expected(9.0, 11.0), "slow": Expected(22.0, 30.0)}}
    found = trace("two", ran, [ran], NODES, predicted)
    first, second = found.traced
    assert (first.node, first.bound_seconds, first.finish_seconds) == ("fast-1", 0.5, 10.5)
    assert (first.deadline_seconds, first.wait_bound_seconds) == (12.0, 90.0)
    assert second.arrival_seconds == pytest.approx(0.3)
    assert first.seconds == {"fast": 10.0, "slow": 20.0}
    assert set(found.lags_by_class) == {"fast", "slow"}


def test_the_command_simulates_a_trace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record("three", TASKS, NODES, LAGS, {}).write(tmp_path / "three.json")
    assert main(["simulate", str(tmp_path / "three.json"), "--policy", "default", "--policy", "foretide"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("three: 3 tasks")
    assert [line.split()[0] for line in lines[3:]] == ["default", "foretide"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"traced": []}, "length >= 1"),
        ({"extra": 1}, "extra"),
        ({"nodes": [{"name": "n", "nodeClass": "c", "allocatable": {"cpuMillis": -1}, "inUse": {}}]}, "cpuMillis"),
    ],
)
def test_a_file_that_is_no_trace_is_refused_with_the_place(
    change: dict[str, object], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "odd.json"
    record("three", TASKS, NODES, LAGS, {}).write(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ScenarioError, match=said):
        Trace.read(path)
    assert main(["simulate", str(path)]) == 2
    assert said in capsys.readouterr().err


def test_a_task_without_a_time_on_a_class_is_named(tmp_path: Path) -> None:
    path = tmp_path / "odd.json"
    record("three", TASKS, NODES, LAGS, {}).write(path)
    odd = json.loads(path.read_text())
    del odd["traced"][1]["seconds"]["slow"]
    path.write_text(json.dumps(odd))
    with pytest.raises(ScenarioError, match="t1: seconds lacks class slow"):
        Trace.read(path)
