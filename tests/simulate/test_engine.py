"""The engine against what can be reckoned by hand."""

import random
from collections.abc import Sequence
from dataclasses import replace

import pytest

from foretide.placement.plan import Expected, NodeState
from foretide.placement.resources import Resources
from foretide.placement.timeline import Lags
from foretide.simulate.cluster import SimTask
from foretide.simulate.engine import simulate
from foretide.simulate.outcome import Outcome
from foretide.simulate.policies import Policy, as_predicted, foretide, kubernetes
from foretide.simulate.world import ClassTruth, World

LAGS = {"fast": Lags(release_seconds=1.0), "slow": Lags(release_seconds=2.0)}
POLICIES = {policy.name: policy for policy in (*kubernetes(), *foretide())}


def node(name: str, node_class: str, cpus: int = 2) -> NodeState:
    return NodeState(name, node_class, Resources(1000 * cpus, 8 << 30, 110))


def task(
    key: str,
    fast: float,
    slow: float,
    *,
    at: float = 0.0,
    predicted: float = 1.0,
    limit_millis: int = 1000,
    request_millis: int = 1000,
) -> SimTask:
    true = {"fast": fast, "slow": slow}
    return SimTask(
        key=key,
        workload="w",
        arrival_seconds=at,
        requests=Resources(request_millis, 1 << 28, 1),
        cpu_millis=limit_millis,
        true_seconds=true,
        expected={name: Expected(each * predicted, each * predicted * 1.2) for name, each in true.items()},
    )


def run(tasks: Sequence[SimTask], nodes: Sequence[NodeState], policy: str = "default") -> dict[str, Outcome]:
    return {each.key: each for each in simulate(tasks, nodes, POLICIES[policy], lags=LAGS)}


def test_a_task_alone_starts_at_once_and_takes_its_time() -> None:
    (found,) = simulate([task("a", 10.0, 30.0, at=5.0)], [node("n", "slow")], POLICIES["default"], lags=LAGS)
    assert found == Outcome("a", "n", 5.0, 5.05, 35.05)


def test_the_next_task_starts_when_the_pod_before_it_is_released() -> None:
    found = run([task("a", 10.0, 0.0), task("b", 10.0, 0.0)], [node("n", "fast", cpus=1)])
    assert found["b"].start_seconds == pytest.approx(found["a"].finish_seconds + 1.0 + 0.05)


def test_tasks_whose_limits_exceed_the_cores_slow_each_other() -> None:
    """Two that may use both cores: each at half its speed until the shorter has ended, then at full speed."""
    tasks = [task(key, seconds, 0.0, limit_millis=2000) for key, seconds in (("short", 4.0), ("long", 10.0))]
    found = run(tasks, [node("n", "fast")])
    assert found["short"].finish_seconds - 0.05 == pytest.approx(8.0)
    assert found["long"].finish_seconds - 0.05 == pytest.approx(8.0 + 6.0)


def test_tasks_slow_each_other_by_what_others_use_of_the_node_where_that_is_said() -> None:
    """Half of the cores are used by the other: 1.5 times as long with a coefficient of 1, until the shorter ends."""
    tasks = [task("short", 4.0, 0.0), task("long", 10.0, 0.0)]
    world = World({"fast": ClassTruth(interference=1.0)})
    found = simulate(tasks, [node("n", "fast")], POLICIES["default"], lags=LAGS, world=world)
    assert [each.finish_seconds - 0.05 for each in found] == pytest.approx([6.0, 6.0 + 6.0])


def test_gates_open_when_the_turn_has_ended_and_the_next_begins_no_sooner() -> None:
    tasks = [task("a", 5.0, 60.0), task("b", 5.0, 60.0, at=0.5)]
    found = simulate(tasks, [node("n", "fast")], POLICIES["foretide"], lags=LAGS, turn_seconds=3.0)
    assert [each.start_seconds for each in found] == pytest.approx([0.02 + 3.0 + 0.05, 3.04 + 3.0 + 0.05])


def test_nobody_is_lost_where_turns_take_long() -> None:
    tasks, nodes = fleet(seed=2)
    found = simulate(tasks, nodes, POLICIES["foretide"], lags=LAGS, turn_seconds=0.25)
    assert [each.key for each in found] == [each.key for each in tasks]


