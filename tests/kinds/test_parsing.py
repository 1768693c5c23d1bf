"""Plain objects become typed forms, and what does not fit is named by field and value."""

from __future__ import annotations

import re
from typing import Any

import pytest

from foretide.prediction import Interval, Prediction
from foretide_kube.kinds import aiworkload, completiontimemodel, nodeclass, workloadprofile
from foretide_kube.kinds.aiworkload import cpu_millis, memory_bytes, workload_key
from foretide_kube.kinds.common import KindError, LabelSelector, SelectorRequirement, plain, without_nulls
from tests.kinds.objects import (
    REMOVED,
    Object,
    changed,
    completion_time_model,
    node_class,
    onnx_workload,
    torchvision_workload,
    workload_profile,
)


def test_what_is_absent_takes_the_schema_s_default() -> None:
    spec = aiworkload.parse(torchvision_workload()).spec
    assert (spec.precision, spec.batch_size, spec.inferences, spec.suspend) == ("fp32", 1, 1000, False)
    assert spec.input.data_type == "float32"
    assert spec.objective.percentile == 90
    assert spec.objective.deadline_milliseconds is None
    assert spec.profiling.policy == "Auto"
    assert spec.run.mode == "None"
    assert spec.node_class_selector.matches({"anything": "at all"})


def test_completions_parallelism_and_replicas_stand_for_one_where_absent() -> None:
    job = aiworkload.parse(changed(torchvision_workload(), "spec.run", {"mode": "Job", "completions": 5})).spec.run
    assert (job.task_count, job.tasks_at_once) == (5, 5)
    wide = {"mode": "Job", "completions": 3, "parallelism": 10}
    assert aiworkload.parse(changed(torchvision_workload(), "spec.run", wide)).spec.run.tasks_at_once == 3
    deployment = aiworkload.parse(changed(torchvision_workload(), "spec.run", {"mode": "Deployment"})).spec.run
    assert deployment.replica_count == 1


def test_limits_are_read_exactly() -> None:
    spec = aiworkload.parse(
        changed(
            torchvision_workload(), "spec.resources.limits", {"cpu": "1500m", "memory": "1.5Gi", "nvidia.com/gpu": 1}
        )
    ).spec
    assert (cpu_millis(spec), memory_bytes(spec)) == (1500, 3 * 2**29)


@pytest.mark.parametrize(
    ("path", "value", "field", "shown"),
    [
        ("spec.batchSize", "four", "spec.batchSize", "'four'"),
        ("spec.batchSize", 0, "spec.batchSize", "0"),
        ("spec.batchSize", 1.5, "spec.batchSize", "1.5"),
        ("spec.precision", "fp64", "spec.precision", "'fp64'"),
        ("spec.input.shape", [3, -1], "spec.input.shape[1]", "-1"),
        ("spec.input.shape", [], "spec.input.shape", "[]"),
        ("spec.model.source", "Pickle", "spec.model.source", "'Pickle'"),
        ("spec.model.name", REMOVED, "spec.model.name", "None"),
        ("spec.model.name", "No-Such.Name", "spec.model.name", "'No-Such.Name'"),
        ("spec.resources.limits", {"cpu": "1"}, "spec.resources.limits", "{'cpu': '1'}"),
        ("spec.resources.limits.cpu", "much", "spec.resources.limits.cpu", "'much'"),
        ("spec.resources.limits.memory", "0", "spec.resources.limits.memory", "'0'"),
        ("spec.resources.limits.memory", True, "spec.resources.limits[...]", "True"),
        ("spec.objective.percentile", 100, "spec.objective.percentile", "100"),
        ("kind", "Pod", "kind", "'Pod'"),
        ("metadata.namespace", 7, "metadata.namespace", "7"),
        ("spec.run", {"completions": 3}, "spec.run.completions", "3"),
        ("spec.run", {"mode": "Job", "maxQueuedRequests": 3}, "spec.run.maxQueuedRequests", "3"),
        ("spec.objective", {"latencyMilliseconds": 30}, "spec.objective.latencyMilliseconds", "30"),
        (
            "spec.run.template",
            {"tolerations": [{"key": "a", "tolerationSeconds": 5}]},
            "spec.run.template.tolerations[0]",
            "'tolerationSeconds': 5",
        ),
    ],
)
def test_an_error_names_the_workload_the_field_and_the_value(path: str, value: Any, field: str, shown: str) -> None:
    with pytest.raises(KindError) as caught:
        aiworkload.parse(changed(torchvision_workload(), path, value))
    assert caught.value.field == field
    assert re.match(rf"AIWorkload \w+/classify: {re.escape(field)}: ", str(caught.value))
    assert shown in str(caught.value)


def test_a_file_needs_a_source_that_takes_one_and_exactly_one_volume() -> None:
    assert aiworkload.parse(onnx_workload()).spec.model.file is not None
    with pytest.raises(KindError, match=r"spec\.model\.file: source ONNX needs it"):
        aiworkload.parse(changed(onnx_workload(), "spec.model.file", REMOVED))
    with pytest.raises(KindError, match=r"spec\.model\.name: source ONNX takes none"):
        aiworkload.parse(changed(onnx_workload(), "spec.model.name", "resnet18"))
    with pytest.raises(KindError, match="exactly one of configMap"):
        aiworkload.parse(changed(onnx_workload(), "spec.model.file.volume", {}))
    with pytest.raises(KindError, match="exactly one of configMap"):
        aiworkload.parse(changed(onnx_workload(), "spec.model.file.volume.configMap", {"name": "second"}))


