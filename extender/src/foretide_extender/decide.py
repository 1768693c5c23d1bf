"""What to answer: pure functions of a snapshot, a Pod and the names of the candidate nodes.

Only our own Pods are looked at; to all others every node passes with the same score, whatever the snapshot holds.
Nodes are judged by their kind (class and size), so that a thousand of them cost little more than their few kinds, and
where the Pod would suffer from others by how much these use; only nodes whose cores are over-committed are reckoned
one by one. Nodes that lack the Pod's image stand apart.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from foretide.placement.admission import DEADLINE_HOPELESS, Candidate, Demand, Refusal, admit
from foretide.placement.completion import (
    LEAST_SECONDS,
    NodeLoad,
    RunningTask,
    completion_seconds,
    exposure,
    interference,
)
from foretide.placement.pulls import NO_IMAGES
from foretide.placement.score import TOP_SCORE, complete, scores
from foretide.placement.task import WorkloadPredictions
from foretide_extender.state import NodeKind, Snapshot, cpu_millis_in_use
from foretide_kube.names import ROLE_INSPECT
from foretide_kube.task_pods import TaskPod

Source = Literal["Measured", "Learned", "Fallback", "ClassSpeed", "Equal", "Untouched"]
"""What an answer rests on: the prediction for the best node, the speed of its class, nothing, or not our Pod."""

_UNKNOWN_NODE: Final = NodeKind(None, 0, None)
_EQUAL_SCORE: Final = 0


class _Spot(NamedTuple):
    """What nodes have in common on which a task ends at the same time, where it would not be by itself there.

    ``beside_millis`` is the CPU of the tasks there, 0 where they do not matter; ``shared`` names the one node whose
    cores the task would have to share, and is empty for others; ``lacked`` are images that have to be pulled first.
    """

    kind: NodeKind
    beside_millis: int
    shared: str
    lacked: frozenset[str]


class _Alone(NamedTuple):
    """What a task takes alone on a node that has its images, as predicted, or as guessed from other classes."""

    seconds: float
    contention: float
    source: Source


@dataclass(frozen=True, slots=True)
class FilterAnswer:
    """``refused`` nodes with the reasons to give; ``reasons`` counts them; ``overruled`` as in `Admission`."""

    source: Source
    refused: Mapping[str, str] = field(default_factory=dict)
    reasons: Mapping[str, int] = field(default_factory=dict)
    overruled: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PrioritizeAnswer:
    """One score for each name, in order."""

    source: Source
    scores: Sequence[int]


def is_ours(pod: TaskPod) -> bool:
    """Whether the Pod is one that we have something to say about."""
    return pod.is_task or (bool(pod.workload) and pod.role == ROLE_INSPECT)


def decide_filter(snapshot: Snapshot, pod: TaskPod, names: Sequence[str], now_seconds: float) -> FilterAnswer:
    """Which of ``names`` the Pod must not go to; ``now_seconds`` since the epoch."""
    if not pod.is_task:
        return FilterAnswer("Untouched")
    workload = snapshot.workloads.get((pod.namespace, pod.workload))
    if workload is None or not workload.by_class:
        return FilterAnswer("Equal")
    kinds = [snapshot.kinds.get(name, _UNKNOWN_NODE) for name in names]
    distinct = list(dict.fromkeys(kinds))
    predictions = [workload.prediction_for(pod.task, kind.node_class) for kind in distinct]
    admission = admit(
        [
            Candidate(prediction, kind.allocatable_memory_bytes)
            for prediction, kind in zip(predictions, distinct, strict=True)
        ],
        Demand(
            workload.inferences_of(pod.task), pod.task.memory_limit_bytes, _seconds_left(workload, pod, now_seconds)
        ),
    )
    source = next((prediction.source for prediction in predictions if prediction is not None), None) or "Equal"
    if not any(admission.refusals):
        return FilterAnswer(source, overruled=admission.overruled)
    refusal_by_kind = dict(zip(distinct, admission.refusals, strict=True))
    refusals = [
        None if name == pod.planned_node and _is_for_deadline(refusal) else refusal
        for name, refusal in zip(names, (refusal_by_kind[kind] for kind in kinds), strict=True)
    ]
    return _refuse(source, names, refusals, admission.overruled)


def _is_for_deadline(refusal: Refusal | None) -> bool:
    """Whether a node is refused for the deadline alone, which keeps no task from where the plan has it end first."""
    return refusal is not None and refusal.reason == DEADLINE_HOPELESS


def _refuse(
    source: Source, names: Sequence[str], refusals: Sequence[Refusal | None], overruled: tuple[str, ...]
) -> FilterAnswer:
    refused: dict[str, str] = {}
    reasons: dict[str, int] = {}
    for name, refusal in zip(names, refusals, strict=True):
        if refusal is not None:
            refused[name] = str(refusal)
            reasons[refusal.reason] = reasons.get(refusal.reason, 0) + 1
    return FilterAnswer(source, refused, reasons, overruled)


def _seconds_left(workload: WorkloadPredictions, pod: TaskPod, now_seconds: float) -> float | None:
    """Seconds until the deadline, which counts from the Pod's creation."""
    if workload.deadline_seconds is None:
        return None
    if pod.created_seconds is None:
        return workload.deadline_seconds
    # Creation times are cut to whole seconds: the Pod may be a second younger than they say.
    waited = max(now_seconds - pod.created_seconds - 1.0, 0.0)
    return workload.deadline_seconds - waited


