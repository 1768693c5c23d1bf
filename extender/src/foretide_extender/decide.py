"""What to answer: functions of a snapshot, a Pod and the names of the candidate nodes.

Only our own Pods are looked at; to all others every node passes with the same score, whatever the snapshot holds. What
was reckoned for tasks like this one before is taken from ``standings``; without, all is reckoned anew, to the same end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from foretide.placement.admission import (
    DEADLINE_HOPELESS,
    Candidate,
    Demand,
    Refusal,
    admit,
)
from foretide.placement.score import TOP_SCORE
from foretide.placement.task import WorkloadPredictions
from foretide_extender.reckoning import Basis
from foretide_extender.spots import memory_in_use
from foretide_extender.standings import Standing, Standings
from foretide_extender.state import Snapshot
from foretide_kube.names import ROLE_INSPECT
from foretide_kube.task_pods import TaskPod

NODE_CLASS_NOT_SELECTED: Final = "NodeClassNotSelected"
"""The workload's nodeClassSelector leaves out the node's class. What users forbid is refused though no node is left."""

Source = Literal["Measured", "Learned", "Fallback", "ClassSpeed", "Equal", "Untouched"]
"""What an answer rests on: predictions, class speed, nothing, or not our Pod.

Of prioritize it is what the best candidate's score rests on, of filter the surest of the workload's predictions.
"""


@dataclass(frozen=True, slots=True)
class FilterAnswer:
    """``refused`` nodes with the reasons to give; ``reasons`` counts them; ``overruled`` as in `Admission`.

    The ``basis`` is None where no node was looked at.
    """

    source: Source
    refused: Mapping[str, str] = field(default_factory=dict)
    reasons: Mapping[str, int] = field(default_factory=dict)
    overruled: tuple[str, ...] = ()
    basis: Basis | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class PrioritizeAnswer:
    """The entry of each node by name, `foretide_extender.wire.entry`; None where all scores are equal.

    ``top`` is the node that alone gets the best score, whatever its entry says. The ``basis`` as in `FilterAnswer`.
    """

    source: Source
    entries: Mapping[str, str] | None = None
    top: str | None = None
    basis: Basis | None = field(default=None, compare=False, repr=False)


def is_ours(pod: TaskPod) -> bool:
    """Whether the Pod is one that we have something to say about."""
    return pod.is_task or (bool(pod.workload) and pod.role == ROLE_INSPECT)


def decide_filter(
    snapshot: Snapshot,
    pod: TaskPod,
    names: Sequence[str],
    now_seconds: float,
    standings: Standings | None = None,
) -> FilterAnswer:
    """Which of ``names`` the Pod must not go to; ``now_seconds`` since the epoch.

    Raises what the check of ``standings`` does.
    """
    standings = standings or Standings()
    standings.follow(snapshot)
    if not pod.is_task:
        return FilterAnswer("Untouched")
    forbidden = decide_forbidden(snapshot, pod, names)
    if not forbidden.refused:
        return _by_predictions(snapshot, pod, names, now_seconds, standings)
    left = [name for name in names if name not in forbidden.refused]
    answer = _by_predictions(snapshot, pod, left, now_seconds, standings)
    refused, reasons = {**forbidden.refused, **answer.refused}, {**forbidden.reasons, **answer.reasons}
    return replace(answer, refused=refused, reasons=reasons)


def decide_forbidden(snapshot: Snapshot, pod: TaskPod, names: Sequence[str]) -> FilterAnswer:
    """Which of ``names`` the workload's user forbids, whatever is predicted: what holds where there is no time."""
    refused = _outside(snapshot, pod, names) if pod.is_task else {}
    return FilterAnswer("Equal", refused, {NODE_CLASS_NOT_SELECTED: len(refused)} if refused else {})


def _outside(snapshot: Snapshot, pod: TaskPod, names: Sequence[str]) -> Mapping[str, str]:
    """The nodes that are of no class where the Pod's workload may run, each with the reason to give."""
    selected = snapshot.selected.get((pod.namespace, pod.workload))
    if selected is None:
        return {}
    words: dict[str | None, str] = {}
    outside = {}
    for name in names:
        node = snapshot.nodes.get(name)
        node_class = None if node is None else node.node_class
        if node_class in selected:
            continue
        if node_class not in words:
            of_class = "a node of no class" if node_class is None else f"class {node_class}"
            told = f"nodeClassSelector of AIWorkload {pod.namespace}/{pod.workload} does not select {of_class}"
            words[node_class] = f"{NODE_CLASS_NOT_SELECTED}: {told}"
        outside[name] = words[node_class]
    return outside


