"""The regressors, each with the inputs that it is given; all but the model see a matrix of numbers.

As in the experiment of Parra-Ullauri et al. (arXiv 2411.00859), which the first six remake, inputs are hyperparameters
and hardware, and the target is taken as it is; `log` in a name means that its logarithm is learned, `signature` that
the inputs are what is counted in the graph.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import xgboost
from sklearn.base import BaseEstimator
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import GradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from bench.regressors.dataset import DataSet
from foretide.model import CompletionTimeModel
from foretide.model.table import Array, Indices

THREADS: Final = 1
"""Threads of OpenMP spin at barriers, and on a machine that does something else that costs a hundredfold."""


Answer = Callable[[DataSet, str, Indices, Indices], Array]
"""Learns a target from some rows and tells it for others."""


def _on(inputs: Callable[[DataSet], Array], make: Callable[[], Any]) -> Answer:
    def answer(data: DataSet, target: str, train: Indices, asked: Indices) -> Array:
        matrix, actual = inputs(data), data.target(target)
        return np.asarray(make().fit(matrix[train], actual[train]).predict(matrix[asked]), dtype=np.float64)

    return answer


def _hyperparameters(data: DataSet) -> Array:
    return data.hyperparameters


def _signature(data: DataSet) -> Array:
    return data.signature


def _linear() -> BaseEstimator:
    return make_pipeline(StandardScaler(), LinearRegression())


def _neighbours() -> BaseEstimator:
    return make_pipeline(StandardScaler(), KNeighborsRegressor(5, weights="distance"))


def _forest() -> BaseEstimator:
    return RandomForestRegressor(n_jobs=THREADS, random_state=0)


def _boosting() -> BaseEstimator:
    return GradientBoostingRegressor(random_state=0)


def _xgboost() -> BaseEstimator:
    """Depth and subsample are those of the experiment; what it does not tell is xgboost's default."""
    return xgboost.XGBRegressor(max_depth=12, subsample=0.8, n_jobs=THREADS, random_state=0)


def _xgboost_log() -> BaseEstimator:
    return TransformedTargetRegressor(_xgboost(), func=np.log, inverse_func=np.exp)


def _ours(data: DataSet, target: str, train: Indices, asked: Indices) -> Array:
    measured = data.measured(target)
    return _fitted(measured.table.take(train), measured.seconds[train]).predict(measured.table.take(asked))


def _ours_by_hyperparameters(data: DataSet, target: str, train: Indices, asked: Indices) -> Array:
    measured, scale = data.by_hyperparameters(target), 1.0
    if target != "total_time_s":  # the model refuses what would be more than a day
        scale = 1e9
    learned = _fitted(measured.table.take(train), measured.seconds[train] / scale)
    return learned.predict(measured.table.take(asked)) * scale


def _fitted(table: Any, seconds: Array) -> CompletionTimeModel:  # noqa: ANN401
    return CompletionTimeModel(calibrate=False, threads=THREADS).fit(table, seconds)


ON_HYPERPARAMETERS: Final[dict[str, Answer]] = {
    "linear": _on(_hyperparameters, _linear),
    "neighbours": _on(_hyperparameters, _neighbours),
    "random forest": _on(_hyperparameters, _forest),
    "gradient boosting": _on(_hyperparameters, _boosting),
    "xgboost": _on(_hyperparameters, _xgboost),
    "xgboost log": _on(_hyperparameters, _xgboost_log),
    "foretide on hyperparameters": _ours_by_hyperparameters,
}
ON_SIGNATURE: Final[dict[str, Answer]] = {
    "xgboost on signature": _on(_signature, _xgboost),
    "xgboost log on signature": _on(_signature, _xgboost_log),
    "foretide": _ours,
}
"""For the time alone: multiply-adds and operations are what a signature says."""
OURS: Final = "foretide"
