"""What to answer: pure functions of a snapshot, a Pod and the names of the candidate nodes.

Only our own Pods are looked at; to all others every node passes with the same score, whatever the snapshot holds.
Nodes are judged by their kind (class and size), so that a thousand of them cost little more than their few kinds;
only nodes whose cores are over-committed are reckoned one by one. Nodes that lack the Pod's image stand apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from foretide.placement.admission import DEADLINE_HOPELESS, Candidate, Demand, Refusal, admit
from foretide.placement.completion import LEAST_SECONDS, NodeLoad, RunningTask, completion_seconds
from foretide.placement.pulls import NO_IMAGES, PullTimes
from foretide.placement.score import TOP_SCORE, complete, scores
from foretide.placement.task import WorkloadPredictions
from foretide_extender.state import NodeKind, Snapshot, cpu_millis_in_use
from foretide_kube.names import ROLE_INSPECT
from foretide_kube.task_pods import TaskPod

Source = Literal["Measured", "Learned", "Fallback", "ClassSpeed", "Equal", "Untouched"]
"""What an answer rests on: the prediction for the best node, the speed of its class, nothing, or not our Pod."""

_Key = NodeKind | str | tuple[NodeKind | str, frozenset[str]]
"""Nodes that are judged as one: of a kind, or one of them by name, and the images that it lacks if it does."""

_UNKNOWN_NODE: Final = NodeKind(None, 0, None)
_EQUAL_SCORE: Final = 0


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
    whole: list[NodeKind | str] = [
        name if snapshot.free_millis.get(name, cpu_millis) < cpu_millis else snapshot.kinds.get(name, _UNKNOWN_NODE)
        for name in names
    ]
    lacked = _lacked(snapshot, pod)
    keys: Sequence[_Key] = whole
    if lacked:
        keys = [(key, lacked[name]) if name in lacked else key for name, key in zip(names, whole, strict=True)]
    distinct = list(dict.fromkeys(keys))
    alike = [key if isinstance(key, tuple) else (key, NO_IMAGES) for key in distinct]
    kinds = [snapshot.kinds[key] if isinstance(key, str) else key for key, _ in alike]
    predictions = [None if workload is None else workload.prediction_for(pod.task, kind.node_class) for kind in kinds]
    completions = [
        None
        if workload is None or prediction is None
        else _completion(
            snapshot,
            now_seconds,
            key,
            prediction.completion_seconds(workload.inferences_of(pod.task))
            + _pull_seconds(snapshot, images, kind.node_class),
            cpu_millis,
        )
        for (key, images), kind, prediction in zip(alike, kinds, predictions, strict=True)
    ]
    speeds = [None if kind.node_class is None else snapshot.speeds.get(kind.node_class) for kind in kinds]
    completed = complete(completions, speeds)
    if completed is None:
        return _prefer_planned(pod, names, PrioritizeAnswer("Equal", [_EQUAL_SCORE] * len(names)))
    best = predictions[completed.index(min(completed))]
    score_by_key = dict(zip(distinct, scores(completed), strict=True))
    answer = PrioritizeAnswer("ClassSpeed" if best is None else best.source, [score_by_key[key] for key in keys])
    return _prefer_planned(pod, names, answer)


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


def _lacked(snapshot: Snapshot, pod: TaskPod) -> dict[str, frozenset[str]]:
    """Which images of a task nodes lack, by name; what a task that has started there needs is there already."""
    found: dict[str, frozenset[str]] = {}
    for image in pod.images:
        for name in snapshot.images.lacking(image):
            there = snapshot.pods.get(name, ())
            if not any(each.started_seconds is not None and image in each.images for each in there):
                found[name] = found.get(name, NO_IMAGES) | {image}
    return found


def _pull_seconds(snapshot: Snapshot, images: frozenset[str], node_class: str | None) -> float:
    if not images:
        return 0.0
    sizes = {image: snapshot.images.size_bytes(image) for image in images}
    known = {image: size for image, size in sizes.items() if size is not None}
    times = PullTimes(known, snapshot.pull_bytes_per_second)
    return sum(times.seconds(image, node_class) for image in sorted(images))


def _completion(
    snapshot: Snapshot, now_seconds: float, key: NodeKind | str, alone_seconds: float, cpu_millis: int
) -> float:
    if isinstance(key, str):
        return completion_seconds(alone_seconds, cpu_millis, _load(snapshot, key, now_seconds))
    return max(alone_seconds, LEAST_SECONDS)


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
