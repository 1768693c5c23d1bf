"""Admissible: whether some node class can run the workload, and keep to its objective; said as soon as it is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from foretide.latency import request_quantile_seconds
from foretide.prediction import Prediction
from foretide_kube.kinds.aiworkload import memory_bytes
from foretide_operator.actions import Verdict
from foretide_operator.workload.facts import Facts

TYPE = "Admissible"


def decide(facts: Facts, predictions: Sequence[Prediction]) -> Verdict:
    """The first of the checks below that refuses, or that some class will do."""
    for check in (_no_class, _no_node, _too_large, _memory, _objective):
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
    message = f"no node of the selected classes can take a Pod with {asked}; lower spec.resources.limits"
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


@dataclass(frozen=True, slots=True)
class _Goal:
    """What is asked for in ``limit_seconds``, its word in reasons and messages, and what is held against it.

    ``least``, ``usual`` and ``sure`` are the seconds that a class takes at best, in the median, and at the percentile.
    """

    limit_seconds: float
    reason: str
    word: str
    what: str
    digits: int
    least: Callable[[Prediction], float]
    usual: Callable[[Prediction], float]
    sure: Callable[[Prediction], float]


def _goal(facts: Facts) -> _Goal | None:
    """The deadline of tasks, or the latency of requests; None where neither is asked for."""
    spec = facts.workload.spec
    objective, inferences = spec.objective, spec.inferences
    if objective.latency_milliseconds is not None:
        return _Goal(
            limit_seconds=objective.latency_milliseconds / 1e3,
            reason="Latency",
            word="latency asked for",
            what="a request",
            digits=4,
            least=lambda each: each.work_seconds(1, bound="lower"),
            usual=lambda each: each.work_seconds(1),
            sure=lambda each: request_quantile_seconds(each, objective.percentile),
        )
    if objective.deadline_milliseconds is not None:
        return _Goal(
            limit_seconds=objective.deadline_milliseconds / 1e3,
            reason="Deadline",
            word="deadline",
            what="a task",
            digits=1,
            least=lambda each: each.completion_seconds(inferences, bound="lower"),
            usual=lambda each: each.completion_seconds(inferences),
            sure=lambda each: each.completion_quantile_seconds(inferences, objective.percentile),
        )
    return None


def _objective(facts: Facts, predictions: Sequence[Prediction]) -> Verdict | None:
    goal = _goal(facts)
    if goal is None or not predictions:
        return None
    soonest = min(predictions, key=goal.least)
    seconds = goal.least(soonest)
    if seconds <= goal.limit_seconds:
        return None
    message = (
        f"even on {soonest.node_class}, idle, {goal.what} takes at least {seconds:.{goal.digits}f} s; "
        f"the {goal.word} is {goal.limit_seconds:.{goal.digits}f} s"
    )
    return Verdict(TYPE, "False", f"{goal.reason}Unmeetable", message)


def _fits(facts: Facts, predictions: Sequence[Prediction]) -> Verdict:
    goal = _goal(facts)
    if goal is None:
        return Verdict(TYPE, "True", "Fits", f"{len(predictions)} node classes can run it")
    sure = [each.node_class for each in predictions if goal.sure(each) <= goal.limit_seconds]
    if sure:
        return Verdict(TYPE, "True", f"Meets{goal.reason}", f"idle nodes of {', '.join(sure)} meet the {goal.word}")
    likely = [each.node_class for each in predictions if goal.usual(each) <= goal.limit_seconds]
    if likely:
        message = f"idle nodes of {', '.join(likely)} probably meet the {goal.word}"
    else:
        message = f"an idle node meets the {goal.word} only if it does better than expected"
    return Verdict(TYPE, "True", f"{goal.reason}AtRisk", message)
