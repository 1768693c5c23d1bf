"""What the operator publishes, as placement reads it: predictions of AIWorkloads, probes of NodeClasses."""

from __future__ import annotations

from msgspec import structs

from foretide.observation import DeviceFeatures
from foretide.placement.task import WorkloadPredictions
from foretide_kube.constraints import Constraints, Toleration
from foretide_kube.kinds import aiworkload
from foretide_kube.kinds.aiworkload import AIWorkload
from foretide_kube.kinds.nodeclass import NodeClass


def predictions_of(workload: AIWorkload) -> WorkloadPredictions:
    """The predictions in a workload's status, with the defaults of its tasks.

    Of a service they are those of a request, which starts nothing: by these its Pods are placed.
    """
    objective = workload.spec.objective
    deadline, latency = objective.deadline_milliseconds, objective.latency_milliseconds
    return WorkloadPredictions(
        inferences=workload.spec.inferences_at_a_time,
        cpu_millis=aiworkload.cpu_millis(workload.spec),
        deadline_seconds=None if deadline is None else deadline / 1e3,
        latency_seconds=None if latency is None else latency / 1e3,
        by_class={
            each.node_class: structs.replace(each, startup_milliseconds=0) if workload.spec.run.is_service else each
            for each in workload.status.predictions
        },
        is_service=workload.spec.run.is_service,
        max_wait_seconds=workload.spec.max_wait_seconds,
        percentile=objective.percentile,
        measuring=_measuring(workload),
        memory_limit_bytes=aiworkload.memory_bytes(workload.spec),
    )


def measured_where(workload: AIWorkload) -> Constraints:
    """Which nodes of a class may take the Pod that measures a workload there: those whose taints its tasks tolerate."""
    tolerated = workload.spec.run.template.tolerations
    return Constraints(
        tolerations=tuple(Toleration(each.key, each.operator, each.value, each.effect or "") for each in tolerated)
    )


def _measuring(workload: AIWorkload) -> dict[str, float]:
    profiles = workload.status.profiles
    rows = () if profiles is None else profiles.classes
    return {row.node_class: float(row.node_seconds) for row in rows if row.node_seconds is not None}


def features_of(node_class: NodeClass) -> DeviceFeatures:
    """What is known of a class from its probe."""
    probe = node_class.status.probe
    if probe is None:
        return DeviceFeatures(node_class=node_class.metadata.name)
    return DeviceFeatures(
        node_class=node_class.metadata.name,
        startup_milliseconds=probe.startup_milliseconds,
        gemm_flops_per_second=probe.gemm_flops_per_second,
        memory_bandwidth_bytes_per_second=probe.memory_bandwidth_bytes_per_second,
        model_microseconds=probe.model_microseconds,
    )
