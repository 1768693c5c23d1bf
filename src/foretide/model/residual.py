"""What boosting explains beyond the roofline, on any device, and how far it is believed.

Trees are cross-fitted by workload: ensemble f never saw the workloads of fold f. A known workload is answered by the
ensemble that left it out, for its own deviation was learned beside that one; an unknown workload by the mean of all.
Their sum counts in proportion to how well it foretold what was left out (``belief``, 0 to 1); at 0 there are no trees.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from foretide.model.features import State
from foretide.model.roofline import Work
from foretide.model.table import Array, Table, rows_by
from foretide.model.trees import Trees

MAX_LOG: Final = 1.5
"""A residual beyond this factor (4.5) is not believed."""
SMALLEST_AMOUNT: Final = 1e-12


def residual_features(work: Work, log_base: Array, traits: Array) -> Array:
    """Rows × features: what rises with a size first (amounts, the roofline's time), then modifiers, factors, traits."""
    amounts = np.log(np.maximum(work.amounts, SMALLEST_AMOUNT))
    return np.hstack([amounts, log_base[:, None], work.modifiers, work.factors, traits])


class Residual(State, frozen=True, kw_only=True):
    """One ensemble per fold; none where rows did not suffice, or where they foretold nothing.

    ``folds`` is each known workload's; ``traits`` describe each device by its leading coefficients.
    """

    ensembles: list[Trees]
    belief: float
    folds: dict[str, int]
    traits: dict[str, list[float]]

    def predict(self, work: Work, log_base: Array, table: Table) -> Array:
        """Log factor per row."""
        if not self.ensembles:
            return np.zeros(len(table))
        features = residual_features(work, log_base, traits_of(self.traits, table))
        each = np.column_stack([trees.predict(features) for trees in self.ensembles])
        out: Array = each.mean(axis=1)
        for row, name in enumerate(table.workload):
            fold = self.folds.get(name)
            if fold is not None:
                out[row] = each[row, fold]
        return np.asarray(self.belief * out.clip(-MAX_LOG, MAX_LOG), dtype=np.float64)


def traits_of(traits: Mapping[str, list[float]], table: Table) -> Array:
    """Rows × traits of each row's device; one never seen is as the mean, 0."""
    width = max((len(each) for each in traits.values()), default=0)
    out = np.zeros((len(table), width))
    for name, rows in rows_by(table.device).items():
        if name in traits:
            out[rows] = traits[name]
    return out
