"""The WorkloadProfile that keeps what a profile Job measured."""

from __future__ import annotations

from foretide.results import ProfileResult
from foretide_kube.client import Object
from foretide_kube.ended_pods import bound_milliseconds
from foretide_kube.kinds.aiworkload import cpu_millis
from foretide_kube.kinds.common import Metadata, to_time
from foretide_kube.kinds.workloadprofile import (
    Measurement,
    Replaced,
    WorkloadProfile,
    WorkloadProfileSpec,
    WorkloadReference,
    to_object,
)
from foretide_kube.names import API_VERSION, LABEL_MANAGED_BY, LABEL_WORKLOAD, MANAGED_BY, ROLE_PROFILE, child_name
from foretide_kube.times import from_milliseconds
from foretide_operator.co_runners import co_runners
from foretide_operator.job_keys import container_key
from foretide_operator.outcome import Done
from foretide_operator.pairing.ended import task_times
from foretide_operator.workload.facts import Facts


def profile_of(facts: Facts, node_class: str, done: Done, replaced: Replaced | None = None) -> Object:
    """The WorkloadProfile that keeps a measurement; ``replaced`` is which it was made to replace, and why."""
    result = done.result
    if not isinstance(result, ProfileResult):
        raise TypeError(f"a profile Job gave a {type(result).__name__}")
    metadata = facts.workload.metadata
    startup, end = _startup_and_end(result, done.pod)
    beside = co_runners(
        facts.workload_pods,
        facts.workloads,
        done.pod,
        begin_milliseconds=result.work_begin,
        end_milliseconds=result.work_end,
    )
    measured_time = to_time(from_milliseconds(end))
    # Times are of more than one clock: the next one must not have the name of the one that it replaces.
    told_apart = f"{facts.key}/{node_class}/{measured_time}" + (f"/{replaced.name}" if replaced is not None else "")
    profile = WorkloadProfile(
        metadata=Metadata(
            name=child_name(metadata.name, ROLE_PROFILE, told_apart),
            namespace=metadata.namespace,
            labels={LABEL_MANAGED_BY: MANAGED_BY, LABEL_WORKLOAD: metadata.name},
            owner_references=(
                {
                    "apiVersion": API_VERSION,
                    "kind": "AIWorkload",
                    "name": metadata.name,
                    "uid": metadata.uid,
                    "controller": True,
                },
            ),
        ),
        spec=WorkloadProfileSpec(
            workload=WorkloadReference(
                name=metadata.name,
                uid=metadata.uid,
                key=facts.key,
                container_key=container_key(facts.workload.spec),
            ),
            node_class=node_class,
            node_name=done.pod["spec"].get("nodeName"),
            cpu_millis=cpu_millis(facts.workload.spec),
            startup_milliseconds=startup,
            measured_time=measured_time,
            measurement=Measurement.of(result, co_runners=beside),
            replaced=replaced,
        ),
    )
    body = to_object(profile)
    body.pop("status", None)
    return body


def _startup_and_end(result: ProfileResult, pod: Object) -> tuple[int, int]:
    """What starting took, and when the measurement ended, counted from the binding so that it is by the API's clock.

    By a node's clock that is behind, a measurement could be too old as soon as it is made, and be made again for ever.
    """
    times = task_times(pod, work_begin_milliseconds=result.work_begin, work_end_milliseconds=result.work_end)
    bound = bound_milliseconds(pod)
    if times is None or bound is None:
        return max(0, result.work_begin - result.process_start), result.work_end
    return times.startup_milliseconds, bound + times.startup_milliseconds + times.work_milliseconds
