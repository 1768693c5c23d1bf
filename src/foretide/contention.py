"""What tasks on one node do to each other although each has its cores: memory bandwidth and caches are shared as well.

Beside others a task takes ``1 + coefficient × exposure`` times what it takes alone. Its *exposure* is the share of the
node's cores that other tasks use meanwhile. The *coefficient* is one of a node class and a kind of workload, learned
from tasks that ended (`foretide.contention_fit`), and 0 until it is better than none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Annotated, Final, Literal, NamedTuple, get_args

import msgspec

from foretide.observation import Observation
from foretide.placement.completion import exposure, interference, slowdown
from foretide.signature import Signature

WorkloadKind = Literal["ComputeBound", "MemoryBound"]
"""What a workload mostly waits for, and so how much it suffers from others that read and write memory."""
WORKLOAD_KINDS: Final[tuple[WorkloadKind, ...]] = get_args(WorkloadKind)

COMPUTE_BOUND_MACS_PER_BYTE: Final = 4.0
"""From so many multiply-adds per byte read or written on a workload is compute-bound: networks of dense convolutions
are, those of depthwise convolutions and elementwise operators are not."""
MOST_SHARED: Final = 0.02
"""What a task that shared cores took tells nothing of interference, if sharing had it take longer by more than this."""
MAX_COEFFICIENT: Final = 3.0
"""Beside others that use all other cores of a large node a task takes at most four times what it takes alone."""

Coefficients = Mapping[tuple[str, WorkloadKind], int]
"""In thousandths, by node class and kind; absent means 0."""


def kind_of(signature: Signature) -> WorkloadKind:
    """The kind of a workload, by multiply-adds per byte of its parameters and of its activations, written and read."""
    moved_bytes = signature.parameter_bytes + 2 * signature.activation_bytes
    return "ComputeBound" if signature.macs >= COMPUTE_BOUND_MACS_PER_BYTE * moved_bytes else "MemoryBound"


class Contention(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What was learned of one kind of workload on a node class, and why it is used or not.

    ``pairs`` are the actual times of tasks that were held back, the errors their mean absolute relative errors (each
    counted up to its whole) with the coefficient and without; None where there are too few pairs. The coefficient
    is 0 unless the reason is ``BetterThanNone``.
    """

    kind: WorkloadKind
    coefficient_permille: Annotated[int, msgspec.Meta(ge=0, le=round(1000 * MAX_COEFFICIENT))]
    pairs: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]
    error_permille: Annotated[int, msgspec.Meta(ge=0, le=1000)] | None = None
    error_without_permille: Annotated[int, msgspec.Meta(ge=0, le=1000)] | None = None
    reason: Literal["BetterThanNone", "NotBetter", "TooFewPairs"]


def coefficients_of(learned: Iterable[tuple[str, Iterable[Contention]]]) -> Coefficients:
    """The coefficients that are used, out of what was learned by node class."""
    return {
        (name, each.kind): each.coefficient_permille
        for name, contentions in learned
        for each in contentions
        if each.coefficient_permille
    }


class Presence(NamedTuple):
    """When a task was on a node, in milliseconds since the epoch (infinite if it still is), and the CPU it may use."""

    begin_milliseconds: float
    end_milliseconds: float
    cpu_millis: int


def exposure_permille(
    cpu_millis: int,
    allocatable_millis: int,
    others: Iterable[Presence],
    *,
    begin_milliseconds: int,
    end_milliseconds: int,
) -> int | None:
    """The mean exposure of a task that may use ``cpu_millis``, from the begin of its work to its end, in thousandths.

    None where its limit and those of the others together left the node's cores (`MOST_SHARED`), or it took no time.
    """
    whole = end_milliseconds - begin_milliseconds
    if whole <= 0:
        return None
    changes: dict[float, int] = defaultdict(int, {begin_milliseconds: 0, end_milliseconds: 0})
    for each in others:
        begin, end = max(each.begin_milliseconds, begin_milliseconds), min(each.end_milliseconds, end_milliseconds)
        if begin < end:
            changes[begin] += each.cpu_millis
            changes[end] -= each.cpu_millis
    exposed = slowed = 0.0
    others_millis = 0
    for begin, end in pairwise(sorted(changes)):
        others_millis += changes[begin]
        demand_millis = cpu_millis + others_millis
        exposed += (end - begin) * exposure(others_millis, demand_millis, allocatable_millis)
        slowed += (end - begin) * (slowdown(demand_millis, allocatable_millis) - 1.0)
    return None if slowed > MOST_SHARED * whole else round(1000 * exposed / whole)


def alone(observations: Iterable[Observation], coefficients: Coefficients) -> list[Observation]:
    """The rows as if nobody had been beside: what is known to come from others is taken out of their times."""
    return [_alone(row, coefficients.get((row.node_class, kind_of(row.signature)), 0)) for row in observations]


def _alone(row: Observation, coefficient_permille: int) -> Observation:
    if not coefficient_permille or not row.exposure_permille:
        return row
    factor = interference(coefficient_permille / 1e3, row.exposure_permille / 1e3)
    return msgspec.structs.replace(row, inference_microseconds=max(1, round(row.inference_microseconds / factor)))
