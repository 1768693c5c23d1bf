"""Puts a record into words: every candidate with its terms, what was refused, and what came of it.

It reckons again from what the decision rested on, with the same arithmetic. Other tenants' Pods appear as sums alone,
and only to who may read them anyway: the sum of one is that one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final, NamedTuple

import msgspec

from foretide.prediction import PodPrediction
from foretide_extender.access import Rights
from foretide_extender.candidates import candidates
from foretide_extender.decide import decide_filter, decide_prioritize, is_ours
from foretide_extender.records import Record, Records
from foretide_extender.spots import Check
from foretide_extender.standings import Standings
from foretide_extender.state import Snapshot, cpu_millis_in_use
from foretide_extender.wire import Request
from foretide_kube.client import Object
from foretide_kube.explanation import NOW, Candidates, Explanation, Placed, Planned, RefusedNodes, Status, Step
from foretide_kube.names import ANNOTATION_PREDICTION, LABEL_WORKLOAD
from foretide_kube.reduced import facts_of, reduce_pod
from foretide_kube.task_pods import TaskPod

_NO_STEP: Final = Step()


class Standpoint(NamedTuple):
    """What an answer is made from: the record of a Pod, None where none is kept, and the cluster as it is now.

    The snapshot is None while nothing is known of the cluster. ``rights`` are of who asks.
    """

    record: Record | None
    snapshot: Snapshot | None
    now_seconds: float
    rights: Rights

    def decided_on(self, item: Object) -> Record | None:
        """The record, if it is of this very Pod and no namesake's: who had the name before may be somebody else."""
        return self.record if self.record is not None and self.record.pod.uid == item["metadata"].get("uid") else None


def explain(
    namespace: str, name: str, item: Object | None, known: Standpoint, pace: Check = lambda: None
) -> Explanation:
    """What is known of the Pod of that name, which is ``item``, or is not there: then nothing.

    ``pace`` is called again and again while much has to be reckoned.
    """
    if item is None:
        words = f"there is no Pod {namespace}/{name}"
        return Explanation(namespace=namespace, pod=name, status="NotFound", message=words)
    pod: TaskPod = facts_of(reduce_pod(item))
    record = known.decided_on(item)
    if record is not None:
        told = _described(record, "Decided", _time(record.time_seconds), _decided_words(record), pod, pace=pace)
    elif not is_ours(pod):
        words = f"the Pod has no label {LABEL_WORKLOAD}, or is a measurement: all nodes are treated alike"
        return Explanation(namespace=namespace, pod=name, status="NotOurs", message=words)
    else:
        told = _undecided(pod, known, pace)
    if not known.rights.sees_others:
        alone = [msgspec.structs.replace(each, others=None, others_cpu_millis=None) for each in told.candidates]
        told = msgspec.structs.replace(told, candidates=alone)
    return msgspec.structs.replace(told, planned=_planned(item, pod))


def _undecided(pod: TaskPod, known: Standpoint, pace: Check) -> Explanation:
    """What would be decided now, as far as that is known, may be seen, and would be at all."""
    why = _undecided_words(pod)
    status: Status = "Ended" if pod.is_finished else "NotDecided"
    if pod.is_finished:
        words = why
    elif known.snapshot is None:
        words = f"{why}; what would be decided now is not known, as the cluster has not been read yet"
    elif not known.rights.sees_nodes:
        words = f"{why}; what would be decided now is shown only with the right to list nodes"
    else:
        words = f"{why}; this would be decided now over all nodes, even if kube-scheduler's own filters refuse them"
        record = _decided_now(known.snapshot, pod, known.now_seconds, pace)
        return _described(record, "NotDecided", NOW, words, pod, pace=pace)
    return Explanation(namespace=pod.namespace, pod=pod.name, status=status, message=words, workload=pod.workload)


def _decided_now(snapshot: Snapshot, pod: TaskPod, now_seconds: float, pace: Check) -> Record:
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
    records, standings, names = Records(most_bytes=2**40), Standings(pace), list(nodes)
    request = Request(pod, names, msgspec.json.encode(names))
    passed = decide_filter(snapshot, pod, names, now_seconds, standings)
    records.filtered(request, passed, "", now_seconds)
    left = [name for name in names if name not in passed.refused]
    request = Request(pod, left, msgspec.json.encode(left))
    records.prioritized(request, decide_prioritize(snapshot, pod, left, now_seconds, standings), "", now_seconds)
    found = records.find(pod.namespace, pod.name)
    assert found is not None  # noqa: S101 - just kept
    return found


def _described(record: Record, status: Status, as_of: str, message: str, pod: TaskPod, *, pace: Check) -> Explanation:
    names = msgspec.json.decode(record.sent, type=list[str])
    passed = [name for name in names if name not in record.refused]
    basis = record.basis
    workload = None if basis is None else basis.workload
    found = candidates(record, passed, pace)
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
        candidates=found,
        refused=_refused(record.refused),
        overruled=list(record.overruled),
        placed=None if pod.node is None else _placed(pod.node, found),
    )


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


def _decided_words(record: Record) -> str:
    reasons = dict.fromkeys(filter(None, (record.filter_failed_open, record.prioritize_failed_open)))
    words = ["this is the last decision"]
    if reasons:
        words = [f"the extender failed open ({', '.join(reasons)}): it judged no node by prediction"]
    elif not record.prioritize_source:
        words.append("kube-scheduler asked for no scores, as it does when one node or none is left")
    return "; ".join(words)


def _undecided_words(pod: TaskPod) -> str:
    if pod.is_gated:
        return "the Pod waits behind its gate for the plan, so the extender was not asked"
    if pod.gates:
        return f"the Pod waits behind {', '.join(pod.gates)}, so the extender was not asked"
    if pod.node is None and not pod.is_finished:
        return "kube-scheduler has not asked this extender about the Pod"
    return "no decision on the Pod is kept: it is too long ago, from before a restart, or was made by another replica"


def _step(source: str, failed_open: str) -> Step | None:
    step = Step(source=source, failed_open=failed_open)
    return None if step == _NO_STEP else step


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
