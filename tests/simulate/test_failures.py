"""Nodes that are lost: what becomes of tasks there, and who knows when."""

from __future__ import annotations

import statistics
from dataclasses import replace

import pytest

from foretide.placement.timeline import Lags
from foretide.simulate.engine import simulate
from foretide.simulate.failures import Chance, Failures, Loss, Wear
from foretide.simulate.outcome import Outcome
from foretide.simulate.policies import FORETIDE, Policy, foretide, kubernetes
from foretide.simulate.world import World
from tests.simulate.test_engine import fleet, node, task

DEFAULT = kubernetes()[0]
LAGS = {"fast": Lags(release_seconds=1.0, open_to_bind_seconds=0.0)}
LOST = Loss("a", at_seconds=5.0)


def run(tasks: list[tuple[str, float]], *losses: Loss, policy: Policy = DEFAULT, nodes: str = "ab") -> list[Outcome]:
    """Tasks of 10 s by name and arrival, on nodes of one slot."""
    made = [task(key, 10.0, 10.0, at=at) for key, at in tasks]
    world = World(failures=Failures(losses=losses))
    return simulate(made, [node(name, "fast", cpus=1) for name in nodes], policy, lags=LAGS, world=world)


@pytest.mark.parametrize("policy", [DEFAULT, *foretide()], ids=lambda each: each.name)
def test_tasks_of_a_lost_node_are_made_anew_when_kubernetes_gives_them_up(policy: Policy) -> None:
    """50 s until the node is out of service, 300 s until its Pods are given up; turnaround counts from the first."""
    found = [each for each in run([("t", 0.0), ("u", 0.0)], LOST, policy=policy) if each.restarts]
    ((again),) = found
    assert (again.arrival_seconds, again.node, again.restarts) == (0.0, "b", 1)
    assert again.start_seconds == pytest.approx(355.0, abs=0.1)
    assert again.turnaround_seconds == pytest.approx(365.0, abs=0.1)


def test_a_node_that_is_back_sooner_has_its_tasks_made_anew_at_once() -> None:
    (found,) = run([("t", 0.0)], replace(LOST, repair_seconds=20.0), nodes="a")
    assert found == Outcome("t", "a", 0.0, 25.0, 35.0, restarts=1)


def test_until_a_loss_is_noticed_pods_are_bound_to_the_node_and_lost_as_well() -> None:
    lost = replace(LOST, at_seconds=0.0, repair_seconds=1000.0)
    unnoticed, noticed = run([("t", 40.0), ("u", 60.0)], lost, policy=FORETIDE, nodes="a")
    assert (unnoticed.restarts, noticed.restarts) == (1, 0)
    assert min(unnoticed.start_seconds, noticed.start_seconds) == pytest.approx(1000.0, abs=0.1)


def test_a_plan_sends_nobody_to_a_node_that_is_known_to_be_lost() -> None:
    lost = replace(LOST, at_seconds=0.0)
    found = run([(f"t{number}", 51.0 + 12.0 * number) for number in range(5)], lost, policy=FORETIDE)
    assert {(each.node, each.restarts) for each in found} == {("b", 0)}


def test_what_a_task_held_on_a_node_before_it_was_lost_is_not_given_back_twice() -> None:
    """Its container ends, and before the Pod is released the node is gone and back: one slot, still."""
    lost = replace(LOST, at_seconds=10.2, repair_seconds=0.5)
    found = run([("t", 0.0), ("u", 10.6), ("v", 10.6)], lost, nodes="a")
    assert [each.start_seconds for each in found] == pytest.approx([0.0, 10.7, 21.7])


def test_tasks_that_only_a_node_could_take_that_is_lost_for_ever_are_named() -> None:
    with pytest.raises(ValueError, match="late"):
        run([("late", 8.0)], LOST, nodes="a")


@pytest.mark.parametrize("policy", [*kubernetes(), *foretide()], ids=lambda each: each.name)
def test_with_nodes_that_fail_by_chance_every_task_ends_the_same_way_each_time(policy: Policy) -> None:
    tasks, nodes = fleet(seed=1)
    wear = {"slow": Wear(mean_seconds=40.0, repair_seconds=30.0), "fast": Wear(60.0, 400.0)}
    world = World(failures=Failures(wear=wear))
    found = simulate(tasks, nodes, policy, lags=LAGS, world=world, seed=2)
    assert [each.key for each in found] == [each.key for each in tasks]
    assert sum(each.restarts for each in found) > 0
    assert found == simulate(tasks, nodes, policy, lags=LAGS, world=world, seed=2)


def test_failures_by_chance_are_as_far_apart_as_is_said_and_differ_from_node_to_node() -> None:
    chance = Chance({"fast": Wear(mean_seconds=100.0, repair_seconds=7.0)}, seed=0)
    drawn = [chance.next_failure(node(f"n{number % 4}", "fast"), 50.0) for number in range(2000)]
    gaps = [each[0] - 50.0 for each in drawn if each is not None and each[1] == 7.0]
    assert len(set(gaps)) == 2000
    assert statistics.fmean(gaps) == pytest.approx(100.0, rel=0.1)
    assert chance.next_failure(node("n", "slow"), 0.0) is None


def test_no_loss_means_no_restart_and_no_change() -> None:
    tasks, nodes = fleet(seed=3)
    late = World(failures=Failures(losses=[Loss("fast-0", 1e6)]))
    assert simulate(tasks, nodes, FORETIDE, lags=LAGS) == simulate(tasks, nodes, FORETIDE, lags=LAGS, world=late)
