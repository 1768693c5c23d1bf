"""When simulated nodes are lost and come back.

A node that is lost does nothing more, and nobody knows at first. Kubernetes takes it out of service when it has not
been heard for `Failures.notice_seconds`, and gives up the Pods there `Failures.eviction_seconds` later; then they are
made anew elsewhere. A node that is back before that has them made anew at once: their containers are gone.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from foretide.placement.plan import NodeState

NOTICE_SECONDS: Final = 50.0
"""`--node-monitor-grace-period` of kube-controller-manager (40 s up to Kubernetes 1.31)."""
EVICTION_SECONDS: Final = 300.0
"""What every Pod tolerates `node.kubernetes.io/unreachable` for, unless it says otherwise."""


@dataclass(frozen=True, slots=True)
class Wear:
    """How nodes of a class fail: so many seconds apart on average, by chance, each time gone for so long."""

    mean_seconds: float
    repair_seconds: float


@dataclass(frozen=True, slots=True)
class Loss:
    """A node, by name, that is lost at a time, for so long (infinite for ever)."""

    node: str
    at_seconds: float
    repair_seconds: float = math.inf


@dataclass(frozen=True, slots=True)
class Failures:
    """Which nodes are lost: by chance, by class, and at given times. When that is noticed and acted on: see above."""

    wear: Mapping[str, Wear] = field(default_factory=dict)
    losses: Sequence[Loss] = ()
    notice_seconds: float = NOTICE_SECONDS
    eviction_seconds: float = EVICTION_SECONDS


class Chance:
    """Draws when nodes fail by chance: for each node from a stream of its own, so that no other changes it."""

    def __init__(self, wear: Mapping[str, Wear], seed: int) -> None:
        self._wear = wear
        self._seed = seed
        self._streams: dict[str, random.Random] = {}

    def next_failure(self, node: NodeState, now_seconds: float) -> tuple[float, float] | None:
        """When a node that is there fails next, and how long it will be gone; None if it never does by chance."""
        wear = self._wear.get(node.node_class or "")
        if wear is None:
            return None
        stream = self._streams.get(node.name)
        if stream is None:
            stream = self._streams[node.name] = random.Random(f"{self._seed} {node.name}")  # noqa: S311  no secret
        return now_seconds + stream.expovariate(1.0 / wear.mean_seconds), wear.repair_seconds
