"""The trainers: scikit-learn estimators whose fit makes a `CompletionTimePredictor`, of time or energy."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from foretide.model.predictor import CompletionTimePredictor, Explanation
from foretide.model.table import Array, Columns, Table, TableError
from foretide.model.target import JOULES, SECONDS, Target
from foretide.model.training.assembly import Settings, assemble
from foretide.model.training.calibration import learn_intervals
from foretide.model.training.deviations import with_workloads


class CompletionTimeModel(RegressorMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn is untyped
    """Seconds per inference learned from a column table (see `foretide.model.table`).

    ``trees``, ``depth``, ``learning_rate``: of the boosted residual, per fold; 0 trees leave it out.
    ``deviations``, ``transfer``, ``companions``: whether to learn what is peculiar to known workloads, to tell devices
    with few rows from others, and these from each other; for comparisons.
    ``calibrate``: whether to learn intervals by leaving groups out (some fits more); without it they are the wide
    default.
    ``seed``: equal data and seed give equal bytes of the artefact. ``threads``: of xgboost.

    After `fit`, ``predictor_`` is the trained model by itself.
    """

    target: ClassVar[Target] = SECONDS

    def __init__(
        self,
        *,
        trees: int = 60,
        depth: int = 3,
        learning_rate: float = 0.08,
        deviations: bool = True,
        transfer: bool = True,
        companions: bool = True,
        calibrate: bool = True,
        seed: int = 0,
        threads: int = 1,
    ) -> None:
        self.trees = trees
        self.depth = depth
        self.learning_rate = learning_rate
        self.deviations = deviations
        self.transfer = transfer
        self.companions = companions
        self.calibrate = calibrate
        self.seed = seed
        self.threads = threads

    def fit(
        self,
        X: Columns | Table,  # noqa: N803  scikit-learn's names
        y: object,
        *,
        apart: tuple[Columns | Table, object] | None = None,
    ) -> CompletionTimeModel:
        """Learn from seconds per inference, one per row of X; forgets what was learned before.

        ``apart`` is another such table and its seconds: of workloads that are not in X it teaches what is peculiar to
        them, and nothing else. No prediction of another workload depends on it.

        Raises `TableError`, naming column and row, on a value that cannot be learned from, and on a table without rows.
        """
        table = Table.of(X)
        seconds = self.target.checked(y, len(table))
        if len(table) == 0:
            raise TableError("the table has no rows: give at least one measured time", column="device")
        predictor = self._train(table, seconds)
        if self.calibrate:
            predictor = predictor.with_intervals(
                learn_intervals(table, seconds, self._train, predictor, seed=self.seed)
            )
        if apart is not None and self.deviations:
            predictor = self._taught(predictor, Table.of(apart[0]), apart[1])
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

    def predict_quantile(self, X: Columns | Table, quantile: float) -> Array:  # noqa: N803
        """What the actual value stays below with probability `quantile`."""
        check_is_fitted(self)
        return self.predictor_.predict_quantile(X, quantile)

    def explain(self, X: Columns | Table) -> Explanation:  # noqa: N803
        """The parts of each prediction in seconds."""
        check_is_fitted(self)
        return self.predictor_.explain(X)

    def score(self, X: Columns | Table, y: object) -> float:  # noqa: N803
        """The negative mean absolute percentage error (greater is better), as a fraction."""
        seconds = self.target.checked(y, len(Table.of(X)))
        return -float(np.mean(np.abs(self.predict(X) / seconds - 1.0)))

    def _taught(self, predictor: CompletionTimePredictor, table: Table, seconds: object) -> CompletionTimePredictor:
        left = np.log(self.target.checked(seconds, len(table))) - np.log(predictor.predict(table))
        known = predictor.parts.deviations
        new = np.array([name not in known.workloads for name in table.workload], dtype=np.bool_)
        return predictor.with_deviations(with_workloads(known, table.take(new), left[new]))

    def _train(self, table: Table, seconds: Array) -> CompletionTimePredictor:
        settings = Settings(
            trees=self.trees,
            depth=self.depth,
            learning_rate=self.learning_rate,
            with_deviations=self.deviations,
            with_transfer=self.transfer,
            with_companions=self.companions,
            seed=self.seed,
            threads=self.threads,
        )
        return CompletionTimePredictor(assemble(table, seconds, self.target, settings))


class EnergyModel(CompletionTimeModel):
    """Joules of one inference, by the same machinery."""

    target: ClassVar[Target] = JOULES
