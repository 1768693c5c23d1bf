"""What columns say by their names: amounts of work, and the description of a device.

*Amounts* are non-negative quantities that cost time in proportion (a call, operators, multiply-adds by kind, bytes); a
*description* is made of the logarithms of what a probe or a data sheet says.

Naming convention of columns: `x_<kind>_macs` is the part of `macs` of one kind of operator and `x_<kind>_bytes` the
part of `activation_bytes`; `x_cpu_millis` is the CPU limit; `device_*_per_second` are speeds, `device_*_seconds` the
times of probes.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec
import numpy as np

from foretide.model.table import Array, Table, rows_by

CPU_LIMIT: Final = "x_cpu_millis"
Sign = Literal[-1, 0, 1]
MAD_TO_DEVIATION: Final = 1.4826
MOST_DEVIATIONS: Final = 4.0
LEAST_FURTHEST: Final = 3.0
"""No probe is believed to be further from the middle than so many deviations, or this logarithm."""


class State(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part as the artefact keeps it: plain numbers and texts."""


def amounts(table: Table) -> dict[str, Array]:
    """Non-negative amounts per row by name; unknown ones are 0. `call` is 1: what an inference costs at all."""
    known = {name: np.nan_to_num(table.number(name)) for name in ("macs", "parameter_bytes", "activation_bytes")}
    out = {"call": np.ones(len(table)), "op_count": np.nan_to_num(table.number("op_count"))}
    for unit, whole in (("macs", "macs"), ("bytes", "activation_bytes")):
        rest = known[whole]
        for name in _parts(table, unit):
            part = np.minimum(np.maximum(np.nan_to_num(table.numbers[name]), 0.0), rest)
            rest = rest - part
            out[name] = part
        out[whole] = rest
    out["parameter_bytes"] = known["parameter_bytes"]
    return out


def cpus(table: Table) -> Array:
    """The CPU limit in CPUs, at least a thousandth; 1 where it is not known."""
    millis = table.number(CPU_LIMIT)
    return np.maximum(np.where(np.isfinite(millis) & (millis > 0), millis, 1e3), 1.0) / 1e3


def _parts(table: Table, unit: str) -> list[str]:
    return sorted(name for name in table.numbers if name.startswith("x_") and name.endswith(f"_{unit}"))


class DeviceView(State, frozen=True, kw_only=True):
    """How device columns become a description: per column its middle and deviation of the logarithm over devices.

    A column with a known sense (`sign` +1 probe seconds, -1 speeds, 0 neither) gives a first guess of a device's log
    seconds before any of its times were seen. Of these columns middle and deviation are the median and the median
    absolute deviation, and no value counts for more than four deviations: a probe may be wrong by any factor.
    """

    names: list[str]
    mean: list[float]
    deviation: list[float]
    sign: list[Sign]

    @classmethod
    def learn(cls, table: Table) -> DeviceView:
        """Take the device columns that at least one device has; statistics are over devices, not rows."""
        devices = devices_of(table)
        names, mean, deviation, sign = [], [], [], []
        for name in sorted(devices.numbers):
            column = _log(devices.numbers[name], name)
            finite = column[np.isfinite(column)]
            if len(finite) == 0:
                continue
            middle, spread = float(finite.mean()), float(finite.std())
            if _sense(name):
                middle = float(np.median(finite))
                spread = MAD_TO_DEVIATION * float(np.median(np.abs(finite - middle)))
            names.append(name)
            mean.append(middle)
            deviation.append(spread)
            sign.append(_sense(name))
        return cls(names=names, mean=mean, deviation=deviation, sign=sign)

    def guess(self, table: Table) -> tuple[Array, Array]:
        """First guess of log seconds relative to the mean device, and in how many known columns it is founded."""
        total, count = np.zeros(len(table)), np.zeros(len(table))
        for j, name in enumerate(self.names):
            if self.sign[j] == 0:
                continue
            # a probe's model is run, not only counted: it tells more than a peak
            weight = 2.0 if self.sign[j] > 0 else 1.0
            furthest = max(MOST_DEVIATIONS * self.deviation[j], LEAST_FURTHEST)
            value = np.clip(_log(table.number(name), name) - self.mean[j], -furthest, furthest)
            known = np.isfinite(value)
            total += np.where(known, weight * self.sign[j] * value, 0.0)
            count += np.where(known, weight, 0.0)
        return np.divide(total, count, out=np.zeros(len(table)), where=count > 0), count

    def of(self, table: Table) -> Array:
        """Standardised description (rows × names), 0 where unknown, clipped to three deviations."""
        out = np.zeros((len(table), len(self.names)))
        for j, name in enumerate(self.names):
            if self.deviation[j] > 1e-9:
                value = (_log(table.number(name), name) - self.mean[j]) / self.deviation[j]
                out[:, j] = np.clip(np.nan_to_num(value), -3.0, 3.0)
        return out


def devices_of(table: Table) -> Table:
    """A row per device, in sorted order: of each `device_` column the first value that is known."""
    rows = rows_by(table.device)
    names = sorted(rows)
    numbers: dict[str, Array] = {}
    for name, column in table.numbers.items():
        if name.startswith("device_"):
            known = [column[rows[device]][np.isfinite(column[rows[device]])] for device in names]
            numbers[name] = np.array([each[0] if len(each) else np.nan for each in known])
    blank = np.full(len(names), "", dtype=object)
    return Table(np.array(names, dtype=object), blank, blank, numbers)


def _sense(name: str) -> Sign:
    if name.endswith("_per_second"):
        return -1
    return 1 if name.endswith("_seconds") else 0


def _log(column: Array, name: str) -> Array:
    if _sense(name) != 0:  # a speed or a time of 0 says nothing
        return np.log(np.where(column > 0, column, np.nan))
    return np.sign(column) * np.log1p(np.abs(column))
