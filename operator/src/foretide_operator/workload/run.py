"""RunComplete or Available: the tasks themselves, as a Job, as a Deployment, or as the user's own Pods.

A run Job is made once and keeps what it was made with; only another mode stops one that is under way. What has ended
is never removed here, and never run again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from msgspec.structs import replace

from foretide.results import Failure, ResultError
from foretide.termination_message import parse
from foretide_kube.client import Object
from foretide_kube.kinds.aiworkload import RunCounts
from foretide_kube.kinds.common import ConditionStatus
from foretide_kube.names import ANNOTATION_KEY, ANNOTATION_PAIRED, DEPLOYMENTS, JOBS
from foretide_operator.actions import Action, Apply, Create, Delete, Patch, Verdict
from foretide_operator.attempts import REFUSED_DELAY_SECONDS, retire
from foretide_operator.job_keys import rollout_key, run_key
from foretide_operator.jobs import deployment_name, run_deployment, run_job, wanted_replicas
from foretide_operator.measuring import controller_of
from foretide_operator.outcome import finished_condition
from foretide_operator.workload.facts import Facts
from foretide_operator.workload.waiting import in_words, read_waiting

JOB_TYPE: Final = "RunComplete"
DEPLOYMENT_TYPE: Final = "Available"
TYPES: Final = (JOB_TYPE, DEPLOYMENT_TYPE)


@dataclass(frozen=True, slots=True)
class Running:
    """Where the run stands; without a verdict where there is none to make (mode None)."""

    verdict: Verdict | None
    counts: RunCounts | None = None
    actions: tuple[Action, ...] = ()
    recheck_seconds: float | None = None


def decide(facts: Facts, *, may_start: bool, inspection_failed: bool) -> Running:
    """The next step of the run; ``may_start`` once the workload is predicted."""
    stale = _remove_stale(facts)
    match facts.workload.spec.run.mode:
        case "Job":
            running = _job(facts, may_start=may_start, inspection_failed=inspection_failed)
        case "Deployment":
            running = _deployment(facts, may_start=may_start, inspection_failed=inspection_failed)
        case "None":
            return Running(None, _own_pods(facts), stale)
    return dataclasses.replace(running, actions=(*stale, *running.actions))


def _job(facts: Facts, *, may_start: bool, inspection_failed: bool) -> Running:
    key = run_key(facts.workload)
    ended_key = _ended_key(facts)
    job = next((job for job in facts.run_jobs if _key(job) == key), None)
    if job is None:
        if ended_key == key:
            return _ended_before(facts)
        waiting = _waiting(facts, JOB_TYPE, may_start=may_start, inspection_failed=inspection_failed)
        return waiting or _start(
            facts,
            Create(JOBS, run_job(facts.workload, facts.settings)),
            Verdict(JOB_TYPE, "Unknown", "Started", "the run Job was created"),
        )
    status = job.get("status", {})
    total = facts.workload.spec.run.task_count
    counts = RunCounts(
        active=status.get("active", 0),
        succeeded=status.get("succeeded", 0),
        failed=_count_indexes(status.get("failedIndexes", "")),
        ended_key=ended_key,
    )
    ended = finished_condition(job)
    if ended is None:
        counts = _with_waiting(facts, counts)
        progress = f"{counts.succeeded} of {total} tasks succeeded, {counts.active} active, {counts.failed} failed"
        if counts.waiting:
            progress = f"{progress}; {in_words(counts)}"
        changes = _adjust(facts, job)
        refused = facts.refusals.get(job["metadata"]["name"])
        if changes and refused is not None:
            message = f"{progress}, as asked before a change that was refused: {refused.message}"
            verdict = Verdict(JOB_TYPE, "Unknown", refused.reason, message)
            return Running(verdict, counts, recheck_seconds=REFUSED_DELAY_SECONDS)
        reason = "Suspended" if facts.workload.spec.suspend else "InProgress"
        return Running(Verdict(JOB_TYPE, "Unknown", reason, progress), counts, changes)
    counts = replace(counts, ended_key=key)
    # The Job may go, and its Pods with it, once the status says that it ended and each task was paired.
    actions = retire(job) if ended_key == key and not _is_to_be_paired(facts, job) else ()
    if ended["type"] == "Complete":
        verdict = Verdict(JOB_TYPE, "True", "TasksSucceeded", f"{counts.succeeded} of {total} tasks succeeded")
    else:
        message = f"{counts.succeeded} of {total} tasks succeeded, {counts.failed} failed: {ended.get('message', '')}"
        verdict = Verdict(JOB_TYPE, "False", "TasksFailed", message)
    return Running(verdict, counts, actions)


def _is_to_be_paired(facts: Facts, job: Object) -> bool:
    """Whether one of a Job's Pods was not paired yet: its end may be heard of later than the Job's."""
    return any(
        (controller_of(pod) or {}).get("uid") == job["metadata"]["uid"]
        and ANNOTATION_PAIRED not in pod["metadata"].get("annotations", {})
        for pod in facts.run_pods
    )


def _deployment(facts: Facts, *, may_start: bool, inspection_failed: bool) -> Running:
    name = deployment_name(facts.workload)
    deployment = next((item for item in facts.deployments if item["metadata"]["name"] == name), None)
    if deployment is None:
        waiting = _waiting(facts, DEPLOYMENT_TYPE, may_start=may_start, inspection_failed=inspection_failed)
        return waiting or _start(
            facts,
            Apply(DEPLOYMENTS, run_deployment(facts.workload, facts.settings)),
            Verdict(DEPLOYMENT_TYPE, "Unknown", "Started", "the Deployment was created"),
        )
    wanted = wanted_replicas(facts.workload.spec)
    available = deployment.get("status", {}).get("availableReplicas", 0)
    counts = replace(_none_yet(facts), active=available)
    progress = f"{available} of {wanted} Pods available"
    actions: tuple[Action, ...] = ()
    if _key(deployment) != rollout_key(facts.workload.spec) or deployment["spec"].get("replicas") != wanted:
        refused = facts.refusals.get(name)
        if refused is not None:
            status: ConditionStatus = "True" if 0 < wanted <= available else "False"
            message = f"{progress}, as they were before a change that was refused: {refused.message}"
            verdict = Verdict(DEPLOYMENT_TYPE, status, refused.reason, message)
            return Running(verdict, counts, recheck_seconds=REFUSED_DELAY_SECONDS)
        actions = (Apply(DEPLOYMENTS, run_deployment(facts.workload, facts.settings)),)
    if facts.workload.spec.suspend:
        return Running(Verdict(DEPLOYMENT_TYPE, "False", "Suspended", "spec.suspend is true"), counts, actions)
    if available >= wanted:
        return Running(Verdict(DEPLOYMENT_TYPE, "True", "PodsAvailable", progress), counts, actions)
    reason, message = _latest_failure(facts.run_pods) or ("PodsMissing", "")
    text = f"{progress}; the latest that failed: {message}" if message else progress
    return Running(Verdict(DEPLOYMENT_TYPE, "False", reason, text), counts, actions)


def _start(facts: Facts, made: Create | Apply, started: Verdict) -> Running:
    """Make what runs the tasks, or say why the API server would not take it just now."""
    refused = facts.refusals.get(made.body["metadata"]["name"])
    if refused is None:
        return Running(started, _none_yet(facts), (made,))
    verdict = Verdict(started.type, "Unknown", refused.reason, refused.message)
    return Running(verdict, _none_yet(facts), recheck_seconds=REFUSED_DELAY_SECONDS)


def _latest_failure(pods: Sequence[Object]) -> tuple[str, str] | None:
    """Reason and message with which a service's container that does not run ended last; None where none did or told."""
    ends = [
        terminated
        for pod in pods
        for container in pod.get("status", {}).get("containerStatuses", [])
        if container.get("state", {}).get("running") is None  # what ended before has no part in what is missing now
        for state in (container.get("state", {}), container.get("lastState", {}))
        if (terminated := state.get("terminated")) and terminated.get("exitCode")
    ]
    latest = max(ends, key=lambda end: end.get("finishedAt") or "", default=None)
    if latest is None:
        return None
    if latest.get("reason") == "OOMKilled":
        return "OOMKilled", "the kernel killed it at its memory limit; raise spec.resources.limits.memory"
    try:
        failure = parse((latest.get("message") or "").encode())
    except (ResultError, UnicodeEncodeError):
        return None
    if not isinstance(failure, Failure):
        return None
    field = f" ({failure.field})" if failure.field else ""
    return failure.reason, f"{failure.message}{field}"


