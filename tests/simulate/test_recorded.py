"""Bursts and waves as they went on real nodes (`make bench-burst`, `make bench-waves`), planned again and audited."""

from __future__ import annotations

from pathlib import Path

import pytest

from foretide.simulate.audit import audited
from foretide.simulate.engine import simulate
from foretide.simulate.policies import FORETIDE
from foretide.simulate.trace import Trace

TRACES = sorted((Path(__file__).parent / "traces").glob("*.json"))


@pytest.fixture(params=TRACES, ids=lambda path: path.stem)
def trace(request: pytest.FixtureRequest) -> Trace:
    return Trace.read(request.param)


def test_there_are_traces() -> None:
    assert {path.stem for path in TRACES} == {"rack-burst", "rack-waves"}


def test_no_gate_is_kept_too_long_and_nodes_are_left_idle_for_reasons_that_mostly_come_true(trace: Trace) -> None:
    assert all(task.wait_bound_seconds is not None for task in trace.traced)
    found = audited(trace, FORETIDE)
    assert found.kept_beyond_bound == []
    assert found.idle.get("Unexplained", 0) == 0
    assert sum(found.idle.values()) > 0
    for reason, count in found.idle.items():
        assert found.came_true.get(reason, 0) > count / 2, reason


def test_the_plan_makes_of_the_same_tasks_what_it_made_then(trace: Trace) -> None:
    """Within what real nodes add of their own; the benches print how far each round is from what is simulated."""
    recorded = [task.finish_seconds - task.arrival_seconds for task in trace.traced if task.finish_seconds is not None]
    outcomes = simulate(trace.sim_tasks(), trace.node_states(), FORETIDE, lags=trace.lags())
    simulated = [each.turnaround_seconds for each in outcomes]
    assert sum(simulated) == pytest.approx(sum(recorded), rel=0.15)
