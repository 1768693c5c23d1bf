"""Puts a record into words: every candidate with its terms, what was refused, and what came of it.

It reckons again from what the decision rested on, with the same arithmetic. Other tenants' Pods appear as sums alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

import msgspec

from foretide.placement.score import TOP_SCORE, scores
from foretide.prediction import PodPrediction, Source
from foretide_extender.decide import decide_filter, decide_prioritize, is_ours
from foretide_extender.reckoning import Basis, Reckoning, Terms, pull_times
from foretide_extender.records import Record, Records
from foretide_extender.spots import Spot
from foretide_extender.standings import Standings
from foretide_extender.state import Snapshot, cpu_millis_in_use
from foretide_extender.wire import Request
from foretide_kube.client import Object
from foretide_kube.explanation import NOW, Candidates, Explanation, Placed, Planned, RefusedNodes, Status, Step
from foretide_kube.names import ANNOTATION_PREDICTION, LABEL_WORKLOAD
from foretide_kube.reduced import facts_of, reduce_pod
from foretide_kube.task_pods import TaskPod

_UPPER_PERCENT: Final = 95
_UNSCORED: Final = 0
_UNKNOWN: Final = Spot(None)
_NO_STEP: Final = Step()


class Standpoint(NamedTuple):
    """What an answer is made from: the record of a Pod, None where none is kept, and the cluster as it is now.

    The snapshot is None while nothing is known of the cluster.
    """

    record: Record | None
    snapshot: Snapshot | None
    now_seconds: float


def explain(namespace: str, name: str, item: Object | None, known: Standpoint) -> Explanation:
    """What is known of the Pod of that name, which is ``item``, or is not there."""
    pod: TaskPod | None = None if item is None else facts_of(reduce_pod(item))
    record = known.record
    if pod is not None and record is not None and record.pod.uid != pod.uid:
        record = None  # a namesake's
    if pod is None and record is None:
        return Explanation(
            namespace=namespace, pod=name, status="NotFound", message=f"there is no Pod {namespace}/{name}"
        )
    planned = None if item is None or pod is None else _planned(item, pod)
    if record is not None:
        said = _described(record, "Decided", _time(record.time_seconds), _decided_words(record, pod), pod)
        return msgspec.structs.replace(said, planned=planned)
    assert pod is not None  # noqa: S101 - else there is a record
    if not is_ours(pod):
        words = f"the Pod carries no label {LABEL_WORKLOAD}, or is one that measures: all nodes pass alike"
        return Explanation(namespace=namespace, pod=name, status="NotOurs", message=words)
    why = _undecided_words(pod)
    if pod.is_finished or known.snapshot is None:
        status: Status = "Ended" if pod.is_finished else "NotDecided"
        words = (
            why
            if pod.is_finished
            else f"{why}; what would be decided now is not known, as the cluster has not been read yet"
        )
        return Explanation(
            namespace=namespace, pod=name, status=status, message=words, workload=pod.workload, planned=planned
        )
    words = f"{why}; this would be decided now of all nodes, whether or not kube-scheduler's own filters pass them"
    said = _described(_decided_now(known.snapshot, pod, known.now_seconds), "NotDecided", NOW, words, pod)
    return msgspec.structs.replace(said, planned=planned)


def _decided_now(snapshot: Snapshot, pod: TaskPod, now_seconds: float) -> Record:
    """The record of what would be decided of all nodes, as if the Pod were not bound yet."""
    nodes = snapshot.nodes.copy()  # in one step: it follows what happens meanwhile
    here = None if pod.node is None else nodes.get(pod.node)
    if here is not None:
        itself = [each for each in here.pods if each.uid == pod.uid]
        others = tuple(each for each in here.pods if each.uid != pod.uid)
        nodes[here.name] = replace(
            here, pods=others, free_millis=here.free_millis + sum(map(cpu_millis_in_use, itself))
        )
    snapshot = replace(snapshot, nodes=MappingProxyType(nodes), moment=object())
    records, standings, names = Records(most_bytes=2**40), Standings(), list(nodes)
    request = Request(pod, names, msgspec.json.encode(names))
    passed = decide_filter(snapshot, pod, names, now_seconds, standings)
    records.filtered(request, passed, "", now_seconds)
    left = [name for name in names if name not in passed.refused]
    request = Request(pod, left, msgspec.json.encode(left))
    records.prioritized(request, decide_prioritize(snapshot, pod, left, now_seconds, standings), "", now_seconds)
    found = records.find(pod.namespace, pod.name)
    assert found is not None  # noqa: S101 - just kept
    return found


def _described(record: Record, status: Status, as_of: str, message: str, pod: TaskPod | None) -> Explanation:
    names = msgspec.json.decode(record.sent, type=list[str])
    passed = [name for name in names if name not in record.refused]
    basis = record.basis
    workload = None if basis is None else basis.workload
    candidates = _unreckoned(record, passed) if basis is None else _candidates(record, basis, passed)
    return Explanation(
        namespace=record.pod.namespace,
        pod=record.pod.name,
        status=status,
        message=message,
        as_of=as_of,
        workload=record.pod.workload,
        inferences=None if workload is None else workload.inferences_of(record.pod.task),
        percentile=None if workload is None else workload.percentile,
        cpu_millis=None if basis is None or workload is None else basis.cpu_millis,
        filter=_step(record.filter_source, record.filter_failed_open),
        prioritize=_step(record.prioritize_source, record.prioritize_failed_open),
        candidates=candidates,
        refused=_refused(record.refused),
        overruled=list(record.overruled),
        placed=None if pod is None or pod.node is None else _placed(pod.node, candidates),
    )


def _candidates(record: Record, basis: Basis, names: Sequence[str]) -> list[Candidates]:
    """The candidates with their terms, best first."""
    percent = 50 if basis.workload is None else basis.workload.percentile
    at = basis.places
    groups: dict[tuple[Spot, bool], list[str]] = defaultdict(list)
    for name in names:
        groups[at.get(name, _UNKNOWN), name == record.planned].append(name)
    spots = dict.fromkeys(spot for spot, _ in groups)
    classes = frozenset(spot.node_class for spot in at.values())
    reckonings = {
        each: Reckoning(basis.workload, record.pod.task, basis.cpu_millis, each)
        for each in (percent, 50, _UPPER_PERCENT)
    }
    by_percent = {each: _terms(record, basis, reckoning, classes, spots) for each, reckoning in reckonings.items()}
    reckoning, terms = reckonings[percent], by_percent[percent]
    score_of = _scores(record, terms, spots)
    found = []
    for (spot, is_planned), nodes in groups.items():
        told = terms.get(spot)
        prediction = reckoning.predictions.get(spot.node_class or "")
        score = score_of.get(spot)
        if is_planned and score is not None:
            score = TOP_SCORE
        known = Candidates(
            nodes=sorted(nodes),
            score=score,
            is_planned=is_planned,
            node_class=spot.node_class,
            source=_source(reckoning, basis, spot.node_class),
            model_version="" if prediction is None else prediction.model_version,
        )
        if told is not None and reckoning.predictions:
            startup_seconds = None if prediction is None else prediction.startup_milliseconds / 1e3
            crowd = spot.crowd
            known = msgspec.structs.replace(
                known,
                completion_seconds=told.seconds,
                alone_seconds=told.alone_seconds,
                startup_seconds=startup_seconds,
                work_seconds=None if startup_seconds is None else told.alone_seconds - startup_seconds,
                pull_seconds=told.pull_seconds,
                contention_seconds=told.contention_seconds,
                sharing_seconds=told.sharing_seconds,
                median_seconds=by_percent[50][spot].seconds,
                upper_seconds=by_percent[_UPPER_PERCENT][spot].seconds,
                others=None if crowd is None else len(crowd.tasks),
                others_cpu_millis=spot.beside_millis or None
                if crowd is None
                else crowd.steady_millis + sum(task.cpu_millis for task in crowd.tasks),
                allocatable_cpu_millis=spot.allocatable_millis or None,
            )
        found.append(known)
    found.sort(key=_order)
    return found


def _terms(
    record: Record, basis: Basis, reckoning: Reckoning, classes: Iterable[str | None], spots: Iterable[Spot]
) -> Mapping[Spot, Terms]:
    """What a task takes at ``spots``, where nodes are of ``classes``; nothing where nothing tells nodes apart."""
    alone = reckoning.alone_by_class(classes, basis.speeds)
    if alone is None:
        return {}
    pulls, second = pull_times(basis.image_bytes, basis.pull_bytes_per_second), int(record.time_seconds)
    return {spot: reckoning.terms(spot, alone[spot.node_class], pulls, second) for spot in spots}


def _scores(record: Record, terms: Mapping[Spot, Terms], spots: Iterable[Spot]) -> Mapping[Spot, int]:
    """The scores of the candidates' spots, as they were given; none where no scores were."""
    if not record.prioritize_source:
        return {}
    if record.prioritize_source == "Equal" or not terms:
        return dict.fromkeys(spots, _UNSCORED)
    most = TOP_SCORE if record.planned is None else TOP_SCORE - 1
    ordered = list(spots)
    found = scores([terms[spot].seconds for spot in ordered])
    return {spot: min(score, most) for spot, score in zip(ordered, found, strict=True)}


