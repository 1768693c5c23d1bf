"""The recorder's turns: what it writes, what it counts, and what it forgets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from foretide.placement.task import WorkloadPredictions
from foretide_kube.client import ApiError, KubeClient
from foretide_kube.images import ImagesByNode, NodeImages, read_images
from foretide_kube.pod_form import PodForm
from foretide_kube.task_pods import TaskPod, read_pod
from foretide_operator.planner.metrics import Metrics
from foretide_operator.planner.recorder import PATIENCE_SECONDS, Recorder
from tests.extender.cluster_values import MIB, NOW_SECONDS, pod_object, workload

TASK = read_pod(msgspec.convert(pod_object(node="medium-1", role="run"), PodForm))


class Cluster:
    """What the recorder knows of the cluster, and the one request that it makes; ``answer`` is carried out by it."""

    def __init__(self, mode: str, answer: Callable[[], None]) -> None:
        self.known: TaskPod | None = TASK
        self.patches: list[dict[str, Any]] = []
        self.others: list[TaskPod] = []
        self.lists: dict[str, NodeImages] = {}
        self._workload = workload(mode=mode)
        self.answer = answer

    def pods(self) -> list[TaskPod]:
        return self.others if self.known is None else [self.known, *self.others]

    def pod(self, namespace: str, name: str) -> TaskPod | None:
        assert (namespace, name) == (TASK.namespace, TASK.name)
        return self.known

    def workload(self, namespace: str, name: str) -> WorkloadPredictions | None:
        assert (namespace, name) == (TASK.namespace, TASK.workload)
        return self._workload

    def class_of(self, node: str) -> str | None:
        return {"medium-1": "medium"}[node]

    def images(self) -> ImagesByNode:
        return ImagesByNode(self.lists)

    def patch(self, _resource: object, _name: str, patch: dict[str, Any], _namespace: str) -> None:
        self.patches.append(patch)
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
            pull_bytes_per_second=lambda: {"medium": 10.0 * MIB},
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
    assert len(running.cluster.patches) == 1
    assert running.counted("foretide_predictions_total", node_class="medium", source="Measured") == 1.0


def written(running: Running) -> tuple[int, int]:
    """The pull and the start-up that were written, in milliseconds."""
    running.hear_of_the_task()
    running.recorder.turn()
    (patch,) = running.cluster.patches
    prediction = msgspec.json.decode(patch["metadata"]["annotations"]["foretide.dev/prediction"])
    return prediction.get("pullMilliseconds", 0), prediction["startupMilliseconds"]


def listed(*images: str) -> NodeImages:
    return read_images([{"names": [image], "sizeBytes": {"x": 40 * MIB}.get(image, MIB)} for image in images])


def test_what_was_not_planned_is_expected_to_pull_what_its_node_lacks() -> None:
    lacking = Running()
    lacking.cluster.lists = {"medium-1": listed("base"), "fast-1": listed("base", "x")}
    assert written(lacking) == (4_000, 4_500), "40 MiB at 10 MiB/s, beside the usual start-up"
    holding = Running()
    holding.cluster.lists = {"medium-1": listed("base", "x"), "fast-1": listed("base")}
    assert written(holding) == (0, 500)


@pytest.mark.parametrize(("node", "pull_milliseconds"), [("medium-1", 0), ("fast-1", 4_000)])
def test_what_another_task_brought_to_the_node_is_there(node: str, pull_milliseconds: int) -> None:
    running = Running()
    running.cluster.lists = {"medium-1": listed("base"), "slow-1": listed("base", "x")}
    running.cluster.others = [msgspec.structs.replace(TASK, uid="other", node=node, started_seconds=NOW_SECONDS)]
    assert written(running)[0] == pull_milliseconds


def test_a_task_that_has_started_before_it_was_written_on_had_to_pull_all_the_same() -> None:
    running = Running()
    running.cluster.lists = {"medium-1": listed("base"), "slow-1": listed("base", "x")}
    running.cluster.known = msgspec.structs.replace(TASK, started_seconds=NOW_SECONDS)
    assert written(running)[0] == 4_000


def test_a_service_gets_no_prediction_and_is_counted_nowhere() -> None:
    running = Running(mode="Deployment")
    running.hear_of_the_task()
    assert running.recorder.turn()
    running.clock_seconds = PATIENCE_SECONDS
    running.hear_of_the_task()
    assert not running.recorder.turn(), "it is not looked at again"
    assert (len(running.cluster.patches), running.recorder.pending()) == (0, 0)
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
    assert len(running.cluster.patches) == 1
    assert not running.recorder._done


def test_a_task_that_is_deleted_after_the_write_is_forgotten() -> None:
    running = Running()
    running.hear_of_the_task()
    assert running.recorder.turn()
    assert running.recorder._done == {TASK.uid}
    running.delete_the_task()
    assert not running.recorder._done