def _by_predictions(
    snapshot: Snapshot, pod: TaskPod, names: Sequence[str], now_seconds: float, standings: Standings
) -> FilterAnswer:
    """Which of ``names`` a task must not go to by what is predicted of it there."""
    workload = snapshot.workloads.get((pod.namespace, pod.workload))
    if workload is None or not workload.by_class:
        return FilterAnswer("Equal")
    standing = standings.of(snapshot, pod, workload)
    basis = standing.basis(snapshot)
    demand = Demand(
        workload.inferences_of(pod.task),
        pod.task.memory_limit_bytes,
        _seconds_left(workload, pod, now_seconds),
        workload.percentile,
        workload.latency_seconds,
    )
    needs = standing.needs(workload, pod.task)
    if not standing.spots.tight and needs.are_within(demand):
        return FilterAnswer(needs.source, basis=basis)
    by_class = {name: Candidate(workload.prediction_for(pod.task, name), None) for name in workload.by_class}
    candidates = _candidates(snapshot, standing, pod, names, by_class)
    return replace(_admitted(needs.source, names, candidates, demand, pod.planned_node), basis=basis)


def _candidates(
    snapshot: Snapshot, standing: Standing, pod: TaskPod, names: Sequence[str], by_class: Mapping[str, Candidate]
) -> list[Candidate]:
    """The candidate for each name: one for all nodes of a class but those with too little memory left."""
    unknown, tight, at = Candidate(None, None), standing.spots.tight, standing.spots.at
    found = []
    for name in names:
        spot = at.get(name)
        candidate = unknown if spot is None else by_class.get(spot.node_class or "", unknown)
        if name in tight:
            candidate = _weighed(snapshot, name, candidate, is_planned=name == pod.planned_node)
        found.append(candidate)
    return found


def _weighed(snapshot: Snapshot, name: str, candidate: Candidate, *, is_planned: bool) -> Candidate:
    """A candidate whose memory left is short; of the planned node the plan knows what will be there by then."""
    node = snapshot.nodes.get(name)
    if node is None:  # gone since
        return candidate
    used = 0 if is_planned else memory_in_use(snapshot, node)
    return Candidate(candidate.prediction, node.allocatable_memory_bytes, used)


def _admitted(
    source: Source, names: Sequence[str], candidates: Sequence[Candidate], demand: Demand, planned: str | None
) -> FilterAnswer:
    distinct = list(dict.fromkeys(map(id, candidates)))
    by_id = {id(candidate): candidate for candidate in candidates}
    admission = admit([by_id[each] for each in distinct], demand)
    refusal_by_id = dict(zip(distinct, admission.refusals, strict=True))
    words = {id(refusal): str(refusal) for refusal in admission.refusals}
    refused: dict[str, str] = {}
    reasons: dict[str, int] = {}
    for name, candidate in zip(names, candidates, strict=True):
        refusal = refusal_by_id[id(candidate)]
        if refusal is None or (name == planned and _is_for_deadline(refusal)):
            continue
        refused[name] = words[id(refusal)]
        reasons[refusal.reason] = reasons.get(refusal.reason, 0) + 1
    return FilterAnswer(source, refused, reasons, admission.overruled)


def _is_for_deadline(refusal: Refusal) -> bool:
    """Whether a node is refused for the deadline alone, which keeps no task from where the plan has it end first."""
    return refusal.reason == DEADLINE_HOPELESS


def _seconds_left(workload: WorkloadPredictions, pod: TaskPod, now_seconds: float) -> float | None:
    """Seconds until the deadline, which counts from the Pod's creation."""
    if workload.deadline_seconds is None:
        return None
    if pod.created_seconds is None:
        return workload.deadline_seconds
    # Creation times are cut to whole seconds: the Pod may be a second younger than they say.
    waited = max(now_seconds - pod.created_seconds - 1.0, 0.0)
    return workload.deadline_seconds - waited


def decide_prioritize(
    snapshot: Snapshot,
    pod: TaskPod,
    names: Sequence[str],
    now_seconds: float,
    standings: Standings | None = None,
) -> PrioritizeAnswer:
    """A score for each of ``names``: the sooner the Pod would end there, the higher.

    ``now_seconds`` is the time since the epoch. Raises what the check of ``standings`` does.
    """
    if not is_ours(pod):
        return PrioritizeAnswer("Untouched")
    top = pod.planned_node if pod.planned_node is not None and pod.planned_node in names else None
    standings = standings or Standings()
    standings.follow(snapshot)
    workload = snapshot.workloads.get((pod.namespace, pod.workload)) if pod.is_task else None
    standing = standings.of(snapshot, pod, workload)
    board = standings.board(snapshot, pod, standing, now_seconds)
    basis = standing.basis(snapshot)
    best = board.best_of(names)
    if best is None:
        return PrioritizeAnswer("Equal", top=top, basis=basis)
    entries = board.entries(best, TOP_SCORE if top is None else TOP_SCORE - 1)
    return PrioritizeAnswer(board.source(best), entries, top, basis)
