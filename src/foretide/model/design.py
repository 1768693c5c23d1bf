"""What the roofline sees of a row: amounts that cost time, modifiers of all their costs, and factors on the whole.

* *Amounts*: non-negative quantities that cost time in proportion (a call, operators, multiply-adds by kind, bytes), in
  what a device of which nothing is known would need for them.
* *Modifiers*: flags (`x_int8`, …) that change what each kind of amount costs, on each device differently.
* *Factors*: what changes the whole: other workload features, the family, the family together with a flag.

Amounts are never clipped, since they are what extrapolates; modifiers and factors are clipped to the range that was
trained on, because one odd model must not ruin a whole prediction. None of the latter depends on a size, so that no
prediction falls when a size rises.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

import numpy as np

from foretide.model.features import State, amounts, cpus
from foretide.model.table import Array, Table, rows_by
from foretide.model.target import TARGETS, Target, TargetName

MAX_MODIFIERS: Final = 3
"""Of more flags those that vary least act on the whole only: each costs a coefficient per amount and device."""
MAX_FAMILIES: Final = 40
"""Families beyond the most frequent ones count as unknown."""
UNITS: Final = ("macs", "bytes")
WORK: Final = ("macs", "parameter_bytes", "activation_bytes", "op_count")
"""The sizes that cost time; batch and input size are in them already."""


class Scale(State, frozen=True, kw_only=True):
    """How a feature is standardised: what stands in where it is unknown, mean, deviation, trained range."""

    middle: float
    mean: float
    deviation: float
    low: float
    high: float

    def of(self, column: Array) -> Array:
        """The column standardised, clipped to the trained range, without unknown values."""
        known = np.where(np.isfinite(column), column, self.middle)
        return np.asarray((np.clip(known, self.low, self.high) - self.mean) / self.deviation, dtype=np.float64)


class Design(State, frozen=True, kw_only=True):
    """The features that vary in a training table, and how each is made of its columns.

    ``target`` is what the amounts cost. ``sizes`` gives for each known size what stands in where it is unknown.
    ``flagged`` are the pairs of family and modifier.
    """

    target: TargetName
    sizes: dict[str, float]
    amounts: list[str]
    modifiers: list[str]
    factors: list[str]
    scales: dict[str, Scale]
    families: list[str]
    flagged: list[tuple[str, str]]

    @classmethod
    def learn(cls, table: Table, target: Target) -> Design:
        """Take what is known for most rows and varies; amounts wherever one row has any."""
        table = _with_wholes(table)
        sizes = {name: _middle(table.number(name)) for name in WORK if np.isfinite(table.number(name)).any()}
        parts = _folded(amounts(_filled(table, sizes)), {name for name in table.numbers if target.cost(name) > 0.0})
        seen = {name for name, amount in parts.items() if amount.any()}
        # where all work was split a kind never seen still costs as the whole
        seen |= {"call", *(_whole(name) for name in seen if name.startswith("x_"))}
        scales: dict[str, Scale] = {}
        for name in sorted(table.numbers):
            scale = _scale(_feature(table, name)) if _is_feature(name) else None
            if scale is not None:
                scales[name] = scale
        flags = [name for name in scales if is_flag(table.numbers[name])]
        modifiers = sorted(sorted(flags, key=lambda name: (-_variance(table.numbers[name]), name))[:MAX_MODIFIERS])
        families = _families(table)
        return cls(
            target=target.name,
            sizes=sizes,
            amounts=[name for name in sorted(seen) if name == "call" or target.cost(name) > 0.0],
            modifiers=modifiers,
            factors=[name for name in scales if name not in modifiers],
            scales=scales,
            families=families,
            flagged=[(family, flag) for flag in modifiers for family in families],
        )

    @property
    def width(self) -> int:
        """How many coefficients a device has: amounts, modifiers of each amount, factors."""
        return self.block + self.factor_count

    @property
    def block(self) -> int:
        """How many of these are costs and what modifies them."""
        return len(self.amounts) * (1 + len(self.modifiers))

    @property
    def factor_count(self) -> int:
        """How many columns `factors_of` has."""
        return len(self.factors) + len(self.families) + len(self.flagged)

    @property
    def family_columns(self) -> slice:
        """Where among all coefficients those of families lie."""
        return slice(self.width - len(self.families) - len(self.flagged), self.width)

    def amounts_of(self, table: Table) -> Array:
        """Rows × amounts at their prior costs; positive sum."""
        target = TARGETS[self.target]
        parts = _folded(amounts(_filled(_with_wholes(table), self.sizes)), set(self.amounts))
        out = np.column_stack([parts.get(name, np.zeros(len(table))) * target.cost(name) for name in self.amounts])
        return np.asarray(out / cpus(table)[:, None] if target.is_shared else out, dtype=np.float64)

    def modifiers_of(self, table: Table) -> Array:
        """Rows × modifiers, standardised."""
        return self._scaled(table, self.modifiers)

    def factors_of(self, table: Table) -> Array:
        """Rows × factors: standardised features, then 1 for the row's family, then its flags within that."""
        columns = [self._scaled(table, self.factors)]
        family = {name: np.zeros(len(table)) for name in self.families}
        for name, rows in rows_by(table.family).items():
            if name in family:
                family[name][rows] = 1.0
        columns += [family[name][:, None] for name in self.families]
        flags = dict(zip(self.modifiers, self.modifiers_of(table).T, strict=True))
        columns += [(family[name] * flags[flag])[:, None] for name, flag in self.flagged]
        return np.hstack(columns)

    def _scaled(self, table: Table, names: list[str]) -> Array:
        out = np.zeros((len(table), len(names)))
        for place, name in enumerate(names):
            out[:, place] = self.scales[name].of(_feature(table, name))
        return out


