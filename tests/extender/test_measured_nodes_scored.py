"""Scores of tasks where a measurement has a node for itself."""

from __future__ import annotations

import random
from typing import Any

import pytest

from foretide_extender.decide import decide_filter
from foretide_extender.standings import Standings
from foretide_extender.state import ClusterState
from foretide_kube.reduced import facts_of, reduce_class, reduce_node, reduce_workload
from tests.extender.cluster_values import (
    CREATED_TIME,
    NOW_SECONDS,
    bind,
    class_object,
    cluster,
    node_object,
    pod_object,
    workload_object,
)
from tests.extender.test_decide import ALL, pod, scored
from tests.planner.planner_values import time_text

SECONDS = 40


def measured_object(*classes: str, **options: Any) -> dict[str, Any]:
    """The workload of all these Pods, of which the status says on which classes it is being measured."""
    item = workload_object(**options)
    rows = [{"nodeClass": name, "reason": "InProgress", "nodeSeconds": SECONDS} for name in classes]
    counts = {"desired": 3, "measured": 0, "failed": 0, "summary": "measured 0, learned 0 of 3"}
    item["status"]["profiles"] = {**counts, "classes": rows}
    return item


def profile(name: str = "profile", *, node: str = "fast-1", ago_seconds: float = 0.0, **options: Any) -> dict[str, Any]:
    return pod_object(name, role="profile", node=node, bound=time_text(NOW_SECONDS - ago_seconds), **options)


def state(*pods: dict[str, Any], classes: tuple[str, ...] = ("fast",), **options: Any) -> ClusterState:
    found = cluster(measured_object(*classes, **options))
    for each in pods:
        bind(found, each)
    return found


def kept(found: ClusterState) -> list[str]:
    return [name for name, node in found.snapshot().nodes.items() if node.measured_until]


def test_a_task_ends_as_much_later_on_a_node_as_its_measurement_still_takes() -> None:
    """1.7 s on the fastest, 3.7 s and 8.1 s on the others, so 41.7 s beside the measurement; each 1.32 × is a point."""
    assert scored(state(profile()), pod()) | {"bare": 0} == {
        "fast-1": 1,
        "medium-1": 10,
        "medium-2": 10,
        "slow-1": 7,
        "slow-2": 7,
        "bare": 0,
    }
    assert scored(state(), pod())["fast-1"] == 10, "before its Pod is bound"


def test_the_sooner_it_is_over_the_less_it_counts_and_then_not_at_all() -> None:
    found, standings = state(profile()), Standings()
    scores = [
        scored(found, pod(), now=NOW_SECONDS + later, standings=standings)["fast-1"] for later in (0.0, 37.0, 40.0)
    ]
    assert scores == [1, 9, 10]


def test_a_measurement_that_ends_early_is_forgotten_at_once() -> None:
    found = state(profile())
    bind(found, profile(), "DELETED")
    assert scored(found, pod())["fast-1"] == 10
    assert kept(found) == []


def test_the_planned_node_is_on_top_whatever_is_measured_there() -> None:
    planned = pod(annotations={"foretide.dev/planned-node": "fast-1"})
    assert scored(state(profile()), planned)["fast-1"] == 10


def test_no_node_is_refused_for_a_measurement_and_who_keeps_a_deadline_there_alone_goes_there() -> None:
    found = state(profile(), deadline_milliseconds=3_000)
    refused = decide_filter(found.snapshot(), pod(), ALL, NOW_SECONDS).refused
    assert "fast-1" not in refused
    assert {"medium-1", "slow-1"} <= refused.keys()


def test_a_label_alone_makes_no_node_worse() -> None:
    assert kept(state(profile(), classes=())) == []
    assert kept(state(profile(), classes=("slow",))) == []
    assert kept(state(profile(workload="other"))) == []
    assert scored(state(profile(), classes=()), pod())["fast-1"] == 10


