"""The residual that boosting explains on top of base and effects, and which of its ensembles answers.

Trees are cross-fitted by workload: ensemble f never saw the workloads of fold f. A known workload is answered by the
ensemble that left it out, for its own deviation was learned beside that one; an unknown workload by the mean of all.
"""

from __future__ import annotations

import numpy as np

from foretide.model.effects import Effects
from foretide.model.features import State
from foretide.model.table import Array, Table
from foretide.model.trees import Trees

MAX_LOG = 1.5
"""A residual beyond this factor (4.5) is not believed."""


def residual_features(effects: Effects, log_base: Array, table: Table) -> Array:
    """Rows × features for the trees: shape, base, the device's coefficients, the device's description."""
    return np.column_stack(
        [effects.shape.of(table), log_base, effects.device_coefficients(table), effects.view.of(table)]
    )


class Residual(State, frozen=True, kw_only=True):
    """One ensemble per fold; none where rows did not suffice."""

    ensembles: list[Trees]

    def predict(self, effects: Effects, log_base: Array, table: Table) -> Array:
        """Log factor per row."""
        if not self.ensembles:
            return np.zeros(len(table))
        features = residual_features(effects, log_base, table)
        each = np.column_stack([trees.predict(features) for trees in self.ensembles])
        out: Array = each.mean(axis=1)
        for row, name in enumerate(table.workload):
            known = effects.workloads.get(name)
            if known is not None:
                out[row] = each[row, known.fold]
        return out.clip(-MAX_LOG, MAX_LOG)
