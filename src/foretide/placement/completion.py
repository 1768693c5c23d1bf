"""When a task would end on a node, given what runs there now.

Start-up and work are predicted for a task that has its CPU limit to itself. Tasks hold their limits, so while all
limits on a node fit into its cores nobody is slowed. Where they do not, cores are shared in proportion to the limits
(which is what the kernel's weights come to) and everybody proceeds at ``cores / sum of limits`` of his speed until
somebody ends. Memory bandwidth and caches, which tasks share as well, are not modelled yet.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

_STANDARD = NormalDist()
_UPPER_QUANTILE_Z = _STANDARD.inv_cdf(0.95)
_LEAST_SPREAD = 0.02
_FAR_TAIL_Z = 30.0
LEAST_SECONDS = 1e-3
"""The shortest completion that is told from none; all times are at least this, so that ratios exist."""


@dataclass(frozen=True, slots=True)
class RunningTask:
    """A task bound to the node and not ended; bound but not started counts.

    ``median_seconds`` and ``upper_seconds`` are its predicted completion alone, counted from the binding, which was
    ``elapsed_seconds`` ago.
    """

    cpu_millis: int
    median_seconds: float
    upper_seconds: float
    elapsed_seconds: float


@dataclass(frozen=True, slots=True)
class NodeLoad:
    """What a node has and what is on it.

    ``steady_millis`` is the CPU of all that runs there and of whose end nothing is known: requests of other Pods,
    limits of our services and of tasks without prediction.
    """

    allocatable_millis: int
    steady_millis: int = 0
    tasks: Sequence[RunningTask] = ()

    @property
    def demand_millis(self) -> int:
        """The CPU that everything on the node may use together."""
        return self.steady_millis + sum(task.cpu_millis for task in self.tasks)


def remaining_seconds(task: RunningTask) -> float:
    """The median of what remains of a task, given that it has not ended yet.

    Completion is taken as log-normal through the median and the upper bound (95 % quantile). A task that overruns is
    not expected to end at once: the longer it is over, the longer it will go on.
    """
    median = max(task.median_seconds, LEAST_SECONDS)
    if task.elapsed_seconds <= 0:
        return median
    spread = max(math.log(max(task.upper_seconds / median, 1.0)) / _UPPER_QUANTILE_Z, _LEAST_SPREAD)
    z = math.log(task.elapsed_seconds / median) / spread
    if z < _FAR_TAIL_Z:
        still_running = math.erfc(z / math.sqrt(2)) / 2
        later = -_STANDARD.inv_cdf(still_running / 2)
    else:  # P(Z > z + ln 2 / z) is half of P(Z > z) out there
        later = z + math.log(2) / z
    return max(median * math.exp(spread * later) - task.elapsed_seconds, 0.0)


def completion_seconds(alone_seconds: float, cpu_millis: int, load: NodeLoad) -> float:
    """Seconds from now until a task bound now has ended.

    ``alone_seconds`` is its predicted completion with nothing else on the node, ``cpu_millis`` the CPU it may use.
    """
    alone_seconds = max(alone_seconds, LEAST_SECONDS)
    demand = load.demand_millis + cpu_millis
    if demand <= load.allocatable_millis:
        return alone_seconds
    elapsed = done = 0.0
    for remaining, freed in sorted((remaining_seconds(task), task.cpu_millis) for task in load.tasks):
        if remaining >= alone_seconds:
            break
        elapsed += (remaining - done) * _slowdown(demand, load.allocatable_millis)
        done = remaining
        demand -= freed
    return elapsed + (alone_seconds - done) * _slowdown(demand, load.allocatable_millis)


def _slowdown(demand_millis: int, allocatable_millis: int) -> float:
    return max(1.0, demand_millis / max(allocatable_millis, 1))