def _source(reckoning: Reckoning, basis: Basis, node_class: str | None) -> Source | Literal["ClassSpeed", "Unknown"]:
    prediction = reckoning.predictions.get(node_class or "")
    if prediction is not None:
        return prediction.source
    is_comparable = not reckoning.predictions or any(name in basis.speeds for name in reckoning.predictions)
    return "ClassSpeed" if node_class in basis.speeds and is_comparable else "Unknown"


def _order(known: Candidates) -> tuple[float, int, str]:
    """Soonest first; without times by score."""
    seconds = float("inf") if known.completion_seconds is None else known.completion_seconds
    return seconds, -(known.score or 0), known.nodes[0]


def _unreckoned(record: Record, names: Sequence[str]) -> list[Candidates]:
    """The candidates where no node was looked at."""
    score = _UNSCORED if record.prioritize_source else None
    return [Candidates(nodes=sorted(names), score=score)] if names else []


def _refused(refused: Mapping[str, str]) -> list[RefusedNodes]:
    nodes: dict[str, list[str]] = defaultdict(list)
    for name, text in refused.items():
        nodes[text].append(name)
    found = []
    for text, names in nodes.items():
        reason, _, message = text.partition(": ")
        found.append(RefusedNodes(reason=reason, message=message, nodes=sorted(names)))
    return sorted(found, key=lambda each: (each.reason, each.nodes))


