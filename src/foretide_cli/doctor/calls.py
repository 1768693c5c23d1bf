"""Whether the scheduler calls us: the extender can be reached, is asked, and answers by what is known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from foretide_cli.doctor.finding import INSTALL, LIMITS, Finding, named, one_line
from foretide_cli.doctor.observed import Extender, Observed, condition_of
from foretide_cli.doctor.tasks import is_meant_for_us
from foretide_kube.client import Object
from foretide_kube.times import epoch_seconds

_CALLS: Final = "foretide_extender_request_duration_seconds_count"
_STALE_SECONDS: Final = 120.0
_SOON_SECONDS: Final = 14 * 86400.0
_OPEN_SHARE: Final = 0.1
"""Of tasks that were answered open: fewer are as may be, after a start for example."""
_FILE: Final = f"{INSTALL}#the-clusters-own-scheduler"


def calls(observed: Observed) -> Iterator[Finding]:
    """Nothing where no extender is expected."""
    if observed.mode not in {"secondary", "external"} or observed.extenders is None:
        return
    if not observed.extenders:
        yield Finding(
            severity="Error",
            reason="ExtenderUnreachable",
            object=f"Deployment {observed.namespace}/{observed.expected()[1]}",
            field="spec.template.spec.containers[extender]",
            message="no extender is running: the scheduler places tasks without it and without predictions",
            remedy=f"kubectl -n {observed.namespace} get pods",
        )
        return
    for each in observed.extenders:
        yield from _one(observed, each)
    reached = [each for each in observed.extenders if not each.problem]
    if reached and len(reached) == len(observed.extenders):
        yield from _asked(observed, reached)


def _one(observed: Observed, extender: Extender) -> Iterator[Finding]:
    where = f"Pod {observed.namespace}/{extender.pod}"
    logs = f"kubectl -n {observed.namespace} logs {extender.pod} -c extender"
    if extender.problem or not extender.is_ready:
        yield Finding(
            severity="Error",
            reason="ExtenderUnreachable" if extender.problem else "ExtenderNotReady",
            object=where,
            field="port metrics, /readyz",
            value=one_line(extender.problem or extender.said),
            message="the extender does not answer" if extender.problem else "the extender says that it is not ready",
            remedy=logs,
        )
    ages = extender.metrics.get("foretide_extender_watch_age_seconds", {})
    for key, age_seconds in ages.items():
        if age_seconds > _STALE_SECONDS:
            yield Finding(
                severity="Warning",
                reason="ExtenderStale",
                object=where,
                field=f"foretide_extender_watch_age_seconds{{resource={dict(key).get('resource', '')}}}",
                value=f"{age_seconds:.0f}",
                message="it has received nothing from the API server for so many seconds, and decides on old data",
                remedy=logs,
            )
    if extender.total("foretide_extender_errors_total"):
        yield Finding(
            severity="Warning",
            reason="CallsRefused",
            object=where,
            field="foretide_extender_errors_total",
            value=f"{extender.total('foretide_extender_errors_total'):.0f}",
            message="a scheduler sent calls that it could not read",
            remedy=f"{_FILE}; {logs}",
        )
    yield from _open(where, extender, logs)
    yield from _certificates(observed, where, extender)


def _open(where: str, extender: Extender, logs: str) -> Iterator[Finding]:
    """Answers that decided nothing."""
    opened = extender.total("foretide_extender_fail_open_total", verb="filter")
    answered = extender.total("foretide_extender_decisions_total", verb="filter")  # those without a decision included
    if opened <= _OPEN_SHARE * answered:
        return
    by_reason = extender.metrics.get("foretide_extender_fail_open_total", {})
    mostly = max(by_reason.items(), key=lambda item: item[1])[0]
    reason = dict(mostly).get("reason", "")
    yield Finding(
        severity="Warning",
        reason="FailsOpen",
        object=where,
        field="foretide_extender_fail_open_total",
        value=f"{opened:.0f}, mostly {reason}",
        message=f"so many of {answered:.0f} filter calls were answered without a decision",
        remedy=f"docs/scheduling.md#failing-open; {logs}",
    )


def _certificates(observed: Observed, where: str, extender: Extender) -> Iterator[Finding]:
    """Of external mode: when they expire, and whether renewed ones can be used."""
    name = "foretide_extender_certificate_not_after_timestamp_seconds"
    for key, not_after_seconds in extender.metrics.get(name, {}).items():
        left_seconds = not_after_seconds - observed.now_seconds
        if left_seconds < _SOON_SECONDS:
            is_over = left_seconds <= 0
            yield Finding(
                severity="Error" if is_over else "Warning",
                reason="CertificateExpired" if is_over else "CertificateExpires",
                object=where,
                field=f"certificate {dict(key).get('file', '')}",
                value=f"{left_seconds / 86400:.1f} days left",
                message="the scheduler cannot connect with it any more" if is_over else "it expires soon",
                remedy=f"renew the Secret of scheduler.external.tlsSecret; {_FILE}",
            )
    if extender.total("foretide_extender_certificate_reload_failed"):
        yield Finding(
            severity="Error",
            reason="CertificateUnusable",
            object=where,
            field="foretide_extender_certificate_reload_failed",
            value="1",
            message="the renewed certificates cannot be used; the previous ones stay in use",
            remedy=f"kubectl -n {observed.namespace} logs {extender.pod} -c extender; {_FILE}",
        )


def _asked(observed: Observed, extenders: Sequence[Extender]) -> Iterator[Finding]:
    """Tasks that were bound since all extenders are there, though none of them was asked."""
    if filter_calls(extenders) or observed.tasks is None:
        return
    since = max(each.started_seconds or observed.now_seconds for each in extenders)
    bound = [each for each in observed.tasks if is_meant_for_us(each, observed.mode) and _bound_seconds(each) > since]
    where = f"Deployment {observed.namespace}/{observed.expected()[1]}"
    if not bound:
        yield Finding(
            severity="Note",
            reason="NotAskedYet",
            object=where,
            field=_CALLS,
            value="0",
            message="the extender was not asked yet; no task was bound since it was started",
            remedy="docs/kinds.md#aiworkload",
        )
        return
    strangers = sum(each.total("foretide_extender_connections_given_up_total") for each in extenders)
    if observed.mode == "external":
        cause = (
            f"{strangers:.0f} connections were closed: the scheduler has no certificate, or one not signed by ca.crt"
            if strangers
            else "the cluster's scheduler has no entry for the extender, or cannot reach its Service"
        )
        remedy = _FILE
    else:
        cause, remedy = "its scheduler goes on without it", f"kubectl -n {observed.namespace} logs deployment/"
        remedy += f"{observed.expected()[1]} -c kube-scheduler"
    yield Finding(
        severity="Error",
        reason="NotAsked",
        object=where,
        field=_CALLS,
        value="0",
        message=f"tasks were bound ({named('Pod', bound[0])}) and the extender was never asked: {cause}",
        remedy=remedy,
    )


def filter_calls(extenders: Sequence[Extender]) -> int:
    """How often they were asked to filter nodes since they were started."""
    return round(sum(each.total(_CALLS, verb="filter") for each in extenders))


def _bound_seconds(pod: Object) -> float:
    scheduled = condition_of(pod, "PodScheduled")
    return (epoch_seconds(scheduled.get("lastTransitionTime")) or 0.0) if scheduled.get("status") == "True" else 0.0


def external_scheduler(observed: Observed) -> Iterator[Finding]:
    """What can be seen of the configuration of the cluster's own scheduler, where it runs as Pods (kubeadm)."""
    if observed.mode != "external":
        return
    for pod in observed.cluster_schedulers or ():
        words = [
            word
            for each in pod["spec"]["containers"]
            for word in (each.get("command") or []) + (each.get("args") or [])
        ]
        if not any(str(word).startswith("--config") for word in words):
            yield Finding(
                severity="Error",
                reason="SchedulerNotConfigured",
                object=named("Pod", pod),
                field="spec.containers[0].command",
                value="no --config",
                message="the cluster's scheduler has no configuration file, so it knows of no extender",
                remedy=f"{_FILE}; {LIMITS}",
            )
