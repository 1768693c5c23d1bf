"""Whether one model foretells times worse than another, from pairs of workload and node class that neither has seen.

Of each pair the difference of the two models' errors counts: the median absolute logarithm of actual over foretold
time. The mean difference has Student's t with workloads as clusters, since a workload's pairs err together. Three
answers are possible, and most of the time it is the second:

* `Worse`: surely so (one-sided, `SURE`), by more than `MARGIN`, and for more than half of the namespaces, a vote each;
* `Undecided`: the pairs do not say;
* `NotWorse`: surely not by more than `TOLERANCE`.

A namespace's pairs weigh no more than `MOST_SAY` of them, and no pair counts for more than a factor of e.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

import numpy as np
from scipy.special import stdtrit

from foretide.observation import namespace_of

MARGIN: Final = 0.01
"""Of error, as a logarithm: a model that is worse by less is as good, and knows more."""
TOLERANCE: Final = 0.03
"""A model is shown to be not worse if it is not so much worse, as a logarithm."""
SURE: Final = 0.95
"""Probability that a verdict is not chance, one-sided. That a good version is turned down now and then costs little."""
MOST_SAY: Final = 32.0
"""Pairs that a namespace weighs at most."""
MOST_DIFFERENT: Final = 1.0
LEAST_SCATTER: Final = 0.02
"""Of differences: a few may agree by chance."""

Verdict = Literal["Worse", "Undecided", "NotWorse"]


class Judged(NamedTuple):
    """One time that was foretold by both, as absolute logarithms of actual over foretold."""

    workload: str
    node_class: str
    error: float
    against_error: float


class Comparison(NamedTuple):
    """A model against another: on how many pairs, with what median relative errors in thousandths, and the verdict."""

    pairs: int
    error_permille: int
    against_error_permille: int
    verdict: Verdict


def compare(judged: Sequence[Judged]) -> Comparison | None:
    """The model whose ``error`` is given against the one of ``against_error``; None if nothing was foretold."""
    times: dict[tuple[str, str], list[Judged]] = defaultdict(list)
    for each in judged:
        times[each.workload, each.node_class].append(each)
    if not times:
        return None
    error = np.array([np.median([each.error for each in of_pair]) for of_pair in times.values()])
    against = np.array([np.median([each.against_error for each in of_pair]) for of_pair in times.values()])
    return Comparison(
        pairs=len(times),
        error_permille=_relative_permille(float(np.median(error))),
        against_error_permille=_relative_permille(float(np.median(against))),
        verdict=_verdict(
            np.clip(against - error, -MOST_DIFFERENT, MOST_DIFFERENT), [workload for workload, _ in times]
        ),
    )


def _verdict(gain: np.ndarray, workloads: Sequence[str]) -> Verdict:
    clusters = sorted(set(workloads))
    if len(clusters) < 2:
        return "Undecided"
    namespaces = [namespace_of(workload) for workload in workloads]
    said = Counter(namespaces)
    weight = np.array([min(1.0, MOST_SAY / said[name]) for name in namespaces])
    mean = float(np.average(gain, weights=weight))
    place = {name: number for number, name in enumerate(clusters)}
    cluster = np.array([place[name] for name in workloads])
    off = np.bincount(cluster, weights=weight * (gain - mean))
    share = np.bincount(cluster, weights=weight) / weight.sum()
    freedom = len(clusters) - 1
    scatter = float((off**2).sum()) / weight.sum() ** 2 * len(clusters) / freedom
    deviation = math.sqrt(max(scatter, LEAST_SCATTER**2 * float((share**2).sum())))
    if mean + float(stdtrit(freedom, SURE)) * deviation < -MARGIN:
        votes = [float(gain[[name == each for each in namespaces]].mean()) < 0.0 for name in said]
        return "Worse" if 2 * sum(votes) > len(votes) else "Undecided"
    return "NotWorse" if mean - float(stdtrit(freedom, SURE)) * deviation > -TOLERANCE else "Undecided"


def _relative_permille(log_error: float) -> int:
    return min(1_000_000, round(1000 * math.expm1(min(log_error, 7.0))))
