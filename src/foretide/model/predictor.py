"""The trained model as a value: predicts, is written to bytes and read from them, and needs numpy alone."""

from __future__ import annotations

import numpy as np

from foretide.model.artefact import decode, encode
from foretide.model.base import MIN_SECONDS
from foretide.model.intervals import Regime
from foretide.model.parts import Parts
from foretide.model.table import MAX_SECONDS, Array, Columns, Table


class CompletionTimePredictor:
    """Seconds per inference, with intervals, from a column table (see `foretide.model.table`).

    Every prediction is finite and positive. A device or workload that was not trained on is answered from its columns,
    with a wider interval.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    @property
    def parts(self) -> Parts:
        """What was learned."""
        return self._parts

    def predict(self, columns: Columns | Table) -> Array:
        """Median seconds per inference, one per row. Raises `TableError` on a bad value."""
        return _seconds(self._log_median(Table.of(columns)))

    def predict_interval(self, columns: Columns | Table, coverage: float = 0.9) -> tuple[Array, Array]:
        """Lower and upper seconds that hold `coverage` of the actual times; the median lies between them."""
        table = Table.of(columns)
        median = self._log_median(table)
        half = self._parts.intervals.half_width(self.spread(table), self.regimes(table), coverage)
        return _seconds(median - half), _seconds(median + half)

    def spread(self, columns: Columns | Table) -> Array:
        """Standard deviation of log seconds per row as the model's Gaussian part sees it."""
        return np.sqrt(self._parts.effects.variance(Table.of(columns)))

    def regimes(self, columns: Columns | Table) -> list[tuple[Regime, ...]]:
        """Per row, what is unknown in it."""
        table = Table.of(columns)
        effects, families = self._parts.effects, set(self._parts.families)
        out: list[tuple[Regime, ...]] = []
        for device, workload, family in zip(table.device, table.workload, table.family, strict=True):
            unknown: list[Regime] = []
            if device not in effects.devices:
                unknown.append("device")
            if workload not in effects.workloads:
                unknown.append("workload" if family in families else "family")
            out.append(tuple(unknown) or ("pair",))
        return out

    def save(self) -> bytes:
        """The artefact: deterministic, checksummed, data only. Raises `ArtefactError` if it would be too large."""
        return encode(self._parts)

    @classmethod
    def load(cls, artefact: bytes) -> CompletionTimePredictor:
        """The predictor of an artefact; `ArtefactError` with its reason if it is not sound."""
        return cls(decode(artefact))

    def _log_median(self, table: Table) -> Array:
        parts = self._parts
        log_base = np.log(parts.base.seconds(table))
        return (
            log_base
            + parts.effects.log_factor(table)
            + parts.effects.deviation(table)
            + parts.residual.predict(parts.effects, log_base, table)
        )


def _seconds(logs: Array) -> Array:
    return np.exp(np.clip(logs, np.log(MIN_SECONDS), np.log(MAX_SECONDS)))
