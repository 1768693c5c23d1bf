"""The analytic base: what an inference costs on the mean device, as a non-negative sum over counted amounts.

    seconds = (Σ_k cost_k · amount_k) / CPUs

in the manner of a roofline taken as a sum: calls, operators, multiply-adds by kind, bytes. It extrapolates where trees
cannot and never falls when an amount rises. Costs start from `PRIOR_COSTS` and move only as far as rows support.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from foretide.model.features import State, amounts, cpus
from foretide.model.table import Array, Table

PRIOR_COSTS: Final = {
    "call": 2e5,
    "op_count": 2e4,
    "macs": 1.0,
    "x_depthwise_macs": 4.0,
    "x_attention_macs": 1.5,
    "parameter_bytes": 1.0,
    "activation_bytes": 2.0,
}
"""Relative costs in dense multiply-adds, of the order found on CPUs; only their shape matters."""
MACS_PER_SECOND: Final = 1e10
"""Of one CPU of the device that is assumed while nothing is known."""
MIN_SECONDS: Final = 1e-9


def prior_cost(name: str) -> float:
    """Seconds per unit of amount `name` on a device of which nothing is known."""
    fallback = "macs" if name.endswith("_macs") else "activation_bytes"
    return PRIOR_COSTS.get(name, PRIOR_COSTS[fallback]) / MACS_PER_SECOND


class AnalyticBase(State, frozen=True, kw_only=True):
    """Costs in seconds per unit and CPU, by name of amount."""

    costs: dict[str, float]

    def seconds(self, table: Table) -> Array:
        """Seconds per inference on the mean device; positive."""
        total = np.zeros(len(table))
        parts = amounts(table)
        for name, amount in parts.items():
            total += self._cost(name) * amount
        return np.maximum(total / cpus(table), MIN_SECONDS)

    def _cost(self, name: str) -> float:
        if name in self.costs:
            return self.costs[name]
        # a kind never seen in training costs as much as the whole it was split from
        return self.costs.get("macs" if name.endswith("_macs") else "activation_bytes", prior_cost(name))
