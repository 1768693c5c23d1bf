"""Probed: how the class behaves on a fixed set of small tasks, found out by a Job on one of its nodes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec

from foretide.results import ProbeResult
from foretide_kube.client import Object
from foretide_kube.kinds.common import to_time
from foretide_kube.kinds.nodeclass import Probe
from foretide_kube.names import ANNOTATION_KEY, JOBS, LABEL_JOB_NODE_CLASS, ROLE_PROBE
from foretide_operator.actions import Action, Delete, Verdict
from foretide_operator.attempts import advance, latest, on_class, retire
from foretide_operator.co_runners import co_runners
from foretide_operator.fleet import is_ready
from foretide_operator.jobs import probe_job, probing_key
from foretide_operator.nodeclass.facts import Facts
from foretide_operator.outcome import Done
from foretide_operator.times import from_milliseconds

TYPE = "Probed"


@dataclass(frozen=True, slots=True)
class Probing:
    """Where probing stands."""

    verdict: Verdict
    probe: Probe | None = None
    actions: tuple[Action, ...] = ()
    recheck_seconds: float | None = None


def decide(facts: Facts) -> Probing:
    """The next step towards a probe that speaks of the nodes that the class has now."""
    members = facts.members
    known = members.node_class.status.probe
    attempt = latest(
        facts.attempts,
        role=ROLE_PROBE,
        key=probing_key(members.node_class, facts.settings),
        node_class=members.name,
    )
    fingerprints = {fingerprint(node) for node in members.members}
    if known is not None and (not fingerprints or known.node_fingerprint in fingerprints):
        ended = attempt is not None and isinstance(attempt.outcome, Done)
        return Probing(_probed(known), known, retire(attempt.job) if attempt is not None and ended else ())
    if not any(is_ready(node) for node in members.members):
        return Probing(Verdict(TYPE, "Unknown", "NoReadyNode", "waiting for a Ready node of the class"), known)
    step = advance(
        on_class(attempt, members.members),
        lambda number: probe_job(members.node_class, number, members.lost, facts.settings, facts.owner),
        may_start=facts.measuring < facts.settings.profiles_per_class,
        refusals=facts.refusals,
        now=facts.now,
    )
    if step.done is not None:
        probe = _read(facts, step.done)
        return Probing(_probed(probe), probe)
    if step.failed is not None:
        return Probing(Verdict(TYPE, "False", step.failed.reason, step.failed.message), known, step.actions)
    return Probing(Verdict(TYPE, "Unknown", step.reason, step.message), known, step.actions, step.recheck_seconds)


def abandoned(probe_jobs: Iterable[Object], keys: Mapping[str, str]) -> tuple[Action, ...]:
    """Remove the probe Jobs that no NodeClass waits for; ``keys`` has, by class, what the present ones are made for."""
    actions: list[Action] = []
    for job in probe_jobs:
        metadata = job["metadata"]
        if metadata["annotations"].get(ANNOTATION_KEY) != keys.get(metadata["labels"].get(LABEL_JOB_NODE_CLASS, "")):
            actions.append(Delete(JOBS, metadata["namespace"], metadata["name"]))
    return tuple(actions)


def fingerprint(node: Object) -> str:
    """A digest of what a node says of its hardware; a class whose nodes all changed is probed again."""
    status = node.get("status", {})
    told = [
        status.get("allocatable", {}).get("cpu", ""),
        status.get("nodeInfo", {}).get("architecture", ""),
        status.get("nodeInfo", {}).get("machineID", ""),
    ]
    return hashlib.sha256(msgspec.json.encode(told)).hexdigest()[:16]


def _read(facts: Facts, done: Done) -> Probe:
    result = done.result
    if not isinstance(result, ProbeResult):
        raise TypeError(f"a probe gave a {type(result).__name__}")
    name = done.pod["spec"]["nodeName"]
    node = next(node for node in facts.members.members if node["metadata"]["name"] == name)
    beside = co_runners(
        facts.workload_pods, done.pod, begin_milliseconds=result.process_start, end_milliseconds=result.work_end
    )
    return Probe(
        probed_time=to_time(from_milliseconds(result.work_end)),
        node=name,
        node_fingerprint=fingerprint(node),
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
