"""Whether AIWorkloads come on: inspected, measured, predicted, and some class can run them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from foretide_cli.doctor.finding import Finding, Severity, one_line
from foretide_cli.doctor.observed import OPERATOR, TAKES_SECONDS, Observed
from foretide_kube.kinds.aiworkload import AIWorkload
from foretide_kube.kinds.common import Condition
from foretide_kube.times import epoch_seconds

_REMEDIES: Final[dict[str, str]] = {
    "ModelDigestMismatch": "sha256sum FILE, and make another AIWorkload with that digest: spec.model cannot change",
    "ModelFileMissing": "correct spec.model.file.path or its volume, in another AIWorkload: spec.model cannot change",
    "ModelFileInvalid": "docs/profiling.md",
    "UnknownModel": "name an architecture that TorchVision has, in another AIWorkload: spec.model cannot change",
    "InputRefused": "give the shape that the model takes, in another AIWorkload: spec.input cannot change",
    "PrecisionUnsupported": "docs/profiling.md#precision",
    "ImageMissing": "docs/install.md#what-it-needs; pull secrets are those of the account default of its namespace",
    "VolumeUnavailable": "kubectl -n {namespace} get pvc,configmap; spec.model.file.volume names a missing one",
    "QuotaExceeded": "kubectl -n {namespace} describe resourcequota",
    "PodRefused": "kubectl -n {namespace} get events --field-selector type=Warning",
    "Unschedulable": "kubectl -n {namespace} get pods; kubectl describe nodes",
    "NoNodeClass": "kubectl get nclass --show-labels; correct spec.nodeClassSelector",
    "NoNodes": "label nodes of these classes: docs/kinds.md#nodeclass",
    "TooLargeForEveryNode": "lower spec.resources.limits: kubectl describe nodes shows what they have",
    "MemoryLimitTooSmall": "kubectl -n {namespace} edit aiw {name}: raise spec.resources.limits.memory",
    "OOMKilled": "kubectl -n {namespace} edit aiw {name}: raise spec.resources.limits.memory",
    "DeadlineUnmeetable": "kubectl -n {namespace} edit aiw {name}: raise spec.objective.deadlineMilliseconds",
    "LatencyUnmeetable": "kubectl -n {namespace} edit aiw {name}: raise spec.objective.latencyMilliseconds",
    "TasksFailed": "kubectl -n {namespace} get pods -l foretide.dev/workload={name}",
}
"""By the reason of a condition."""

HINDRANCES: Final = frozenset(
    {"ImageMissing", "VolumeUnavailable", "QuotaExceeded", "PodRefused", "Unschedulable", "TooLargeForEveryNode"}
)
"""Reasons for which a condition stays Unknown until somebody does something."""

_SEVERITIES: Final[dict[str, Severity]] = {
    "Inspected": "Error",
    "Admissible": "Error",
    "Profiled": "Warning",
    "RunComplete": "Warning",
    "Available": "Warning",
}
"""By the condition that is False."""

_FOLLOWS: Final = frozenset({"NotInspected", "NotPredicted", "Suspended"})
"""Reasons that another condition tells the cause of, or that somebody wanted."""


def workloads(observed: Observed) -> Iterator[Finding]:
    """What conditions say, each cause once."""
    for name, problem in observed.unreadable:
        yield Finding(
            severity="Warning",
            reason="Unreadable",
            object=name,
            field="",
            message=f"it does not match its kind's schema, and all parts ignore it: {one_line(problem)}",
            remedy="kubectl explain aiworkload.spec --recursive; docs/kinds.md",
        )
    for workload in observed.workloads or ():
        if observed.watched and workload.metadata.namespace not in observed.watched:
            yield _unwatched(observed, workload)
            continue
        if not workload.status.conditions:
            yield from _unseen(observed, workload)
        told: set[str] = set()
        for condition in workload.status.conditions:
            severity = _severity(condition)
            if severity is not None and condition.reason not in told:
                told.add(condition.reason)
                yield _finding(workload, condition, severity)


def _severity(condition: Condition) -> Severity | None:
    """How bad a condition is; None where it is well, is still waited for, or follows from another."""
    if condition.reason in _FOLLOWS or condition.type not in _SEVERITIES:
        return None
    if condition.status == "Unknown":
        return "Warning" if condition.reason in HINDRANCES else None
    return _SEVERITIES[condition.type] if condition.status == "False" else None


def _finding(workload: AIWorkload, condition: Condition, severity: Severity) -> Finding:
    metadata = workload.metadata
    usual = "kubectl -n {namespace} describe aiw {name}"
    return Finding(
        severity=severity,
        reason=condition.reason,
        object=f"AIWorkload {metadata.namespace}/{metadata.name}",
        field=f"status.conditions[{condition.type}]",
        value=condition.status,
        message=one_line(condition.message) or f"{condition.type} is {condition.status}",
        remedy=_REMEDIES.get(condition.reason, usual).format(namespace=metadata.namespace, name=metadata.name),
    )


def _unwatched(observed: Observed, workload: AIWorkload) -> Finding:
    namespace = workload.metadata.namespace
    return Finding(
        severity="Warning",
        reason="NamespaceNotWatched",
        object=f"AIWorkload {namespace}/{workload.metadata.name}",
        field="metadata.namespace",
        value=namespace,
        message=f"Foretide watches {', '.join(observed.watched)} and nothing else, so nothing handles it",
        remedy=f"{observed.upgrade_command} --set 'watchNamespaces={{{','.join((*observed.watched, namespace))}}}', "
        "or create it in one of these",
    )


def _unseen(observed: Observed, workload: AIWorkload) -> Iterator[Finding]:
    """A workload that nobody looks at: the operator is away, or may not write its status."""
    created = epoch_seconds(workload.metadata.creation_timestamp)
    if created is None or observed.now_seconds - created < TAKES_SECONDS:
        return
    yield Finding(
        severity="Error",
        reason="OperatorSilent",
        object=f"AIWorkload {workload.metadata.namespace}/{workload.metadata.name}",
        field="status.conditions",
        value="(none)",
        message=f"the operator has not reconciled it in {observed.now_seconds - created:.0f} s",
        remedy=f"kubectl -n {observed.namespace} logs deployment/{OPERATOR} -c operator",
    )
