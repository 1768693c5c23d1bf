"""Probed: how the class behaves on a fixed set of small tasks, found out by a Job on one of its nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import msgspec

from foretide.results import ProbeResult
from foretide_kube.client import Object
from foretide_kube.ended_pods import bound_milliseconds
from foretide_kube.hardware import change
from foretide_kube.kinds.common import to_time
from foretide_kube.kinds.nodeclass import Probe, to_object
from foretide_kube.names import ANNOTATION_KEY, JOBS, LABEL_JOB_NODE_CLASS, ROLE_PROBE
from foretide_kube.times import from_milliseconds
from foretide_operator.actions import Action, Announce, Delete, Verdict
from foretide_operator.attempts import Attempt, advance, latest, on_class, retire
from foretide_operator.co_runners import co_runners
from foretide_operator.fleet import is_ready
from foretide_operator.job_keys import probing_key
from foretide_operator.jobs import probe_job
from foretide_operator.nodeclass.facts import Facts
from foretide_operator.nodeclass.hardware import fingerprint
from foretide_operator.outcome import Done

TYPE = "Probed"


@dataclass(frozen=True, slots=True)
class Probing:
    """Where probing stands; ``hardware_changed_time`` as in the NodeClass's status."""

    verdict: Verdict
    probe: Probe | None = None
    hardware_changed_time: str | None = None
    actions: tuple[Action, ...] = ()
    recheck_seconds: float | None = None


def decide(facts: Facts) -> Probing:
    """The next step towards a probe that speaks of the nodes that the class has now, and of the runtime in use."""
    members = facts.members
    status = members.node_class.status
    known = status.probe

    def stand(verdict: Verdict, actions: tuple[Action, ...] = (), recheck_seconds: float | None = None) -> Probing:
        return Probing(verdict, known, status.hardware_changed_time, actions, recheck_seconds)

    outdated = "" if known is None else _outdated(facts, known)
    if known is not None and not outdated:
        return stand(_probed(known), _retired(facts.attempts))
    if not any(is_ready(node) for node in members.members):
        if known is not None and _is_of_a_member(facts, known):
            return stand(_probed(known))
        return stand(Verdict(TYPE, "Unknown", "NoReadyNode", "waiting for a Ready node of the class"))

    def make(number: int) -> Object:
        return probe_job(
            members.node_class,
            attempt=number,
            lost_nodes=members.lost,
            series="" if known is None else known.probed_time,
            settings=facts.settings,
            owner=facts.owner,
        )

    attempt = _attempt_of(facts, make)
    step = advance(
        on_class(attempt, members.members),
        make,
        may_start=facts.measuring < facts.settings.profiles_per_class,
        refusals=facts.refusals,
        now=facts.now,
    )
    earlier = _retired(each for each in facts.attempts if each is not attempt)
    step = replace(step, actions=(*step.actions, *earlier))
    if step.done is not None:
        return _after(facts, known, _read(facts, step.done), step.done.pod)
    if step.failed is not None:
        return stand(Verdict(TYPE, "False", step.failed.reason, step.failed.message), step.actions)
    message = f"{outdated}: {step.message}" if outdated else step.message
    if known is not None and _is_of_a_member(facts, known):
        return stand(Verdict(TYPE, "True", "Probed", message), step.actions, step.recheck_seconds)
    return stand(Verdict(TYPE, "Unknown", step.reason, message), step.actions, step.recheck_seconds)


def _outdated(facts: Facts, known: Probe) -> str:
    """Why the class is to be probed again; empty if it is not."""
    if not facts.members.members:
        return ""
    if not _is_of_a_member(facts, known):
        return f"{known.node}, which was probed, is gone from the class or has changed"
    if known.image != facts.settings.image_onnx:
        return "it was probed with another image of the profiler"
    return ""


def _is_of_a_member(facts: Facts, known: Probe) -> bool:
    return any(fingerprint(node) == known.node_fingerprint for node in facts.members.members)


def _retired(attempts: Iterable[Attempt]) -> tuple[Action, ...]:
    return tuple(each for a in attempts if isinstance(a.outcome, Done) for each in retire(a.job))


def _attempt_of(facts: Facts, make: Callable[[int], Object]) -> Attempt | None:
    """The last of the attempts made for this probe, and not for the one before, by their names."""
    made = [a for a in facts.attempts if a.job["metadata"]["name"] == make(a.number)["metadata"]["name"]]
    key = probing_key(facts.members.node_class, facts.settings)
    return latest(made, role=ROLE_PROBE, key=key, node_class=facts.members.name)


def _after(facts: Facts, known: Probe | None, probe: Probe, pod: Object) -> Probing:
    """The new probe, held against the one before: where hardware changed, measurements until then are of the old."""
    node_class = facts.members.node_class
    is_other = known is not None and not _is_of_a_member(facts, known)  # than what was probed, by its own account
    changed = change(known, probe) if known is not None and is_other else ""
    if not changed:
        return Probing(_probed(probe), probe, node_class.status.hardware_changed_time)
    bound = bound_milliseconds(pod)  # by the API's clock, as the times of measurements
    changed_time = to_time(facts.now if bound is None else from_milliseconds(bound))
    message = f"{changed} ({probe.node}): what was measured on the class is measured again"
    told = Announce(to_object(node_class), "Warning", "HardwareChanged", message)
    return Probing(_probed(probe), probe, changed_time, (told,))


def abandoned(probe_jobs: Iterable[Object], keys: Mapping[str, str]) -> tuple[Action, ...]:
    """Remove the probe Jobs that no NodeClass waits for; ``keys`` has, by class, what the present ones are made for."""
    actions: list[Action] = []
    for job in probe_jobs:
        metadata = job["metadata"]
        if metadata["annotations"].get(ANNOTATION_KEY) != keys.get(metadata["labels"].get(LABEL_JOB_NODE_CLASS, "")):
            actions.append(Delete(JOBS, metadata["namespace"], metadata["name"]))
    return tuple(actions)


def _read(facts: Facts, done: Done) -> Probe:
    result = done.result
    if not isinstance(result, ProbeResult):
        raise TypeError(f"a probe gave a {type(result).__name__}")
    name = done.pod["spec"]["nodeName"]
    node = next(node for node in facts.members.members if node["metadata"]["name"] == name)
    beside = co_runners(
        facts.workload_pods,
        facts.workloads,
        done.pod,
        begin_milliseconds=result.process_start,
        end_milliseconds=result.work_end,
    )
    return Probe(
        probed_time=to_time(from_milliseconds(result.work_end)),
        node=name,
        node_fingerprint=fingerprint(node),
        image=facts.settings.image_onnx,
        startup_milliseconds=result.startup_milliseconds,
        gemm_flops_per_second=result.gemm_flops_per_second,
        memory_bandwidth_bytes_per_second=result.memory_bandwidth_bytes_per_second,
        model_microseconds=dict(result.model_microseconds),
        environment=msgspec.structs.replace(result.environment, co_runners=beside),
    )


def _probed(probe: Probe) -> Verdict:
    gigaflops = probe.gemm_flops_per_second / 1e9
    gigabytes = probe.memory_bandwidth_bytes_per_second / 1e9
    return Verdict(TYPE, "True", "Probed", f"on {probe.node}: {gigaflops:.3g} GFLOP/s, {gigabytes:.3g} GB/s")
