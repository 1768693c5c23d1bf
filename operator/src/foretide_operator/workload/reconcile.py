"""One look at an AIWorkload: every sub-reconciler in order, their actions, and one status."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from foretide.prediction import Prediction
from foretide.signature import Signature
from foretide_kube.kinds.aiworkload import AIWorkloadStatus
from foretide_kube.kinds.common import Condition, plain, set_condition
from foretide_kube.names import AIWORKLOADS
from foretide_operator.actions import Action, Verdict, WriteStatus
from foretide_operator.attempts import outlived
from foretide_operator.job_keys import measuring_key
from foretide_operator.workload import admissibility, inspection, prediction, profiling, readiness, run
from foretide_operator.workload.facts import Facts
from foretide_operator.workload.urgency import urgent_part

Predict = Callable[[Facts, Signature], Sequence[Prediction]]
"""Predictions for the selected classes of a workload with this signature; pure."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do, and after how many seconds to look again even if nothing happens.

    ``is_held_back`` says that the status changed in small ways, and is to be written later.
    """

    actions: tuple[Action, ...]
    status: AIWorkloadStatus
    recheck_seconds: float | None = None
    is_held_back: bool = False


def decide(facts: Facts, predict: Predict) -> Decision:
    """The whole decision about one workload; the status is written last, and only if it changed."""
    inspected = inspection.decide(facts)
    fresh = predict(facts, inspected.signature) if inspected.signature is not None and facts.classes else ()
    forecast = prediction.decide(
        facts, fresh, inspection_failed=inspected.is_failed, is_inspected=inspected.signature is not None
    )
    profiled = profiling.decide(
        facts, forecast.predictions, signature=inspected.signature, inspection_failed=inspected.is_failed
    )
    admissible = admissibility.decide(facts, forecast.predictions)
    running = run.decide(facts, may_start=_is_published(facts), inspection_failed=inspected.is_failed)
    verdicts = [inspected.verdict, profiled.verdict, forecast.verdict, admissible]
    if running.verdict is not None:
        verdicts.append(running.verdict)
    verdicts.append(readiness.decide(verdicts))
    before = facts.workload.status
    status = AIWorkloadStatus(
        observed_generation=facts.workload.metadata.generation,
        conditions=_conditions(facts, verdicts),
        key=facts.key,
        model_sha256=inspected.model_sha256,
        signature=inspected.signature,
        profiles=profiled.profiles,
        runs=running.counts,
        actuals=facts.actuals,
        service=facts.service if facts.workload.spec.run.is_service else None,
        best=forecast.best,
        predictions=forecast.predictions,
    )
    old = outlived(facts.attempts, measuring_key(facts.workload.spec))
    actions = [*inspected.actions, *profiled.actions, *running.actions, *old]
    rechecks = [part.recheck_seconds for part in (inspected, profiled, running) if part.recheck_seconds is not None]
    is_held_back = facts.rest_seconds > 0.0 and status != before and urgent_part(status) == urgent_part(before)
    if status != before and not is_held_back:
        metadata = facts.workload.metadata
        actions.append(WriteStatus(AIWORKLOADS, metadata.namespace, metadata.name, metadata.uid, plain(status)))
    return Decision(tuple(actions), status, min(rechecks, default=None), is_held_back)


def _is_published(facts: Facts) -> bool:
    """Whether an earlier look stored signature and predictions: whoever places or pairs a task needs both."""
    return facts.known_signature is not None and bool(facts.workload.status.predictions)


def _conditions(facts: Facts, verdicts: Sequence[Verdict]) -> tuple[Condition, ...]:
    absent = set(run.TYPES) - {verdict.type for verdict in verdicts}
    conditions = tuple(c for c in facts.workload.status.conditions if c.type not in absent)
    for verdict in verdicts:
        conditions = set_condition(
            conditions,
            verdict.type,
            verdict.status,
            verdict.reason,
            verdict.message,
            observed_generation=facts.workload.metadata.generation,
            now=facts.now,
        )
    return conditions
