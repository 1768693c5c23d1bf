"""Where else a task could go: what is told of it holds beside all that is planned, and takes nothing from anybody."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

import pytest

from foretide.placement.placing import Placing
from foretide.placement.plan import Expected, NodeState, Plan, Running, Waiting
from foretide.placement.prospects import next_best, on_each_node, planned
from foretide.placement.pulls import PullTimes
from foretide.placement.resources import Resources
from foretide.placement.timeline import Lags
from foretide.placement.together import plan_together

ONE = Resources(1000, 2**30)
IMAGE = frozenset({"registry.example/net:1"})
NO_LAGS = {name: Lags(0.0, 0.0) for name in ("fast", "medium", "slow")}
TIMES = PullTimes({"registry.example/net:1": 100}, dict.fromkeys(NO_LAGS, 10.0))
"""Ten seconds everywhere."""
FLEET = (("fast-1", "fast"), ("fast-2", "fast"), ("medium-1", "medium"), ("slow-1", "slow"))


def node(name: str, node_class: str, *, cores: int = 1, lacks: frozenset[str] = frozenset()) -> NodeState:
    return NodeState(name, node_class, Resources(1000 * cores, 2**36, 110), lacks=lacks)


def task(key: str, *, group: str | None = None, **by_class: float) -> Waiting:
    expected = {name: Expected(each, 1.5 * each) for name, each in by_class.items()}
    return Waiting(key, ONE, 1000, expected, 1e9, group=group, arrival_seconds=0.0, images=IMAGE)


def runs(on: str, seconds: float) -> Running:
    return Running(f"on-{on}", on, ONE, 1000, 0.0, Expected(seconds, 1.5 * seconds))


def looked(
    tasks: list[Waiting],
    nodes: list[NodeState],
    *running: Running,
    groups: Mapping[Hashable, frozenset[str] | None] | None = None,
) -> tuple[Plan, Placing]:
    seen: list[Placing] = []
    made = plan_together(
        tasks,
        running,
        nodes,
        now_seconds=0.0,
        lags=NO_LAGS,
        pull_times=TIMES,
        groups=groups,
        look=seen.append,
    )
    return made, seen[0]


@pytest.mark.parametrize(("percent", "bound"), [(50, 14.0), (95, 19.0)])
def test_the_planned_node_is_told_with_the_bound_that_is_asked_for(percent: int, bound: float) -> None:
    one = task("a", fast=10.0)
    made, _ = looked([one], [node("fast-1", "fast")], runs("fast-1", 4.0))
    prospect = planned(made.assignments[0], one, "fast", percent)
    assert prospect is not None
    assert (prospect.start_seconds, prospect.finish_seconds) == (4.0, 14.0)
    assert prospect.percent == percent
    assert prospect.quantile_seconds == pytest.approx(bound)
    assert prospect.slowdown == 1.0


def test_where_no_end_is_expected_there_is_nothing_to_tell() -> None:
    unpredicted = task("a")
    made, _ = looked([unpredicted], [node("fast-1", "fast")])
    assert made.assignments[0].node == "fast-1"
    assert planned(made.assignments[0], unpredicted, "fast", 95) is None


def test_the_next_best_is_of_another_class_even_where_its_own_has_more_room() -> None:
    one = task("a", fast=10.0, medium=21.0, slow=50.0)
    made, placing = looked([one], [node(*each) for each in FLEET])
    assert made.assignments[0].node in {"fast-1", "fast-2"}
    prospect = next_best(placing, one, "fast", 95)
    assert prospect is not None
    assert (prospect.node, prospect.finish_seconds, prospect.quantile_seconds) == ("medium-1", 21.0, 31.5)


def test_what_waits_elsewhere_and_what_is_planned_there_comes_first() -> None:
    one, other = task("a", fast=10.0, medium=21.0, slow=500.0), task("b", medium=8.0)
    made, placing = looked([one, other], [node(*each) for each in FLEET], runs("medium-1", 5.0))
    assert made.assignments[1].node == "medium-1"
    prospect = next_best(placing, one, "fast", 95)
    assert prospect is not None
    assert (prospect.node, prospect.start_seconds, prospect.finish_seconds) == ("medium-1", 13.0, 34.0)


@pytest.mark.parametrize("one", [task("a", fast=10.0), task("a")], ids=["one class", "none"])
def test_with_no_other_class_there_is_no_next_best(one: Waiting) -> None:
    _, placing = looked([one], [node(*each) for each in FLEET])
    assert next_best(placing, one, "fast", 95) is None


def test_nodes_that_it_may_not_go_to_are_no_alternative() -> None:
    one = task("a", group="pinned", fast=10.0, medium=21.0, slow=50.0)
    groups: Mapping[Hashable, frozenset[str] | None] = {"pinned": frozenset({"fast-1", "slow-1"})}
    _, placing = looked([one], [node(*each) for each in FLEET], groups=groups)
    prospect = next_best(placing, one, "fast", 95)
    assert prospect is not None
    assert prospect.node == "slow-1"
    assert {each.node for each in on_each_node(placing, one, 95)} == {"fast-1", "slow-1"}


def test_each_node_is_told_with_the_pull_of_what_it_lacks_the_soonest_end_first() -> None:
    one = task("a", fast=10.0, medium=21.0)
    nodes = [node("fast-1", "fast", lacks=IMAGE), node("medium-1", "medium"), node("bare", "other")]
    _, placing = looked([], nodes, runs("medium-1", 5.0))
    told = [(each.node, each.finish_seconds, each.pull_seconds) for each in on_each_node(placing, one, 95)]
    assert told == [("fast-1", 20.0, 10.0), ("medium-1", 26.0, 0.0)]


def test_to_look_takes_nothing_and_changes_no_plan() -> None:
    tasks = [task(key, fast=10.0, medium=15.0, slow=30.0) for key in "abcdef"]
    nodes = [node(*each) for each in FLEET]
    made, placing = looked(tasks, nodes)
    first = [next_best(placing, each, "fast", 95) for each in tasks], on_each_node(placing, tasks[0], 95)
    assert first == ([next_best(placing, each, "fast", 95) for each in tasks], on_each_node(placing, tasks[0], 95))
    assert made == plan_together(tasks, [], nodes, now_seconds=0.0, lags=NO_LAGS, pull_times=TIMES)


def test_where_cores_are_shared_it_takes_longer_and_so_does_the_bound() -> None:
    one = task("a", fast=10.0)
    crowd = Running("steady", "fast-1", Resources(1000, 2**30), 2000, 0.0, None)
    _, placing = looked([], [node("fast-1", "fast", cores=2)], crowd)
    (prospect,) = on_each_node(placing, one, 95)
    assert prospect.slowdown == pytest.approx(1.5)
    assert prospect.finish_seconds == pytest.approx(15.0)
    assert prospect.quantile_seconds == pytest.approx(22.5)
