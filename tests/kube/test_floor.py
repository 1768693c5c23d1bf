"""The floor: who waits, who runs, who holds a place, and where each may go."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Collection, Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretide.placement.plan import NodeState
from foretide.placement.task import WorkloadPredictions
from foretide_kube.floor import (
    FIRST_PAUSE_SECONDS,
    LONGEST_PAUSE_SECONDS,
    RESERVED_SECONDS,
    Floor,
    Node,
    latest_open_seconds,
    read_floor,
)
from foretide_kube.missing_images import MOST_IMAGES
from foretide_kube.task_pods import TaskPod, WrittenPrediction
from tests.extender.cluster_values import MIB, NOW_SECONDS
from tests.extender.cluster_values import workload as workload_of
from tests.placement.listed import plan
from tests.planner.planner_values import FOREIGN_GATE, bound, gated, node, nodes, opened, resnet

PLAN = "foretide.dev/plan"


def floor(
    *pods: TaskPod,
    at: Mapping[str, Node] | None = None,
    workload: WorkloadPredictions | None = resnet(),  # noqa: B008 - a constant
    tries: Mapping[str, int] | None = None,
    had_room_since: Mapping[str, float] | None = None,
    now: float = NOW_SECONDS,
) -> Floor:
    return read_floor(
        pods,
        nodes() if at is None else at,
        lambda _pod: workload,
        tries=tries or {},
        had_room_since=had_room_since or {},
        now_seconds=now,
    )


def waiting(made: Floor) -> list[str]:
    return [made.pods[each.key].name for each in made.waiting]


def pending(made: Floor) -> list[str]:
    return [made.names[each.key] for each in made.pending]


def running(made: Floor) -> dict[str, str]:
    return {made.names[each.key]: each.node for each in made.running}


def state(made: Floor, name: str) -> NodeState:
    return next(each for each in made.nodes if each.name == name)


BASE = {"names": ["base:1"], "sizeBytes": MIB}
IMAGE = "docker.io/library/x:latest"
"""Of all these Pods."""


def lacks(*pods: TaskPod, now: float = NOW_SECONDS) -> dict[str, frozenset[str]]:
    """Of two nodes, one that has the image of all tasks and one that does not, what each lacks."""
    net = {"names": ["x"], "sizeBytes": 9 * MIB}
    at = {"fast-1": node("fast-1", "fast", images=[BASE]), "slow-1": node("slow-1", "slow", images=[BASE, net])}
    made = floor(*pods, at=at, now=now)
    assert made.image_bytes == ({IMAGE: 9 * MIB} if made.waiting else {})
    return {each.name: each.lacks for each in made.nodes}


def started(pod: TaskPod, seconds: float, **changes: Any) -> TaskPod:
    return msgspec.structs.replace(pod, started_seconds=NOW_SECONDS + seconds, **changes)


def test_a_node_lacks_the_image_that_a_waiting_task_needs_and_it_does_not_list() -> None:
    assert lacks(gated("a")) == {"fast-1": {IMAGE}, "slow-1": frozenset()}
    assert lacks() == {"fast-1": frozenset(), "slow-1": frozenset()}, "nobody needs it"


def test_what_a_task_needs_that_has_started_is_there_whatever_the_kubelet_has_told() -> None:
    pulling, running = bound("b"), started(bound("b"), -1.0)
    ended = started(bound("b"), -30.0, is_finished=True, ended_seconds=NOW_SECONDS - 10.0)
    assert lacks(gated("a"), pulling)["fast-1"] == {IMAGE}
    assert lacks(gated("a"), running)["fast-1"] == frozenset()
    assert lacks(gated("a"), ended)["fast-1"] == frozenset()
    assert lacks(gated("a"), ended, now=NOW_SECONDS + 51.0)["fast-1"] == {IMAGE}, "it was removed since"


def test_only_a_bound_task_that_has_not_started_may_still_wait_for_its_image() -> None:
    made = floor(bound("a"), started(bound("b", ago_seconds=30.0), -1.0), started(bound("c"), 0.0))
    assert [(made.names[each.key], bool(each.images)) for each in made.running] == [
        ("a", True),
        ("b", False),
        ("c", False),
    ]


def age_of(starting_seconds: float | None, *, pull_milliseconds: int, clock_ahead_seconds: float = 0.0) -> float:
    """How old a task counts that was bound a minute ago and took so long to start, by the clock of its node."""
    bound_seconds = NOW_SECONDS - 60.0
    written = WrittenPrediction("fast-1", round(bound_seconds * 1e3), pull_milliseconds)
    late = started(
        bound("a", ago_seconds=60.0),
        (starting_seconds or 0.0) - 60.0 + clock_ahead_seconds,
        starting_seconds=starting_seconds,
        prediction=written,
    )
    (task,) = floor(late).running
    return NOW_SECONDS - task.bound_seconds


def test_what_is_expected_of_a_task_that_pulled_its_image_counts_from_so_much_later() -> None:
    """Its usual start-up of half a second is expected of it already."""
    assert age_of(20.5, pull_milliseconds=10_000) == pytest.approx(40.0)
    assert age_of(0.2, pull_milliseconds=10_000) == 60.0, "it was there after all"
    assert age_of(900.0, pull_milliseconds=10_000) == 0.0


def test_a_task_of_which_no_pull_was_expected_counts_from_its_binding_however_late_it_started() -> None:
    assert age_of(20.5, pull_milliseconds=0) == 60.0


@pytest.mark.parametrize("ahead", [-3600.0, 3600.0])
def test_a_node_whose_clock_is_off_makes_no_task_younger(ahead: float) -> None:
    assert age_of(20.5, pull_milliseconds=10_000, clock_ahead_seconds=ahead) == pytest.approx(40.0)
    assert age_of(20.5, pull_milliseconds=0, clock_ahead_seconds=ahead) == 60.0
    assert age_of(None, pull_milliseconds=10_000, clock_ahead_seconds=ahead) == 60.0, "it does not say when it took it"


def test_of_many_images_those_that_most_tasks_need_are_looked_at() -> None:
    rare = [gated(f"rare-{n}", spec={"containers": [{"name": "t", "image": f"rare-{n:02d}"}]}) for n in range(40)]
    common = [gated(f"common-{n}") for n in range(2)]
    found = lacks_of(*rare, *common)
    assert IMAGE in found
    assert len(found) == MOST_IMAGES


def lacks_of(*pods: TaskPod) -> frozenset[str]:
    return state(floor(*pods, at={"fast-1": node("fast-1", "fast", images=[BASE])}), "fast-1").lacks


def test_a_gated_task_waits_and_a_bound_one_runs() -> None:
    made = floor(gated("a"), bound("b", node="slow-1"))
    assert waiting(made) == ["a"]
    assert running(made) == {"b": "slow-1"}
    assert state(made, "slow-1").in_use.cpu_millis == 0, "what is expected to end is not in use for good"


@pytest.mark.parametrize(
    "pod",
    [
        gated("x", phase="Failed"),
        gated("x", metadata={"deletionTimestamp": "2026-09-21T14:13:20Z"}),
        gated("x", gates=(PLAN, FOREIGN_GATE)),
        gated("x", gates=(FOREIGN_GATE,)),
        gated("x", role="profile"),
        gated("x", workload=None),
        gated("x", gates=()),
        bound("x", phase="Succeeded"),
    ],
    ids=["finished", "deleting", "two gates", "foreign", "profile", "not ours", "never gated", "ended"],
)
def test_what_the_planner_has_no_say_in_neither_waits_nor_runs(pod: TaskPod) -> None:
    made = floor(pod)
    assert (waiting(made), running(made), made.overdue) == ([], {}, ())


def test_pods_of_others_count_on_their_nodes_with_all_they_request() -> None:
    made = floor(bound("theirs", workload=None, role=None, cpu="1500m"), bound("theirs-too", workload=None, cpu="250m"))
    held = state(made, "fast-1")
    assert (held.in_use.cpu_millis, held.in_use.memory_bytes, held.in_use.pods) == (1750, 1024 * MIB, 2)
    assert held.steady_cpu_millis == 1750


def test_a_service_and_a_task_without_prediction_hold_their_place_for_good() -> None:
    service = floor(bound("a"), workload=workload_of(mode="Deployment"))
    unknown = floor(bound("a"), workload=None)
    unpredicted = floor(bound("a", node="bare"))
    for made, name in ((service, "fast-1"), (unknown, "fast-1"), (unpredicted, "bare")):
        assert running(made) == {}
        assert state(made, name).in_use.cpu_millis == 1000


def test_what_ends_on_a_node_holds_its_place_until_its_last_phase() -> None:
    made = floor(bound("a", metadata={"deletionTimestamp": "2026-09-21T14:13:20Z"}, phase="Running"))
    assert running(made) == {"a": "fast-1"}


def test_tasks_wait_in_order_of_creation_and_then_by_name() -> None:
    made = floor(gated("c", age_seconds=5), gated("b", age_seconds=5), gated("z", age_seconds=60))
    assert waiting(made) == ["z", "b", "c"]


def test_a_task_arrives_when_it_is_created_and_is_due_by_its_deadline_from_then() -> None:
    (task,) = floor(gated(age_seconds=5), workload=dataclasses.replace(resnet(), deadline_seconds=30.0)).waiting
    assert (task.arrival_seconds, task.due_seconds) == (NOW_SECONDS - 5, NOW_SECONDS + 25)
    (endless,) = floor(gated(age_seconds=5)).waiting
    assert endless.due_seconds == math.inf


def test_a_task_has_the_priority_that_admission_gave_its_pod() -> None:
    (task,) = floor(gated(spec={"priority": 1000})).waiting
    assert task.priority == 1000


def test_tasks_that_came_one_by_one_lately_let_expect_more_whatever_has_become_of_them() -> None:
    pods = [gated(f"w{age}", age_seconds=age) for age in range(0, 60, 3)]
    pods += [bound(f"r{age}", age_seconds=age) for age in range(1, 60, 3)]
    pods += [bound(f"e{age}", age_seconds=age, phase="Succeeded") for age in range(2, 60, 3)]
    made = floor(*pods)
    assert len(made.coming) >= 3
    assert all((each.arrival_seconds or 0.0) > NOW_SECONDS for each in made.coming)
    assert not floor(*(gated(f"t{index}", age_seconds=30) for index in range(60))).coming, "a burst says nothing"
    assert not floor(*(gated(f"t{index}", age_seconds=100 + index) for index in range(60))).coming, "long ago"


def test_services_let_expect_nothing() -> None:
    pods = [bound(f"r{age}", age_seconds=age) for age in range(0, 60, 2)]
    assert floor(*pods).coming
    assert not floor(*pods, workload=workload_of(mode="Deployment")).coming


def names_allowed(made: Floor) -> Collection[str] | None:
    return made.groups[made.waiting[0].group]


def test_a_task_that_asks_nothing_may_go_to_every_ready_node() -> None:
    assert names_allowed(floor(gated())) is None


def test_cordoned_and_tainted_nodes_are_kept_from_who_does_not_tolerate_it() -> None:
    there = nodes() | {
        "fast-1": node("fast-1", "fast", cordoned=True),
        "slow-1": node("slow-1", "slow", taints=[{"key": "gpu", "value": "yes", "effect": "NoSchedule"}]),
        "slow-2": node("slow-2", "slow", taints=[{"key": "old", "effect": "PreferNoSchedule"}]),
    }
    assert names_allowed(floor(gated(), at=there)) == {"medium-1", "medium-2", "slow-2", "bare"}
    tolerant = gated(spec={"tolerations": [{"key": "gpu", "operator": "Exists"}]})
    assert names_allowed(floor(tolerant, at=there)) == {"medium-1", "medium-2", "slow-1", "slow-2", "bare"}
    chosen = gated(spec={"nodeSelector": {"foretide.dev/node-class": "slow"}})
    assert names_allowed(floor(chosen, at=there)) == {"slow-2"}


@pytest.mark.parametrize("conditions", [[], [{"type": "Ready", "status": "Unknown"}]], ids=["none", "lost"])
def test_a_node_that_is_not_ready_is_no_place_and_what_is_on_it_is_left_out(conditions: list[Any]) -> None:
    there = nodes() | {"fast-1": node("fast-1", "fast", conditions=conditions)}
    made = floor(gated("a"), bound("b"), opened("c"), at=there)
    assert "fast-1" not in {each.name for each in made.nodes}
    assert running(made) == {}


def test_what_is_opened_keeps_its_place_for_a_while() -> None:
    made = floor(opened(ago_seconds=RESERVED_SECONDS - 0.1))
    assert (running(made), waiting(made)) == ({"task-1": "fast-1"}, [])
    assert made.looser_until_seconds == pytest.approx(NOW_SECONDS + 0.1)


def test_what_is_opened_without_a_prediction_keeps_its_place_as_well() -> None:
    made = floor(opened(node="bare"))
    assert state(made, "bare").in_use.cpu_millis == 1000


@pytest.mark.parametrize("tries", [1, 2, 5, 6, 50, 5000])
def test_what_is_not_bound_leaves_the_plan_and_comes_again_after_longer_each_time(tries: int) -> None:
    pause = min(FIRST_PAUSE_SECONDS * 2.0 ** min(tries - 1, 20), LONGEST_PAUSE_SECONDS)
    before = opened(ago_seconds=RESERVED_SECONDS)
    made = floor(before, tries={before.uid: tries})
    assert (running(made), waiting(made)) == ({}, [])
    assert made.looser_until_seconds == pytest.approx(NOW_SECONDS + pause)
    again = floor(before, tries={before.uid: tries}, now=NOW_SECONDS + pause)
    assert waiting(again) == ["task-1"]
    assert again.looser_until_seconds is None


@pytest.mark.parametrize("ago_seconds", [None, -3600.0], ids=["without a time", "before its time"])
def test_a_forged_opening_reserves_nothing_and_is_pending_like_what_others_opened(ago_seconds: float | None) -> None:
    made = floor(opened(ago_seconds=ago_seconds))
    assert (running(made), waiting(made), pending(made)) == ({}, [], ["task-1"])
    assert all(each.in_use.pods == 0 for each in made.nodes)


def test_tasks_that_nobody_planned_are_pending_in_order_of_creation() -> None:
    without_node = msgspec.structs.replace(opened("o", age_seconds=2), planned_node=None)
    made = floor(gated("b", gates=(), age_seconds=5), without_node, gated("z", gates=(), age_seconds=60), gated("a"))
    assert (pending(made), waiting(made), running(made)) == (["z", "b", "o"], ["a"], {})
    assert made.pending[0].expected == made.waiting[0].expected
    assert made.looser_until_seconds is None


@pytest.mark.parametrize(
    "pod",
    [
        gated(gates=(), phase="Failed"),
        gated(gates=(), metadata={"deletionTimestamp": "2026-09-21T14:13:20Z"}),
        gated(gates=(), role="profile"),
        gated(gates=(), workload=None),
        gated(gates=(FOREIGN_GATE,)),
        gated(gates=(PLAN, FOREIGN_GATE)),
    ],
    ids=["finished", "deleting", "profile", "not ours", "foreign", "two gates"],
)
def test_what_is_no_task_or_cannot_be_bound_is_not_pending(pod: TaskPod) -> None:
    assert pending(floor(pod)) == []


@pytest.mark.parametrize("tries", [1, 2, 6, 5000])
def test_what_is_pending_and_had_room_for_a_while_is_left_out_and_comes_again_after_longer_each_time(
    tries: int,
) -> None:
    pod = gated(gates=())
    counted = {pod.uid: tries}
    made = floor(pod, tries=counted, had_room_since={pod.uid: NOW_SECONDS - RESERVED_SECONDS + 0.5})
    assert pending(made) == ["task-1"]
    assert made.looser_until_seconds == pytest.approx(NOW_SECONDS + 0.5)
    since = {pod.uid: NOW_SECONDS - RESERVED_SECONDS}
    pause = min(FIRST_PAUSE_SECONDS * 2.0 ** min(tries - 1, 20), LONGEST_PAUSE_SECONDS)
    left_out = floor(pod, tries=counted, had_room_since=since)
    assert (pending(left_out), waiting(left_out)) == ([], [])
    assert left_out.looser_until_seconds == pytest.approx(NOW_SECONDS + pause)
    again = floor(pod, tries=counted, had_room_since=since, now=NOW_SECONDS + pause)
    assert (pending(again), waiting(again), again.looser_until_seconds) == (["task-1"], [], None)


@pytest.mark.parametrize("is_task", [True, False], ids=["a task", "of others"])
def test_a_forged_binding_that_no_float_can_hold_counts_for_nothing(is_task: bool) -> None:  # noqa: FBT001
    forged = WrittenPrediction("fast-1", 10**400)
    pod = msgspec.structs.replace(bound(workload="resnet" if is_task else None), prediction=forged)
    made = floor(pod, gated("a"))
    assert made.unread == ()
    assert (waiting(made), running(made)) == (["a"], {"task-1": "fast-1"} if is_task else {})


def test_a_pod_that_cannot_be_read_counts_with_its_requests_and_the_others_are_planned() -> None:
    def workload(pod: TaskPod) -> WorkloadPredictions:
        if pod.workload == "odd":
            raise OverflowError("too large")
        return resnet()

    pods = [bound("b", workload="odd"), gated("g", workload="odd"), gated("p", gates=(), workload="odd"), gated("a")]
    pods += [bound("e", workload="odd", phase="Succeeded", age_seconds=5)]
    made = read_floor(pods, nodes(), workload, tries={}, had_room_since={}, now_seconds=NOW_SECONDS)
    assert state(made, "fast-1").in_use.cpu_millis == 1000
    assert (waiting(made), pending(made), running(made)) == (["a", "g"], [], {})
    assert made.waiting[1].expected == {}, "it is opened at once, and the extender places it"
    assert [each.split(": ")[0] for each in made.unread] == ["team/b", "team/g", "team/p"]


def test_a_leader_whose_clock_is_a_little_behind_its_predecessors_honours_what_that_opened() -> None:
    assert running(floor(opened(ago_seconds=-2.0))) == {"task-1": "fast-1"}


def test_the_bound_counts_from_creation_and_is_the_workloads_own_or_the_default() -> None:
    pod = gated(age_seconds=25.0)
    assert latest_open_seconds(pod, resnet(), NOW_SECONDS) == NOW_SECONDS - 25.0 + 60.0
    own = resnet()
    own = WorkloadPredictions(own.inferences, own.cpu_millis, None, own.by_class, max_wait_seconds=7.0)
    assert latest_open_seconds(pod, own, NOW_SECONDS) == NOW_SECONDS - 25.0 + 7.0
    assert latest_open_seconds(pod, None, NOW_SECONDS) == NOW_SECONDS


def test_a_task_that_others_keep_as_well_is_overdue_at_its_bound() -> None:
    early, late = (gated(name, gates=(PLAN, FOREIGN_GATE), age_seconds=age) for name, age in (("e", 59), ("l", 60)))
    assert [pod.name for pod in floor(early, late).overdue] == ["l"]


def test_the_workload_is_the_same_for_all_its_pods_while_they_are_read() -> None:
    versions = iter([resnet(), resnet(inferences=1)])
    made = read_floor(
        [gated("a"), gated("b")],
        nodes(),
        lambda _pod: next(versions),
        tries={},
        had_room_since={},
        now_seconds=NOW_SECONDS,
    )
    assert made.waiting[0].expected == made.waiting[1].expected


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["gated", "opened", "bound"]),
            st.sampled_from(["fast-1", "medium-1", "slow-2", "bare", "gone"]),
            st.floats(min_value=-10.0, max_value=400.0),
            st.sampled_from([None, "Running", "Succeeded"]),
            st.sampled_from(["run", "profile"]),
        ),
        max_size=12,
    )
)
def test_every_pod_has_one_place_at_most_and_the_plan_takes_them_all(
    drawn: list[tuple[str, str, float, str | None, str]],
) -> None:
    pods = []
    for index, (kind, where, seconds, phase, role) in enumerate(drawn):
        options: dict[str, Any] = {"role": role} | ({"phase": phase} if phase else {})
        name = f"t{index}"
        if kind == "gated":
            pods.append(gated(name, age_seconds=seconds, **options))
        elif kind == "opened":
            pods.append(opened(name, node=where, ago_seconds=seconds, **options))
        else:
            pods.append(bound(name, node=where, ago_seconds=seconds, **options))
    made = floor(*pods)
    keys = [each.key for each in (*made.waiting, *made.pending)] + [each.key for each in made.running]
    assert len(keys) == len(set(keys))
    counted = len(made.running) + sum(each.in_use.pods for each in made.nodes)
    on_nodes = sum(pod.node in nodes() and not pod.is_finished for pod in pods)
    reserving = sum(pod.node is None and not pod.gates for pod in pods)
    assert on_nodes <= counted <= on_nodes + reserving
    planned = plan(made.waiting, made.running, made.nodes, now_seconds=NOW_SECONDS, groups=made.groups)
    assert [each.key for each in planned.assignments] == [each.key for each in made.waiting]