def _folded(parts: dict[str, Array], known: set[str]) -> dict[str, Array]:
    """Amounts in which each kind of operator that is not ``known`` counts as the whole it was split from."""
    out = {name: amount for name, amount in parts.items() if name in known or not name.startswith("x_")}
    for name in sorted(parts.keys() - out.keys()):
        out[_whole(name)] = out[_whole(name)] + parts[name]
    return out


def _whole(part: str) -> str:
    return "macs" if part.endswith("_macs") else "activation_bytes"


def _with_wholes(table: Table) -> Table:
    """The table with each whole that is unknown made of its known parts."""
    numbers = dict(table.numbers)
    for unit, whole in (("_macs", "macs"), ("_bytes", "activation_bytes")):
        parts = [column for name, column in table.numbers.items() if name.startswith("x_") and name.endswith(unit)]
        if parts:
            known = np.where(np.isfinite(parts), np.maximum(parts, 0.0), 0.0).sum(axis=0)
            known = np.where(np.isfinite(parts).any(axis=0), known, np.nan)
            column = table.number(whole)
            numbers[whole] = np.where(np.isfinite(column), column, known)
    return Table(table.device, table.workload, table.family, numbers)


def _filled(table: Table, sizes: dict[str, float]) -> Table:
    numbers = dict(table.numbers)
    for name, middle in sizes.items():
        column = table.number(name)
        numbers[name] = np.where(np.isfinite(column), column, middle)
    return Table(table.device, table.workload, table.family, numbers)


def _middle(column: Array) -> float:
    return float(np.median(column[np.isfinite(column)]))


def _is_feature(name: str) -> bool:
    """Whether a column is a modifier or factor: parts of a whole are amounts."""
    return name.startswith("x_") and name.rsplit("_", 1)[-1] not in UNITS


def _feature(table: Table, name: str) -> Array:
    column = table.number(name)
    if name.startswith("x_"):  # a flag stays a flag, a quantity becomes its logarithm
        return np.where(
            np.abs(column) <= 1.0, column, np.sign(column) * (1.0 + np.log(np.maximum(np.abs(column), 1.0)))
        )
    return column


def is_flag(column: Array) -> bool:
    """Whether all that is known of a column is 0 or 1."""
    return bool(np.isin(column[np.isfinite(column)], (0.0, 1.0)).all())


def _variance(column: Array) -> float:
    return float(column[np.isfinite(column)].var())


def _scale(column: Array) -> Scale | None:
    finite = column[np.isfinite(column)]
    if len(finite) * 2 <= len(column) or np.ptp(finite) <= 1e-9 * max(1.0, float(np.abs(finite).max())):
        return None
    middle = float(np.median(finite))
    filled = np.where(np.isfinite(column), column, middle)
    spread = max(float(filled.std()), 1e-9)
    flagged = is_flag(column)
    margin = 0.0 if flagged else 0.1 * spread
    return Scale(
        middle=middle,
        mean=float(filled.mean()),
        deviation=1.0 if flagged else spread,
        low=float(finite.min()) - margin,
        high=float(finite.max()) + margin,
    )


def _families(table: Table) -> list[str]:
    counts = Counter(name for name in table.family if name)
    often = sorted(counts, key=lambda name: (-counts[name], name))[:MAX_FAMILIES]
    return sorted(often) if len(often) > 1 else []
