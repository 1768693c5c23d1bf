"""The trainer: a scikit-learn estimator whose fit makes a `CompletionTimePredictor`."""

from __future__ import annotations

import functools

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from foretide.model.intervals import Intervals
from foretide.model.parts import Parts
from foretide.model.predictor import CompletionTimePredictor
from foretide.model.table import Array, Columns, Table, TableError, checked_seconds
from foretide.model.training.base import learn_base
from foretide.model.training.calibration import learn_intervals
from foretide.model.training.effects import learn_effects, with_deviations
from foretide.model.training.residual import assign_folds, learn_residual


class CompletionTimeModel(RegressorMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """Seconds per inference learned from a column table (see `foretide.model.table`).

    ``trees``, ``depth``, ``learning_rate``: of the boosted residual, per fold; 0 trees leave it out.
    ``calibrate``: whether to learn intervals by leaving groups out (some fits more); without it they are
    the wide default.
    ``seed``: equal data and seed give equal bytes of the artefact. ``threads``: of xgboost.

    After `fit`, ``predictor_`` is the trained model by itself.
    """

    def __init__(
        self,
        *,
        trees: int = 80,
        depth: int = 4,
        learning_rate: float = 0.1,
        calibrate: bool = True,
        seed: int = 0,
        threads: int = 1,
    ) -> None:
        self.trees = trees
        self.depth = depth
        self.learning_rate = learning_rate
        self.calibrate = calibrate
        self.seed = seed
        self.threads = threads

    def fit(self, X: Columns | Table, y: object) -> CompletionTimeModel:  # noqa: N803  scikit-learn's names
        """Learn from seconds per inference, one per row of X; forgets what was learned before.

        Raises `TableError`, naming column and row, on a value that cannot be learned from, and on a table without rows.
        """
        table = Table.of(X)
        seconds = checked_seconds(y, len(table))
        if len(table) == 0:
            raise TableError("the table has no rows: give at least one measured time", column="device")
        predictor = self._train(table, seconds)
        if self.calibrate:
            intervals = learn_intervals(table, seconds, self._train, seed=self.seed)
            parts = predictor.parts
            predictor = CompletionTimePredictor(
                Parts(
                    base=parts.base,
                    effects=parts.effects,
                    residual=parts.residual,
                    intervals=intervals,
                    families=parts.families,
                )
            )
        self.predictor_ = predictor
        return self

    def predict(self, X: Columns | Table) -> Array:  # noqa: N803
        """Median seconds per inference, one per row."""
        check_is_fitted(self)
        return self.predictor_.predict(X)

    def predict_interval(self, X: Columns | Table, coverage: float = 0.9) -> tuple[Array, Array]:  # noqa: N803
        """Lower and upper seconds that hold `coverage` of the actual times."""
        check_is_fitted(self)
        return self.predictor_.predict_interval(X, coverage)

    def score(self, X: Columns | Table, y: object) -> float:  # noqa: N803
        """The negative mean absolute percentage error (greater is better), as a fraction."""
        seconds = checked_seconds(y, len(Table.of(X)))
        return -float(np.mean(np.abs(self.predict(X) / seconds - 1.0)))

    def _train(self, table: Table, seconds: Array) -> CompletionTimePredictor:
        base = learn_base(table, seconds)
        log_base = np.log(base.seconds(table))
        target = np.log(seconds) - log_base
        effects = learn_effects(table, target, assign_folds(table, self.seed))
        learn = functools.partial(
            learn_residual,
            trees=self.trees,
            depth=self.depth,
            learning_rate=self.learning_rate,
            seed=self.seed,
            threads=self.threads,
        )
        without_deviation = target - effects.log_factor(table)
        residual = learn(table, without_deviation, effects, log_base)
        if residual.ensembles:
            left = without_deviation - residual.predict(effects, log_base, table)
            effects = with_deviations(effects, table, left)
        return CompletionTimePredictor(
            Parts(
                base=base,
                effects=effects,
                residual=residual,
                intervals=Intervals(scores={}),
                families=sorted(set(table.family)),
            )
        )
