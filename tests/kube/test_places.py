"""Where tasks may go: by their constraints, and by memory, so that the extender passes what is planned."""

from __future__ import annotations

import random
from collections.abc import Collection
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from foretide_extender.decide import decide_filter
from foretide_extender.state import ClusterState
from foretide_kube.floor import Node, read_floor
from foretide_kube.kinds.aiworkload import parse as parse_workload
from foretide_kube.names import ANNOTATION_PLANNED_NODE
from foretide_kube.published import predictions_of
from foretide_kube.reduced import facts_of, reduce_class, reduce_pod
from tests.extender.cluster_values import FACTORS, NODES, NOW_SECONDS, class_object, have_workload, workload_object
from tests.placement.listed import plan
from tests.planner.planner_values import gated, gated_object, node, nodes, pinned, resnet

SMALL = {"slow-1": node("slow-1", "slow", memory="256Mi")}


def allowed(there: dict[str, Node], **options: Any) -> Collection[str]:
    """The nodes that a task may go to; ``memory_mib`` is what its workload needs."""
    workload = resnet(memory_mib=options.pop("memory_mib", 300))
    selected = {("team", "resnet"): frozenset(options.pop("selected"))} if "selected" in options else {}
    made = read_floor([gated(**options)], there, lambda _pod: workload, now_seconds=NOW_SECONDS, selected=selected)
    found = made.groups[made.waiting[0].group]
    return set(there) if found is None else found


def test_a_node_with_too_little_memory_is_no_place_and_others_of_its_class_are() -> None:
    assert allowed(nodes() | SMALL) == set(NODES) - {"slow-1"}
    assert allowed(nodes() | SMALL, memory_mib=200) == set(NODES)


def test_a_task_that_is_too_large_for_all_that_it_may_go_to_may_go_to_all_of_them() -> None:
    assert allowed(nodes() | SMALL, spec=pinned("slow")) == {"slow-2"}
    assert allowed(nodes(memory="256Mi"), spec=pinned("slow")) == {"slow-1", "slow-2"}


def test_a_limit_that_is_too_low_counts_for_the_classes_that_are_predicted() -> None:
    assert allowed(nodes(), memory="128Mi") == {"bare"}
    assert allowed(nodes(), memory="128Mi", spec=pinned("fast")) == {"fast-1"}


def test_a_class_that_its_workload_does_not_select_is_no_place_though_no_other_is_left() -> None:
    assert allowed(nodes(), selected={"slow"}) == {"slow-1", "slow-2"}
    assert allowed(nodes(), selected={"slow"}, spec=pinned("fast")) == set()
    assert allowed(nodes(), selected=()) == set()
    assert allowed(nodes() | SMALL, selected={"slow"}) == {"slow-2"}
    assert allowed(nodes(memory="256Mi"), selected={"slow"}) == {"slow-1", "slow-2"}, "memory leaves none of the two"


def test_tasks_of_different_workloads_that_may_go_to_the_same_nodes_are_one_group() -> None:
    known = {"a": resnet(), "b": resnet(inferences=7)}
    pods = [gated(name, workload=name) for name in known]
    made = read_floor(pods, nodes() | SMALL, lambda pod: known[pod.workload], now_seconds=NOW_SECONDS)
    assert len(made.groups) == 1


sizes = st.sampled_from(["100Mi", "300Mi", "500Mi", "2Gi"])
tasks = st.lists(
    st.fixed_dictionaries(
        {
            "memory": st.sampled_from([None, "200Mi", "400Mi"]),
            "age_seconds": st.floats(0.0, 90.0),
            "spec": st.sampled_from([{}, pinned("slow"), pinned("fast")]),
        }
    ),
    min_size=1,
    max_size=8,
)


workloads = st.builds(
    workload_object,
    memory_mib=st.sampled_from([50, 250, 450, 4000]),
    deadline_milliseconds=st.none() | st.integers(1, 60_000),
    classes=st.sampled_from([tuple(FACTORS), ("slow",), ("fast", "medium")]),
    selector=st.sampled_from([None, {"matchLabels": {"tier": "slow"}}, {"matchLabels": {"tier": "none"}}]),
    mode=st.just("Job"),
)


@given(st.fixed_dictionaries(dict.fromkeys(NODES, sizes)), tasks, workloads, st.randoms(use_true_random=False))
@settings(deadline=None)
def test_the_extender_refuses_no_node_that_is_planned(
    memory: dict[str, str], given_tasks: list[dict[str, Any]], item: dict[str, Any], rng: random.Random
) -> None:
    there = {name: node(name, node_class, memory=memory[name]) for name, node_class in NODES.items()}
    objects = {f"t{index}": gated_object(f"t{index}", **options) for index, options in enumerate(given_tasks)}
    pods = {name: facts_of(reduce_pod(each)) for name, each in objects.items()}
    workload = predictions_of(parse_workload(item))
    state = extender_state(item, there)
    selected = state.snapshot().selected
    floor = read_floor(pods.values(), there, lambda _pod: workload, now_seconds=NOW_SECONDS, selected=selected)
    made = plan(floor.waiting, floor.running, floor.nodes, now_seconds=NOW_SECONDS, groups=floor.groups)
    for each in made.assignments:
        if each.node is None:
            continue
        opened = objects[floor.names[each.key]]
        opened["spec"].pop("schedulingGates", None)
        opened["metadata"]["annotations"] = {ANNOTATION_PLANNED_NODE: each.node}
        pod = facts_of(reduce_pod(opened))
        others = [name for name in could_run(pod, there) if name != each.node]
        names = [each.node, *rng.sample(others, rng.randint(0, len(others)))]
        answer = decide_filter(state.snapshot(), pod, names, NOW_SECONDS + rng.uniform(0.0, 60.0))
        assert each.node not in answer.refused


def extender_state(workload: dict[str, Any], there: dict[str, Node]) -> ClusterState:
    state = ClusterState()
    for name in FACTORS:
        state.class_changed(name, facts_of(reduce_class(class_object(name))))
    for each in there.values():
        state.node_changed("ADDED", each.facts)
    have_workload(state, workload)
    return state


def could_run(pod: Any, there: dict[str, Node]) -> list[str]:
    """The nodes that the scheduler's own filters leave, were there room on all of them."""
    return [n for n, each in there.items() if pod.constraints.allow(n, each.facts.labels, each.facts.taints)]
