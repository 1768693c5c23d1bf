"""From tasks that take other times than was measured to one new measurement, on an API in memory."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from foretide.prediction import Interval, PodPrediction
from foretide_kube.client import Object
from foretide_kube.names import AIWORKLOADS, CONFIG_MAPS, EVENTS, JOBS, NODES, PODS, WORKLOAD_PROFILES, Resource
from foretide_operator.actions import Announce
from foretide_operator.apply import apply_actions
from foretide_operator.controller import PAIRING
from foretide_operator.queue import Key
from tests.operator.cluster_objects import (
    NOW,
    NOW_MILLISECONDS,
    ago,
    ended,
    node,
    pod_of,
    profile_result,
    run_result,
    workload_object,
)
from tests.operator.memory_api import MemoryApi
from tests.operator.test_controller import Process, kubernetes

TASK_MILLISECONDS = 4_000
PREDICTED_MILLISECONDS = 2_000


class NeverWithout(MemoryApi):
    """Looks at everything that goes whether the class fast still has a measurement after it."""

    was_without = False

    def delete(self, resource: Resource, name: str, namespace: str | None = None, **options: object) -> bool:
        was_measured = bool(profiles(self))
        is_gone = super().delete(resource, name, namespace, **options)
        self.was_without = self.was_without or (was_measured and not profiles(self))
        return is_gone


def profiles(api: MemoryApi) -> list[Object]:
    return [item for item in api.all(WORKLOAD_PROFILES) if item["spec"]["nodeClass"] == "fast"]


def profile_jobs(api: MemoryApi) -> list[Object]:
    return [job for job in api.all(JOBS) if job["metadata"]["labels"]["foretide.dev/role"] == "profile"]


def measured_cluster(api: MemoryApi) -> Process:
    """A workload that was measured long ago on a node with room for all its tasks at once."""
    api.put(NODES, node("f1", "fast", cpu="64"))
    api.put(AIWORKLOADS, workload_object("cnn", run={"mode": "Job", "completions": 1}))
    process = Process(api)
    for _ in range(5):
        process.work()
        measure(api, seconds_ago=500)
        kubernetes(api)
    settle(process)
    assert len(profiles(api)) == 1
    return process


def settle(process: Process) -> None:
    """Until what was stored has been looked at as well."""
    process.work()
    process.work()


def placed(seconds_ago: float, ended_seconds_ago: float) -> Object:
    """What the API says of a Pod that was bound then, and ran until then."""
    life = {"startedAt": ago(seconds_ago - 1), "finishedAt": ago(ended_seconds_ago)}
    return {
        "terminated": life,
        "conditions": [{"type": "PodScheduled", "status": "True", "lastTransitionTime": ago(seconds_ago)}],
    }


def tasks_end(api: MemoryApi, count: int, *, milliseconds: int = TASK_MILLISECONDS, seconds_ago: int = 400) -> None:
    """So many tasks end that took so long, each predicted by what is published, and bound so long ago."""
    job = next(job for job in api.all(JOBS) if job["metadata"]["labels"]["foretide.dev/role"] == "run")
    predictions = api.get(AIWORKLOADS, "cnn", "team")["status"]["predictions"]
    row = next(row for row in predictions if row["nodeClass"] == "fast")
    work = {name: value // 10 for name, value in row["workMicrosecondsPerInference"].items()}
    for number in range(count):
        begin = NOW_MILLISECONDS - 1000 * seconds_ago + 2_000 + number
        result = run_result(
            work_milliseconds=milliseconds,
            process_start=begin - 100,
            work_begin=begin,
            work_end=begin + milliseconds,
        )
        prediction = PodPrediction(
            node="f1",
            node_class="fast",
            inferences=100,
            work_milliseconds=Interval(**work),
            startup_milliseconds=row["startupMilliseconds"],
            memory_bytes=1,
            source=row["source"],
            model_version="",
            bound_milliseconds=NOW_MILLISECONDS - 1000 * seconds_ago + 500,
        )
        pod = pod_of(job, message=result, node_name="f1", **placed(seconds_ago, seconds_ago - 2 - milliseconds / 1000))
        pod["metadata"]["annotations"]["foretide.dev/prediction"] = msgspec.json.encode(prediction).decode()
        api.put(PODS, pod)


def measure(api: MemoryApi, *, microseconds: int = 20_000, seconds_ago: int = 380) -> None:
    """The profile Jobs under way end, with these figures, so long ago."""
    for job in profile_jobs(api):
        if job.get("status", {}).get("conditions"):
            continue
        end = NOW_MILLISECONDS - 1000 * seconds_ago
        result = profile_result(
            microseconds=microseconds, process_start=end - 6_000, work_begin=end - 5_000, work_end=end
        )
        api.put(PODS, pod_of(job, message=result, node_name="f1", **placed(seconds_ago + 8, seconds_ago)))
        api.put(JOBS, ended(job))


def predicted_milliseconds(api: MemoryApi) -> float:
    """Of a task of a hundred inferences on the class fast."""
    (row,) = api.get(AIWORKLOADS, "cnn", "team")["status"]["predictions"]
    assert row["source"] == "Measured"
    return float(row["workMicrosecondsPerInference"]["median"]) / 10


def current(api: MemoryApi) -> tuple[str, str]:
    (profile,) = profiles(api)
    return next((c["status"], c["reason"]) for c in profile["status"]["conditions"] if c["type"] == "Current")


def events(api: MemoryApi) -> list[str]:
    return [item["reason"] for item in api.all(EVENTS)]


def test_tasks_that_take_longer_have_their_pair_measured_again_and_what_is_predicted_follows() -> None:
    api = MemoryApi()
    process = measured_cluster(api)
    assert current(api) == ("True", "UpToDate")
    assert predicted_milliseconds(api) == PREDICTED_MILLISECONDS
    tasks_end(api, 3)
    settle(process)
    assert current(api) == ("False", "Drifted")
    assert events(api) == ["Drifted"]
    assert len(profile_jobs(api)) == 2
    measure(api, microseconds=40_000)
    settle(process)
    assert current(api) == ("True", "UpToDate")
    (profile,) = profiles(api)
    assert profile["spec"]["replaced"]["reason"] == "Drifted"
    assert predicted_milliseconds(api) == TASK_MILLISECONDS
    tasks_end(api, 9, seconds_ago=300)
    settle(process)
    assert (current(api), len(profile_jobs(api))) == (("True", "UpToDate"), 2)


def test_tasks_that_depart_are_told_once_in_the_look_that_stores_a_measurement_on_another_class() -> None:
    api = MemoryApi()
    process = measured_cluster(api)
    api.put(NODES, node("s1", "slow"))
    settle(process)
    kubernetes(api)
    settle(process)
    tasks_end(api, 3)
    kubernetes(api)
    process.controller.look(PAIRING)
    assert (len(api.all(WORKLOAD_PROFILES)), events(api)) == (1, [])
    process.controller.look(Key("workload", "team", "cnn"))
    assert (len(api.all(WORKLOAD_PROFILES)), events(api)) == (2, ["Drifted"])
    assert current(api) == ("False", "Drifted")


def test_an_event_that_is_there_is_announced_and_one_that_is_refused_holds_up_nothing() -> None:
    api = MemoryApi()
    said = Announce(api.put(AIWORKLOADS, workload_object()), "Normal", "Drifted", "the tasks depart")
    apply_actions([said, said], api.client, api.world, own_namespace="foretide-system", now=NOW)
    assert events(api) == ["Drifted"]
    api.fail_at = frozenset({api.writes + 1})
    other = Announce(said.about, "Normal", "TasksDiffer", "the tasks depart")
    apply_actions([said, other], api.client, api.world, own_namespace="foretide-system", now=NOW)
    assert events(api) == ["Drifted", "TasksDiffer"]


def test_tasks_that_differ_from_what_is_measured_are_learned_from_and_not_measured_for_ever() -> None:
    api = MemoryApi()
    process = measured_cluster(api)
    for number in range(6):  # whatever is measured, it says the same as ever, and tasks take twice as long
        tasks_end(api, 4, seconds_ago=400 - 50 * number)
        settle(process)
        measure(api, seconds_ago=370 - 50 * number)
        settle(process)
    assert len(profile_jobs(api)) == 2
    assert abs(predicted_milliseconds(api) - TASK_MILLISECONDS) < 0.05 * TASK_MILLISECONDS
    assert current(api)[0] == "True"


@settings(max_examples=40, deadline=None)
@given(fail_at=st.frozensets(st.integers(1, 30), max_size=8), killed=st.booleans())
def test_whichever_writes_fail_and_however_often_it_is_killed_a_drifted_pair_is_measured_once_and_never_without(
    *, fail_at: frozenset[int], killed: bool
) -> None:
    api = NeverWithout()
    process = measured_cluster(api)
    api.fail_at = frozenset(api.writes + number for number in fail_at)
    tasks_end(api, 3)
    for _ in range(10):
        settle(process)
        measure(api)
        if killed:
            process = Process(api)
    settle(process)
    assert len(profile_jobs(api)) == 2
    (profile,) = profiles(api)
    assert profile["spec"]["replaced"]["reason"] == "Drifted"
    assert not api.was_without


def test_a_measurement_under_way_is_kept_though_the_reason_for_it_was_lost() -> None:
    api = MemoryApi()
    process = measured_cluster(api)
    tasks_end(api, 3)
    settle(process)
    api.delete(CONFIG_MAPS, "foretide-pairings", "foretide-system")
    process = Process(api)
    settle(process)
    assert current(api) == ("True", "UpToDate")
    measure(api, microseconds=40_000)
    settle(process)
    (profile,) = profiles(api)
    assert profile["spec"]["replaced"]["reason"] == "Drifted"
    assert predicted_milliseconds(api) == TASK_MILLISECONDS
    assert len(profile_jobs(api)) == 2
