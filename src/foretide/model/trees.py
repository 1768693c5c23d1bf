"""Boosted trees evaluated with numpy, so that a process that predicts needs no xgboost.

Trees are kept as flat arrays over all their nodes. The rule is xgboost's: left when the feature, as float32, is below
the threshold; an unknown feature never occurs, features are filled before.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from foretide.model.features import State
from foretide.model.table import Array

_LEAF: Final = -1
MAX_TREES: Final = 2000
MAX_DEPTH: Final = 16


class Trees(State, frozen=True, kw_only=True):
    """A sum of trees: per tree its root's index; per node its feature (-1: a leaf), threshold or value, children."""

    bias: float
    roots: list[int]
    feature: list[int]
    value: list[float]
    left: list[int]
    right: list[int]

    def is_sound(self, features: int) -> bool:
        """Whether every node belongs to one tree, behind its parent and not too deep, so that a walk is short."""
        nodes = len(self.feature)
        if not len(self.value) == len(self.left) == len(self.right) == nodes or len(self.roots) > MAX_TREES:
            return False
        depth = [0] * nodes
        for root in self.roots:
            if not 0 <= root < nodes or depth[root]:
                return False
            depth[root] = 1
        for node, (feature, left, right) in enumerate(zip(self.feature, self.left, self.right, strict=True)):
            if not 1 <= depth[node] <= MAX_DEPTH:
                return False
            if feature == _LEAF:
                continue
            if not (0 <= feature < features and node < left < nodes and node < right < nodes and left != right):
                return False
            if depth[left] or depth[right]:
                return False
            depth[left] = depth[right] = depth[node] + 1
        return True

    def predict(self, features: Array) -> Array:
        """The trees' sum per row of `features` (rows × features)."""
        rows = len(features)
        if not self.roots or rows == 0:
            return np.full(rows, self.bias)
        single = features.astype(np.float32)
        feature, value = np.asarray(self.feature), np.asarray(self.value, dtype=np.float32)
        left, right = np.asarray(self.left), np.asarray(self.right)
        node = np.tile(np.asarray(self.roots), (rows, 1))
        at = np.arange(rows)[:, None]
        while True:
            split = feature[node]
            inner = split != _LEAF
            if not inner.any():
                break
            below = single[at, np.maximum(split, 0)] < value[node]
            node = np.where(inner, np.where(below, left[node], right[node]), node)
        total: Array = value[node].astype(np.float64).sum(axis=1)
        return self.bias + total