def test_a_field_of_a_newer_version_is_passed_over() -> None:
    assert aiworkload.parse(changed(torchvision_workload(), "spec.laterFeature", {"a": 1})).spec.batch_size == 1


def test_null_counts_as_absent() -> None:
    assert aiworkload.parse(changed(torchvision_workload(), "spec.precision", None)).spec.precision == "fp32"


def test_the_key_depends_on_what_is_immutable_and_on_nothing_else() -> None:
    key = workload_key(aiworkload.parse(torchvision_workload()).spec)
    assert len(key) == 16

    def key_with(path: str, value: Any) -> str:
        return workload_key(aiworkload.parse(changed(torchvision_workload(), path, value)).spec)

    for path, value in (
        ("metadata.name", "other"),
        ("spec.inferences", 5),
        ("spec.precision", "fp32"),
        ("spec.input.dataType", "float32"),
        ("spec.resources.limits.cpu", "1000m"),
        ("spec.resources.limits.cpu", 1),
        ("spec.resources.limits.memory", "1Gi"),
        ("spec.suspend", True),
        ("spec.objective.deadlineMilliseconds", 100),
    ):
        assert key_with(path, value) == key, path
    others = {
        key_with("spec.model.name", "resnet18"),
        key_with("spec.input.shape", [3, 160, 160]),
        key_with("spec.input.dataType", "float16"),
        key_with("spec.precision", "int8"),
        key_with("spec.batchSize", 2),
        key_with("spec.resources.limits.cpu", "900m"),
    }
    assert len(others | {key}) == 7


def test_an_object_survives_the_way_to_a_form_and_back() -> None:
    kinds: list[tuple[Any, Object]] = [
        (aiworkload, onnx_workload()),
        (nodeclass, node_class()),
        (workloadprofile, workload_profile()),
        (completiontimemodel, completion_time_model()),
    ]
    for kind, obj in kinds:
        there = kind.parse(obj)
        assert kind.parse(kind.to_object(there)) == there


def test_a_status_is_written_without_nulls() -> None:
    status = aiworkload.AIWorkloadStatus(
        predictions=(
            Prediction(
                node_class="board",
                work_microseconds_per_inference=Interval(lower=1, median=2, upper=3),
                startup_milliseconds=4,
                memory_bytes=5,
                source="Learned",
            ),
        )
    )
    written = plain(status)
    assert without_nulls(written) == written
    assert written["predictions"] == [
        {
            "nodeClass": "board",
            "workMicrosecondsPerInference": {"lower": 1, "median": 2, "upper": 3},
            "startupMilliseconds": 4,
            "memoryBytes": 5,
            "source": "Learned",
            "modelVersion": "",
        }
    ]


def test_the_class_made_for_a_label_selects_by_that_label() -> None:
    made = nodeclass.made_for_label("board")
    assert made.metadata.name == "board"
    assert made.spec.selector.matches({"foretide.dev/node-class": "board"})
    assert not made.spec.selector.matches({"foretide.dev/node-class": "server"})


def test_there_is_one_completion_time_model() -> None:
    with pytest.raises(KindError, match="must be default"):
        completiontimemodel.parse(completion_time_model("second"))


@pytest.mark.parametrize(
    ("requirement", "matching", "failing"),
    [
        (SelectorRequirement(key="a", operator="In", values=("1", "2")), [{"a": "2"}], [{}, {"a": "3"}]),
        (SelectorRequirement(key="a", operator="NotIn", values=("1",)), [{}, {"a": "2"}], [{"a": "1"}]),
        (SelectorRequirement(key="a", operator="Exists"), [{"a": ""}], [{}, {"b": ""}]),
        (SelectorRequirement(key="a", operator="DoesNotExist"), [{}], [{"a": ""}]),
    ],
)
def test_selectors_match_as_kubernetes_does(
    requirement: SelectorRequirement, matching: list[dict[str, str]], failing: list[dict[str, str]]
) -> None:
    selector = LabelSelector(match_expressions=(requirement,))
    assert all(selector.matches(labels) for labels in matching)
    assert not any(selector.matches(labels) for labels in failing)


def test_a_service_takes_a_latency_and_no_deadline_and_is_compared_by_one_inference() -> None:
    service = changed(torchvision_workload(), "spec.run", {"mode": "Deployment"})
    served = aiworkload.parse(changed(service, "spec.objective", {"latencyMilliseconds": 30})).spec
    assert (served.objective.latency_milliseconds, served.inferences_at_a_time, served.run.queue_length) == (30, 1, 16)
    with pytest.raises(KindError, match=r"spec\.objective\.deadlineMilliseconds: is for tasks, which end"):
        aiworkload.parse(changed(service, "spec.objective", {"deadlineMilliseconds": 30}))
    task = aiworkload.parse(changed(torchvision_workload(), "spec.inferences", 7)).spec
    assert task.inferences_at_a_time == 7
