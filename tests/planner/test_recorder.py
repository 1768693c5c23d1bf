"""The recorder's turns: what it writes, what it counts, and what it forgets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from foretide.placement.task import WorkloadPredictions
from foretide_kube.client import ApiError, KubeClient
from foretide_kube.pod_form import PodForm
from foretide_kube.task_pods import TaskPod, read_pod
from foretide_operator.planner.metrics import Metrics
from foretide_operator.planner.recorder import PATIENCE_SECONDS, Recorder
from tests.extender.cluster_values import NOW_SECONDS, pod_object, workload

TASK = read_pod(msgspec.convert(pod_object(node="medium-1", role="run"), PodForm))


class Cluster:
    """What the recorder knows of the cluster, and the one request that it makes; ``answer`` is carried out by it."""

    def __init__(self, mode: str, answer: Callable[[], None]) -> None:
        self.known: TaskPod | None = TASK
        self.patches = 0
        self._workload = workload(mode=mode)
        self.answer = answer

    def pods(self) -> list[TaskPod]:
        return [] if self.known is None else [self.known]

    def pod(self, namespace: str, name: str) -> TaskPod | None:
        assert (namespace, name) == (TASK.namespace, TASK.name)
        return self.known

    def workload(self, namespace: str, name: str) -> WorkloadPredictions | None:
        assert (namespace, name) == (TASK.namespace, TASK.workload)
        return self._workload

    def class_of(self, node: str) -> str | None:
        return {"medium-1": "medium"}[node]

    def patch(self, *_: object) -> None:
        self.patches += 1
        self.answer()


class Running:
    """A recorder whose turns are taken by hand."""

    def __init__(self, mode: str = "Job", answer: Callable[[], None] = lambda: None) -> None:
        self.cluster = Cluster(mode, answer)
        self.metrics = Metrics()
        self.clock_seconds = 0.0
        client: Any = self.cluster
        api: KubeClient = client
        self.recorder = Recorder(
            api,
            self.cluster,
            self.metrics,
            is_leader=lambda: True,
            clock=lambda: self.clock_seconds,
            now_seconds=lambda: NOW_SECONDS,
        )

    def hear_of_the_task(self) -> None:
        self.recorder.heard("MODIFIED", TASK)

    def delete_the_task(self) -> None:
        self.cluster.known = None
        self.recorder.heard("DELETED", TASK)

    def counted(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(name, labels) or 0.0


def refuse(status: int, reason: str) -> Callable[[], None]:
    def answer() -> None:
        raise ApiError(status, reason, "")

    return answer


def test_a_task_is_written_on_once_however_often_it_is_heard_of() -> None:
    running = Running()
    for _ in range(3):
        running.hear_of_the_task()
        while running.recorder.turn():
            pass
    assert running.cluster.patches == 1
    assert running.counted("foretide_predictions_total", node_class="medium", source="Measured") == 1.0


def test_a_service_gets_no_prediction_and_is_counted_nowhere() -> None:
    running = Running(mode="Deployment")
    running.hear_of_the_task()
    assert running.recorder.turn()
    running.clock_seconds = PATIENCE_SECONDS
    running.hear_of_the_task()
    assert not running.recorder.turn(), "it is not looked at again"
    assert (running.cluster.patches, running.recorder.pending()) == (0, 0)
    assert running.counted("foretide_planner_not_predicted_total", reason="NeverEnds") == 0.0


@pytest.mark.parametrize("answer", [refuse(404, "NotFound"), refuse(409, "Conflict")])
def test_a_task_that_was_deleted_before_the_write_is_forgotten(answer: Callable[[], None]) -> None:
    running = Running(answer=answer)
    running.hear_of_the_task()
    assert running.recorder.turn()
    assert running.recorder.pending() == 0
    assert not running.recorder._done


def test_a_task_that_is_deleted_during_the_write_is_forgotten() -> None:
    running = Running()
    running.cluster.answer = running.delete_the_task
    running.hear_of_the_task()
    assert running.recorder.turn()
    assert running.cluster.patches == 1
    assert not running.recorder._done


def test_a_task_that_is_deleted_after_the_write_is_forgotten() -> None:
    running = Running()
    running.hear_of_the_task()
    assert running.recorder.turn()
    assert running.recorder._done == {TASK.uid}
    running.delete_the_task()
    assert not running.recorder._done
