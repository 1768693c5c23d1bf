"""What the API server refuses for one object holds up neither the status nor the other objects."""

from __future__ import annotations

from typing import Any

import pytest

from foretide_kube.client import ApiError, Object
from foretide_kube.names import (
    AIWORKLOADS,
    ANNOTATION_PAIRED,
    DEPLOYMENTS,
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
from tests.operator.cluster_objects import node, workload_object
from tests.operator.memory_api import MemoryApi
from tests.operator.test_controller import Process, cluster, kubernetes, live


class NoProfiles(MemoryApi):
    """Refuses every profile Job, by a quota."""

    words = "exceeded quota: tight"

    def create(self, resource: Resource, body: Object, namespace: str | None = None) -> Object:
        if resource == JOBS and body["metadata"]["labels"][LABEL_ROLE] == "profile":
            raise ApiError(403, "Forbidden", self.words)
        return super().create(resource, body, namespace)


class NoRuns(MemoryApi):
    """Takes no run Job and no Deployment of the namespace that is refused; counts how often it was asked to."""

    refused_namespace = "team"
    answer = ApiError(403, "Forbidden", "exceeded quota: tight")
    asked = 0

    def create(self, resource: Resource, body: Object, namespace: str | None = None) -> Object:
        self._judge(resource, body, namespace)
        return super().create(resource, body, namespace)

    def patch(self, resource: Resource, name: str, body: Any, namespace: str | None = None, **options: Any) -> Object:
        if options.get("patch_type") == "apply":
            self._judge(resource, body, namespace)
        return super().patch(resource, name, body, namespace, **options)

    def _judge(self, resource: Resource, body: Object, namespace: str | None) -> None:
        is_run = resource in {JOBS, DEPLOYMENTS} and body["metadata"]["labels"][LABEL_ROLE] == ROLE_RUN
        if is_run and namespace == self.refused_namespace:
            self.asked += 1
            raise self.answer


class NoChanges(MemoryApi):
    """Takes no change of a Job while it answers so; counts how often it was asked to."""

    answer: ApiError | None = ApiError(403, "Forbidden", "exceeded quota: tight")
    asked = 0

    def patch(self, resource: Resource, name: str, body: Any, namespace: str | None = None, **options: Any) -> Object:
        if resource == JOBS and self.answer is not None:
            self.asked += 1
            raise self.answer
        return super().patch(resource, name, body, namespace, **options)


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


def of(api: MemoryApi, namespace: str) -> tuple[Object, dict[str, str]]:
    """The status of the workload of a namespace, and the reasons of its conditions."""
    status = api.get(AIWORKLOADS, "cnn", namespace)["status"]
    return status, {row["type"]: row["reason"] for row in status["conditions"]}


@pytest.mark.parametrize(
    ("mode", "type_"), [({"mode": "Job", "completions": 3}, "RunComplete"), ({"mode": "Deployment"}, "Available")]
)
@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (ApiError(403, "Forbidden", "exceeded quota: tight"), "QuotaExceeded"),
        (ApiError(422, "Invalid", "spec.template.labels: Invalid value: bad key!"), "PodRefused"),
    ],
)
def test_a_run_that_is_refused_is_named_tried_now_and_then_and_freezes_nothing_of_the_status(
    mode: Object, type_: str, answer: ApiError, reason: str
) -> None:
    api = NoRuns()
    api.answer = answer
    api.put(NODES, node("f1", "fast"))
    api.put(AIWORKLOADS, workload_object("cnn", run=mode))
    process = live(api, rounds=3)
    status, reasons = of(api, "team")
    assert (reasons[type_], reasons["Profiled"]) == (reason, "Measured")
    assert status["profiles"]["measured"] == 1
    before = api.asked
    process.work()  # for a hundred seconds
    assert 1 <= api.asked - before <= 4
    edited = api.get(AIWORKLOADS, "cnn", "team")
    edited["metadata"]["generation"] += 1
    api.put(AIWORKLOADS, edited)
    process.work()
    assert of(api, "team")[0]["observedGeneration"] == edited["metadata"]["generation"]
    api.refused_namespace = ""
    process.work()
    assert of(api, "team")[1][type_] not in {reason, "NotPredicted"}


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (ApiError(403, "Forbidden", "exceeded quota: tight"), "QuotaExceeded"),
        (ApiError(422, "Invalid", 'admission webhook "freeze" denied the request'), "PodRefused"),
    ],
)
def test_a_run_whose_suspension_is_refused_says_so_and_is_suspended_once_it_may_be(
    answer: ApiError, reason: str
) -> None:
    api = NoChanges()
    api.answer = None
    cluster(api)
    process = Process(api)
    for _ in range(4):
        process.work()
        kubernetes(api, is_full=True)
    assert of(api, "team")[1]["RunComplete"] == "InProgress"
    edited = api.get(AIWORKLOADS, "cnn", "team")
    edited["spec"]["suspend"] = True
    edited["metadata"]["generation"] += 1
    api.put(AIWORKLOADS, edited)
    api.answer = answer
    process.work()  # for a hundred seconds
    status, reasons = of(api, "team")
    assert (reasons["RunComplete"], reasons["Profiled"]) == (reason, "Measured")
    assert status["observedGeneration"] == edited["metadata"]["generation"]
    assert answer.message in next(row["message"] for row in status["conditions"] if row["type"] == "RunComplete")
    assert 1 <= api.asked <= 5
    api.answer = None
    process.work()
    (job,) = [item for item in api.all(JOBS) if item["metadata"]["labels"][LABEL_ROLE] == ROLE_RUN]
    assert (job["spec"]["suspend"], of(api, "team")[1]["RunComplete"]) == (True, "Suspended")


def test_an_ended_run_that_may_not_be_changed_freezes_nothing_of_the_status() -> None:
    api = NoChanges()
    cluster(api)
    process = live(api, rounds=6)
    assert api.asked  # for when it may go
    edited = api.get(AIWORKLOADS, "cnn", "team")
    edited["metadata"]["generation"] += 1
    api.put(AIWORKLOADS, edited)
    process.work()
    status, reasons = of(api, "team")
    assert status["observedGeneration"] == edited["metadata"]["generation"]
    assert reasons["RunComplete"] == "TasksSucceeded"


def test_what_is_refused_in_a_namespace_is_made_in_another_that_has_a_workload_of_that_name() -> None:
    api = NoRuns()
    cluster(api)
    (workload,) = api.all(AIWORKLOADS)
    namesake = {**workload, "metadata": {**workload["metadata"], "namespace": "other"}}
    api.put(AIWORKLOADS, namesake)
    live(api, rounds=4)
    assert of(api, "team")[1]["RunComplete"] == "QuotaExceeded"
    assert of(api, "other")[1]["RunComplete"] == "TasksSucceeded"


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