def test_a_plan_waits_for_the_fast_node_where_that_ends_sooner() -> None:
    nodes = [node("fast", "fast", cpus=1), node("slow", "slow", cpus=1)]
    tasks = [task("a", 5.0, 60.0), task("b", 5.0, 60.0)]
    assert {each.node for each in run(tasks, nodes, "default").values()} == {"fast", "slow"}
    assert {each.node for each in run(tasks, nodes, "foretide").values()} == {"fast"}


def test_the_oracle_knows_what_predictions_do_not() -> None:
    nodes = [node("fast", "fast", cpus=1), node("slow", "slow", cpus=1)]
    wrong = task("a", 5.0, 60.0)
    wrong = replace(wrong, expected={"fast": Expected(60.0, 70.0), "slow": Expected(5.0, 6.0)})
    assert run([wrong], nodes, "foretide")["a"].node == "slow"
    assert run([wrong], nodes, "oracle")["a"].node == "fast"


def test_a_task_that_fits_nowhere_is_named() -> None:
    for policy in ("default", "foretide"):
        with pytest.raises(ValueError, match="huge"):
            simulate([task("huge", 1.0, 1.0, request_millis=64000)], [node("n", "fast")], POLICIES[policy])


def test_a_task_whose_gate_is_never_opened_is_named() -> None:
    """It is predicted only for the class whose nodes are too small, and its wait has no bound."""
    odd = replace(task("odd", 1.0, 1.0, request_millis=4000), expected={"fast": Expected(1.0, 2.0)})
    nodes = [node("small", "fast"), node("large", "slow", cpus=8)]
    with pytest.raises(ValueError, match=r"odd.*opens no gate"):
        simulate([task("even", 1.0, 1.0), odd], nodes, POLICIES["foretide"], lags=LAGS)


def test_equal_arguments_give_equal_outcomes() -> None:
    tasks, nodes = fleet(seed=3)
    for policy in POLICIES.values():
        assert simulate(tasks, nodes, policy, lags=LAGS, seed=5) == simulate(tasks, nodes, policy, lags=LAGS, seed=5)


@pytest.mark.parametrize("policy", sorted(POLICIES))
@pytest.mark.parametrize("seed", range(4))
def test_nobody_is_lost_and_no_slot_is_given_twice(policy: str, seed: int) -> None:
    tasks, nodes = fleet(seed)
    outcomes = simulate(tasks, nodes, POLICIES[policy], lags=LAGS, seed=seed)
    assert [each.key for each in outcomes] == [each.key for each in tasks]
    for place in nodes:
        here = [each for each in outcomes if each.node == place.name]
        for each in here:
            together = [
                other
                for other in here
                if other.start_seconds <= each.start_seconds < other.finish_seconds + LAGS["fast"].release_seconds
            ]
            assert len(together) * 1000 <= place.allocatable.cpu_millis
        assert all(each.start_seconds >= each.arrival_seconds for each in here)


def test_planning_a_burst_is_better_than_scoring_each_pod() -> None:
    ratios = []
    for seed in range(4):
        tasks, nodes = fleet(seed, burst=True)
        means = {
            name: sum(each.turnaround_seconds for each in simulate(tasks, nodes, POLICIES[name], lags=LAGS))
            for name in ("per-pod", "foretide")
        }
        ratios.append(means["foretide"] / means["per-pod"])
    assert sum(ratios) / len(ratios) < 0.95


def fleet(seed: int, *, burst: bool = False) -> tuple[list[SimTask], list[NodeState]]:
    chance = random.Random(seed)
    nodes = [node(f"fast-{index}", "fast") for index in range(2)] + [
        node(f"slow-{index}", "slow") for index in range(3)
    ]
    tasks = []
    for index in range(30):
        fast = chance.uniform(3.0, 12.0)
        at = 0.0 if burst else chance.uniform(0.0, 60.0)
        tasks.append(
            task(f"t{index:02d}", fast, fast * chance.uniform(3.0, 8.0), at=at, predicted=chance.uniform(0.9, 1.1))
        )
    return tasks, nodes


def test_a_policy_without_a_plan_needs_no_prediction() -> None:
    bare = SimTask("a", "w", 0.0, Resources(1000, 0, 1), 1000, {"fast": 1.0}, {})
    assert simulate([bare], [node("n", "fast")], Policy("plain", as_predicted))[0].node == "n"
