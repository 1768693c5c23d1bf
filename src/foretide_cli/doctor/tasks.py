"""Whether Pods that are meant for us are placed: a scheduler that serves them, a planner that opens their gate."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Final

from foretide_cli.doctor.finding import INSTALL, Finding, Severity, besides, named, one_line, path_of
from foretide_cli.doctor.observed import (
    OPERATOR,
    TAKES_SECONDS,
    Mode,
    Observed,
    condition_of,
    containers_of,
    statuses_of,
)
from foretide_cli.doctor.trouble import age_seconds, image_trouble
from foretide_kube.client import Object
from foretide_kube.names import (
    AIWORKLOADS,
    ANNOTATION_INFERENCES,
    GATE_PLAN,
    LABEL_ROLE,
    LABEL_WORKLOAD,
    RESOURCE_TASK,
    ROLE_RUN,
    SCHEDULER_NAME,
)
from foretide_kube.reduced import facts_of, reduce_pod

DEFAULT_SCHEDULER: Final = "default-scheduler"
_LONG_SECONDS: Final = 300.0


def tasks(observed: Observed) -> Iterator[Finding]:
    """Pods that wait for somebody who is not there, then those that go past us."""
    waiting = [each for each in observed.unbound or () if not each["spec"].get("schedulingGates")]
    stranded = _stranded(observed, waiting)
    yield from _told_of_stranded(observed, stranded)
    yield from _unschedulable(observed, waiting)
    yield from _gated(observed)
    yield from _past_us(observed, {path_of(pod) for pods in stranded.values() for pod in pods})
    yield from _images(observed)


def is_meant_for_us(pod: Object, mode: Mode | None) -> bool:
    """Whether the scheduler that serves a Pod asks the extender about it."""
    if mode == "external":
        amounts = (container.get("resources") or {} for container in containers_of(pod["spec"]))
        return any(RESOURCE_TASK in (each.get(kind) or {}) for each in amounts for kind in ("limits", "requests"))
    return mode == "secondary" and pod["spec"].get("schedulerName") == SCHEDULER_NAME


def is_for_a_workload(pod: Object) -> bool:
    """Whether it performs inferences, as opposed to measuring them."""
    labels = pod["metadata"].get("labels") or {}
    return LABEL_WORKLOAD in labels and labels.get(LABEL_ROLE, ROLE_RUN) == ROLE_RUN


def is_gated(pod: Object) -> bool:
    """Whether our gate keeps it."""
    return {"name": GATE_PLAN} in (pod["spec"].get("schedulingGates") or ())


def _is_scheduler_gone(observed: Observed) -> bool:
    """Whether our scheduler is known not to be installed."""
    return observed.deployments is not None and observed.mode != "secondary"


def _stranded(observed: Observed, waiting: Sequence[Object]) -> dict[str, list[Object]]:
    """Pods, by the scheduler that is not there: ours, where it is not installed, or one that never looked at them."""
    by_name: dict[str, list[Object]] = defaultdict(list)
    for pod in waiting:
        name = pod["spec"].get("schedulerName", DEFAULT_SCHEDULER)
        is_new = condition_of(pod, "PodScheduled") or age_seconds(pod, observed.now_seconds) < TAKES_SECONDS
        if not is_new or (name == SCHEDULER_NAME and _is_scheduler_gone(observed)):
            by_name[name].append(pod)
    return by_name


def _told_of_stranded(observed: Observed, stranded: Mapping[str, Sequence[Object]]) -> Iterator[Finding]:
    wanted = SCHEDULER_NAME if observed.mode == "secondary" else DEFAULT_SCHEDULER
    for name, pods in stranded.items():
        if name not in {wanted, SCHEDULER_NAME}:
            message, mend = "no such scheduler has tried to place it", f"recreate it with schedulerName: {wanted}"
        elif _is_scheduler_gone(observed) and name == SCHEDULER_NAME:
            message, mend = "its scheduler is not installed", f"install Foretide again ({INSTALL}#upgrade-uninstall)"
        else:
            namespace = observed.namespace if name == SCHEDULER_NAME else "kube-system"
            message, mend = "its scheduler has not tried to place it", f"kubectl -n {namespace} get pods"
        yield _of_many(
            pods,
            severity="Error",
            reason="PodStranded",
            field="spec.schedulerName",
            value=name,
            message=message,
            remedy=f"{mend}; all of them: "
            f"kubectl get pods -A --field-selector spec.schedulerName={name},spec.nodeName=",
        )


def _unschedulable(observed: Observed, waiting: Sequence[Object]) -> Iterator[Finding]:
    """Pods that their scheduler found no node for."""
    told = [(each, condition_of(each, "PodScheduled")) for each in waiting]
    short = [pod for pod, scheduled in told if RESOURCE_TASK in scheduled.get("message", "")]
    if short:
        yield _of_many(
            short,
            severity="Error",
            reason="ResourceNotIgnored",
            field="status.conditions[PodScheduled]",
            value=one_line(condition_of(short[0], "PodScheduled")["message"]),
            message=f"the scheduler wants a node with {RESOURCE_TASK}, which none has",
            remedy="give its file managedResources with ignoredByScheduler: true; "
            f"{INSTALL}#the-clusters-own-scheduler",
        )
    long = [
        pod
        for pod, scheduled in told
        if scheduled.get("reason") == "Unschedulable"
        and age_seconds(pod, observed.now_seconds) > _LONG_SECONDS
        and pod not in short
    ]
    if long:
        yield _of_many(
            long,
            severity="Warning",
            reason="Unschedulable",
            field="status.conditions[PodScheduled]",
            value=one_line(condition_of(long[0], "PodScheduled").get("message", "")),
            message="no node has accepted it for five minutes or more",
            remedy=f"kubectl -n {long[0]['metadata']['namespace']} describe pod {long[0]['metadata']['name']}",
        )


def _gated(observed: Observed) -> Iterator[Finding]:
    """Pods behind our gate, which nobody opens if neither the planner nor the operator is there."""
    gated = [each for each in observed.unbound or () if is_gated(each)]
    if not gated or observed.deployments is None:
        return
    working = _working(observed)
    if working is None or "planner" in working:
        return
    is_guarded = "operator" in working
    yield _of_many(
        gated,
        severity="Warning" if is_guarded else "Error",
        reason="GateWithoutPlanner",
        field="spec.schedulingGates",
        value=GATE_PLAN,
        message="it waits for the plan, and no planner is running; "
        + ("the operator opens gates in its place" if is_guarded else "nobody opens its gate"),
        remedy=f"kubectl -n {observed.namespace} logs deployment/{OPERATOR} -c planner --previous, or open the gates: "
        "foretide release --all-namespaces",
    )


def _working(observed: Observed) -> set[str] | None:
    """The containers of the operator's Pod that are ready; None where that is not known."""
    if observed.deployment(OPERATOR) is None:
        return set()
    if observed.parts is None:
        return None
    return {status["name"] for pod in observed.parts for status in statuses_of(pod) if status.get("ready")}


