"""What is true of a simulated cluster beside its nodes and tasks: what befalls them, and what nobody plans with."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from foretide.simulate.failures import Failures


@dataclass(frozen=True, slots=True)
class ClassTruth:
    """Of nodes of a class.

    A task takes 1 + ``interference`` × the share of the node's CPU that others there may use times as long. Images are
    pulled at ``pull_bytes_per_second``, but for ``images``, by name, which are there from the start.
    """

    interference: float = 0.0
    pull_bytes_per_second: float = math.inf
    images: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class World:
    """``classes`` are by name. Predictions follow what has ended every ``update_seconds``; infinite for never."""

    classes: Mapping[str, ClassTruth] = field(default_factory=dict)
    failures: Failures = field(default_factory=Failures)
    update_seconds: float = math.inf
