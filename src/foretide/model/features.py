"""What columns say by their names: amounts of work, and the description of a device.

*Amounts* are non-negative quantities that cost time in proportion (a call, operators, multiply-adds by kind, bytes); a
*description* is made of the logarithms of what a probe or a data sheet says.

Naming convention of columns: `x_<kind>_macs` is the part of `macs` of one kind of operator and `x_<kind>_bytes` the
part of `activation_bytes`; `x_cpu_millis` is the CPU limit; `device_*_per_second` are speeds, `device_*_seconds` the
times of probes.
"""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np

from foretide.model.table import Array, Table

CPU_LIMIT: Final = "x_cpu_millis"


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
    """How device columns become a description: per column its mean and deviation of the logarithm over devices.

    A column with a known sense (`sign` +1 probe seconds, -1 speeds, 0 neither) gives a first guess of a device's log
    seconds before any of its times were seen.
    """

    names: list[str]
    mean: list[float]
    deviation: list[float]
    sign: list[int]

    @classmethod
    def learn(cls, table: Table) -> DeviceView:
        """Take the device columns that at least one device has; statistics are over devices, not rows."""
        first = first_rows(table)
        names, mean, deviation, sign = [], [], [], []
        for name in sorted(table.numbers):
            if not name.startswith("device_"):
                continue
            column = _log(table.numbers[name][list(first.values())], name)
            finite = column[np.isfinite(column)]
            if len(finite) == 0:
                continue
            names.append(name)
            mean.append(float(finite.mean()))
            deviation.append(float(finite.std()))
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
            value = _log(table.number(name), name) - self.mean[j]
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


def first_rows(table: Table) -> dict[str, int]:
    """Device → its first row, devices in sorted order."""
    first: dict[str, int] = {}
    for row, name in enumerate(table.device):
        first.setdefault(name, row)
    return {name: first[name] for name in sorted(first)}


def _sense(name: str) -> int:
    if name.endswith("_per_second"):
        return -1
    return 1 if name.endswith("_seconds") else 0


def _log(column: Array, name: str) -> Array:
    if _sense(name) != 0:  # a speed or a time of 0 says nothing
        return np.log(np.where(column > 0, column, np.nan))
    return np.sign(column) * np.log1p(np.abs(column))
