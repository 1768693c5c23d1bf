"""Records of decisions are kept within bounds, the last of each Pod, and share what they rest on."""

from __future__ import annotations

import tracemalloc
from typing import Any

import msgspec
import pytest

from foretide_extender.decide import FilterAnswer, PrioritizeAnswer, decide_filter, decide_prioritize
from foretide_extender.records import MOST_BYTES, MOST_RECORDS, Records
from foretide_extender.standings import Standings
from foretide_extender.state import ClusterState
from foretide_extender.wire import Request, decode
from foretide_kube.reduced import facts_of, reduce_node
from tests.extender.cluster_values import FACTORS, NODES, NOW_SECONDS, bind, cluster, node_object, pod_object
from tests.extender.cluster_values import workload_object as workload

ALL = list(NODES)


def request(name: str = "task-1", names: list[str] = ALL, *, uid: str | None = None) -> Request:
    item = pod_object(name)
    item["metadata"]["uid"] = uid or f"uid-{name}"
    return decode(msgspec.json.encode({"Pod": item, "Nodes": None, "NodeNames": names}))


def decide(records: Records, state: ClusterState, asked: Request, standings: Standings | None = None) -> None:
    snapshot, standings = state.snapshot(), standings or Standings()
    answer = decide_filter(snapshot, asked.pod, asked.names, NOW_SECONDS, standings)
    records.filtered(asked, answer, "", NOW_SECONDS)
    scored = decide_prioritize(snapshot, asked.pod, asked.names, NOW_SECONDS, standings)
    records.prioritized(asked, scored, "", NOW_SECONDS)


def test_both_verbs_of_an_attempt_are_one_record_and_the_next_attempt_takes_its_place() -> None:
    records = Records()
    records.filtered(request(), FilterAnswer("Measured", {"slow-1": "No: not this"}, overruled=("X",)), "", 1.0)
    records.prioritized(request(names=["fast-1"]), PrioritizeAnswer("Learned"), "", 2.0)
    found = records.find("team", "task-1")
    assert found is not None
    assert (found.filter_source, found.prioritize_source, found.time_seconds) == ("Measured", "Learned", 2.0)
    assert (found.refused, found.overruled, found.sent) == ({"slow-1": "No: not this"}, ("X",), b'["fast-1"]')
    records.filtered(request(), FilterAnswer("Equal"), "NotSynced", 3.0)
    found = records.find("team", "task-1")
    assert found is not None
    assert (found.filter_source, found.filter_failed_open, found.prioritize_source) == ("", "NotSynced", "")
    assert (found.refused, len(records)) == ({}, 1)


def test_scores_for_a_namesake_or_asked_for_again_are_not_taken_for_the_same_attempt() -> None:
    records = Records()
    records.filtered(request(), FilterAnswer("Measured"), "", 1.0)
    records.prioritized(request(uid="another"), PrioritizeAnswer("Learned"), "", 2.0)
    found = records.find("team", "task-1")
    assert found is not None
    assert (found.pod.uid, found.filter_source) == ("another", "")
    records.prioritized(request(uid="another"), PrioritizeAnswer("Equal"), "", 3.0)
    again = records.find("team", "task-1")
    assert again is not None
    assert again.prioritize_source == "Equal"
    assert found.prioritize_source == "Learned", "what was found stays as it was found"


def test_the_oldest_go_first_when_there_are_too_many() -> None:
    records = Records(most=3)
    for number in range(5):
        records.filtered(request(f"task-{number}"), FilterAnswer("Equal"), "", 1.0)
    assert [records.find("team", f"task-{number}") is not None for number in range(5)] == [False] * 2 + [True] * 3


def test_what_they_take_is_told_exactly_when_all_are_gone() -> None:
    state, records = cluster(workload()), Records(most=2)
    records.filtered(request("first", []), FilterAnswer("Equal"), "", 1.0)
    empty_bytes = records.size_bytes - len(b"[]")
    for number in range(6):
        bind(state, pod_object(f"there-{number}", node="fast-1"))
        decide(records, state, request(f"task-{number}"))
    records.filtered(request("last"), FilterAnswer("Equal"), "", 1.0)
    records.filtered(request("very-last"), FilterAnswer("Equal"), "", 1.0)
    assert records.size_bytes == 2 * (empty_bytes + len(request().sent))


def large(nodes: int, *, is_crowded: bool) -> ClusterState:
    state = cluster(workload(deadline_milliseconds=None))
    for number in range(nodes):
        item = node_object(f"edge-{number:05}", list(FACTORS)[number % 3], cpu="1" if is_crowded else "8")
        state.node_changed("ADDED", facts_of(reduce_node(item)))
        if is_crowded:
            bind(state, pod_object(f"there-{number}", node=f"edge-{number:05}"))
    return state


@pytest.mark.parametrize("is_crowded", [False, True])
def test_decisions_of_10_000_names_each_stay_within_their_bytes(*, is_crowded: bool) -> None:
    state, standings, records = large(10_000, is_crowded=is_crowded), Standings(), Records()
    names = sorted(state.snapshot().nodes)
    decide(Records(), state, request(names=names), standings)
    tracemalloc.start()
    try:
        for number in range(60):
            bind(state, pod_object(f"came-{number}", node=names[number]))
            decide(records, state, request(f"task-{number}", names), standings)
        held_bytes = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert 10 <= len(records) <= MOST_RECORDS
    assert records.size_bytes <= MOST_BYTES
    assert held_bytes <= 1.25 * MOST_BYTES


def test_decisions_on_many_sorts_of_tasks_while_nodes_change_stay_within_their_bytes() -> None:
    state, standings, records = large(500, is_crowded=True), Standings(), Records()
    names = sorted(state.snapshot().nodes)
    decide(Records(), state, request(names=names), standings)
    tracemalloc.start()
    try:
        for number in range(150):
            item = pod_object(f"task-{number}", cpu=f"{1100 + number}m")
            asked = decode(msgspec.json.encode({"Pod": item, "Nodes": None, "NodeNames": names}))
            answer = decide_filter(state.snapshot(), asked.pod, names, NOW_SECONDS, standings)
            records.filtered(asked, answer, "", NOW_SECONDS)
            bind(state, pod_object(f"came-{number}", node=names[number]))
            scored = decide_prioritize(state.snapshot(), asked.pod, names, NOW_SECONDS, standings)
            records.prioritized(asked, scored, "", NOW_SECONDS)
        before = tracemalloc.get_traced_memory()[0]
        told_bytes = records.size_bytes
        records.clear()
        freed_bytes = before - tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert told_bytes <= MOST_BYTES
    assert freed_bytes <= 1.25 * MOST_BYTES


def test_nodes_that_are_refused_count_as_well() -> None:
    records = Records()
    refused: dict[str, Any] = {f"edge-{number:05}": f"Reason: {number} of a kind" for number in range(10_000)}
    for number in range(30):
        records.filtered(request(f"task-{number}"), FilterAnswer("Measured", refused), "", 1.0)
    assert 0 < len(records) <= MOST_BYTES // (10_000 * 100)


def test_a_decision_that_is_too_large_by_itself_is_not_kept() -> None:
    records = Records(most_bytes=3000)
    records.filtered(request(names=[f"edge-{number:05}" for number in range(1000)]), FilterAnswer("Equal"), "", 1.0)
    assert (len(records), records.size_bytes) == (0, 0)