def _placed(node: str, candidates: Sequence[Candidates]) -> Placed:
    """What the scheduler chose, held against the best of what it could have chosen."""
    here = next((each for each in candidates if node in each.nodes), None)
    if here is None or here.completion_seconds is None:
        return Placed(node=node)
    best = candidates[0]
    best_seconds = here.completion_seconds if best.completion_seconds is None else best.completion_seconds
    return Placed(
        node=node,
        best_node=node if here.completion_seconds == best_seconds else best.nodes[0],
        completion_seconds=here.completion_seconds,
        best_seconds=best_seconds,
        regret_seconds=here.completion_seconds - best_seconds,
    )


def _planned(item: Object, pod: TaskPod) -> Planned | None:
    """What the planner wrote on a Pod; what is no such thing counts as absent, for anybody may write annotations."""
    text = (item["metadata"].get("annotations") or {}).get(ANNOTATION_PREDICTION)
    try:
        prediction = None if text is None else msgspec.json.decode(text, type=PodPrediction)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        prediction = None
    if pod.planned_node is None and pod.plan is None and prediction is None:
        return None
    return Planned(node=pod.planned_node, plan=pod.plan, prediction=prediction)


def _decided_words(record: Record, pod: TaskPod | None) -> str:
    reasons = dict.fromkeys(filter(None, (record.filter_failed_open, record.prioritize_failed_open)))
    words = ["this was decided last"]
    if reasons:
        words = [f"the extender failed open ({', '.join(reasons)}): it let all nodes pass alike"]
    elif not record.prioritize_source:
        words.append("kube-scheduler asked for no scores, as it does where one node is left, or none")
    if pod is None:
        words.append("the Pod is gone, and where it went is not known")
    return "; ".join(words)


def _undecided_words(pod: TaskPod) -> str:
    if pod.is_gated:
        return "the Pod waits behind its gate for the plan, so that nobody was asked about it"
    if pod.gates:
        return f"the Pod waits behind {', '.join(pod.gates)}, so that nobody was asked about it"
    if pod.node is None and not pod.is_finished:
        return "kube-scheduler has not asked this extender about the Pod"
    return "no decision on the Pod is kept: it is too long ago, from before a restart, or was made by another replica"


def _step(source: str, failed_open: str) -> Step | None:
    step = Step(source=source, failed_open=failed_open)
    return None if step == _NO_STEP else step


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
