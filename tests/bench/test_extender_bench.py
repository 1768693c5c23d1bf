"""The bench of the extender: what it asks about, the API server that it stands on, and what its figures mean."""

from __future__ import annotations

import random
import time
from pathlib import Path

import msgspec
import pytest

from bench.extender import fleet
from bench.extender.acceptance import Asked
from bench.extender.in_turn import Taken, ask_in_turn
from bench.extender.latency import CASES, check, marks, side_by_side
from bench.extender.servers import Answers, fleet_api, foretide, go_zero
from demo.marks import held
from foretide_kube.cache import WatchCache
from foretide_kube.client import KubeClient
from foretide_kube.names import CONFIG_MAPS, NODES, PODS
from foretide_kube.reduced import facts_of, reduce_class, reduce_node, reduce_pod, reduce_workload
from tests.extender.real_objects import eventually


def bodies(form: fleet.Form, nodes: int, count: int = 2) -> list[bytes]:
    return fleet.request_bodies(form, nodes, count, random.Random(1))


def test_the_fleets_objects_are_read_as_tasks_of_a_workload_that_is_measured_on_every_class() -> None:
    task = facts_of(reduce_pod(fleet.task_object("task", node=fleet.node_name(0), phase="Running")))
    assert (task.is_task, task.workload, task.node) == (True, fleet.WORKLOAD, "edge-node-00000")
    workload = facts_of(reduce_workload(fleet.workload_object()))
    assert set(workload.by_class) == set(fleet.CLASSES)
    for index, name in enumerate(fleet.CLASSES):
        labels = facts_of(reduce_node(fleet.node_object(index))).labels
        selector = facts_of(reduce_class(fleet.class_object(name))).spec.selector.match_labels
        assert selector.items() <= labels.items()


@pytest.mark.parametrize("form", ["names", "nodes"])
def test_each_body_is_another_pods_and_has_all_nodes_in_another_order(form: fleet.Form) -> None:
    first, second = (Asked.of(body).names for body in bodies(form, 100))
    assert sorted(first) == sorted(second) == [fleet.node_name(index) for index in range(100)]
    assert first != second
    assert len({msgspec.json.decode(body)["Pod"]["metadata"]["uid"] for body in bodies(form, 100)}) == 2


def test_whole_nodes_are_as_large_as_real_ones() -> None:
    assert 24e6 < 5000 * len(msgspec.json.encode(fleet.node_object(1))) < 27e6


def test_the_fleets_api_server_lists_in_pages_and_tells_of_tasks_that_come_and_go(tmp_path: Path) -> None:
    with fleet_api(nodes=1200, pods=7, events_per_second=100.0, directory=tmp_path) as kubeconfig:
        client = KubeClient.connect(str(kubeconfig))
        assert len(client.list_objects(NODES)) == 1200
        assert client.list_objects(CONFIG_MAPS) == []
        watch = WatchCache(client, PODS, clock=time.monotonic)
        ended: set[str] = set()
        watch.add_listener(lambda kind, item: ended.add(item["metadata"]["name"]) if kind == "DELETED" else None)
        watch.start()
        eventually(lambda: len(ended) > 7, "more tasks ended than there were")
        assert 7 <= len(watch.snapshot()) <= 8
        watch.stop()


@pytest.mark.parametrize("form", ["names", "nodes"])
def test_foretides_process_answers_as_kube_scheduler_takes_it(tmp_path: Path, form: fleet.Form) -> None:
    with fleet_api(60, 20, 0.0, tmp_path) as kubeconfig, foretide(kubeconfig, tmp_path) as server:
        check(server, bodies(form, 60)[0])
        assert server.answers().count == 2
        assert server.cpu_seconds() > 0.0


@pytest.mark.cluster  # fetches Go where the machine has none
def test_the_extender_in_go_answers_both_forms_as_kube_scheduler_takes_it_and_is_asked_in_turn() -> None:
    with go_zero() as server:
        for form in ("names", "nodes"):
            check(server, bodies(form, 60)[0])
        taken = ask_in_turn([server], bodies("names", 60), seconds=0.0, pods_per_turn=3)
    assert taken["go_zero"].requests == 6
    assert taken["go_zero"].cpu_milliseconds > 0.0


def test_a_figure_is_the_mean_of_the_two_verbs() -> None:
    taken = Taken({"filter": [1.0, 1.0, 4.0], "prioritize": [3.0, 3.0, 3.0]}, cpu_milliseconds=12.0)
    figures = taken.figures()
    assert (figures["p50_ms"], figures["cpu_ms"], figures["requests"]) == (2.0, 2.0, 6)
    assert figures["filter"]["p50_ms"] == 1.0
    assert figures["p99_ms"] > figures["p95_ms"] > 3.0


def test_every_mark_names_a_figure() -> None:
    each = Taken({"filter": [1.0], "prioritize": [3.0]}, cpu_milliseconds=2.0).figures()
    case = {**side_by_side(each, each), "fail_open_share": 0.0}
    found = held({**dict.fromkeys(CASES, case), "busy": dict.fromkeys(CASES, case)}, marks(CASES))
    assert [name for name, mark in found.items() if mark["value"] is None] == []
    assert case["to_go"] == {"p50": 1.0, "p95": 1.0, "p99": 1.0, "cpu": 1.0}


def test_answers_without_a_decision_are_counted_whatever_their_reason() -> None:
    def counted(answers: float, late: float, shed: float) -> Answers:
        fail_open = "foretide_extender_fail_open_total"
        return Answers.read(
            {
                'foretide_extender_decisions_total{source="Equal",verb="filter"}': late + shed,
                'foretide_extender_decisions_total{source="Measured",verb="filter"}': answers - late - shed,
                f'{fail_open}{{reason="DeadlineExceeded",verb="filter"}}': late,
                f'{fail_open}{{reason="Overloaded",verb="prioritize"}}': shed,
            }
        )

    window = counted(30.0, 4.0, 3.0).since(counted(10.0, 2.0, 0.0))
    assert window == Answers(20.0, {"DeadlineExceeded": 2, "Overloaded": 3})
    assert window.failed_open_share == 0.25
