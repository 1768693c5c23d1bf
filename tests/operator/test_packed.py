"""What the caches keep compressed: nothing is lost, what is asked of all stands beside, and many take little."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from foretide.results import ProfileResult
from foretide_kube.kinds import workloadprofile
from foretide_kube.kinds.common import KindError
from foretide_operator.co_runners import co_runners
from foretide_operator.outcome import Done, finished_condition, read_outcome
from foretide_operator.packed import Packer, profile_of, whole
from foretide_operator.pairing.ended import is_waiting_to_be_paired
from foretide_operator.reduce import reduce_job, reduce_pod
from tests.operator.cluster_objects import (
    NOW,
    NOW_MILLISECONDS,
    Object,
    ended,
    pod_of,
    profile_result,
    uid,
)

ROLES = ("inspect", "profile", "probe")


def job(role: str = "profile", number: int = 0) -> Object:
    labels = {
        "app.kubernetes.io/managed-by": "foretide",
        "foretide.dev/role": role,
        "foretide.dev/workload": f"w{number // 10}",
        "foretide.dev/job-node-class": f"class-{number % 10}",
    }
    annotations = {"foretide.dev/key": f"{number // 10:016x}", "foretide.dev/attempt": "1"}
    metadata = {"name": f"w{number}-{role}", "namespace": "team", "labels": labels, "annotations": annotations}
    return {"metadata": {**metadata, "uid": uid(), "creationTimestamp": "2026-06-01T11:59:00Z"}, "spec": {}}


def pod(role: str = "profile", number: int = 0, **fields: Any) -> Object:
    fields = {"message": profile_result(microseconds=20_000 + number), "node_name": f"n{number}", **fields}
    return reduce_pod(pod_of(job(role, number), **fields))


def ended_job(role: str = "profile", number: int = 0, kind: str = "Complete") -> Object:
    made = job(role, number)
    made["spec"] = {"backoffLimit": 0, "ttlSecondsAfterFinished": 3600}
    owner = {"kind": "AIWorkload", "name": f"w{number // 10}", "uid": f"uid-{number // 10}", "controller": True}
    made["metadata"] |= {"resourceVersion": str(number + 1), "ownerReferences": [owner]}
    times = {"startTime": made["metadata"]["creationTimestamp"], "completionTime": "2026-06-01T12:00:00Z"}
    return reduce_job(ended(made, kind=kind, **times))


def profile(number: int = 0) -> Object:
    measurement = {
        "samples": 64,
        "inferenceMicroseconds": {"mean": 9_000 + number, "median": 9_000, "interquartileRange": 180},
        "firstInferenceMicroseconds": 20_000 + number,
        "warmupInferences": 5,
        "loadMilliseconds": 800 + number,
        "stable": True,
        "memoryPeakBytes": 300_000_000 + 4096 * number,
        "memoryBaseBytes": 100_000_000,
        "environment": {"threads": 1, "runtime": "onnxruntime 1.20", "cpuMillis": 1000, "cpuModel": "a processor"},
    }
    return {
        "apiVersion": "foretide.dev/v1alpha1",
        "kind": "WorkloadProfile",
        "metadata": {
            "name": f"w{number}-profile",
            "namespace": "team",
            "uid": uid(),
            "resourceVersion": str(number + 1),
            "managedFields": [{"manager": "foretide-operator"}],
        },
        "spec": {
            "workload": {"name": f"w{number}", "uid": uid(), "key": f"{number:016x}"},
            "nodeClass": f"class-{number % 10}",
            "nodeName": "n1",
            "cpuMillis": 1000,
            "startupMilliseconds": 900,
            "measuredTime": "2026-06-01T12:00:00Z",
            "measurement": measurement,
        },
    }


def size(items: list[Object]) -> float:
    """Bytes of one of these with all in it; what several share is counted once."""
    seen: dict[int, Any] = {}

    def note(item: Any) -> None:
        if id(item) not in seen:
            seen[id(item)] = item
            parts = item.values() if isinstance(item, dict) else item if isinstance(item, list | tuple) else ()
            for part in parts:
                note(part)

    note(items)
    return sum(map(sys.getsizeof, seen.values())) / len(items)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_an_ended_pod_of_a_measurement_is_packed_and_whole_again_as_it_was(role: str, phase: str) -> None:
    packer = Packer()
    for number in range(3):
        before = pod(role, number, phase=phase)
        packed = packer.pod(before)
        assert packed != before
        assert whole(packed) == before


@pytest.mark.parametrize(
    "seen", [pod(phase="Running"), pod(phase="Pending", message=None), pod("run"), pod("run", phase="Failed"), pod("")]
)
def test_what_still_runs_and_tasks_stay_as_they_are(seen: Object) -> None:
    assert Packer().pod(seen) is seen
    assert whole(seen) is seen


def test_what_is_asked_of_all_pods_stands_beside_the_text() -> None:
    before = pod()
    packed = Packer().pod(before)
    for name in ("name", "namespace", "uid", "resourceVersion"):
        assert packed["metadata"][name] == before["metadata"][name]
    assert packed["metadata"]["labels"] == {"foretide.dev/role": "profile", "foretide.dev/workload": "w0"}
    assert (packed["spec"]["nodeName"], packed["status"]["phase"]) == ("n0", "Succeeded")
    assert not is_waiting_to_be_paired(packed)
    task = pod("run")
    window = {"begin_milliseconds": NOW_MILLISECONDS - 60_000, "end_milliseconds": NOW_MILLISECONDS}
    assert co_runners([packed, task], {}, task, **window) == 1


@pytest.mark.parametrize("role", ["inspect", "profile"])
@pytest.mark.parametrize("kind", ["Complete", "Failed"])
def test_an_ended_job_of_a_measurement_is_packed_and_whole_again_as_it_was(role: str, kind: str) -> None:
    packer = Packer()
    for number in range(3):
        before = ended_job(role, number, kind)
        packed = packer.job(before)
        assert "annotations" not in packed["metadata"]
        assert whole(packed) == before


@pytest.mark.parametrize("seen", [reduce_job(job()), ended_job("run"), ended_job("probe"), ended_job("")])
def test_jobs_under_way_and_those_of_tasks_and_probes_stay_as_they_are(seen: Object) -> None:
    assert Packer().job(seen) is seen


def test_what_is_asked_of_all_jobs_stands_beside_the_text() -> None:
    before = ended_job()
    packed = Packer().job(before)
    for name in ("name", "namespace", "uid", "resourceVersion", "creationTimestamp", "ownerReferences"):
        assert packed["metadata"][name] == before["metadata"][name]
    assert packed["metadata"]["labels"].items() <= before["metadata"]["labels"].items()
    assert packed["metadata"]["labels"]["foretide.dev/job-node-class"] == "class-0"
    assert finished_condition(packed) == finished_condition(before)
    assert finished_condition(packed) is not None
    assert packed["spec"] == {"ttlSecondsAfterFinished": 3600}


def test_a_result_is_read_from_a_packed_pod_that_was_made_whole() -> None:
    made = job()
    packed = Packer().pod(reduce_pod(pod_of(made, message=profile_result())))
    outcome = read_outcome(ended(made), [whole(packed)], [], expected=ProfileResult, now=NOW)
    assert isinstance(outcome, Done)
    assert outcome.result == profile_result()


def test_a_profile_is_packed_and_read_as_it_was_whatever_it_was_compressed_against() -> None:
    packer = Packer()
    unlike = profile(7)
    unlike["spec"]["measurement"]["environment"]["cpuModel"] = "".join(map(chr, range(48, 118)))
    for before in (profile(0), profile(1), unlike, profile(2)):
        packed = packer.profile(before)
        assert packed["metadata"].keys() == {"name", "namespace", "uid", "resourceVersion"}
        assert packed["spec"] == {"workload": {"name": before["spec"]["workload"]["name"]}}
        kept = {key: value for key, value in before["metadata"].items() if key != "managedFields"}
        assert whole(packed) == before | {"metadata": kept}
        assert profile_of(packed) == workloadprofile.parse(before)


def test_a_profile_that_does_not_fit_its_kind_says_which_field() -> None:
    broken = profile()
    broken["spec"]["cpuMillis"] = "one"
    with pytest.raises(KindError, match="cpuMillis"):
        profile_of(Packer().profile(broken))


def test_many_of_a_kind_take_little_more_than_their_names() -> None:
    for made, pack, share in (
        (pod, Packer().pod, 0.3),
        (ended_job, Packer().job, 0.8),
        (profile, Packer().profile, 0.55),
    ):
        items = [made(number=number) for number in range(200)]
        assert size([pack(item) for item in items]) < share * size(items)
