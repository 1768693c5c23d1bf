"""What is written on a Pod, and when nothing is."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from foretide.placement.task import WorkloadPredictions
from foretide.prediction import Interval, PodPrediction
from foretide_kube.pod_form import PodForm
from foretide_kube.task_pods import TaskPod, WrittenPrediction, read_pod
from foretide_kube.times import epoch_seconds
from foretide_operator.planner.recording import (
    NotPredicted,
    annotation_patch,
    bound_milliseconds,
    needs_prediction,
    predict,
)
from tests.extender.cluster_values import CREATED_TIME, MIB, NOW_SECONDS, pod_object, workload

NOW_MILLISECONDS = round(NOW_SECONDS * 1e3)


def pod(**options: Any) -> TaskPod:
    return read_pod(msgspec.convert(pod_object(**({"node": "medium-1"} | options)), PodForm))


def told(
    given: TaskPod, node_class: str | None, known: WorkloadPredictions | None, seen_milliseconds: int
) -> PodPrediction | NotPredicted:
    bound = bound_milliseconds(given, seen_milliseconds)
    return predict(given, given.node or "", node_class, known, bound_milliseconds=bound)


def written(node: str = "medium-1", late_seconds: float = 0.4) -> str:
    """What the annotation says of a binding to ``node``, so long after that of `pod`."""
    bound_seconds = pod().bound_seconds
    assert bound_seconds is not None
    prediction = told(pod(), "medium", workload(), NOW_MILLISECONDS)
    assert isinstance(prediction, PodPrediction)
    bound_milliseconds = round((bound_seconds + late_seconds) * 1e3)
    return msgspec.json.encode(
        msgspec.structs.replace(prediction, node=node, bound_milliseconds=bound_milliseconds)
    ).decode()


def test_the_prediction_is_that_of_the_node_it_is_bound_to() -> None:
    assert told(pod(), "medium", workload(), NOW_MILLISECONDS + 450) == PodPrediction(
        node="medium-1",
        node_class="medium",
        inferences=100,
        work_milliseconds=Interval(lower=2160, median=2700, upper=3375),
        startup_milliseconds=500,
        memory_bytes=300 * MIB,
        source="Measured",
        model_version="v1",
        bound_milliseconds=NOW_MILLISECONDS + 450,
    )


def test_it_is_for_the_inferences_and_the_cpu_of_the_pod() -> None:
    prediction = told(
        pod(cpu="500m", annotations={"foretide.dev/inferences": "10"}), "fast", workload(), NOW_MILLISECONDS
    )
    assert isinstance(prediction, PodPrediction)
    assert (prediction.inferences, prediction.work_milliseconds.median, prediction.source) == (10, 200, "Fallback")


@pytest.mark.parametrize(
    ("seen_later_milliseconds", "expected"),
    [(0, 0), (999, 999), (2999, 2999), (3000, 0), (60_000, 0), (-1, 0)],
)
def test_our_clock_tells_the_binding_only_just_after_it(seen_later_milliseconds: int, expected: int) -> None:
    prediction = told(pod(), "fast", workload(), NOW_MILLISECONDS + seen_later_milliseconds)
    assert isinstance(prediction, PodPrediction)
    assert prediction.bound_milliseconds == NOW_MILLISECONDS + expected


@pytest.mark.parametrize(
    ("node_class", "known", "reason"),
    [
        ("fast", False, "WorkloadUnknown"),
        (None, True, "NodeClassUnknown"),
        ("other", True, "ClassNotPredicted"),
    ],
)
def test_without_a_prediction_the_reason_is_told(node_class: str | None, known: bool, reason: str) -> None:  # noqa: FBT001
    result = told(pod(), node_class, workload() if known else None, NOW_MILLISECONDS)
    assert isinstance(result, NotPredicted)
    assert result.reason == reason


def test_what_never_ends_gets_no_prediction_and_is_not_waited_for() -> None:
    result = told(pod(role="run"), "fast", workload(mode="Deployment"), NOW_MILLISECONDS)
    assert isinstance(result, NotPredicted)
    assert (result.reason, result.is_final) == ("NeverEnds", True)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, True),
        ({"role": "run"}, True),
        ({"phase": "Running"}, True),
        ({"role": "inspect"}, False),
        ({"role": "profile"}, False),
        ({"workload": None}, False),
        ({"node": None}, False),
        ({"phase": "Succeeded"}, False),
        ({"phase": "Failed"}, False),
        ({"annotations": {"foretide.dev/prediction": "{}"}}, True),
        ({"annotations": {"foretide.dev/prediction": written()}}, False),
        ({"annotations": {"foretide.dev/prediction": written(node="slow-1")}}, True),
        ({"annotations": {"foretide.dev/prediction": written(late_seconds=60)}}, True),
    ],
)
def test_bound_tasks_get_a_prediction_unless_one_fits(options: dict[str, Any], expected: bool) -> None:  # noqa: FBT001
    assert needs_prediction(pod(**options)) is expected


def test_the_patch_names_the_pod_by_uid_and_can_be_read_back() -> None:
    prediction = told(pod(), "fast", workload(), NOW_MILLISECONDS)
    assert isinstance(prediction, PodPrediction)
    patch = annotation_patch(pod(), prediction)
    assert patch["metadata"]["uid"] == "uid-task-1"
    text = patch["metadata"]["annotations"]["foretide.dev/prediction"]
    assert msgspec.json.decode(text, type=PodPrediction) == prediction
    assert len(text) < 1024


@pytest.mark.parametrize(
    ("limits", "cpu_millis", "memory_bytes"),
    [
        ([{"cpu": "500m", "memory": "1Gi"}], 500, 2**30),
        ([{"cpu": 2}], 2000, None),
        ([{"cpu": "1"}, {"cpu": "250m", "memory": "64Mi"}], 1250, None),
        ([{"cpu": "1"}, {}], None, None),
        ([{"cpu": "plenty", "memory": "64MB"}], None, None),
        ([None], None, None),
        ([], None, None),
    ],
)
def test_limits_are_those_of_all_containers_or_none(
    limits: list[dict[str, str] | None], cpu_millis: int | None, memory_bytes: int | None
) -> None:
    item = pod_object()
    item["spec"]["containers"] = [{"resources": {"limits": each}} for each in limits]
    task = read_pod(msgspec.convert(item, PodForm)).task
    assert (task.cpu_millis, task.memory_limit_bytes) == (cpu_millis, memory_bytes)


def test_times_are_read_as_the_api_writes_them() -> None:
    assert epoch_seconds(CREATED_TIME) == NOW_SECONDS
    assert epoch_seconds("2026-09-21T14:13:20.500000Z") == NOW_SECONDS + 0.5
    assert epoch_seconds(None) is None
    assert epoch_seconds("yesterday") is None


def test_a_forged_binding_that_no_float_can_hold_is_no_prediction() -> None:
    forged = WrittenPrediction("medium-1", 10**400)
    assert needs_prediction(msgspec.structs.replace(pod(), prediction=forged))
