"""What the API server refuses for one object holds up neither the status nor the other objects."""

from __future__ import annotations

from typing import Any

import pytest

from foretide_kube.client import ApiError, Object
from foretide_kube.names import (
    AIWORKLOADS,
    ANNOTATION_PAIRED,
    JOBS,
    LABEL_ROLE,
    NODE_CLASSES,
    NODES,
    PODS,
    ROLE_RUN,
    Resource,
)
from foretide_operator.controller import MODEL, PAIRING, WORKLOADS
from foretide_operator.queue import Key
from tests.operator.cluster_objects import node
from tests.operator.memory_api import MemoryApi
from tests.operator.test_controller import cluster, kubernetes, live


class NoProfiles(MemoryApi):
    """Refuses every profile Job, by a quota."""

    words = "exceeded quota: tight"

    def create(self, resource: Resource, body: Object, namespace: str | None = None) -> Object:
        if resource == JOBS and body["metadata"]["labels"][LABEL_ROLE] == "profile":
            raise ApiError(403, "Forbidden", self.words)
        return super().create(resource, body, namespace)


class OneStubbornPod(MemoryApi):
    """Takes no annotation on the first Pod that is to be marked, as where its annotations are full."""

    stubborn = ""
    answer = ApiError(422, "Invalid", "metadata.annotations: Too long")

    def patch(self, resource: Resource, name: str, body: Any, namespace: str | None = None, **options: Any) -> Object:
        if resource == PODS:
            self.stubborn = self.stubborn or name
            if name == self.stubborn:
                raise self.answer
        return super().patch(resource, name, body, namespace, **options)


@pytest.mark.parametrize(
    "words",
    [
        "exceeded quota: tight",
        "failed quota: tight: must specify limits.cpu",
        "status unknown for quota: tight, resources: count/jobs.batch",
    ],
)
def test_a_quota_that_refuses_the_jobs_of_all_classes_is_named_and_stops_no_task(words: str) -> None:
    api = NoProfiles()
    api.words = words
    for number in range(4):
        api.put(NODES, node(f"more-{number}", f"class-{number}"))
    cluster(api)
    live(api, rounds=3)
    (workload,) = api.all(AIWORKLOADS)
    reasons = {row["type"]: row["reason"] for row in workload["status"]["conditions"]}
    assert (reasons["Profiled"], reasons["RunComplete"]) == ("QuotaExceeded", "TasksSucceeded")


def test_a_pod_that_cannot_be_marked_does_not_keep_the_others_from_being_paired() -> None:
    api = OneStubbornPod()
    cluster(api)
    live(api, rounds=6)
    tasks = [pod["metadata"] for pod in api.all(PODS) if pod["metadata"]["labels"][LABEL_ROLE] == ROLE_RUN]
    assert len(tasks) > 1
    unmarked = [metadata["name"] for metadata in tasks if ANNOTATION_PAIRED not in metadata["annotations"]]
    assert unmarked == [api.stubborn]


@pytest.mark.parametrize("status", [422, 503])
def test_what_is_learned_is_told_at_once_though_a_pod_cannot_be_marked(status: int) -> None:
    api = OneStubbornPod()
    api.answer = ApiError(status, "Refused", "not now")
    cluster(api)
    process = live(api, rounds=2)
    while process.worker.step():
        pass
    kubernetes(api)
    with pytest.raises(ApiError):
        process.controller.look(PAIRING)
    process.seconds += 1.0
    taken = set()
    while (key := process.queue.take(process.seconds)) is not None:
        taken.add(key)
    assert {MODEL, WORKLOADS, Key("workload", "team", "cnn")} <= taken


class OneStubbornClass(MemoryApi):
    """Takes no status of the NodeClass that comes first."""

    def patch(self, resource: Resource, name: str, body: Any, namespace: str | None = None, **options: Any) -> Object:
        if resource == NODE_CLASSES and name == "aaa":
            raise ApiError(422, "Invalid", "status: not like this")
        return super().patch(resource, name, body, namespace, **options)


def test_a_node_class_whose_status_is_refused_holds_up_no_other() -> None:
    api = OneStubbornClass()
    api.put(NODES, node("a1", "aaa"))
    cluster(api)
    live(api, rounds=3)
    probed = {item["metadata"]["name"]: item.get("status", {}).get("probe", {}) for item in api.all(NODE_CLASSES)}
    assert {name for name, probe in probed.items() if probe} == {"fast", "slow"}
