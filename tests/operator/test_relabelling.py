"""Objects whose labels change belong to whom they say now, and to nobody else any more."""

from __future__ import annotations

from collections.abc import Callable

from foretide_kube.names import JOBS, PODS, Resource
from foretide_operator.jobs import probe_job, profile_job, run_job
from foretide_operator.measuring_jobs import MeasuringJobs
from foretide_operator.world import ByWorkload, World
from tests.operator.cluster_objects import SETTINGS, Object, as_stored, node_class, pod_of, workload
from tests.operator.memory_api import MemoryApi

FAST = node_class("fast")
JOB = as_stored(run_job(workload(), SETTINGS))


def labelled(item: Object, **labels: str) -> Object:
    """The object with these labels of ours instead of what it had in their place; an empty one is taken away."""
    named = {f"foretide.dev/{name}": value for name, value in labels.items()}
    kept = {name: value for name, value in {**item["metadata"]["labels"], **named}.items() if value}
    return {**item, "metadata": {**item["metadata"], "labels": kept}}


def owners(resource: Resource, item: Object, by: Callable[[World], ByWorkload]) -> tuple[list[str], MemoryApi]:
    """Whose an object is among three workloads, once it has been of each of them many times."""
    api = MemoryApi()
    for number in range(60):
        api.put(resource, labelled(item, workload=f"w{number % 3}"))
    return [name for name in ("w0", "w1", "w2") for _ in by(api.world).of("team", name)], api


def test_a_pod_is_of_the_workload_that_its_label_names_now_and_of_none_once_it_is_gone() -> None:
    pod = pod_of(JOB)
    found, api = owners(PODS, pod, lambda world: world.pods_by_workload)
    assert found == ["w2"]
    api.delete(PODS, pod["metadata"]["name"], "team")
    assert not any(api.world.pods_by_workload.of("team", name) for name in ("w0", "w1", "w2"))


def test_a_job_that_names_no_workload_any_more_is_of_none() -> None:
    found, api = owners(JOBS, JOB, lambda world: world.jobs_by_workload)
    assert found == ["w2"]
    api.put(JOBS, labelled(JOB, workload=""))
    assert not any(api.world.jobs_by_workload.of("team", name) for name in ("w0", "w1", "w2"))


def test_objects_of_a_workload_keep_their_order_when_one_of_them_changes() -> None:
    api = MemoryApi()
    pods = [pod_of(JOB) for _ in range(3)]
    for pod in (*pods, pods[0]):
        api.put(PODS, labelled(pod, workload="w0"))
    found = api.world.pods_by_workload.of("team", "w0")
    assert [pod["metadata"]["name"] for pod in found] == [pod["metadata"]["name"] for pod in pods]


def test_a_job_whose_role_changes_is_counted_for_what_it_says_now() -> None:
    api = MemoryApi()
    measuring = MeasuringJobs(api.world.jobs)
    profile = as_stored(profile_job(workload(), FAST, attempt=1, lost_nodes=(), replaced=None, settings=SETTINGS))
    probe = as_stored(probe_job(FAST, attempt=1, lost_nodes=(), series="", settings=SETTINGS, owner=None))
    for job in (profile, probe):
        api.put(JOBS, job)
    assert (len(measuring.profiling), len(measuring.probes), len(measuring.unfinished)) == (1, 1, 2)
    api.put(JOBS, labelled(profile, role="run"))
    api.put(JOBS, labelled(probe, role=""))
    assert (measuring.profiling, measuring.probes, measuring.unfinished, measuring.begun) == ((), (), (), frozenset())
