"""Which nodes a task must not go to: where it would be killed, or too probably miss its objective.

A refusal is only worth something while another node would do. If a check would refuse every node it refuses none and
says so: a Pod must never wait for ever because of a prediction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from foretide.latency import request_quantile_seconds
from foretide.prediction import SUREST_FIRST, USUAL_PERCENTILE, Prediction, Source

MEMORY_LIMIT_TOO_LOW: Final = "PredictedOutOfMemory"
"""The predicted memory exceeds the Pod's limit: it would be OOM-killed."""
NODE_MEMORY_TOO_LOW: Final = "NodeMemoryTooSmall"
"""The predicted memory exceeds what the node has to give and is not in use."""
DEADLINE_HOPELESS: Final = "DeadlineUnreachable"
"""Fewer tasks than the workload asks for would end before the deadline, by prediction."""
LATENCY_HOPELESS: Final = "LatencyUnreachable"
"""Fewer requests than the workload asks for would keep to its latency though nobody is ahead of them, by prediction."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A node as admission sees it; ``prediction`` is None where nothing is predicted, and then nothing is refused."""

    prediction: Prediction | None
    allocatable_memory_bytes: int | None
    memory_in_use_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Demand:
    """What the task asks for; ``seconds_left`` until its deadline, None without one.

    ``percentile`` of such tasks, in per cent, should meet it. Of a service requests should keep to ``latency_seconds``.
    """

    inferences: int
    memory_limit_bytes: int | None
    seconds_left: float | None
    percentile: int = USUAL_PERCENTILE
    latency_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Needs:
    """The most that a task needs on any class: memory, and the seconds that a percentile of such tasks keep to.

    ``request_seconds`` are those that a percentile of requests to a service keep to.

    ``source`` is that of the surest prediction.
    """

    memory_bytes: int
    seconds: float
    request_seconds: float
    source: Source

    @classmethod
    def of(cls, predictions: Iterable[Prediction], inferences: int, percentile: int) -> Needs:
        """By the predictions for all classes; there is at least one."""
        found = list(predictions)
        return cls(
            max(each.memory_bytes for each in found),
            max(each.completion_quantile_seconds(inferences, percentile) for each in found),
            max(request_quantile_seconds(each, percentile) for each in found),
            min((each.source for each in found), key=SUREST_FIRST.index),
        )

    def are_within(self, demand: Demand) -> bool:
        """Whether no class is out for the Pod's limit or the objective; what nodes have to give is another matter."""
        return all(
            bound is None or need <= bound
            for need, bound in (
                (self.memory_bytes, demand.memory_limit_bytes),
                (self.seconds, demand.seconds_left),
                (self.request_seconds, demand.latency_seconds),
            )
        )


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a node is out: a constant reason, and a message with the figures."""

    reason: str
    message: str

    def __str__(self) -> str:
        return f"{self.reason}: {self.message}"


@dataclass(frozen=True, slots=True)
class Admission:
    """The outcome for each candidate in order: None where it passes.

    ``overruled`` holds the reasons of the checks that would have left no node and were therefore set aside.
    """

    refusals: tuple[Refusal | None, ...]
    overruled: tuple[str, ...] = ()


def check_memory(candidate: Candidate, demand: Demand) -> Refusal | None:
    """Whether the task would run out of memory there."""
    prediction = candidate.prediction
    if prediction is None:
        return None
    needed = prediction.memory_bytes
    if demand.memory_limit_bytes is not None and needed > demand.memory_limit_bytes:
        return Refusal(
            MEMORY_LIMIT_TOO_LOW,
            f"needs up to {_mib(needed)} on {prediction.node_class} by prediction ({prediction.source}), "
            f"the Pod's limit is {_mib(demand.memory_limit_bytes)}",
        )
    allocatable, in_use = candidate.allocatable_memory_bytes, candidate.memory_in_use_bytes
    if allocatable is not None and needed > allocatable - in_use:
        others = f", of which {_mib(in_use)} are in use" if in_use else ""
        return Refusal(
            NODE_MEMORY_TOO_LOW,
            f"needs up to {_mib(needed)} by prediction ({prediction.source}), "
            f"the node has {_mib(allocatable)} allocatable{others}",
        )
    return None


def check_deadline(candidate: Candidate, demand: Demand) -> Refusal | None:
    """Whether fewer tasks than asked for would meet the deadline there, with nothing else on the node."""
    prediction = candidate.prediction
    if prediction is None or demand.seconds_left is None:
        return None
    seconds = prediction.completion_quantile_seconds(demand.inferences, demand.percentile)
    if seconds <= demand.seconds_left:
        return None
    return Refusal(
        DEADLINE_HOPELESS,
        f"{demand.percentile} % of tasks take up to {seconds:.1f} s on {prediction.node_class} by prediction "
        f"({prediction.source}), {max(demand.seconds_left, 0.0):.1f} s are left until the deadline",
    )


def check_latency(candidate: Candidate, demand: Demand) -> Refusal | None:
    """Whether fewer requests than asked for would keep to the latency there, with nothing else on the node."""
    prediction = candidate.prediction
    if prediction is None or demand.latency_seconds is None:
        return None
    seconds = request_quantile_seconds(prediction, demand.percentile)
    if seconds <= demand.latency_seconds:
        return None
    return Refusal(
        LATENCY_HOPELESS,
        f"{demand.percentile} % of requests take up to {1e3 * seconds:.1f} ms on {prediction.node_class} by prediction "
        f"({prediction.source}), {1e3 * demand.latency_seconds:.0f} ms are asked for",
    )


_CHECKS: Final[tuple[Callable[[Candidate, Demand], Refusal | None], ...]] = (
    check_memory,  # would be killed
    check_deadline,  # would come too late
    check_latency,  # would answer too late
)


def admit(candidates: Sequence[Candidate], demand: Demand) -> Admission:
    """Which of ``candidates`` the task may go to; at least one always passes if there is any."""
    refusals: list[Refusal | None] = [None] * len(candidates)
    overruled: set[str] = set()
    for check in _CHECKS:
        found = {
            index: refusal
            for index, candidate in enumerate(candidates)
            if refusals[index] is None and (refusal := check(candidate, demand)) is not None
        }
        if len(found) == refusals.count(None):
            overruled.update(refusal.reason for refusal in found.values())
            continue
        for index, refusal in found.items():
            refusals[index] = refusal
    return Admission(tuple(refusals), tuple(sorted(overruled)))


def _mib(size_bytes: int) -> str:
    return f"{size_bytes / 2**20:.0f} MiB"
