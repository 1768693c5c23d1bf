"""What `bench.scale` simulates, on a small fleet of the same kind."""

from __future__ import annotations

import statistics

import pytest

from bench.scale import CLASSES, SPREAD, run, scenario_of


def test_classes_differ_by_two_orders_of_magnitude_and_share_the_nodes_evenly() -> None:
    scenario = scenario_of(2 * CLASSES, 300, 1.0)
    assert len(scenario.node_states()) == 2 * CLASSES
    assert len(scenario.sim_tasks()) == 300
    means = [
        statistics.geometric_mean(workload.seconds[group.node_class] for workload in scenario.workloads)
        for group in scenario.nodes
    ]
    assert max(means) / min(means) == pytest.approx(SPREAD, rel=0.2)


def test_both_policies_are_told_of_and_the_plan_is_better() -> None:
    scenario = scenario_of(CLASSES, 150, 1.0)
    (_, default), (_, foretide) = (run(scenario, name) for name in ("default", "foretide"))
    assert foretide["mean_turnaround_seconds"] < 0.5 * default["mean_turnaround_seconds"]
    assert foretide["turns"] > 0
    assert "turns" not in default