def decide_prioritize(snapshot: Snapshot, pod: TaskPod, names: Sequence[str], now_seconds: float) -> PrioritizeAnswer:
    """A score for each of ``names``: the sooner the Pod would end there, the higher.

    ``now_seconds`` is the time since the epoch.
    """
    if not is_ours(pod):
        return PrioritizeAnswer("Untouched", [_EQUAL_SCORE] * len(names))
    workload = snapshot.workloads.get((pod.namespace, pod.workload)) if pod.is_task else None
    cpu_millis = 0 if workload is None else workload.cpu_millis_of(pod.task)
    by_class = {} if workload is None else workload.by_class
    exposed = {name for name, prediction in by_class.items() if prediction.contention}
    lacked = _lacked(snapshot, pod, now_seconds)
    is_apart = bool(exposed or lacked)
    spots = [
        _spot(snapshot, name, cpu_millis, exposed, lacked.get(name, NO_IMAGES))
        if is_apart or snapshot.free_millis.get(name, cpu_millis) < cpu_millis
        else snapshot.kinds.get(name, _UNKNOWN_NODE)
        for name in names
    ]
    distinct = list(dict.fromkeys(spots))
    kinds = [spot.kind if isinstance(spot, _Spot) else spot for spot in distinct]
    predicted = {kind: None if workload is None else _alone(workload, pod, kind) for kind in kinds}
    speeds = [None if kind.node_class is None else snapshot.speeds.get(kind.node_class) for kind in predicted]
    guessed = complete([None if each is None else each.seconds for each in predicted.values()], speeds)
    if guessed is None:
        return _prefer_planned(pod, names, PrioritizeAnswer("Equal", [_EQUAL_SCORE] * len(names)))
    alone = {
        kind: each or _Alone(seconds, 0.0, "ClassSpeed")
        for (kind, each), seconds in zip(predicted.items(), guessed, strict=True)
    }
    is_in_seconds = any(predicted.values())
    completed = [
        _completion(snapshot, now_seconds, spot, alone[kind], cpu_millis)
        if is_in_seconds and isinstance(spot, _Spot)
        else alone[kind].seconds
        for spot, kind in zip(distinct, kinds, strict=True)
    ]
    score_at = dict(zip(distinct, scores(completed), strict=True))
    source = alone[kinds[completed.index(min(completed))]].source
    return _prefer_planned(pod, names, PrioritizeAnswer(source, [score_at[spot] for spot in spots]))


