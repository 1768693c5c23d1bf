"""Learns the boosted residual with xgboost, cross-fitted by workload, and hands the trees over as plain arrays."""

from __future__ import annotations

import json
from typing import Any, Final

import numpy as np
import xgboost

from foretide.model.residual import MAX_LOG, Residual, residual_features, traits_of
from foretide.model.roofline import Work
from foretide.model.table import Array, Table
from foretide.model.training.groups import architectures
from foretide.model.trees import Trees

MIN_ROWS: Final = 60
MIN_WORKLOADS: Final = 10
"""Fewer rows or workloads teach trees nothing that the roofline does not know."""
FOLDS: Final = 4
MIN_BELIEF: Final = 0.15
"""Trees that are believed less are not worth their bytes."""
HUBER_LOG: Final = 0.3


def assign_folds(table: Table, seed: int) -> dict[str, int]:
    """Each workload's fold; precisions of one architecture share theirs."""
    group = dict(zip(table.workload, architectures(table), strict=True))
    distinct = sorted(set(group.values()) - {""})
    shuffled = np.random.default_rng(seed).permutation(len(distinct))
    fold = {name: int(place) % FOLDS for name, place in zip(distinct, shuffled, strict=True)}
    return {name: fold[of] for name, of in sorted(group.items()) if name}


def learn_residual(
    table: Table,
    left: Array,
    work: Work,
    log_base: Array,
    traits: dict[str, list[float]],
    *,
    trees: int,
    depth: int,
    learning_rate: float,
    seed: int,
    threads: int,
) -> Residual:
    """Ensembles for `left`, the log seconds that the roofline leaves, believed as they foretell what they never saw."""
    folds = assign_folds(table, seed)
    if trees == 0 or len(table) < MIN_ROWS or len(folds) < MIN_WORKLOADS:
        return nothing()
    features = residual_features(work, log_base, traits_of(traits, table))
    rising = work.amounts.shape[1] + 1
    target = np.clip(left, -MAX_LOG, MAX_LOG)
    fold = np.array([folds.get(name, -1) for name in table.workload])
    settings = {
        "objective": "reg:pseudohubererror",
        "huber_slope": HUBER_LOG,
        "base_score": 0.0,
        "max_depth": depth,
        "eta": learning_rate,
        "subsample": 0.8,
        "colsample_bytree": 0.7,
        "min_child_weight": 3,
        "monotone_constraints": tuple([1] * rising + [0] * (features.shape[1] - rising)),
        "tree_method": "hist",
        "seed": seed,
        "nthread": threads,
        "verbosity": 0,
    }
    ensembles = []
    told = np.zeros(len(table))
    for index in range(FOLDS):
        rows = fold != index
        if not rows.any() or rows.all():
            return nothing()
        data = xgboost.DMatrix(features[rows], target[rows])
        ensembles.append(flatten(xgboost.train(settings, data, num_boost_round=trees)))
        told[~rows] = ensembles[-1].predict(features[~rows])
    belief = _belief(told, target)
    if belief < MIN_BELIEF:
        return nothing()
    return Residual(ensembles=ensembles, belief=belief, folds=folds, traits=traits)


def nothing() -> Residual:
    """No trees: rows do not suffice, or trees foretold nothing."""
    return Residual(ensembles=[], belief=0.0, folds={}, traits={})


def _belief(told: Array, target: Array) -> float:
    """The factor, 0 to 1, by which what was told comes nearest to what was not seen; far-off rows weigh less."""
    weight = HUBER_LOG / np.maximum(np.abs(target), HUBER_LOG)
    squared = float((weight * told**2).sum())
    if squared == 0.0:
        return 0.0
    return round(min(max(float((weight * told * target).sum()) / squared, 0.0), 1.0), 3)


def flatten(booster: xgboost.Booster) -> Trees:
    """The trees of a booster of numerical splits without missing values; children come behind their parents."""
    document: dict[str, Any] = json.loads(bytes(booster.save_raw("json")))
    learner = document["learner"]
    bias = float(str(learner["learner_model_param"]["base_score"]).strip("[]"))
    roots: list[int] = []
    feature: list[int] = []
    value: list[float] = []
    left: list[int] = []
    right: list[int] = []
    for tree in learner["gradient_booster"]["model"]["trees"]:
        order = _breadth_first(tree)
        place = {node: len(feature) + index for index, node in enumerate(order)}
        roots.append(len(feature))
        for node in order:
            leaf = tree["left_children"][node] < 0
            feature.append(-1 if leaf else int(tree["split_indices"][node]))
            # nine digits carry a float32 exactly
            value.append(float(f"{np.float32(tree['split_conditions'][node]):.9g}"))
            left.append(0 if leaf else place[tree["left_children"][node]])
            right.append(0 if leaf else place[tree["right_children"][node]])
    return Trees(bias=bias, roots=roots, feature=feature, value=value, left=left, right=right)


def _breadth_first(tree: dict[str, Any]) -> list[int]:
    order = [0]
    for node in order:
        if tree["left_children"][node] >= 0:
            order += [tree["left_children"][node], tree["right_children"][node]]
    return order
