"""Admissible: whether some node class can run the workload, and meet its deadline; said as soon as it is known."""

from __future__ import annotations

from collections.abc import Sequence

from foretide.prediction import Prediction
from foretide_kube.kinds.aiworkload import memory_bytes
from foretide_operator.actions import Verdict
from foretide_operator.workload.facts import Facts

TYPE = "Admissible"


def decide(facts: Facts, predictions: Sequence[Prediction]) -> Verdict:
    """The first of the checks below that refuses, or that some class will do."""
    for check in (_no_class, _no_node, _too_large, _memory, _deadline):
        refusal = check(facts, predictions)
        if refusal is not None:
            return refusal
    if not predictions:
        return Verdict(TYPE, "Unknown", "NotPredicted", "waiting for predictions")
    return _fits(facts, predictions)


def _no_class(facts: Facts, _: Sequence[Prediction]) -> Verdict | None:
    if facts.classes:
        return None
    return Verdict(TYPE, "False", "NoNodeClass", "spec.nodeClassSelector selects no NodeClass; see kubectl get nclass")


def _no_node(facts: Facts, _: Sequence[Prediction]) -> Verdict | None:
    if any(members.members for members in facts.classes):
        return None
    return Verdict(TYPE, "False", "NoNodes", "the selected NodeClasses have no nodes")


def _too_large(facts: Facts, _: Sequence[Prediction]) -> Verdict | None:
    limits = facts.workload.spec.resources.limits
    if any(members.fits(limits) for members in facts.classes):
        return None
    asked = ", ".join(f"{name} {quantity}" for name, quantity in sorted(limits.items()))
    message = f"no node of the selected classes takes a Pod with {asked}; lower spec.resources.limits"
    return Verdict(TYPE, "False", "TooLargeForEveryNode", message)


def _memory(facts: Facts, predictions: Sequence[Prediction]) -> Verdict | None:
    measured = [prediction for prediction in predictions if prediction.source == "Measured"]
    limit_bytes = memory_bytes(facts.workload.spec)
    if not measured or len(measured) < len(predictions) or any(p.memory_bytes <= limit_bytes for p in measured):
        return None
    need_bytes = min(prediction.memory_bytes for prediction in measured)
    message = (
        f"measured need is {need_bytes >> 20} MiB with margin, the limit {limit_bytes >> 20} MiB; "
        "raise spec.resources.limits.memory"
    )
    return Verdict(TYPE, "False", "MemoryLimitTooSmall", message)


def _deadline(facts: Facts, predictions: Sequence[Prediction]) -> Verdict | None:
    deadline_milliseconds = facts.workload.spec.objective.deadline_milliseconds
    if deadline_milliseconds is None or not predictions:
        return None
    inferences = facts.workload.spec.inferences
    soonest = min(predictions, key=lambda item: item.completion_seconds(inferences, bound="lower"))
    seconds = soonest.completion_seconds(inferences, bound="lower")
    if seconds * 1000 <= deadline_milliseconds:
        return None
    message = (
        f"even on {soonest.node_class}, idle, a task takes at least {seconds:.1f} s; the deadline is "
        f"{deadline_milliseconds / 1000:.1f} s"
    )
    return Verdict(TYPE, "False", "DeadlineUnmeetable", message)


def _fits(facts: Facts, predictions: Sequence[Prediction]) -> Verdict:
    deadline_milliseconds = facts.workload.spec.objective.deadline_milliseconds
    if deadline_milliseconds is None:
        return Verdict(TYPE, "True", "Fits", f"{len(predictions)} node classes can run it")
    inferences = facts.workload.spec.inferences
    deadline_seconds = deadline_milliseconds / 1000
    percentile = facts.workload.spec.objective.percentile
    sure = [
        p.node_class for p in predictions if p.completion_quantile_seconds(inferences, percentile) <= deadline_seconds
    ]
    if sure:
        return Verdict(TYPE, "True", "MeetsDeadline", f"idle nodes of {', '.join(sure)} meet the deadline")
    likely = [p.node_class for p in predictions if p.completion_seconds(inferences) <= deadline_seconds]
    if likely:
        message = f"idle nodes of {', '.join(likely)} probably meet the deadline"
    else:
        message = "an idle node meets the deadline only if it does better than expected"
    return Verdict(TYPE, "True", "DeadlineAtRisk", message)