def _prefer_planned(pod: TaskPod, names: Sequence[str], answer: PrioritizeAnswer) -> PrioritizeAnswer:
    """The planned node alone on top, where there is one and it is a candidate."""
    if pod.planned_node is None or pod.planned_node not in names:
        return answer
    return PrioritizeAnswer(
        answer.source,
        [
            TOP_SCORE if name == pod.planned_node else min(score, TOP_SCORE - 1)
            for name, score in zip(names, answer.scores, strict=True)
        ],
    )


def _spot(
    snapshot: Snapshot, name: str, cpu_millis: int, exposed: Collection[str], lacked: frozenset[str]
) -> NodeKind | _Spot:
    """Where a task of so much CPU would be; on the classes ``exposed`` it takes longer beside others."""
    kind = snapshot.kinds.get(name, _UNKNOWN_NODE)
    beside_millis = _tasks_millis(snapshot, name) if kind.node_class in exposed else 0
    shared = name if snapshot.free_millis.get(name, cpu_millis) < cpu_millis else ""
    return _Spot(kind, beside_millis, shared, lacked) if beside_millis or shared or lacked else kind


def _tasks_millis(snapshot: Snapshot, name: str) -> int:
    """The CPU of the tasks on a node; services are always there, so that what they cost is in every measurement."""
    workloads = ((pod, snapshot.workloads.get((pod.namespace, pod.workload))) for pod in snapshot.pods.get(name, ()))
    return sum(
        cpu_millis_in_use(pod)
        for pod, workload in workloads
        if pod.is_task and (workload is None or not workload.is_service)
    )


def _lacked(snapshot: Snapshot, pod: TaskPod, now_seconds: float) -> dict[str, frozenset[str]]:
    """Which images of a task nodes lack, by name; what a task that has started there needs is there already."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for image in pod.images:
        for name in snapshot.images.lacking(image):
            there = snapshot.pods.get(name, ())
            if not any(image in each.images and each.has_images(now_seconds) for each in there):
                found[name].add(image)
    return {name: frozenset(images) for name, images in found.items()}


def _alone(workload: WorkloadPredictions, pod: TaskPod, kind: NodeKind) -> _Alone | None:
    prediction = workload.prediction_for(pod.task, kind.node_class)
    if prediction is None:
        return None
    seconds = prediction.completion_seconds(workload.inferences_of(pod.task))
    return _Alone(max(seconds, LEAST_SECONDS), prediction.contention, prediction.source)


def _completion(snapshot: Snapshot, now_seconds: float, spot: _Spot, alone: _Alone, cpu_millis: int) -> float:
    """What a task takes with its pull and its company."""
    alone_seconds = alone.seconds
    if spot.lacked:
        alone_seconds += snapshot.images.pull_seconds(spot.lacked, spot.kind.node_class, snapshot.pull_bytes_per_second)
    cores = spot.kind.allocatable_millis
    load = _load(snapshot, spot.shared, now_seconds) if spot.shared else NodeLoad(cores)
    exposed = exposure(spot.beside_millis, load.demand_millis + cpu_millis, cores)
    seconds = alone_seconds * interference(alone.contention, exposed)
    return completion_seconds(seconds, cpu_millis, load) if spot.shared else seconds


def _load(snapshot: Snapshot, name: str, now_seconds: float) -> NodeLoad:
    kind = snapshot.kinds[name]
    steady = 0
    running: list[RunningTask] = []
    for pod in snapshot.pods.get(name, ()):
        workload = snapshot.workloads.get((pod.namespace, pod.workload)) if pod.is_task else None
        prediction = None if workload is None else workload.prediction_for(pod.task, kind.node_class)
        if workload is None or prediction is None or workload.is_service:
            steady += cpu_millis_in_use(pod)
            continue
        inferences = workload.inferences_of(pod.task)
        running.append(
            RunningTask(
                cpu_millis_in_use(pod),
                prediction.completion_seconds(inferences),
                prediction.completion_seconds(inferences, bound="upper"),
                now_seconds - (now_seconds if pod.bound_seconds is None else pod.bound_seconds),
            )
        )
    return NodeLoad(kind.allocatable_millis, steady, running)
