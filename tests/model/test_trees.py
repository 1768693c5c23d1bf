import numpy as np
import pytest
import xgboost

from foretide.model.training.residual import flatten
from foretide.model.trees import Trees


@pytest.mark.parametrize("depth", [1, 4, 7])
def test_numpy_walks_the_trees_as_xgboost_does(depth: int) -> None:
    random = np.random.default_rng(depth)
    features = random.normal(size=(500, 6))
    features[:, 2] = np.round(features[:, 2])  # values on the very thresholds
    target = features[:, 0] * features[:, 2] + np.sin(features[:, 3])
    booster = xgboost.train(
        {"max_depth": depth, "base_score": 0.25, "verbosity": 0}, xgboost.DMatrix(features, target), num_boost_round=30
    )
    asked = random.normal(size=(300, 6))
    asked[:, 2] = np.round(asked[:, 2])
    trees = flatten(booster)
    assert trees.is_sound(6)
    np.testing.assert_allclose(trees.predict(asked), booster.predict(xgboost.DMatrix(asked)), atol=1e-5)


def test_no_trees_give_the_bias() -> None:
    empty = Trees(bias=0.5, roots=[], feature=[], value=[], left=[], right=[])
    assert empty.predict(np.zeros((3, 2))).tolist() == [0.5, 0.5, 0.5]


@pytest.mark.parametrize(
    ("feature", "left", "right"),
    [([0, -1, -1], [0, 0, 0], [2, 0, 0]), ([9, -1, -1], [1, 0, 0], [2, 0, 0]), ([0, -1, -1], [1, 0, 0], [3, 0, 0])],
)
def test_trees_that_would_not_end_or_leave_the_arrays_are_unsound(
    feature: list[int], left: list[int], right: list[int]
) -> None:
    assert not Trees(bias=0.0, roots=[0], feature=feature, value=[0.0] * 3, left=left, right=right).is_sound(2)
