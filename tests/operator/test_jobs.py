"""The manifests: what the profiler is told, and that a stranger's model gets no right that it does not need."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from msgspec.structs import replace

from foretide_kube.kinds.workloadprofile import Replaced
from foretide_operator.job_keys import measuring_key, rollout_key, run_key
from foretide_operator.jobs import inspect_job, probe_job, profile_job, run_deployment, run_job
from foretide_operator.settings import Settings
from foretide_profiler.serving.service import DRAIN_SECONDS
from tests.operator.cluster_objects import SETTINGS, node_class, workload

FAST = node_class("fast")
OPERATOR = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "foretide-operator", "uid": "1"}
TORCH = {"source": "TorchVision", "name": "mobilenet_v3_small"}


def all_manifests(settings: Settings = SETTINGS) -> list[Any]:
    given = workload(run={"mode": "Job", "completions": 3})
    return [
        inspect_job(given, 1, settings),
        profile_job(given, FAST, attempt=1, lost_nodes=(), replaced=None, settings=settings),
        probe_job(FAST, attempt=1, lost_nodes=(), series="", settings=settings, owner=OPERATOR),
        run_job(given, settings),
        run_deployment(given, settings),
    ]


def pod(manifest: Any) -> Any:
    return manifest["spec"]["template"]["spec"]


def arguments(manifest: Any) -> str:
    return " ".join(pod(manifest)["containers"][0]["args"])


@pytest.mark.parametrize("manifest", all_manifests(), ids=lambda m: m["metadata"]["labels"]["foretide.dev/role"])
def test_every_pod_is_restricted_and_guaranteed(manifest: Any) -> None:
    spec = pod(manifest)
    (container,) = spec["containers"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert container["securityContext"]["runAsUser"] == 65532
    assert container["resources"]["limits"] == container["resources"]["requests"]
    assert not {"serviceAccountName", "hostNetwork", "hostPID", "nodeName", "priorityClassName"} & spec.keys()
    assert len(manifest["metadata"]["ownerReferences"]) == 1
    assert len(manifest["metadata"]["name"]) <= 52


def test_measuring_jobs_have_a_deadline_no_retries_of_their_own_and_an_hour_after_their_end() -> None:
    for manifest in all_manifests()[:3]:
        assert manifest["spec"]["activeDeadlineSeconds"] == 600
        assert manifest["spec"]["backoffLimit"] == 0
        assert manifest["spec"]["ttlSecondsAfterFinished"] == 3600


def test_an_onnx_workload_gets_its_file_read_only_and_the_light_image() -> None:
    manifest = inspect_job(workload(), 1, SETTINGS)
    assert arguments(manifest) == (
        f"inspect --source ONNX --file /model/m.onnx --sha256 {'ab' * 32} --input 3,224,224 "
        "--data-type float32 --batch-size 1 --precision fp32"
    )
    assert pod(manifest)["containers"][0]["image"] == SETTINGS.image_onnx
    assert {"name": "model", "configMap": {"name": "models"}} in pod(manifest)["volumes"]
    assert {"name": "model", "mountPath": "/model", "readOnly": True} in pod(manifest)["containers"][0]["volumeMounts"]


def test_a_torchvision_workload_is_named_and_gets_the_torch_image() -> None:
    manifest = profile_job(workload(model=TORCH), FAST, attempt=1, lost_nodes=(), replaced=None, settings=SETTINGS)
    assert arguments(manifest).startswith("profile --source TorchVision --name mobilenet_v3_small --input 3,224,224")
    assert arguments(manifest).endswith("--max-seconds 30 --min-samples 64 --min-seconds 5")
    assert pod(manifest)["containers"][0]["image"] == SETTINGS.image_torch


@pytest.mark.parametrize(
    ("volume", "source"),
    [
        (
            {"persistentVolumeClaim": {"claimName": "c"}},
            {"persistentVolumeClaim": {"claimName": "c", "readOnly": True}},
        ),
        (
            {"image": {"reference": "r/m:1", "pullPolicy": "Never"}},
            {"image": {"reference": "r/m:1", "pullPolicy": "Never"}},
        ),
    ],
)
def test_other_volumes_are_mounted_too(volume: Any, source: Any) -> None:
    given = workload(model={"source": "ONNX", "file": {"path": "m.onnx", "sha256": "ab" * 32, "volume": volume}})
    assert {"name": "model", **source} in pod(inspect_job(given, 1, SETTINGS))["volumes"]


def test_a_profile_job_stays_on_its_class_and_away_from_other_measurements_and_from_lost_nodes() -> None:
    manifest = profile_job(workload(), FAST, attempt=1, lost_nodes=("n9", "n8"), replaced=None, settings=SETTINGS)
    affinity = pod(manifest)["affinity"]
    (term,) = affinity["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert term["matchExpressions"] == [{"key": "foretide.dev/node-class", "operator": "In", "values": ["fast"]}]
    assert [field["values"] for field in term["matchFields"]] == [["n8"], ["n9"]]
    (apart,) = affinity["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert apart["labelSelector"]["matchExpressions"][0]["values"] == ["profile", "probe"]
    assert apart["namespaceSelector"] == {}
    assert "schedulerName" not in pod(manifest)
    assert manifest["metadata"]["labels"]["foretide.dev/job-node-class"] == "fast"


def test_a_class_that_selects_every_node_makes_no_empty_term() -> None:
    everything = node_class("all", selector={})
    manifest = profile_job(workload(), everything, attempt=1, lost_nodes=(), replaced=None, settings=SETTINGS)
    assert "nodeAffinity" not in pod(manifest)["affinity"]


def test_tolerations_of_a_class_are_for_its_probe_alone() -> None:
    toleration = {"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}
    tainted = node_class("gpu", spec={"probe": {"tolerations": [toleration]}})
    assert pod(probe_job(tainted, attempt=1, lost_nodes=(), series="", settings=SETTINGS, owner=OPERATOR))[
        "tolerations"
    ] == [{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}]
    profile = profile_job(workload(), tainted, attempt=1, lost_nodes=(), replaced=None, settings=SETTINGS)
    assert "tolerations" not in pod(profile)


def test_a_run_job_is_indexed_suspended_as_asked_and_placed_by_our_scheduler() -> None:
    given = workload(
        run={
            "mode": "Job",
            "completions": 12,
            "parallelism": 4,
            "template": {
                "metadata": {"labels": {"app": "x"}, "annotations": {"note": "y"}},
                "env": [{"name": "A", "value": "1"}],
                "nodeSelector": {"zone": "a"},
            },
        },
        suspend=True,
    )
    manifest = run_job(given, SETTINGS)
    spec = manifest["spec"]
    assert (spec["completionMode"], spec["completions"], spec["parallelism"]) == ("Indexed", 12, 4)
    assert spec["suspend"] is True
    assert arguments(manifest).endswith("--inferences 100")
    template = spec["template"]
    assert template["metadata"]["labels"] == {
        "app": "x",
        "app.kubernetes.io/managed-by": "foretide",
        "foretide.dev/role": "run",
        "foretide.dev/workload": "cnn",
    }
    assert template["metadata"]["annotations"]["note"] == "y"
    assert template["spec"]["schedulerName"] == "foretide-scheduler"
    assert template["spec"]["nodeSelector"] == {"zone": "a"}
    assert template["spec"]["containers"][0]["env"] == [{"name": "A", "value": "1"}]


def test_what_measures_runs_as_what_is_at_work_does() -> None:
    toleration = {"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}
    template = {"env": [{"name": "A", "value": "1"}], "runtimeClassName": "nvidia", "tolerations": [toleration]}
    given = workload(run={"mode": "Job", "template": {**template, "nodeSelector": {"zone": "a"}}})
    for manifest in (
        inspect_job(given, 1, SETTINGS),
        profile_job(given, FAST, attempt=1, lost_nodes=(), replaced=None, settings=SETTINGS),
        run_job(given, SETTINGS),
        run_deployment(given, SETTINGS),
    ):
        spec = pod(manifest)
        assert spec["containers"][0]["env"] == [{"name": "A", "value": "1"}]
        assert spec["runtimeClassName"] == "nvidia"
        assert spec["tolerations"] == [toleration]
        role = manifest["metadata"]["labels"]["foretide.dev/role"]
        assert ("nodeSelector" in spec) == (role == "run"), "the class says where is measured"


def test_only_the_tasks_of_a_run_job_wait_behind_the_gate() -> None:
    gated = [
        manifest["metadata"]["labels"]["foretide.dev/role"] + "/" + manifest["kind"]
        for manifest in all_manifests()
        if pod(manifest).get("schedulingGates") == [{"name": "foretide.dev/plan"}]
    ]
    assert gated == ["run/Job"]


@pytest.mark.parametrize("changes", [{"gates": False}, {"scheduler_name": ""}], ids=str)
def test_no_task_waits_where_gates_are_off_or_nobody_would_place_it_by_the_plan(changes: dict[str, Any]) -> None:
    manifest = run_job(workload(run={"mode": "Job"}), dataclasses.replace(SETTINGS, **changes))
    assert "schedulingGates" not in pod(manifest)


def test_where_the_cluster_s_own_scheduler_asks_the_extender_tasks_are_marked_for_it_and_what_measures_is_not() -> None:
    external = dataclasses.replace(SETTINGS, scheduler_name="", external_scheduler=True)
    for manifest in all_manifests(external):
        role = manifest["metadata"]["labels"]["foretide.dev/role"]
        resources = pod(manifest)["containers"][0]["resources"]
        assert [amounts.get("foretide.dev/task") for amounts in (resources["limits"], resources["requests"])] == (
            ["1", "1"] if role in {"inspect", "run"} else [None, None]
        )
        assert "schedulerName" not in pod(manifest)
        assert ("schedulingGates" in pod(manifest)) == (role == "run" and manifest["kind"] == "Job")


def test_a_deployment_serves_is_probed_and_scales_to_zero_while_suspended() -> None:
    given = workload(run={"mode": "Deployment", "replicas": 3, "maxQueuedRequests": 5}, suspend=True)
    manifest = run_deployment(given, SETTINGS)
    assert arguments(manifest).startswith("serve --source ONNX ")
    assert arguments(manifest).endswith("--port 8080 --queue 5")
    assert manifest["spec"]["replicas"] == 0
    assert pod(manifest)["restartPolicy"] == "Always"
    (container,) = pod(manifest)["containers"]
    assert container["ports"] == [{"name": "http", "containerPort": 8080, "protocol": "TCP"}]
    assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "http"}
    assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "http"}
    forget_seconds = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert forget_seconds >= 5  # answers until no node sends it requests any more
    assert forget_seconds + DRAIN_SECONDS < pod(manifest)["terminationGracePeriodSeconds"]


def test_a_service_is_rolled_out_for_another_queue_and_not_for_another_number_of_inferences() -> None:
    given = workload(run={"mode": "Deployment"})
    assert rollout_key(with_uid_of(given, run={"mode": "Deployment"}, inferences=7).spec) == rollout_key(given.spec)
    queue = with_uid_of(given, run={"mode": "Deployment", "maxQueuedRequests": 3})
    assert rollout_key(queue.spec) != rollout_key(given.spec)


def test_without_our_scheduler_pods_name_none() -> None:
    bare = Settings(namespace="x", scheduler_name="", image_onnx="a", image_torch="b")
    assert "schedulerName" not in pod(run_job(workload(run={"mode": "Job"}), bare))


def test_names_are_the_same_for_the_same_and_differ_for_what_differs() -> None:
    given = workload()
    first = inspect_job(given, 1, SETTINGS)
    assert first == inspect_job(given, 1, SETTINGS)
    names = {
        manifest["metadata"]["name"]
        for manifest in (
            first,
            inspect_job(given, 2, SETTINGS),
            inspect_job(workload(resources={"limits": {"cpu": "1", "memory": "1Gi"}}), 1, SETTINGS),
            profile_job(given, FAST, attempt=1, lost_nodes=(), replaced=None, settings=SETTINGS),
            profile_job(
                given, FAST, attempt=1, lost_nodes=(), replaced=Replaced(name="x", reason="Stale"), settings=SETTINGS
            ),
            profile_job(given, node_class("slow"), attempt=1, lost_nodes=(), replaced=None, settings=SETTINGS),
        )
    }
    assert len(names) == 6


def test_more_memory_is_another_measurement_and_another_rollout_but_the_same_run() -> None:
    given = workload(run={"mode": "Job", "completions": 4})
    larger = with_uid_of(
        given,
        inferences=7,
        run={"mode": "Job", "completions": 4, "parallelism": 2, "template": {"nodeSelector": {"zone": "b"}}},
        resources={"limits": {"cpu": "1", "memory": "1Gi"}},
    )
    assert measuring_key(given.spec) != measuring_key(larger.spec)
    assert rollout_key(given.spec) != rollout_key(larger.spec)
    assert run_key(given) == run_key(larger)
    assert run_job(given, SETTINGS)["metadata"]["name"] == run_job(larger, SETTINGS)["metadata"]["name"]
    assert run_key(given) != run_key(with_uid_of(given, run={"mode": "Job", "completions": 5}))
    namesake = workload(run={"mode": "Job", "completions": 4})
    assert run_key(given) != run_key(namesake)


@pytest.mark.parametrize("template", [{"env": [{"name": "A", "value": "1"}]}, {"runtimeClassName": "nvidia"}], ids=str)
def test_a_variable_or_runtime_that_was_missing_lets_what_failed_be_measured_again(template: Any) -> None:
    given = workload(run={"mode": "Job"})
    mended = with_uid_of(given, run={"mode": "Job", "template": template})
    assert measuring_key(mended.spec) != measuring_key(given.spec)
    assert run_key(mended) == run_key(given)


def test_a_run_jobs_tasks_say_how_many_inferences_they_were_made_with() -> None:
    manifest = run_job(workload(inferences=30, run={"mode": "Job"}), SETTINGS)
    assert manifest["spec"]["template"]["metadata"]["annotations"]["foretide.dev/inferences"] == "30"


def with_uid_of(original: Any, **spec: Any) -> Any:
    changed = workload(**spec)
    return replace(changed, metadata=original.metadata)
