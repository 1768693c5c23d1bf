"""How fast a freed slot is taken: which waits count, and from when."""

from __future__ import annotations

import msgspec
import pytest

from demo.pod_times import PodTimes
from demo.slots import SlotWaits, slot_waits
from foretide.placement.resources import Resources
from foretide_kube.pod_form import PodForm
from foretide_kube.pod_plan import PodPlan
from foretide_kube.task_pods import read_pod
from tests.demo.ended_tasks import ONE_CPU

MIB = 2**20
ROOM = {"n1": Resources(2000, 1024 * MIB, 110), "n2": Resources(2000, 1024 * MIB, 110)}


def pod(
    name: str,
    bound: float,
    released: float | None = None,
    *,
    seen: float = 0.0,
    node: str = "n1",
    plans: tuple[tuple[float, str], ...] = (),
    requests: Resources = ONE_CPU,
) -> PodTimes:
    times = PodTimes(name, requests, seen, was_gated=True, node=node, bound_seconds=bound, released_seconds=released)
    times.plans += plans
    return times


def test_a_task_that_found_the_node_full_waited_from_the_release() -> None:
    pods = [pod("a", 0.1, 10.0), pod("b", 0.1, 20.0), pod("c", 10.2)]
    assert slot_waits(pods, ROOM).as_told == pytest.approx((0.2,))


def test_a_task_that_had_room_from_the_first_waited_for_no_slot() -> None:
    pods = [pod("a", 0.1, 10.0), pod("b", 11.0), pod("late", 12.0, seen=11.9)]
    assert slot_waits(pods, ROOM).as_told == ()


def test_the_release_that_made_room_is_the_last_one_that_was_needed() -> None:
    large = Resources(2000, 512 * MIB)
    pods = [pod("a", 0.1, 10.0), pod("b", 0.1, 20.0), pod("c", 20.1, requests=large)]
    assert slot_waits(pods, ROOM).as_told == pytest.approx((0.1,))


def test_memory_makes_no_room_before_it_suffices() -> None:
    big = Resources(1000, 768 * MIB)
    pods = [pod("a", 0.1, 10.0, requests=big), pod("c", 10.3, requests=big)]
    assert slot_waits(pods, ROOM).as_told == pytest.approx((0.3,))


def test_who_was_told_another_node_is_shown_apart_and_left_out_of_nothing() -> None:
    pods = [
        pod("a", 0.1, 10.0),
        pod("b", 0.1, 20.0),
        pod("c", 15.0, plans=((1.0, "n2"), (14.9, "n1"))),
        pod("d", 20.2, plans=((1.0, "n2"), (19.0, "n1"))),
    ]
    waits = slot_waits(pods, ROOM)
    assert waits.as_told == pytest.approx((0.2,))
    assert waits.replanned == pytest.approx((5.0,))
    found = waits.figures()
    assert [found[part]["tasks"] for part in ("as_told", "replanned", "arriving")] == [1, 1, 0]
    assert found["tasks"] == 2
    assert found["p50_seconds"] == 2.6
    assert found["p95_seconds"] == 4.76


def test_who_had_only_just_come_is_shown_apart_and_left_out_of_nothing() -> None:
    pods = [pod("a", 0.1, 10.0), pod("b", 0.1, 20.0), pod("c", 10.4, seen=9.5, plans=((9.9, "n2"),))]
    waits = slot_waits(pods, ROOM)
    assert (waits.as_told, waits.replanned) == ((), ())
    assert waits.arriving == pytest.approx((0.4,))
    assert waits.figures()["p95_seconds"] == 0.4
    assert SlotWaits.together([waits, waits]).figures()["arriving"]["tasks"] == 2


def test_other_nodes_and_tasks_without_gate_do_not_count() -> None:
    free = pod("c", 10.2)
    free.was_gated = False
    pods = [pod("a", 0.1, 10.0, node="n2"), pod("b", 0.1, 20.0), free]
    assert slot_waits(pods, ROOM).as_told == ()
    assert slot_waits(pods, ROOM).figures()["p95_seconds"] is None


def test_a_pod_s_times_are_those_of_its_first_event_of_each_kind() -> None:
    plan = msgspec.json.encode(PodPlan(node="n1", expected_start_time="2026-01-01T00:00:10Z")).decode()
    gated = {
        "metadata": {"name": "p", "uid": "u", "annotations": {"foretide.dev/plan": plan}},
        "spec": {"schedulingGates": [{"name": "foretide.dev/plan"}]},
    }
    bound = {"metadata": {"name": "p", "uid": "u"}, "spec": {"nodeName": "n1"}, "status": {"phase": "Running"}}
    ended = {**bound, "status": {"phase": "Succeeded"}}
    times = PodTimes.first_seen(read_pod(msgspec.convert(gated, PodForm)), 1.0)
    for now, event in ((2.0, gated), (3.0, bound), (4.0, bound), (5.0, ended), (6.0, ended)):
        times.note(read_pod(msgspec.convert(event, PodForm)), now)
    assert (times.was_gated, times.node, times.bound_seconds, times.released_seconds) == (True, "n1", 3.0, 5.0)
    assert times.plans == [(1.0, "n1")]
    assert times.planned_at(0.5) == ""
