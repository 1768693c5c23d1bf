"""What `foretide predict` answers for one workload: how long a task takes on each node class, and what it meets now."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping

import msgspec

from foretide.placement.completion import quantile_seconds
from foretide.placement.order import Order
from foretide.placement.speed import class_speeds
from foretide.prediction import Prediction
from foretide_cli.cluster import Seen
from foretide_cli.known import Known, known_predictions
from foretide_cli.now import Now, expected_now
from foretide_kube.kinds.aiworkload import AIWorkload, AIWorkloadSpec, memory_bytes
from foretide_kube.names import NODE_CLASSES
from foretide_kube.published import features_of


class OfClass(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One task on an idle node of a class that has the image; None where nothing is known.

    As many of a hundred tasks as the workload asks for (`Forecast.percentile`) keep to quantiles. ``memory_bytes`` is
    what it needs at most, ``energy_joules`` what its work took where that was measured, ``speed`` by the class's probe,
    1 for the fastest. ``nodes`` are those of the class, of which ``ready_nodes`` are Ready; None where nobody may count
    them.
    """

    node_class: str
    nodes: int | None
    ready_nodes: int | None
    source: str | None = None
    startup_seconds: float | None = None
    work_seconds: float | None = None
    work_quantile_seconds: float | None = None
    completion_seconds: float | None = None
    completion_quantile_seconds: float | None = None
    memory_bytes: int | None = None
    energy_joules: float | None = None
    speed: float | None = None


