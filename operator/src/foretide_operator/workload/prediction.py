"""Predicted: how long a task takes on each selected node class, published for scheduler, planner and people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from foretide.latency import request_quantile_seconds
from foretide.prediction import Interval, Prediction
from foretide_kube.kinds.aiworkload import MAX_PREDICTIONS, Best
from foretide_operator.actions import Verdict
from foretide_operator.workload.facts import Facts

TYPE = "Predicted"

STEADY_SHARE = 0.05
"""Figures that move by less than this stay as they were published, so that readers see no flicker."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """The predictions to publish, best first by name of class, and where a task would finish first."""

    verdict: Verdict
    predictions: tuple[Prediction, ...] = ()
    best: Best | None = None


def decide(facts: Facts, fresh: Sequence[Prediction], *, inspection_failed: bool, is_inspected: bool) -> Forecast:
    """What to publish, given ``fresh`` predictions for the selected classes."""
    if inspection_failed:
        return Forecast(Verdict(TYPE, "False", "NotInspected", "what cannot be inspected is not predicted"))
    if not is_inspected:
        return Forecast(Verdict(TYPE, "Unknown", "NotInspected", "waiting for the inspection"))
    if not facts.classes:
        message = "spec.nodeClassSelector selects no NodeClass; see kubectl get nclass"
        return Forecast(Verdict(TYPE, "False", "NoNodeClass", message))
    published = {prediction.node_class: prediction for prediction in facts.workload.status.predictions}
    if facts.workload.status.key != facts.key:
        published = {}
    predictions = tuple(
        _steady(published.get(prediction.node_class), prediction)
        for prediction in sorted(fresh, key=lambda item: item.node_class)[:MAX_PREDICTIONS]
    )
    if not predictions:
        return Forecast(Verdict(TYPE, "Unknown", "NothingKnown", "nothing is known yet of any selected class"))
    fastest = min(predictions, key=lambda item: (_seconds(facts, item), item.node_class))
    counts = {source: sum(p.source == source for p in predictions) for source in ("Measured", "Learned", "Fallback")}
    listed = ", ".join(f"{count} {source.lower()}" for source, count in counts.items() if count)
    only_guessed = counts["Fallback"] == len(predictions)
    return Forecast(
        Verdict(
            TYPE, "True", "Fallback" if only_guessed else "Published", f"{len(predictions)} node classes: {listed}"
        ),
        predictions,
        Best.of(
            node_class=fastest.node_class,
            seconds=_seconds(facts, fastest),
            is_service=facts.workload.spec.run.is_service,
        ),
    )


def _seconds(facts: Facts, prediction: Prediction) -> float:
    """What a task takes in the median, or what requests to a service keep to."""
    spec = facts.workload.spec
    if spec.run.is_service:
        return request_quantile_seconds(prediction, spec.objective.percentile)
    return prediction.completion_seconds(spec.inferences)


def _steady(old: Prediction | None, new: Prediction) -> Prediction:
    """``old`` if ``new`` says the same but for rounding, whichever version of the model says it."""
    if old is None or (old.source, old.measured_time) != (new.source, new.measured_time):
        return new
    pairs = [
        *zip(_figures(old.work_microseconds_per_inference), _figures(new.work_microseconds_per_inference), strict=True),
        (old.startup_milliseconds, new.startup_milliseconds),
        (old.memory_bytes, new.memory_bytes),
        (old.contention_permille or 0, new.contention_permille or 0),
    ]
    return old if all(abs(a - b) <= STEADY_SHARE * max(a, b) for a, b in pairs) else new


def _figures(interval: Interval) -> tuple[int, int, int]:
    return interval.lower, interval.median, interval.upper