def _past_us(observed: Observed, stranded: Collection[str]) -> Iterator[Finding]:
    """Pods with the label of a workload that no extender is asked about, or whose workload is not there."""
    live = [each for each in observed.tasks or () if is_for_a_workload(each) and is_live(each)]
    if observed.mode in {"secondary", "external"}:
        others = [each for each in live if path_of(each) not in stranded]
        yield from _unasked(observed, [each for each in others if not is_meant_for_us(each, observed.mode)])
    yield from _unreadable_inferences(live)
    if observed.unlabelled:
        yield _of_many(
            observed.unlabelled,
            severity="Warning",
            reason="LabelMissing",
            field=f"metadata.labels[{LABEL_WORKLOAD}]",
            value="(none)",
            message="its scheduler asks the extender, which does not know what it runs: all nodes score the same",
            remedy=f"give its template the label {LABEL_WORKLOAD}: NAME of an AIWorkload (docs/kinds.md#aiworkload)",
        )
    if observed.workloads is None or AIWORKLOADS.plural in observed.partly or observed.unreadable:
        return
    known = {(each.metadata.namespace, each.metadata.name) for each in observed.workloads}
    lost = _by(live, lambda pod: (pod["metadata"]["namespace"], pod["metadata"]["labels"][LABEL_WORKLOAD]))
    for (namespace, name), pods in lost.items():
        if (namespace, name) not in known:
            yield _of_many(
                pods,
                severity="Warning",
                reason="WorkloadUnknown",
                field=f"metadata.labels[{LABEL_WORKLOAD}]",
                value=name,
                message=f"there is no AIWorkload of this name in namespace {namespace}: nothing is predicted for it",
                remedy=f"kubectl -n {namespace} get aiw",
            )


