"""Inspected: what one inference costs, counted once per workload by a Job on any node."""

from __future__ import annotations

from dataclasses import dataclass, replace

from foretide.results import InspectResult
from foretide.signature import Signature
from foretide_kube.client import Object
from foretide_kube.names import ROLE_INSPECT
from foretide_operator.actions import Action, Verdict
from foretide_operator.attempts import advance, keep, latest
from foretide_operator.fleet import node_fits
from foretide_operator.job_keys import measuring_key
from foretide_operator.jobs import inspect_job
from foretide_operator.outcome import Done, Failed, finished_condition
from foretide_operator.workload.facts import Facts

TYPE = "Inspected"


@dataclass(frozen=True, slots=True)
class Inspection:
    """Where inspection stands; ``is_failed`` is set when it has ended without a signature."""

    verdict: Verdict
    actions: tuple[Action, ...] = ()
    signature: Signature | None = None
    model_sha256: str | None = None
    is_failed: bool = False
    recheck_seconds: float | None = None


def decide(facts: Facts) -> Inspection:
    """The next step towards the signature."""
    attempt = latest(facts.attempts, role=ROLE_INSPECT, key=measuring_key(facts.workload.spec))
    if facts.known_signature is not None:
        return Inspection(
            _inspected(facts.known_signature),
            signature=facts.known_signature,
            model_sha256=facts.workload.status.model_sha256,
        )
    limits = facts.workload.spec.resources.limits
    if attempt is None and not any(node_fits(node, limits) for node in facts.nodes):
        return Inspection(Verdict(TYPE, "Unknown", "TooLargeForEveryNode", "no node can take a Pod with these limits"))
    step = advance(
        attempt,
        lambda number: inspect_job(
            facts.workload, number, facts.settings, [members.node_class for members in facts.classes]
        ),
        may_start=True,
        refusals=facts.refusals,
        now=facts.now,
    )
    if attempt is not None and step.done is not None:
        return _read(facts, attempt.job, step.done)
    if step.failed is not None:
        verdict = Verdict(TYPE, "False", step.failed.reason, step.failed.message)
        return Inspection(verdict, actions=step.actions, is_failed=True)
    return Inspection(
        Verdict(TYPE, "Unknown", step.reason, step.message),
        actions=step.actions,
        recheck_seconds=step.recheck_seconds,
    )


def _read(facts: Facts, job: Object, done: Done) -> Inspection:
    result = done.result
    if not isinstance(result, InspectResult):
        raise TypeError(f"an inspection gave a {type(result).__name__}")
    failed = _contradiction(facts, result)
    if failed is not None:
        verdict = Verdict(TYPE, "False", failed.reason, failed.message)
        ended_time = (finished_condition(job) or {}).get("lastTransitionTime", "")
        return Inspection(verdict, actions=keep(job, replace(failed, ended_time=ended_time)), is_failed=True)
    return Inspection(_inspected(result.signature), signature=result.signature, model_sha256=result.model_sha256)


def _contradiction(facts: Facts, result: InspectResult) -> Failed | None:
    spec = facts.workload.spec
    if result.signature.batch_size != spec.batch_size:
        message = f"counted for batch size {result.signature.batch_size}, asked for {spec.batch_size}"
        return Failed("ResultInvalid", message)
    if spec.model.file is not None and result.model_sha256 != spec.model.file.sha256:
        read = (
            f"the file read has {result.model_sha256}" if result.model_sha256 else "no digest of the file was reported"
        )
        message = f"spec.model.file.sha256 is {spec.model.file.sha256}, {read}"
        return Failed("ModelDigestMismatch", message)
    return None


def _inspected(signature: Signature) -> Verdict:
    gigamacs = signature.macs / 1e9
    megabytes = signature.parameter_bytes / 1e6
    return Verdict(
        TYPE, "True", "Counted", f"{gigamacs:.3g} billion multiply-adds, {megabytes:.3g} MB of parameters an inference"
    )
