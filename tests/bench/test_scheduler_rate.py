"""What the bench of the scheduler configures, makes and counts; the run itself needs a control plane and minutes."""

from __future__ import annotations

from typing import Any

import pytest

from bench.extender import fleet
from bench.extender.servers import Answers
from bench.scheduler_rate import MARKS, SCHEDULERS, Bindings, Placed, as_made, configuration, figures, lines, task_for
from demo.marks import held
from foretide_kube.reduced import facts_of, reduce_pod

CHART = {
    "percentageOfNodesToScore": 100,
    "clientConnection": {"kubeconfig": "/k"},
    "profiles": [{"schedulerName": "foretide-scheduler"}],
    "extenders": [{"urlPrefix": "http://127.0.0.1:1", "nodeCacheCapable": True}],
}


@pytest.mark.parametrize("name", SCHEDULERS)
def test_each_scheduler_samples_as_by_default_and_only_one_has_no_extender(name: str) -> None:
    found = configuration(CHART, name)
    assert "percentageOfNodesToScore" not in found
    assert found["clientConnection"]["kubeconfig"] == "/k"
    assert found["clientConnection"]["qps"] >= 1000
    assert ("extenders" in found) == (name != "none")
    assert CHART["percentageOfNodesToScore"] == 100
    pod = task_for(name, "task")
    assert pod["spec"]["schedulerName"] == found["profiles"][0]["schedulerName"]
    assert facts_of(reduce_pod(pod | {"metadata": pod["metadata"] | {"uid": "u"}})).is_task
    assert "schedulingGates" not in pod["spec"]


def test_what_the_api_server_gives_is_left_to_it() -> None:
    made = as_made(fleet.node_object(1))
    assert made["metadata"].keys() == {"name", "labels", "annotations"}
    assert made["status"]["allocatable"]["cpu"] == "4"


def bound(name: str, node: str | None) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"nodeName": node}}


def test_the_rate_is_that_from_the_first_binding_to_the_last() -> None:
    times, counts = iter([10.0, 12.0]), iter([[1.0, 0.5], [1.6, 0.7]])
    bindings = Bindings(3, lambda: next(counts), lambda: next(times))
    for name, node in (("a", None), ("a", "n1"), ("a", "n1"), ("b", "n2")):
        bindings.note("MODIFIED", bound(name, node))
    with pytest.raises(TimeoutError, match="2 of 3 Pods"):
        bindings.wait(0.0)
    bindings.note("ADDED", bound("c", "n1"))
    placed = bindings.wait(0.0)
    assert placed.pods_per_second == 1.0
    assert placed.cpu_ms_per_pod == pytest.approx(400.0)
    assert placed.extender_cpu_ms_per_pod == pytest.approx(100.0)


def test_figures_are_medians_and_the_ratio_is_taken_within_each_run() -> None:
    runs = [
        {"none": Placed(400.0, 4.0, 0.0), "go_zero": Placed(go, 6.0, 2.0), "foretide": Placed(ours, 5.0, 1.0)}
        for go, ours in ((200.0, 100.0), (220.0, 220.0), (90.0, 100.0))
    ]
    found = figures(runs, [Answers(4000.0, {"DeadlineExceeded": 40.0}), Answers(4000.0, {})], 2000)
    assert found["pods_per_second"] == {"none": 400.0, "go_zero": 200.0, "foretide": 100.0}
    assert found["extender_cpu_ms_per_pod"] == {"none": 0.0, "go_zero": 2.0, "foretide": 1.0}
    assert found["go_zero_to_foretide"] == 1.0
    assert (found["answers_per_pod"], found["fail_open_share"]) == (2.0, 0.005)
    assert [name for name, mark in held(found, MARKS).items() if mark["value"] is None] == []
    assert "2 answers a Pod, 0.5% without a decision" in lines(found)
