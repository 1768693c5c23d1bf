"""Whatever is written on a Pod, all Pods are seen, and each counts with what it takes."""

from __future__ import annotations

from typing import Any

import pytest

from foretide.placement.resources import Resources
from foretide_kube import reduced
from foretide_kube.pod_form import PodForm
from foretide_kube.reduced import facts_of, reduce_pod
from foretide_kube.task_pods import TaskPod, read_pod
from tests.extender.cluster_values import MIB, pod_object

HUGE = "9" * 400
ENDED_TIME = "2026-09-21T14:14:20Z"


def ended_object(message: str) -> dict[str, Any]:
    item = pod_object(node="fast-1", phase="Succeeded")
    terminated = {"finishedAt": ENDED_TIME, "message": message}
    item["status"]["containerStatuses"] = [{"state": {"terminated": terminated}}]
    return item


@pytest.mark.parametrize("number", [HUGE, "9" * 5000, "1e400", "-1", "1.5", '"1"', "null"])
def test_a_time_that_is_none_counts_as_absent(number: str) -> None:
    written = f'{{"node":"fast-1","boundMilliseconds":{number}}}'
    item = pod_object(node="fast-1", annotations={"foretide.dev/prediction": written})
    assert "unreadable" not in reduce_pod(item)
    assert facts_of(reduce_pod(item)).prediction is None
    silent, forged = (reduce_pod(ended_object(message)) for message in ("", f'{{"workEnd":{number}}}'))
    assert forged == silent


def test_a_pod_counts_whatever_in_it_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    item = pod_object(node="fast-1", annotations={"foretide.dev/inferences": "7"})

    def fail_for_annotations(form: PodForm) -> TaskPod:
        if form.metadata.annotations:
            raise OverflowError("int too large to convert to float")
        return read_pod(form)

    monkeypatch.setattr(reduced, "read_pod", fail_for_annotations)
    made = reduce_pod(item)
    assert made["unreadable"] == "OverflowError: int too large to convert to float"
    pod: TaskPod = facts_of(made)
    assert (pod.name, pod.uid, pod.version, pod.node, pod.workload) == ("task-1", "uid-task-1", "7", "fast-1", "resnet")
    assert (pod.requests, pod.task.inferences) == (Resources(1000, 512 * MIB), None)
    assert pod.bound_seconds is not None


def test_a_pod_of_another_form_is_still_there_with_its_node_its_gates_and_whether_it_ended() -> None:
    item = pod_object(node="fast-1", phase="Succeeded")
    item["spec"] |= {"containers": {"main": {}}, "schedulingGates": [{"name": "foretide.dev/plan"}]}
    made = reduce_pod(item)
    assert "containers" in made["unreadable"]
    pod: TaskPod = facts_of(made)
    assert (pod.node, pod.is_gated, pod.is_finished, pod.is_task) == ("fast-1", True, True, True)
    assert pod.requests == Resources(pods=1)
