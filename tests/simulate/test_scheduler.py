import random
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from foretide.placement.plan import Expected, NodeState
from foretide.placement.resources import Resources
from foretide.simulate.cluster import SimCluster, SimTask
from foretide.simulate.policies import as_predicted, by_completion, fastest_class
from foretide.simulate.scheduler import Scheduler, in_tree_scores, nodes_to_find


def task(key: str = "a", cpu: int = 1000, memory: int = 1 << 28) -> SimTask:
    expected = {"fast": Expected(10.0, 12.0), "slow": Expected(40.0, 50.0)}
    return SimTask(key, "w", 0.0, Resources(cpu, memory, 1), cpu, {"fast": 10.0, "slow": 40.0}, expected)


def cluster(count: int, *, node_class: str = "fast", cpus: int = 4) -> SimCluster:
    nodes = [NodeState(f"n{index:05d}", node_class, Resources(1000 * cpus, 8 << 30, 110)) for index in range(count)]
    return SimCluster(nodes, [task()], {})


@pytest.mark.parametrize(("count", "sought"), [(5, 5), (100, 100), (101, 100), (1000, 420), (5000, 500), (10000, 500)])
def test_as_many_nodes_are_sought_as_kube_scheduler_seeks(count: int, sought: int) -> None:
    """Kubernetes' documents on tuning the scheduler: 50 % of 100 nodes, 10 % of 5,000, and 100 nodes at least."""
    assert nodes_to_find(count) == sought


def test_the_emptier_node_is_taken_and_the_fuller_one_when_packing() -> None:
    nodes = cluster(2)
    nodes.bind(task("there", cpu=2000), 0, 0.0)
    assert Scheduler().choose(task(), nodes, 0.0) == 1
    assert Scheduler(pack=True).choose(task(), nodes, 0.0) == 0


def test_scores_are_those_of_the_default_plugins() -> None:
    """4,000 m and 8 GiB, of which 1,000 m and 2 GiB are asked for: 75 % is left of both, which balances."""
    scores = in_tree_scores(Resources(1000, 2 << 30, 1), cluster(1), np.array([0]))
    assert scores.tolist() == [75 + 100]
    skewed = in_tree_scores(Resources(2000, 0, 1), cluster(1), np.array([0]))  # half of one, none of the other
    assert skewed.tolist() == [75 + 75]


def test_equal_nodes_are_taken_equally_often() -> None:
    scheduler, nodes = Scheduler(seed=1), cluster(5)
    counts = Counter(scheduler.choose(task(), nodes, 0.0) for _ in range(500))
    assert min(counts.values()) > 60


def test_a_node_without_room_is_never_taken() -> None:
    nodes = cluster(3, cpus=1)
    nodes.bind(task("there"), 1, 0.0)
    assert {Scheduler(seed=seed).choose(task(), nodes, 0.0) for seed in range(20)} == {0, 2}
    for place in (0, 2):
        nodes.bind(task(f"t{place}"), place, 0.0)
    assert Scheduler().choose(task(), nodes, 0.0) is None


def test_the_planned_node_is_taken_while_it_has_room() -> None:
    nodes = cluster(3, cpus=1)
    assert Scheduler().choose(task(), nodes, 0.0, planned=2) == 2
    nodes.bind(task("there"), 2, 0.0)
    assert Scheduler().choose(task(), nodes, 0.0, planned=2) != 2


def test_in_a_large_cluster_searches_go_on_where_the_last_one_ended() -> None:
    scheduler, nodes = Scheduler(), cluster(1000, cpus=1)
    taken = [scheduler.choose(task(f"t{number}"), nodes, 0.0) for number in range(3)]
    assert all(place is not None for place in taken)
    first, second, third = (place // 420 if place is not None else -1 for place in taken)
    assert (first, second) == (0, 1)
    assert third in {0, 2}


def test_with_an_extender_all_nodes_are_looked_at() -> None:
    nodes = cluster(1000, cpus=1)
    last = Scheduler(prefer=lambda _task, places, _cluster, _now: places.astype(float))
    assert last.choose(task(), nodes, 0.0) == 999
    assert last.choose(task(), nodes, 0.0, planned=7) == 7


def test_the_extender_counts_more_than_all_plugins() -> None:
    nodes = SimCluster(
        [
            NodeState("fast", "fast", Resources(4000, 8 << 30, 110)),
            NodeState("slow", "slow", Resources(64000, 64 << 30, 110)),
        ],
        [task()],
        {},
    )
    assert Scheduler().choose(task(), nodes, 0.0) == 1
    for make in (by_completion, fastest_class):
        assert Scheduler(prefer=make(as_predicted, 0)).choose(task(), nodes, 0.0) == 0


def test_completion_is_compared_by_the_start_up_and_what_nine_of_ten_keep_to_of_the_work() -> None:
    sites = [NodeState(name, name, Resources(4000, 8 << 30, 110)) for name in ("near", "far")]
    near = Expected(35.0, 230.0, startup_seconds=30.0)  # 108 s; 142 s if its start-up scattered as its work does
    one = replace(task(), expected={"near": near, "far": Expected(125.0, 125.0)})
    first, second = by_completion(as_predicted, 0)(one, np.array([0, 1]), SimCluster(sites, [one], {}), 0.0)
    assert first > second


def test_completion_counts_who_shares_the_cores() -> None:
    nodes = SimCluster(
        [
            NodeState("busy", "fast", Resources(2000, 8 << 30, 110)),
            NodeState("idle", "fast", Resources(2000, 8 << 30, 110)),
        ],
        [task()],
        {},
    )
    nodes.bind(replace(task("greedy"), cpu_millis=2000), 0, 0.0)
    busy, idle = by_completion(as_predicted, 0)(task(), np.array([0, 1]), nodes, 1.0)
    assert busy < idle


def test_binding_and_releasing_leave_what_was_there() -> None:
    nodes, chance = cluster(4), random.Random(1)
    before = nodes.free.copy()
    bound = [(task(f"t{number}", cpu=chance.choice([500, 1000])), chance.randrange(4)) for number in range(8)]
    for each, place in bound:
        nodes.bind(each, place, 0.0)
    for each, place in bound:
        nodes.end(each.key, place, 100.0)
        nodes.release(each, place, nodes.life(place))
    np.testing.assert_array_equal(nodes.free, before)
    assert nodes.used_share(np.arange(4)).tolist() == [0.0] * 4
