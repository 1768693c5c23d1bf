"""What a look asks of the API: Events only where nothing in the caches says why a Job gets no further."""

from __future__ import annotations

from typing import Any

import pytest

from foretide_kube.client import Object
from foretide_kube.names import AIWORKLOADS, EVENTS, JOBS, NODES, PODS, Resource
from foretide_operator.queue import Key
from tests.operator.cluster_objects import ago, node, pod_of, workload_object
from tests.operator.memory_api import MemoryApi
from tests.operator.test_controller import Process


class Counting(MemoryApi):
    """Counts how often Events are listed."""

    listed = 0

    def list_objects(self, resource: Resource, namespace: str | None = None, **options: Any) -> list[Object]:
        self.listed += resource == EVENTS
        return super().list_objects(resource, namespace, **options)


def waiting_for(reason: str) -> Object:
    return {"containerStatuses": [{"name": "profiler", "image": "x", "state": {"waiting": {"reason": reason}}}]}


UNSCHEDULED = {"conditions": [{"type": "PodScheduled", "status": "False", "message": "0/3 nodes"}]}


@pytest.mark.parametrize(
    ("status", "reason", "is_asked"),
    [
        (waiting_for("ImagePullBackOff"), "ImageMissing", False),
        (waiting_for("ErrImagePull"), "ImageMissing", False),
        (UNSCHEDULED, "Unschedulable", False),
        (waiting_for("ContainerCreating"), "InProgress", True),  # a volume may be missing
        ({"containerStatuses": []}, "InProgress", True),
    ],
)
def test_events_are_asked_for_only_where_a_pod_does_not_say_itself_why_it_waits(
    status: Object, reason: str, *, is_asked: bool
) -> None:
    api = Counting()
    api.put(NODES, node("f1", "fast"))
    api.put(AIWORKLOADS, workload_object("cnn"))
    Process(api).controller.look(Key("workload", "team", "cnn"))
    (job,) = api.all(JOBS)
    gone = pod_of(job, phase="Failed", terminated={"exitCode": 1})  # the Pod before it, evicted
    gone["metadata"]["creationTimestamp"] = ago(300)
    api.put(PODS, gone)
    api.put(PODS, pod_of(job, phase="Pending", **status))
    process = Process(api)
    for _ in range(3):
        process.controller.look(Key("workload", "team", "cnn"))
    assert (api.listed > 0) is is_asked
    conditions = api.get(AIWORKLOADS, "cnn", "team")["status"]["conditions"]
    assert next(each["reason"] for each in conditions if each["type"] == "Inspected") == reason