def test_one_node_is_kept_however_many_pods_say_that_they_measure() -> None:
    forged = [profile(f"forged-{n}", node=node, ago_seconds=1.0) for n, node in enumerate(("medium-1", "medium-2"))]
    first = profile("first", node="medium-2", ago_seconds=5.0)
    assert kept(state(*forged, first, classes=("medium",))) == ["medium-2"]
    found = state(first, *forged, classes=("medium",))
    bind(found, first, "DELETED")
    assert kept(found) == ["medium-1"], "the next is believed: there is one all the time"


def test_a_measurement_with_a_task_beside_it_is_lost_and_counts_no_more() -> None:
    found = state(profile())
    bind(found, pod_object("task-2", node="fast-1"))
    assert kept(found) == []
    bind(found, pod_object("task-2", node="fast-1"), "DELETED")
    assert kept(found) == ["fast-1"]


def test_a_service_is_no_task() -> None:
    found = state(profile())
    found.workload_changed(("team", "web"), facts_of(reduce_workload(workload_object("web", mode="Deployment"))))
    bind(found, pod_object("replica", workload="web", node="fast-1"))
    assert kept(found) == ["fast-1"]
    alone = cluster(measured_object("fast", mode="Deployment", startup_milliseconds=0))
    bind(alone, profile())
    assert scored(alone, pod(cpu="500m"))["fast-1"] == 10, "the wait is nothing to who stays"


def test_it_follows_what_the_status_says_and_which_class_a_node_is_of() -> None:
    found = cluster(workload_object())
    bind(found, profile())
    assert kept(found) == []
    found.workload_changed(("team", "resnet"), facts_of(reduce_workload(measured_object("fast"))))
    assert kept(found) == ["fast-1"]
    found.node_changed("MODIFIED", facts_of(reduce_node(node_object("fast-1", "slow"))))
    assert kept(found) == []
    found.node_changed("MODIFIED", facts_of(reduce_node(node_object("fast-1", "fast"))))
    assert kept(found) == ["fast-1"]
    found.workload_changed(("team", "resnet"), facts_of(reduce_workload(workload_object())))
    assert kept(found) == []


@pytest.mark.parametrize("seed", range(40))
def test_which_nodes_are_kept_follows_from_what_is_there_now_whatever_came_before(seed: int) -> None:
    chance = random.Random(seed)
    names, found = [f"n{number}" for number in range(4)], ClusterState()
    there: dict[str, dict[str, Any]] = {}
    for _ in range(60):
        event = chance.choice(["node", "pod", "pod", "workload", "gone"])
        if event == "node":
            item = node_object(chance.choice(names), chance.choice(["fast", "slow"]))
        elif event == "workload":
            item = measured_object(*chance.choice([("fast",), ("slow",), ("fast", "slow"), ()]))
        else:
            role = chance.choice(["profile", "profile", "profile", "run"])
            item = pod_object(f"p{chance.randrange(6)}", role=role, node=chance.choice(names), bound=CREATED_TIME)
        key = item["metadata"].get("uid", item["metadata"]["name"])
        is_gone = event == "gone" and key in there
        there.pop(key, None)
        if not is_gone:
            there[key] = item
        tell(found, item, "DELETED" if is_gone else "MODIFIED")
    fresh = ClusterState()
    for name in ("fast", "slow"):
        for each in (found, fresh):
            each.class_changed(name, facts_of(reduce_class(class_object(name))))
    for item in chance.sample(list(there.values()), len(there)):
        tell(fresh, item, "ADDED")
    assert sorted(kept(found)) == sorted(kept(fresh))


def tell(state: ClusterState, item: dict[str, Any], event: str) -> None:
    name = item["metadata"]["name"]
    if "containers" in item.get("spec", {}):
        bind(state, item, event)
    elif "spec" in item:
        state.workload_changed(("team", name), facts_of(reduce_workload(item)))
    else:
        state.node_changed(event, facts_of(reduce_node(item)))
