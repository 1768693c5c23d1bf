"""When a task would end on a node, given what runs there now.

Start-up and work are predicted for a task that has its CPU limit to itself. Tasks hold their limits, so while all
limits on a node fit into its cores nobody is slowed. Where they do not, cores are shared in proportion to the limits
(which is what the kernel's weights come to) and everybody proceeds at ``cores / sum of limits`` of his speed until
somebody ends. For memory bandwidth and caches, which tasks share as well, a task takes longer by what was learned
(`foretide.contention`): as much longer as those there at its beginning would have it if they stayed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

_LOG_ODDS_UPPER = math.log(0.95 / 0.05)
_LOG_TWO = math.log(2)
_SHARPEST = 100.0
_LOWEST_RATIO = 1e-9
_HIGHEST_RATIO = math.exp(-_LOG_ODDS_UPPER / _SHARPEST)
_FARTHEST_LOG_ODDS = 700.0
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

    Completion is taken as log-logistic through the median and the upper bound (95 % quantile): like log-normal, with
    a heavier tail. A task that overruns is therefore not expected to end at once: what remains grows with what has
    passed.
    """
    return remaining_of(task.median_seconds, task.upper_seconds, task.elapsed_seconds)


def remaining_of(median_seconds: float, upper_seconds: float, elapsed_seconds: float) -> float:
    """As `remaining_seconds`, of a completion given by its median and upper bound."""
    median = max(LEAST_SECONDS, median_seconds)
    ratio = median / upper_seconds if upper_seconds > median else 1.0
    if not _LOWEST_RATIO <= ratio <= _HIGHEST_RATIO:
        ratio = max(min(ratio, _HIGHEST_RATIO), _LOWEST_RATIO)
    if elapsed_seconds <= median * ratio * ratio:  # so early that its odds to have ended are a quarter of a percent
        return median - max(elapsed_seconds, 0.0)
    sharpness = _LOG_ODDS_UPPER / -math.log(ratio)
    # The odds that it has ended are (elapsed / median) ** sharpness; half of the chance to go on is left at 1 + 2 odds.
    log_odds = sharpness * math.log(elapsed_seconds / median)
    left = log_odds + _LOG_TWO
    longer = left + math.log1p(math.exp(-left)) if left > 0.0 else math.log1p(math.exp(left))
    return max(median * math.exp(longer / sharpness) - elapsed_seconds, 0.0)


def quantile_seconds(median_seconds: float, upper_seconds: float, percent: int) -> float:
    """The time that ``percent`` of tasks keep to, from 50 to 99, of one given by its median and upper bound."""
    if not 0.0 < median_seconds < upper_seconds:
        return median_seconds
    log_odds = math.log(percent / (100 - percent))
    return median_seconds * math.pow(upper_seconds / median_seconds, log_odds / _LOG_ODDS_UPPER)


def log_logistic_share(median_seconds: float, upper_seconds: float, seconds: float) -> float:
    """The share, 0 to 1, of tasks that keep to ``seconds``: the inverse of `quantile_seconds`."""
    if not 0.0 < median_seconds < upper_seconds:
        return 1.0 if seconds >= median_seconds else 0.0
    if seconds <= 0.0:
        return 0.0
    log_odds = _LOG_ODDS_UPPER * math.log(seconds / median_seconds) / math.log(upper_seconds / median_seconds)
    return 1.0 / (1.0 + math.exp(-log_odds)) if log_odds > -_FARTHEST_LOG_ODDS else 0.0


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
        elapsed += (remaining - done) * slowdown(demand, load.allocatable_millis)
        done = remaining
        demand -= freed
    return elapsed + (alone_seconds - done) * slowdown(demand, load.allocatable_millis)


def slowdown(demand_millis: int, allocatable_millis: int) -> float:
    """How many times as long everything on a node takes while its tasks together may use ``demand_millis``."""
    return max(1.0, demand_millis / max(allocatable_millis, 1))


def exposure(others_millis: int, demand_millis: int, allocatable_millis: int) -> float:
    """The share of a node's cores that other tasks get, which may use so much of what all there may use: 0 to 1."""
    return others_millis / max(demand_millis, allocatable_millis, 1)


def interference(contention: float, exposed: float) -> float:
    """How many times as long a task takes, exposed so much, if it had its cores; ``contention`` is its coefficient."""
    return 1.0 + contention * exposed
