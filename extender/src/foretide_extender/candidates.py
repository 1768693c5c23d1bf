"""The nodes that passed, as they are told: each with its terms, its score and what both rest on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal

import msgspec

from foretide.placement.score import TOP_SCORE, scores
from foretide.prediction import Source
from foretide_extender.reckoning import Basis, Reckoning, Terms, pull_times
from foretide_extender.records import Record
from foretide_extender.spots import Check, Spot
from foretide_kube.explanation import Candidates

_UPPER_PERCENT: Final = 95
_UNSCORED: Final = 0
_UNKNOWN: Final = Spot(None)


def candidates(record: Record, names: Sequence[str], pace: Check) -> list[Candidates]:
    """Those of ``names`` that are told the same together, with their terms, best first.

    ``pace`` is called again and again while much has to be reckoned.
    """
    basis = record.basis
    if basis is None:
        return _unreckoned(record, names)
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
    by_percent = {
        each: _terms(record, basis, reckoning, classes, spots, pace=pace) for each, reckoning in reckonings.items()
    }
    reckoning, terms = reckonings[percent], by_percent[percent]
    score_of = _scores(record, terms, spots)
    found = []
    for (spot, is_planned), nodes in groups.items():
        pace()
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
    record: Record,
    basis: Basis,
    reckoning: Reckoning,
    classes: Iterable[str | None],
    spots: Iterable[Spot],
    *,
    pace: Check,
) -> Mapping[Spot, Terms]:
    """What a task takes at ``spots``, where nodes are of ``classes``; nothing where nothing tells nodes apart."""
    alone = reckoning.alone_by_class(classes, basis.speeds)
    if alone is None:
        return {}
    pulls, second = pull_times(basis.image_bytes, basis.pull_bytes_per_second), int(record.time_seconds)
    found = {}
    for spot in spots:
        pace()
        found[spot] = reckoning.terms(spot, alone[spot.node_class], pulls, second)
    return found


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