class Forecast(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The answer for one workload; ``knowledge`` says where it is from, or why there is none and what to do.

    Of a service the work is one request, which should keep to ``latency_seconds``. ``warnings`` are what else should be
    known. ``now`` is None where nothing is predicted, or what a plan is made from
    could not be read.
    """

    namespace: str
    name: str
    inferences: int
    percentile: int
    deadline_seconds: float | None
    is_service: bool = False
    latency_seconds: float | None = None
    knowledge: str
    warnings: tuple[str, ...]
    classes: tuple[OfClass, ...]
    now: Now | None

    @property
    def is_predicted(self) -> bool:
        """Whether anything is predicted at all."""
        return any(each.completion_seconds is not None for each in self.classes)


def forecast(workload: AIWorkload, seen: Seen, *, order: Order) -> Forecast:
    """What is to be expected of tasks of ``workload`` as of what is seen."""
    known = known_predictions(workload, seen.workloads)
    selector = workload.spec.node_class_selector
    selected = {name for name, each in seen.classes.items() if selector.matches(each.metadata.labels)}
    is_open = NODE_CLASSES.plural in seen.unread  # whether any class may be selected, for all that is known
    predictions = {each.node_class: each for each in known.predictions if is_open or each.node_class in selected}
    status = msgspec.structs.replace(workload.status, predictions=tuple(predictions.values()))
    predicted = msgspec.structs.replace(workload, status=status)
    now = expected_now(predicted, seen, order=order) if predictions and seen.is_whole else None
    deadline, latency = workload.spec.objective.deadline_milliseconds, workload.spec.objective.latency_milliseconds
    return Forecast(
        namespace=workload.metadata.namespace,
        name=workload.metadata.name,
        inferences=workload.spec.inferences_at_a_time,
        is_service=workload.spec.run.is_service,
        percentile=workload.spec.objective.percentile,
        deadline_seconds=None if deadline is None else deadline / 1e3,
        latency_seconds=None if latency is None else latency / 1e3,
        knowledge=known.words
        if predictions or not known.predictions
        else "nothing is predicted for the classes that it selects",
        warnings=tuple(
            filter(
                None,
                (
                    known.warning,
                    "" if is_open else _unselected(workload, seen, selected),
                    _idle(workload),
                    _too_little_memory(workload, predictions.values()),
                ),
            )
        ),
        classes=_classes(workload.spec, predictions, selected, seen, _energies(known, seen)),
        now=now,
    )


def _unselected(workload: AIWorkload, seen: Seen, selected: set[str]) -> str:
    if selected:
        return ""
    if not seen.classes:
        return "there is no NodeClass: label nodes with foretide.dev/node-class=CLASS (docs/install.md)"
    return f"spec.nodeClassSelector of {workload.metadata.name} selects no NodeClass; see kubectl get nclass"


def _idle(workload: AIWorkload) -> str:
    """Why none of its tasks would start."""
    if workload.spec.suspend:
        return "spec.suspend is true: no task starts; shown is what they would meet if it were false"
    if workload.spec.run.mode == "Deployment" and workload.spec.run.replica_count == 0:
        return "spec.run.replicas is 0: no Pod starts; shown is what one would meet"
    return ""


def _too_little_memory(workload: AIWorkload, predictions: Collection[Prediction]) -> str:
    """As the condition Admissible has it."""
    limit_bytes = memory_bytes(workload.spec)
    need_bytes = min((each.memory_bytes for each in predictions), default=0)
    if need_bytes <= limit_bytes:
        return ""
    words = "measured" if all(each.source == "Measured" for each in predictions) else "predicted"
    return (
        f"{words} need is {need_bytes >> 20} MiB with margin, the limit {limit_bytes >> 20} MiB; "
        "raise spec.resources.limits.memory"
    )


def _classes(
    spec: AIWorkloadSpec,
    predictions: Mapping[str, Prediction],
    selected: set[str],
    seen: Seen,
    energies: Mapping[str, int],
) -> tuple[OfClass, ...]:
    """One row for each class, the fastest first, those that nothing is predicted for by speed behind them."""
    probed = {name: features_of(each) for name, each in seen.classes.items() if each.status.probe is not None}
    speeds = class_speeds(probed)
    nodes = Counter(each.node_class for each in seen.nodes.values())
    ready = Counter(each.node_class for each in seen.nodes.values() if each.facts.is_ready)
    rows = [
        _row(
            OfClass(
                node_class=name,
                nodes=nodes[name] if seen.is_counted else None,
                ready_nodes=ready[name] if seen.is_counted else None,
                speed=speeds.get(name),
            ),
            predictions.get(name),
            spec,
            energies.get(name),
        )
        for name in selected | predictions.keys()
    ]
    rows.sort(
        key=lambda row: (
            _seconds(row, is_service=spec.run.is_service),
            -(row.speed or 0.0),
            row.node_class,
        )
    )
    return tuple(rows)


def _seconds(row: OfClass, *, is_service: bool) -> float:
    """By what classes are compared."""
    found = row.work_quantile_seconds if is_service else row.completion_seconds
    return math.inf if found is None else found


def _row(row: OfClass, prediction: Prediction | None, spec: AIWorkloadSpec, energy_microjoules: int | None) -> OfClass:
    if prediction is None:
        return row
    inferences, percentile = spec.inferences_at_a_time, spec.objective.percentile
    work, upper = prediction.work_seconds(inferences), prediction.work_seconds(inferences, bound="upper")
    return msgspec.structs.replace(
        row,
        source=prediction.source,
        startup_seconds=prediction.startup_milliseconds / 1e3,
        work_seconds=work,
        work_quantile_seconds=quantile_seconds(work, upper, percentile),
        completion_seconds=prediction.completion_seconds(inferences),
        completion_quantile_seconds=prediction.completion_quantile_seconds(inferences, percentile),
        memory_bytes=prediction.memory_bytes,
        energy_joules=None if energy_microjoules is None else energy_microjoules * inferences / 1e6,
    )


def _energies(known: Known, seen: Seen) -> dict[str, int]:
    """Microjoules of one inference by class, where a profile of the work has them."""
    if known.origin is None:
        return {}
    metadata = known.origin.metadata
    wanted = (metadata.namespace, metadata.name, known.origin.status.key)
    found = {}
    for profile in sorted(seen.profiles, key=lambda each: each.spec.measured_time):
        energy = profile.spec.measurement.energy_microjoules_per_inference
        workload = profile.spec.workload
        if energy is not None and (profile.metadata.namespace, workload.name, workload.key) == wanted:
            found[profile.spec.node_class] = energy
    return found
