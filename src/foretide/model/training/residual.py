"""Learns the boosted residual with xgboost, cross-fitted by workload, and hands the trees over as plain arrays."""

from __future__ import annotations

import json
from typing import Any, Final

import numpy as np
import xgboost

from foretide.model.effects import Effects
from foretide.model.residual import MAX_LOG, Residual, residual_features
from foretide.model.table import Array, Table
from foretide.model.trees import Trees

MIN_ROWS: Final = 60
MIN_WORKLOADS: Final = 10
"""Fewer rows or workloads teach trees nothing that the effects do not know."""
FOLDS: Final = 5


def assign_folds(table: Table, seed: int) -> dict[str, int]:
    """Each workload's fold; equal workloads and seed give equal folds."""
    names = sorted(set(table.workload) - {""})
    shuffled = np.random.default_rng(seed).permutation(len(names))
    return {name: int(place) % FOLDS for name, place in zip(names, shuffled, strict=True)}


def learn_residual(
    table: Table,
    left: Array,
    effects: Effects,
    log_base: Array,
    *,
    trees: int,
    depth: int,
    learning_rate: float,
    seed: int,
    threads: int,
) -> Residual:
    """Ensembles for `left`, the log seconds that base and effects leave; none where rows do not suffice."""
    if trees == 0 or len(table) < MIN_ROWS or len(effects.workloads) < MIN_WORKLOADS:
        return Residual(ensembles=[])
    features = residual_features(effects, log_base, table)
    target = np.clip(left, -MAX_LOG, MAX_LOG)
    fold = np.array([effects.workloads[name].fold if name else -1 for name in table.workload])
    settings = {
        "objective": "reg:pseudohubererror",
        "huber_slope": 0.3,
        "base_score": 0.0,
        "max_depth": depth,
        "eta": learning_rate,
        "subsample": 0.8,
        "colsample_bytree": 0.7,
        "min_child_weight": 3,
        "tree_method": "hist",
        "seed": seed,
        "nthread": threads,
        "verbosity": 0,
    }
    ensembles = []
    for index in range(FOLDS):
        rows = fold != index
        data = xgboost.DMatrix(features[rows], target[rows])
        ensembles.append(flatten(xgboost.train(settings, data, num_boost_round=trees)))
    return Residual(ensembles=ensembles)


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