def _unasked(observed: Observed, pods: Sequence[Object]) -> Iterator[Finding]:
    is_external = observed.mode == "external"
    for name, alike in _by(pods, lambda pod: (pod["spec"].get("schedulerName", DEFAULT_SCHEDULER), "")).items():
        wanted = f"limits {RESOURCE_TASK}: 1" if is_external else f"schedulerName: {SCHEDULER_NAME}"
        yield _of_many(
            alike,
            severity="Warning",
            reason="NotPlacedByPrediction",
            field=f"spec.containers[0].resources.limits[{RESOURCE_TASK}]" if is_external else "spec.schedulerName",
            value="(none)" if is_external else name[0],
            message="it has a workload's label, but the scheduler that places it does not ask the extender",
            remedy=f"set {wanted} in its template (docs/kinds.md#aiworkload), or remove the label {LABEL_WORKLOAD}",
        )


def _unreadable_inferences(live: Sequence[Object]) -> Iterator[Finding]:
    """Pods that say in a way that cannot be read how much work they are."""
    told = [(pod, facts_of(reduce_pod(pod)).inferences_problem) for pod in live]
    wrong = [(pod, problem) for pod, problem in told if problem]
    if wrong:
        pod, problem = min(wrong, key=lambda one: path_of(one[0]))
        yield _of_many(
            [each for each, _ in wrong],
            severity="Warning",
            reason="InferencesUnreadable",
            field=f"metadata.annotations[{ANNOTATION_INFERENCES}]",
            value=one_line(pod["metadata"]["annotations"][ANNOTATION_INFERENCES]),
            message="it cannot be parsed, so spec.inferences of the AIWorkload is used",
            remedy=one_line(problem),
        )


def _images(observed: Observed) -> Iterator[Finding]:
    """Pods of workloads, and of their measurements, that wait for an image that is not to be had."""
    found: dict[tuple[str, str], list[Object]] = defaultdict(list)
    for pod in observed.tasks or ():
        for status in statuses_of(pod):
            trouble = image_trouble(pod, status)
            if trouble is not None:
                found[trouble.value, trouble.reason].append(pod)
    for pods in found.values():
        trouble = next(filter(None, (image_trouble(pods[0], status) for status in statuses_of(pods[0]))))
        yield _of_many(pods, severity="Error", **trouble._asdict())


def is_live(pod: Object) -> bool:
    """Whether it has not ended, and is not being deleted."""
    is_over = (pod.get("status") or {}).get("phase") in {"Succeeded", "Failed"}
    return not is_over and "deletionTimestamp" not in pod["metadata"]


def _by(pods: Iterable[Object], key: Callable[[Object], tuple[str, str]]) -> dict[tuple[str, str], list[Object]]:
    found: dict[tuple[str, str], list[Object]] = defaultdict(list)
    for pod in pods:
        found[key(pod)].append(pod)
    return found


def _of_many(
    pods: Sequence[Object], *, severity: Severity, reason: str, field: str, value: str, message: str, remedy: str
) -> Finding:
    """One finding for all Pods that it is true of, by the first of them."""
    first = min(pods, key=path_of)
    return Finding(
        severity=severity,
        reason=reason,
        object=named("Pod", first),
        field=field,
        value=value,
        message=message + besides(len(pods) - 1, "Pod"),
        remedy=remedy,
    )
