"""What ended tasks say of the measurement that they are predicted by: how they depart from it, and what they ran on.

A watch is of one measurement and begins anew with the next. It lies in the ledger, so that each task counts once; what
follows from it is decided where the measurement is looked at (`foretide_operator.workload.currency`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

import msgspec

from foretide.contention import Coefficients, alone
from foretide.drift import Drift
from foretide.observation import Observation
from foretide.prediction import PodPrediction
from foretide.profiling.gain import spread_of
from foretide.results import Environment
from foretide_kube.kinds.workloadprofile import WorkloadProfile
from foretide_kube.times import epoch_milliseconds

LEAST_SPREAD: Final = 0.1
"""Predictions that are off by less than a twentieth stay as they were published: half of this deviation, which the test
for drift lets pass. So it tells of lasting changes that predictions follow, and of no smaller ones."""
MAX_VERSION: Final = 64
"""Characters that are kept of a version: it is told by containers that run anyone's model."""


PUBLISHING_MILLISECONDS: Final = 10_000
"""So long after a measurement a task may still have been predicted by the one before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What one task says of the measurement of ``measured_time``.

    ``departure`` is what it took alone against what was predicted by that measurement, None where it shared cores or
    was not predicted by it. ``runtime`` and ``driver`` are what it ran on if that is not what was measured on, empty
    if it is, None where it does not tell of what tasks run on now.
    """

    measured_time: str
    departure: Departure | None
    runtime: str | None
    driver: str | None


class Departure(NamedTuple):
    """Seconds that a task took and that were predicted, and the deviation of the logarithm of their ratio."""

    actual_seconds: float
    predicted_seconds: float
    spread: float


class Watch(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """What tasks said of one measurement so far; the state of `foretide.drift` in thousandths.

    ``is_alarmed`` stays once it is so; ``runtime`` and ``driver`` are what the latest of them ran on, empty where that
    is what was measured on.
    """

    measured_time: str
    count: int = 0
    slower_permille: int = 0
    faster_permille: int = 0
    is_alarmed: bool = False
    runtime: str = ""
    driver: str = ""

    @property
    def is_slower(self) -> bool:
        """Whether tasks take longer than predicted, rather than less long."""
        return self.slower_permille > self.faster_permille


def after(watch: Watch | None, told: Told) -> Watch:
    """The watch after one more task; ``watch`` is None where there was none."""
    if watch is None or watch.measured_time != told.measured_time:
        watch = Watch(measured_time=told.measured_time)
    if told.runtime is not None:
        watch = msgspec.structs.replace(watch, runtime=told.runtime)
    if told.driver is not None:
        watch = msgspec.structs.replace(watch, driver=told.driver)
    if told.departure is None or watch.is_alarmed:
        return watch
    drift = Drift(count=watch.count, slower=watch.slower_permille / 1e3, faster=watch.faster_permille / 1e3).after(
        actual_seconds=told.departure.actual_seconds,
        predicted_seconds=told.departure.predicted_seconds,
        spread=told.departure.spread,
    )
    return msgspec.structs.replace(
        watch,
        count=drift.count,
        slower_permille=round(1e3 * drift.slower),
        faster_permille=round(1e3 * drift.faster),
        is_alarmed=drift.is_alarmed,
    )


def tell(
    row: Observation,
    environment: Environment,
    predicted: PodPrediction | None,
    *,
    profile: WorkloadProfile,
    coefficients: Coefficients,
    node: str,
    is_of_image_in_use: bool,
) -> Told | None:
    """What a task that gave this row, and had this prediction, says of its class's profile; None if it was before it.

    A task of an older image of the profiler says nothing of the runtime, and only one on the node that was measured
    says something of the driver: nodes of a class may have different ones.
    """
    spec = profile.spec
    measured = epoch_milliseconds(spec.measured_time)
    if measured is None or row.observed_milliseconds <= measured or row.cpu_millis != spec.cpu_millis:
        return None
    is_predicted_by_it = (
        predicted is not None
        and predicted.source == "Measured"
        and predicted.bound_milliseconds >= measured + PUBLISHING_MILLISECONDS
    )
    known = spec.measurement.environment
    return Told(
        measured_time=spec.measured_time,
        departure=_departure(row, predicted, coefficients) if predicted is not None and is_predicted_by_it else None,
        runtime=_other(known.runtime_version, environment.runtime_version) if is_of_image_in_use else None,
        driver=_other(known.driver or "", environment.driver or "") if node == spec.node_name else None,
    )


def _departure(row: Observation, predicted: PodPrediction, coefficients: Coefficients) -> Departure | None:
    if row.exposure_permille is None:
        return None
    (by_itself,) = alone([row], coefficients)
    work = predicted.work_milliseconds
    return Departure(
        actual_seconds=by_itself.inference_microseconds * predicted.inferences / 1e6,
        predicted_seconds=max(work.median, 1) / 1e3,
        spread=max(spread_of(lower=max(work.lower, 1), upper=max(work.upper, 1)), LEAST_SPREAD),
    )


def _other(known: str, told: str) -> str:
    """What was told, if it is something else than what is known, where both are; as much as is kept of it."""
    known, told = known[:MAX_VERSION], told[:MAX_VERSION]
    return told if known and told and known != told else ""
