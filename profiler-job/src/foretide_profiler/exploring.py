"""What a profile measures while time is left of it: the model beside a co-runner, and at other batch sizes.

The workload's own figures are complete before any of this begins, and none of it can spoil them: what does not fit into
the time or the memory, or is refused by the model, is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import msgspec

from foretide.results import BatchTime, Interference
from foretide_profiler import co_runner
from foretide_profiler.failures import ProfilerError
from foretide_profiler.measuring import SECOND, Clock, Measurement, Plan, measure, why_unstable
from foretide_profiler.output import progress

SAMPLES: Final = 16
SECONDS: Final = 1.0
"""Enough of each, for a figure of less weight than the workload's own."""

FEWEST_INFERENCES: Final = 8
"""The first one, some to warm up, and some to measure: what would not get so far is not begun."""

_USABLE_SHARE: Final = 0.9
"""Of the memory limit: beyond it the kernel would end the process, and with it all that was measured."""
_GROWTH_MARGIN: Final = 1.5


@dataclass(frozen=True, slots=True)
class Own:
    """What is known from the workload's own batch size: mean nanoseconds of an inference, and bytes held.

    ``loaded_bytes`` before the first inference, ``peak_bytes`` afterwards.
    """

    batch_size: int
    mean_nanoseconds: float
    loaded_bytes: int
    peak_bytes: int


@dataclass(frozen=True, slots=True)
class Allowance:
    """Until when by ``clock``, within which memory (None: no limit), and whether a quota throttles."""

    clock: Clock
    end_nanoseconds: int
    memory_bytes: int | None
    is_throttled: bool

    def has_memory(self, needed_bytes: float) -> bool:
        """Whether so much may be held."""
        return self.memory_bytes is None or needed_bytes <= _USABLE_SHARE * self.memory_bytes


@dataclass(slots=True)
class Findings:
    """What was found so far; complete at any moment."""

    interference: Interference | None = None
    batches: list[BatchTime] = field(default_factory=list)

    def distrust(self) -> None:
        """Something else had the CPUs meanwhile: times are not to be relied upon, and a slowdown says nothing."""
        self.interference = None
        self.batches = [msgspec.structs.replace(batch, stable=False) for batch in self.batches]


def interfere(infer: Callable[[], object], own: Own, allowance: Allowance, findings: Findings, *, parts: int) -> None:
    """Measure beside the co-runner, for one of so many ``parts`` of the time that is left."""
    if not allowance.has_memory(own.peak_bytes + co_runner.MEMORY_BYTES):
        progress(f"no room for the co-runner's {co_runner.MEMORY_BYTES >> 20} MiB; raise resources.limits.memory")
        return
    plan = _plan(allowance, own.mean_nanoseconds, parts)
    if plan is None:
        progress("no time left to measure beside the co-runner; raise --max-seconds")
        return
    measurement, clock = Measurement(), allowance.clock
    try:
        with co_runner.beside() as runner:
            begin, moved = clock(), runner.moved_bytes
            measure(infer, plan, clock, measurement)
            seconds, moved = (clock() - begin) / SECOND, runner.moved_bytes - moved
    except (ProfilerError, MemoryError) as error:
        progress(f"beside a co-runner: left out: {error}")
        return
    durations = measurement.durations
    findings.interference = Interference(
        samples=durations.count,
        slowdown_permille=max(1, round(1000 * durations.total_nanoseconds / durations.count / own.mean_nanoseconds)),
        co_runner_bytes_per_second=round(moved / seconds),
    )
    progress(f"beside a co-runner: {findings.interference.slowdown_permille / 1000:.2f} times as long")


def sweep(
    at_batch_size: Callable[[int], Callable[[], object]],
    sizes: tuple[int, ...],
    own: Own,
    allowance: Allowance,
    findings: Findings,
) -> None:
    """Measure each batch size for its part of the time that is left; ``at_batch_size`` feeds the model such batches."""
    for position, size in enumerate(sizes):
        growth = max(0, own.peak_bytes - own.loaded_bytes) / own.batch_size * max(0, size - own.batch_size)
        if not allowance.has_memory(own.peak_bytes + _GROWTH_MARGIN * growth):
            progress(f"batch size {size}: left out, it might not fit into memory")
            continue
        expected = own.mean_nanoseconds * max(1.0, size / own.batch_size)
        plan = _plan(allowance, expected, len(sizes) - position)
        if plan is None:
            progress(f"batch size {size}: left out, no time is left for it")
            continue
        measurement = Measurement()
        try:
            measure(at_batch_size(size), plan, allowance.clock, measurement)
        except ProfilerError as error:
            progress(f"batch size {size}: left out: {error}")
            continue
        (median,) = measurement.durations.quantiles(0.5)
        mean = measurement.durations.total_nanoseconds // measurement.durations.count
        reason = why_unstable(measurement, plan)
        findings.batches.append(
            BatchTime(
                batch_size=size,
                samples=measurement.durations.count,
                mean=mean // 1000,
                median=round(median / 1000),
                stable=not reason,
            )
        )
        progress(f"batch size {size}: {mean // 1000} us" + (f", {reason}" if reason else ""))


def _plan(allowance: Allowance, expected_nanoseconds: float, parts: int) -> Plan | None:
    """How long to look, given what one inference is expected to take; None where the time does not suffice."""
    left = allowance.end_nanoseconds - allowance.clock()
    if left < FEWEST_INFERENCES * expected_nanoseconds:
        return None
    share = max(left / parts, FEWEST_INFERENCES * expected_nanoseconds)
    return Plan(share / SECOND, SAMPLES, SECONDS, is_throttled=allowance.is_throttled)