def _waiting(facts: Facts, type_: str, *, may_start: bool, inspection_failed: bool) -> Running | None:
    counts = _none_yet(facts) if _ended_key(facts) is not None else None
    if inspection_failed:
        return Running(Verdict(type_, "False", "NotInspected", "not started: see Inspected"), counts)
    if not may_start:
        return Running(Verdict(type_, "Unknown", "NotPredicted", "starts once there are predictions"), counts)
    return None


def _ended_before(facts: Facts) -> Running:
    """The run ended and its Job is gone: what was said then still holds."""
    old = next((c for c in facts.workload.status.conditions if c.type == JOB_TYPE), None)
    if old is None or old.status == "Unknown":
        return Running(Verdict(JOB_TYPE, "True", "Ended", "the run ended and its Job is gone"))
    return Running(Verdict(JOB_TYPE, old.status, old.reason, old.message), facts.workload.status.runs)


def _adjust(facts: Facts, job: Object) -> tuple[Action, ...]:
    """Bring suspension and parallelism of a Job under way to what is asked for."""
    spec = job.get("spec", {})
    wanted = {"suspend": facts.workload.spec.suspend, "parallelism": facts.workload.spec.run.tasks_at_once}
    different = {name: value for name, value in wanted.items() if spec.get(name) != value}
    if not different:
        return ()
    metadata = job["metadata"]
    return (Patch(JOBS, metadata.get("namespace", ""), metadata["name"], {"spec": different}),)


