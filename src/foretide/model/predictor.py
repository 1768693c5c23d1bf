"""The trained model as a value: predicts, is written to bytes and read from them, and needs numpy alone."""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import msgspec
import numpy as np

from foretide.model.artefact import decode, encode
from foretide.model.design import Design
from foretide.model.deviations import Deviations
from foretide.model.intervals import Intervals, Regime
from foretide.model.parts import Parts
from foretide.model.roofline import Costed, Work, cost
from foretide.model.table import Array, Columns, Table, rows_by
from foretide.model.target import TARGETS, Target
from foretide.model.transfer import blended


class Explanation(NamedTuple):
    """The parts of each prediction in seconds, one per row; their sum is the prediction.

    ``compute``, ``memory`` and ``overhead`` (calls and operators) are the roofline's; ``residual`` is what trees and
    the workload's own deviation add or take away; ``transfer`` what other devices say of one that has few rows.
    """

    compute: Array
    memory: Array
    overhead: Array
    residual: Array
    transfer: Array


class _Reckoned(NamedTuple):
    """Log seconds: of the roofline alone, with residual and deviation, and after transfer."""

    costed: Costed
    own: Array
    log_seconds: Array


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
        return self._target.from_logs(self._reckon(Table.of(columns)).log_seconds)

    def predict_interval(self, columns: Columns | Table, coverage: float = 0.9) -> tuple[Array, Array]:
        """Lower and upper seconds that hold `coverage` of the actual times; the median lies between them."""
        table = Table.of(columns)
        reckoned = self._reckon(table)
        half = self._parts.intervals.half_width(
            self._spread(table, reckoned.costed.gradient), self.regimes(table), coverage
        )
        return self._target.from_logs(reckoned.log_seconds - half), self._target.from_logs(reckoned.log_seconds + half)

    def predict_quantile(self, columns: Columns | Table, quantile: float) -> Array:
        """Seconds that the actual time stays below with probability `quantile`, above 0 and below 1."""
        table = Table.of(columns)
        reckoned = self._reckon(table)
        spread = self._spread(table, reckoned.costed.gradient)
        shift = self._parts.intervals.shift(spread, self.regimes(table), quantile)
        return self._target.from_logs(reckoned.log_seconds + shift)

    def explain(self, columns: Columns | Table) -> Explanation:
        """The parts of each row's prediction, in seconds."""
        table = Table.of(columns)
        costed, own, log_seconds = self._reckon(table)
        base, untransferred = self._target.from_logs(costed.log_seconds), self._target.from_logs(own)
        kinds = {"compute": np.zeros(len(table)), "memory": np.zeros(len(table)), "overhead": np.zeros(len(table))}
        for place, name in enumerate(self._design.amounts):
            kinds[_kind(name)] += costed.shares[:, place] * base
        return Explanation(
            **kinds, residual=untransferred - base, transfer=self._target.from_logs(log_seconds) - untransferred
        )

    def spread(self, columns: Columns | Table) -> Array:
        """Standard deviation of log seconds per row as the model's Gaussian parts see it."""
        table = Table.of(columns)
        return self._spread(table, self._reckon(table).costed.gradient)

    def regimes(self, columns: Columns | Table) -> list[tuple[Regime, ...]]:
        """Per row, what is unknown in it."""
        table = Table.of(columns)
        parts, families = self._parts, set(self._parts.families)
        is_measured = np.isfinite(parts.deviations.measured(table))
        out: list[tuple[Regime, ...]] = []
        for row, (device, workload, family) in enumerate(zip(table.device, table.workload, table.family, strict=True)):
            unknown: list[Regime] = ["measured"] if is_measured[row] else []
            if device not in parts.roofline.devices:
                unknown.append("device")
            elif device in parts.transfer.devices:
                unknown.append("few")
            if workload not in parts.deviations.workloads:
                unknown.append("workload" if family in families else "family")
            out.append(tuple(unknown) or ("pair",))
        return out

    def with_intervals(self, intervals: Intervals) -> CompletionTimePredictor:
        """The same predictor with other intervals."""
        return CompletionTimePredictor(msgspec.structs.replace(self._parts, intervals=intervals))

    def with_deviations(self, deviations: Deviations) -> CompletionTimePredictor:
        """The same predictor, told of other peculiarities of workloads."""
        return CompletionTimePredictor(msgspec.structs.replace(self._parts, deviations=deviations))

    def save(self) -> bytes:
        """The artefact: deterministic, checksummed, data only. Raises `ArtefactError` if it would be too large."""
        return encode(self._parts)

    @classmethod
    def load(cls, artefact: bytes) -> CompletionTimePredictor:
        """The predictor of an artefact; `ArtefactError` with its reason if it is not sound."""
        return cls(decode(artefact))

    @property
    def _design(self) -> Design:
        return self._parts.roofline.design

    @property
    def _target(self) -> Target:
        return TARGETS[self._design.target]

    @cached_property
    def _reference_coefficients(self) -> Array:
        devices = self._parts.roofline.devices
        return np.array([devices[name].coefficients for name in self._parts.transfer.references])

    def _reckon(self, table: Table) -> _Reckoned:
        parts = self._parts
        work = Work.of(self._design, table)
        costed = cost(work, parts.roofline.coefficients(table))
        deviation, _ = parts.deviations.of(table)
        own = costed.log_seconds + parts.residual.predict(work, costed.log_seconds, table) + deviation
        return _Reckoned(costed, own, self._transferred(table, work, own))

    def _transferred(self, table: Table, work: Work, own: Array) -> Array:
        transfer = self._parts.transfer
        out = own
        for name, rows in rows_by(table.device).items():
            if name not in transfer.devices:
                continue
            out = out.copy() if out is own else out
            known = self._on_references(table.take(rows), work.take(rows))
            out[rows] = blended(own[rows], known, work.amounts[rows], transfer.devices[name])
        return out

    def _on_references(self, table: Table, work: Work) -> Array:
        """Rows × references: log seconds of each row's work on each known device."""
        known = np.column_stack([cost(work, theta).log_seconds for theta in self._reference_coefficients])
        return np.asarray(known + self._parts.deviations.everywhere(table), dtype=np.float64)

    def _spread(self, table: Table, gradient: Array) -> Array:
        deviations = self._parts.deviations
        _, variance = deviations.of(table)
        own = deviations.measured(table)
        return np.sqrt(np.where(np.isfinite(own), own, self._parts.roofline.variance(table, gradient) + variance))


def _kind(amount: str) -> str:
    if amount in ("call", "op_count"):
        return "overhead"
    return "compute" if amount.endswith("macs") else "memory"
