"""What is predicted: seconds or joules of one inference, each a sum over amounts of work times their costs."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

import numpy as np

from foretide.model.table import MAX_SECONDS, Array, TableError, floats

TargetName = Literal["seconds", "joules"]


class Target(NamedTuple):
    """A positive quantity of one inference.

    ``costs`` are prior costs of a unit of each amount; only their shape matters where rows are. An amount that is
    not named costs as the whole it is part of. ``is_shared`` says that twice the CPUs need half of it.
    """

    name: TargetName
    lowest: float
    highest: float
    costs: dict[str, float]
    is_shared: bool

    def cost(self, amount: str) -> float:
        """Prior cost of one unit of an amount; 0 if it costs nothing."""
        if amount in self.costs:
            return self.costs[amount]
        whole = "macs" if amount.endswith("_macs") else "activation_bytes"
        return self.costs[whole]

    def checked(self, values: object, rows: int) -> Array:
        """The values as positive float64, one per row; TableError names the row at fault."""
        found = floats(self.name, values)
        if len(found) != rows:
            raise TableError(f"{len(found)} {self.name} for {rows} rows: give one for each", column=self.name)
        bad = ~(np.isfinite(found) & (found > 0) & (found <= self.highest))
        if bad.any():
            row = int(np.argmax(bad))
            raise TableError(
                f"row {row}: {self.name} is {found[row]}; it must be finite, above 0 and at most {self.highest:.0f}",
                column=self.name,
                row=row,
            )
        return found

    def from_logs(self, logs: Array) -> Array:
        """Values of logarithms, within what is believed."""
        return np.exp(np.clip(logs, np.log(self.lowest), np.log(self.highest)))


_SECONDS_PER_MAC: Final = 1e-10
"""Of one CPU of the device that is assumed while nothing is known."""
_RELATIVE_TIMES: Final = {
    "call": 2e5,
    "op_count": 2e4,
    "macs": 1.0,
    "x_depthwise_macs": 0.3,
    "x_attention_macs": 1.5,
    "parameter_bytes": 1.0,
    "activation_bytes": 2.0,
}
"""In dense multiply-adds, of the order found on CPUs.

A depthwise convolution waits for memory: what it takes goes with its bytes, hardly with the size of its kernel.
"""
_WATTS: Final = 5.0

SECONDS: Final = Target(
    name="seconds",
    lowest=1e-9,
    highest=MAX_SECONDS,
    costs={name: times * _SECONDS_PER_MAC for name, times in _RELATIVE_TIMES.items()},
    is_shared=True,
)
JOULES: Final = Target(
    name="joules",
    lowest=1e-12,
    highest=1e9,
    costs={name: times * _SECONDS_PER_MAC * _WATTS for name, times in _RELATIVE_TIMES.items()},
    is_shared=False,
)
"""Energy: as time, at the power of a board."""

TARGETS: Final[dict[TargetName, Target]] = {target.name: target for target in (SECONDS, JOULES)}