def _remove_stale(facts: Facts) -> tuple[Action, ...]:
    """Run Jobs under way are stopped once another mode is asked for, and Deployments where none is.

    While the mode stays Job its key cannot change, so an unfinished Job of another key is older than that mode.
    """
    mode, key = facts.workload.spec.run.mode, run_key(facts.workload)
    stale: list[Action] = [
        Delete(JOBS, job["metadata"].get("namespace", ""), job["metadata"]["name"])
        for job in facts.run_jobs
        if finished_condition(job) is None and (mode != "Job" or _key(job) != key)
    ]
    stale += [
        Delete(DEPLOYMENTS, item["metadata"].get("namespace", ""), item["metadata"]["name"])
        for item in facts.deployments
        if mode != "Deployment" or item["metadata"]["name"] != deployment_name(facts.workload)
    ]
    return tuple(stale)


def _own_pods(facts: Facts) -> RunCounts | None:
    """The user's own Pods that carry the workload's label."""
    if not facts.run_pods:
        return _none_yet(facts) if _ended_key(facts) is not None else None
    phases = [pod.get("status", {}).get("phase") for pod in facts.run_pods]
    counts = RunCounts(
        active=phases.count("Running"),
        succeeded=phases.count("Succeeded"),
        failed=phases.count("Failed"),
        ended_key=_ended_key(facts),
    )
    return _with_waiting(facts, counts)


def _with_waiting(facts: Facts, counts: RunCounts) -> RunCounts:
    return read_waiting(facts.run_pods).told_in(counts, facts.workload.status.runs, facts.now)


def _none_yet(facts: Facts) -> RunCounts:
    """Nothing counted; the run that ended is remembered whatever mode comes after it."""
    return RunCounts(active=0, succeeded=0, failed=0, ended_key=_ended_key(facts))


def _ended_key(facts: Facts) -> str | None:
    return facts.workload.status.runs.ended_key if facts.workload.status.runs is not None else None


def _key(item: Object) -> str:
    return str(item["metadata"].get("annotations", {}).get(ANNOTATION_KEY, ""))


def _count_indexes(text: str) -> int:
    """How many indexes a text such as ``1,3-5`` names."""
    count = 0
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        count += int(last or first) - int(first) + 1
    return count
