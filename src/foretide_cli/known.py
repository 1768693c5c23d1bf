"""Which published predictions hold for a workload that is given as a manifest, applied or not.

Predictions are made by the operator alone. They are of the work, not of its name: those of another AIWorkload with the
same model, input, precision and batch size hold as well, for another CPU limit as for a Pod that has one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from foretide.prediction import Prediction
from foretide_kube.kinds.aiworkload import AIWorkload, AIWorkloadSpec, cpu_millis, workload_key
from foretide_kube.kinds.common import find_condition

WAY_OUT: Final = (
    "apply it, with run.mode None if no task is to start: it is inspected within seconds once its image is on a node, "
    "and predicted then; if not, kubectl describe aiw says why"
)
"""What to do where nothing is known of the work."""


@dataclass(frozen=True, slots=True)
class Known:
    """Predictions for the workload's own CPU limit, and the AIWorkload that they were published for.

    Without any ``origin`` is None. ``words`` say where they are from, or why there are none and what to do; ``warning``
    why the manifest cannot be applied as it is.
    """

    predictions: tuple[Prediction, ...]
    origin: AIWorkload | None
    words: str
    warning: str = ""


def known_predictions(workload: AIWorkload, others: Mapping[tuple[str, str], AIWorkload]) -> Known:
    """What is known of ``workload`` among all AIWorkloads by namespace and name, itself perhaps among them."""
    spec, metadata = workload.spec, workload.metadata
    itself = others.get((metadata.namespace, metadata.name))
    warning = "" if itself is None else _conflict(spec, itself)
    found = min(_same_work(workload, others.values()), key=lambda each: _rank(workload, each), default=None)
    if found is None:
        return Known((), None, _why_none(itself, warning), warning)
    theirs, own = cpu_millis(found.spec), cpu_millis(spec)
    predictions = tuple(
        each.scaled_to_cpu(predicted_millis=theirs, actual_millis=own) for each in found.status.predictions
    )
    words = "as published for it"
    if itself is not found:
        words = f"as published for {_name(found)}, which does the same work"
    if theirs != own:
        words += f" with a CPU limit of {theirs / 1000:g} (scaled to {own / 1000:g})"
    return Known(predictions, found, words, warning)


def _same_work(workload: AIWorkload, others: Iterable[AIWorkload]) -> list[AIWorkload]:
    """Those of ``others`` that do the same work and have predictions for it."""
    work = _work(workload.spec)
    return [
        each
        for each in others
        if each.status.predictions and each.status.key == workload_key(each.spec) and _work(each.spec) == work
    ]


def _work(spec: AIWorkloadSpec) -> tuple[object, ...]:
    """What one inference is: of a model file its content counts, not where it lies."""
    model = spec.model
    network = model.name if model.file is None else model.file.sha256
    return model.source, network, spec.input, spec.precision, spec.batch_size


def _rank(workload: AIWorkload, other: AIWorkload) -> tuple[float, bool, bool, str]:
    """The nearer the CPU limit the better; then itself, then its namespace."""
    ratio = abs(math.log(cpu_millis(other.spec) / cpu_millis(workload.spec)))
    here = other.metadata.namespace == workload.metadata.namespace
    return ratio, not (here and other.metadata.name == workload.metadata.name), not here, _name(other)


def _conflict(spec: AIWorkloadSpec, itself: AIWorkload) -> str:
    """What of a manifest the AIWorkload of its name refuses."""
    there = itself.spec
    pairs: dict[str, tuple[object, object]] = {
        "model": (spec.model, there.model),
        "input": (spec.input, there.input),
        "precision": (spec.precision, there.precision),
        "batchSize": (spec.batch_size, there.batch_size),
        "resources.limits.cpu": (cpu_millis(spec), cpu_millis(there)),
    }
    if spec.run.mode == there.run.mode == "Job":
        pairs["run.completions"] = (spec.run.task_count, there.run.task_count)
    changed = [f"spec.{name}" for name, (own, theirs) in pairs.items() if own != theirs]
    if not changed:
        return ""
    words = f"AIWorkload {_name(itself)} exists with another {', '.join(changed)}, which cannot change"
    return f"{words}: give this one another name"


def _why_none(itself: AIWorkload | None, warning: str) -> str:
    if itself is not None and not warning:
        for kind in ("Inspected", "Predicted"):
            condition = find_condition(itself.status.conditions, kind)
            if condition is not None and condition.status != "True":
                return f"nothing is predicted yet ({condition.reason}: {condition.message})"
        return "nothing is predicted yet; the operator has not reconciled it, see kubectl -n foretide-system get pods"
    return f"nothing is known of this work: no AIWorkload with its model, input, precision and batchSize; {WAY_OUT}"


def _name(workload: AIWorkload) -> str:
    return f"{workload.metadata.namespace}/{workload.metadata.name}"
