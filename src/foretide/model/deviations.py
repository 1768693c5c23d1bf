"""What is peculiar to a known workload: how its times depart from what its features say, alike on like devices.

The deviations u_wd of one workload w on all devices d are drawn from N(0, Ω) with one covariance Ω of devices: what was
seen of a workload on some devices tells what it will be on others, the more so the more alike they are. A device with
too few rows to be one of those gets the mean over them.
"""

from __future__ import annotations

import numpy as np

from foretide.model.features import State
from foretide.model.table import Array, Table


class WorkloadDeviation(State, frozen=True, kw_only=True):
    """Log seconds: the mean over devices, on each of `Deviations.devices`, and the variance left of these.

    ``rows`` has a digit per device: how many rows were seen there, at most 9; 0 also where they were not as predicted.
    """

    common: float
    by_device: list[float]
    variance: float
    rows: str


class Deviations(State, frozen=True, kw_only=True):
    """Of known workloads; ``unknown_variance`` is that of a workload never seen, log seconds squared.

    ``noise`` is per device the variance of one row about what its pair takes.
    """

    devices: list[str]
    workloads: dict[str, WorkloadDeviation]
    unknown_variance: float
    noise: list[float]

    def of(self, table: Table) -> tuple[Array, Array]:
        """Deviation in log seconds and its variance, per row; 0 for a workload never seen."""
        place = {name: index for index, name in enumerate(self.devices)}
        out, variance = np.zeros(len(table)), np.full(len(table), self.unknown_variance)
        for row, (workload, device) in enumerate(zip(table.workload, table.device, strict=True)):
            known = self.workloads.get(workload)
            if known is None:
                continue
            index = place.get(device)
            out[row] = known.common if index is None else known.by_device[index]
            variance[row] = known.variance if index is not None else self.unknown_variance / 2.0
        return out, variance

    def measured(self, table: Table) -> Array:
        """Variance of the next time of each row's pair where rows of that very pair were seen, NaN elsewhere."""
        place = {name: index for index, name in enumerate(self.devices)}
        out = np.full(len(table), np.nan)
        for row, (workload, device) in enumerate(zip(table.workload, table.device, strict=True)):
            known, index = self.workloads.get(workload), place.get(device)
            if known is not None and index is not None and known.rows[index] != "0":
                out[row] = self.noise[index] * (1.0 + 1.0 / int(known.rows[index]))
        return out

    def everywhere(self, table: Table) -> Array:
        """Rows × `devices`: the deviation of each row's workload on each of them."""
        out = np.zeros((len(table), len(self.devices)))
        for row, workload in enumerate(table.workload):
            known = self.workloads.get(workload)
            if known is not None:
                out[row] = known.by_device
        return out

    def common(self, table: Table) -> Array:
        """The mean deviation of each row's workload over devices."""
        known = (self.workloads.get(workload) for workload in table.workload)
        return np.array([0.0 if each is None else each.common for each in known])
