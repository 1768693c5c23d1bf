"""Learns interval scores by training again without whole workloads, families or devices, and asking for them.

Devices are left out in clusters of like ones, since the next device to come is no near twin of a known one; those that
stand for devices with few rows keep as many rows as such devices have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage

from foretide.model.intervals import Intervals, Regime
from foretide.model.predictor import CompletionTimePredictor
from foretide.model.table import Array, Mask, Table, Texts, rows_by
from foretide.model.training.groups import architectures

MIN_ROWS: Final = 24
MIN_GROUPS: Final[dict[Regime, int]] = {"pair": 8, "workload": 8, "family": 3, "device": 6, "few": 6}
"""Fewer groups of a kind are not left out to learn from: the default interval stands."""
FOLDS: Final = 4
MAX_SCORES: Final = 400
"""Scores kept per regime, as evenly spaced order statistics: the artefact stays small."""
CLUSTER_DEVICES: Final = 3
"""Devices of a cluster that is left out whole, on average."""

Train = Callable[[Table, Array], CompletionTimePredictor]
Fold = tuple[Mask, Mask]
"""Which rows are trained on and which are asked for."""


def learn_intervals(
    table: Table, seconds: Array, train: Train, predictor: CompletionTimePredictor, *, seed: int
) -> Intervals:
    """Scores per regime for which `table` has groups enough; `train` fits without intervals, as `predictor` was."""
    scores: dict[Regime, list[float]] = {}
    if len(table) < MIN_ROWS:
        return Intervals(scores=scores)
    pairs = np.empty(len(table), dtype=np.object_)
    pairs[:] = [f"{len(d)} {d}{w}" for d, w in zip(table.device, table.workload, strict=True)]
    grouped: dict[Regime, Texts] = {"pair": pairs, "workload": architectures(table), "family": table.family}
    for regime, groups in grouped.items():
        if len(set(groups)) >= MIN_GROUPS[regime]:
            scores[regime] = _scores(table, seconds, without_groups(groups, seed), groups, train)
    few = predictor.parts.transfer.devices
    full = [name for name in predictor.parts.roofline.devices if name not in few]
    if len(full) >= MIN_GROUPS["device"]:
        clusters = _clusters(predictor, full)
        scores["device"] = _scores(table, seconds, without_devices(table, clusters, 0, seed), table.device, train)
        if few:
            rows = int(np.median([predictor.parts.roofline.devices[name].rows for name in few]))
            folds = without_devices(table, clusters, rows, seed)
            scores["few"] = _scores(table, seconds, folds, table.device, train)
    return Intervals(scores=scores)


def without_groups(groups: Texts, seed: int) -> Iterator[Fold]:
    """Each of a few shares of the groups left out in turn."""
    names = sorted(set(groups))
    order = np.random.default_rng(seed).permutation(len(names))
    fold_of = {name: int(place) % FOLDS for name, place in zip(names, order, strict=True)}
    fold = np.array([fold_of[name] for name in groups])
    for index in range(min(FOLDS, len(names))):
        yield fold != index, fold == index


def without_devices(table: Table, clusters: dict[str, int], rows: int, seed: int) -> Iterator[Fold]:
    """Each share of the clusters left out in turn, but for ``rows`` random rows of each device."""
    random, rows_of = np.random.default_rng(seed), rows_by(table.device)
    numbers = sorted(set(clusters.values()))
    fold_of = dict(zip(numbers, random.permutation(len(numbers)) % FOLDS, strict=True))
    for index in range(min(FOLDS, len(numbers))):
        held = [name for name, cluster in clusters.items() if fold_of[cluster] == index]
        asked = np.zeros(len(table), dtype=bool)
        for name in held:
            asked[random.permutation(rows_of[name])[rows:]] = True
        yield ~asked, asked


def _clusters(predictor: CompletionTimePredictor, names: list[str]) -> dict[str, int]:
    """Which of the named devices are alike, by their coefficients in the population's own measure."""
    devices = predictor.parts.roofline.devices
    off = np.array([devices[name].coefficients for name in names]) - predictor.parts.roofline.mean
    spread = np.maximum(off.std(axis=0), 1e-9)
    found = fcluster(linkage(off / spread, "average"), max(FOLDS, len(names) // CLUSTER_DEVICES), "maxclust")
    return {name: int(number) for name, number in zip(names, found, strict=True)}


def _scores(table: Table, seconds: Array, folds: Iterator[Fold], groups: Texts, train: Train) -> list[float]:
    """Order statistics of the scores; a group counts with the square root of its rows, so that no large one rules."""
    taken: list[Array] = []
    kept: list[Texts] = []
    for trained, asked in folds:
        if trained.any() and asked.any():
            predictor = train(table.take(trained), seconds[trained])
            question = table.take(asked)
            miss = np.log(seconds[asked] / predictor.predict(question))
            taken.append(np.asarray(miss / predictor.spread(question), dtype=np.float64))
            kept.append(groups[asked])
    if not taken:
        return []
    scores, weights = np.concatenate(taken), np.zeros(sum(map(len, taken)))
    for rows in rows_by(np.concatenate(kept)).values():
        weights[rows] = 1.0 / np.sqrt(len(rows))
    return _rounded(at_ranks(scores, weights))


def at_ranks(scores: Array, weights: Array) -> Array:
    """At most `MAX_SCORES` order statistics: the k-th of n answers the weighted rank k / (n + 1)."""
    order = np.argsort(scores, kind="stable")
    reached = np.cumsum(weights[order])
    count = min(MAX_SCORES, len(scores))
    wanted = np.arange(1, count + 1) / (count + 1) * (reached[-1] + weights.mean())
    # what is reached but for rounding is reached
    place = np.minimum(np.searchsorted(reached, wanted * (1.0 - 1e-12)), len(scores) - 1)
    return np.asarray(scores[order][place], dtype=np.float64)


def _rounded(scores: Array) -> list[float]:
    return [float(f"{score:.6g}") for score in scores]
