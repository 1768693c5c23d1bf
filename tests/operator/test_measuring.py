"""Whose Jobs count as measurements: labels alone make none, in whatever namespace they are worn."""

from __future__ import annotations

from typing import Any

import pytest

from foretide_kube.kinds import aiworkload, nodeclass
from foretide_kube.names import AIWORKLOADS, JOBS, NODE_CLASSES, PODS
from foretide_operator.jobs import probe_job, profile_job
from foretide_operator.measuring import holds_place
from tests.operator.cluster_objects import (
    NOW,
    SETTINGS,
    SHA256,
    ago,
    as_stored,
    ended,
    inspect_result,
    node_class,
    node_class_object,
    pod_of,
    workload_object,
)
from tests.operator.memory_api import MemoryApi
from tests.operator.test_controller import Process, cluster, kubernetes, live

FAST = node_class("fast")
WORKLOAD = workload_object()


def profile(workload: Any = WORKLOAD, **metadata: Any) -> Any:
    given = aiworkload.parse(workload)
    job = as_stored(profile_job(given, FAST, attempt=1, lost_nodes=(), replaced=None, settings=SETTINGS))
    job["metadata"].update(metadata)
    return job


def late(number: int, **status: Any) -> Any:
    job = profile()
    job["metadata"]["annotations"]["foretide.dev/attempt"] = str(number)
    return {**job, "status": status}


def probe(**metadata: Any) -> Any:
    job = as_stored(probe_job(FAST, attempt=1, lost_nodes=(), series="", settings=SETTINGS, owner=None))
    job["metadata"].update(metadata)
    return job


def referring(**changes: Any) -> list[Any]:
    (reference,) = profile()["metadata"]["ownerReferences"]
    return [{**reference, **changes}]


def test_a_pod_that_names_a_job_of_ours_as_an_owner_but_is_not_controlled_by_it_speaks_for_no_one() -> None:
    api = MemoryApi()
    cluster(api)
    process = Process(api)
    process.work()
    kubernetes(api)
    (job,) = [job for job in api.all(JOBS) if job["metadata"]["labels"]["foretide.dev/role"] == "inspect"]
    forged = pod_of(job, message=inspect_result(model_sha256="cd" * 32))
    forged["metadata"]["creationTimestamp"] = ago(1)
    forged["metadata"]["ownerReferences"][0]["controller"] = False
    api.put(PODS, forged)
    process.work()
    (workload,) = api.all(AIWORKLOADS)
    assert workload["status"]["modelSha256"] == SHA256


@pytest.mark.parametrize(
    ("job", "workload", "holds"),
    [
        (profile(), WORKLOAD, True),
        (probe(), None, True),
        (ended(profile()), WORKLOAD, False),
        (profile(creationTimestamp=ago(719)), WORKLOAD, True),
        (profile(creationTimestamp=ago(721)), WORKLOAD, False),
        (probe(creationTimestamp=ago(721)), None, False),
        (profile(creationTimestamp=ago(-60)), WORKLOAD, True),
        (profile(creationTimestamp=ago(-86_400)), WORKLOAD, False),  # the clock was ahead, and has been put back
        (profile(), None, False),
        (profile(), workload_object(), False),
        (profile(ownerReferences=[]), WORKLOAD, False),
        (profile(ownerReferences=referring(controller=False)), WORKLOAD, False),
        (probe(namespace="team"), WORKLOAD, False),
        (late(3, active=1, ready=0), WORKLOAD, True),
        (late(4, active=1, ready=0), WORKLOAD, False),
        (late(4, active=1, ready=1), WORKLOAD, True),
    ],
)
def test_a_place_is_held_by_what_we_made_while_it_can_be_under_way(job: Any, workload: Any, *, holds: bool) -> None:
    assert holds_place(job, workload, SETTINGS, NOW) is holds


def test_jobs_of_a_tenant_that_wear_our_labels_stop_neither_probe_nor_measurement() -> None:
    api = MemoryApi()
    cluster(api)
    fast = api.put(NODE_CLASSES, node_class_object("fast"))
    slow = api.put(NODE_CLASSES, node_class_object("slow"))
    for given in map(nodeclass.parse, (fast, slow)):
        forged = probe_job(given, attempt=99, lost_nodes=(), series="", settings=SETTINGS, owner=None)
        forged["metadata"]["namespace"] = "tenant"
        forged["metadata"]["annotations"]["foretide.dev/failure"] = '{"reason":"OOMKilled","message":"forged"}'
        api.put(JOBS, ended(forged, "Failed"))
        waiting = profile_job(
            aiworkload.parse(WORKLOAD), given, attempt=1, lost_nodes=(), replaced=None, settings=SETTINGS
        )
        waiting["metadata"]["namespace"] = "tenant"
        waiting["spec"]["suspend"] = True
        api.put(JOBS, {**waiting, "status": {"conditions": [{"type": "Suspended", "status": "True"}]}})
    live(api, rounds=5)
    (workload,) = [item for item in api.all(AIWORKLOADS) if item["metadata"]["namespace"] == "team"]
    assert workload["status"]["profiles"]["summary"] == "measured 2, learned 0 of 2"
    for item in api.all(NODE_CLASSES):
        conditions = {row["type"]: row["status"] for row in item["status"]["conditions"]}
        assert conditions["Probed"] == "True"
    assert len([job for job in api.all(JOBS) if job["metadata"]["namespace"] == "tenant"]) == 4, "they are not ours"
