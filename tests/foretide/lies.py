"""What a namespace might report in place of what its tasks took."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Final

import msgspec

from foretide.observation import Observation

Lie = Callable[[list[Observation]], list[Observation]]


def _times(factor_of: Callable[[Observation, random.Random], float]) -> Lie:
    def lie(rows: list[Observation]) -> list[Observation]:
        chance = random.Random(5)
        return [
            msgspec.structs.replace(
                row, inference_microseconds=max(1, round(row.inference_microseconds * factor_of(row, chance)))
            )
            for row in rows
        ]

    return lie


def _signatures(rows: list[Observation]) -> list[Observation]:
    """Sizes that have nothing to do with the work, the same for a workload everywhere."""
    chance = random.Random(7)
    sizes = {
        row.workload: [round(10 ** chance.uniform(1, 17)) for _ in range(4)]
        for row in sorted(rows, key=lambda row: row.workload)
    }
    return [
        msgspec.structs.replace(
            row,
            signature=msgspec.structs.replace(
                row.signature,
                macs=sizes[row.workload][0],
                parameter_bytes=sizes[row.workload][1],
                activation_bytes=sizes[row.workload][2],
                operator_count=sizes[row.workload][3],
                by_kind={},
            ),
        )
        for row in rows
    ]


def _other_sizes(rows: list[Observation]) -> list[Observation]:
    """Sizes that are wrong by a factor of e or so, the same for a workload everywhere."""
    chance = random.Random(9)
    factors = {row.workload: [math.exp(chance.gauss(0, 1)) for _ in range(3)] for row in rows}
    return [
        msgspec.structs.replace(
            row,
            signature=msgspec.structs.replace(
                row.signature,
                macs=round(row.signature.macs * factors[row.workload][0]),
                parameter_bytes=round(row.signature.parameter_bytes * factors[row.workload][1]),
                activation_bytes=round(row.signature.activation_bytes * factors[row.workload][2]),
            ),
        )
        for row in rows
    ]


def _one_class(rows: list[Observation]) -> list[Observation]:
    """A hundred times as slow on the class of the first row, and the truth elsewhere."""
    name = rows[0].node_class
    return _times(lambda row, _: 100.0 if row.node_class == name else 1.0)(rows)


LIES: Final[dict[str, Lie]] = {
    "slow": _times(lambda _row, _chance: 100.0),
    "fast": _times(lambda _row, _chance: 0.01),
    "random": _times(lambda _row, chance: 10 ** chance.uniform(-2, 2)),
    "scattered": _times(lambda _row, chance: 3 ** chance.uniform(-1, 1)),
    "subtle": _times(lambda _row, _chance: 1.5),
    "signatures": _signatures,
    "other sizes": _other_sizes,
    "one class": _one_class,
}
