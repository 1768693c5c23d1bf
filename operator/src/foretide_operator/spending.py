"""What classes have spent on measurements in the last day, out of what is stored: the training table and the Jobs.

Rows of the table outlive workloads, so that making a workload anew does not renew a budget. Jobs count as long as their
result is not stored: those under way, and those that failed. Probes do not count; each class has one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

from foretide.observation import Observation, namespace_of
from foretide.profiling.turns import Limits, Measurement, Spent, measuring_seconds, spent, together
from foretide_kube.client import Object
from foretide_kube.names import LABEL_JOB_NODE_CLASS
from foretide_operator.measuring import is_controlled_by
from foretide_operator.outcome import finished_condition
from foretide_operator.settings import Settings
from foretide_operator.times import epoch_milliseconds
from foretide_operator.training.table import ObservationTable

STARTING_SECONDS: Final = 30.0
"""A Job that gave no result counts for the longest measurement and so long to start, at most: it may have waited."""
REST_SECONDS: Final = 10.0
"""What was summed up is summed up again after so long though nothing changed: measurements grow older than a day."""


def limits_of(settings: Settings) -> Limits:
    """When a measurement ends."""
    return Limits(
        max_seconds=settings.profile_max_seconds,
        min_samples=settings.profile_min_samples,
        min_seconds=settings.profile_min_seconds,
    )


class Spending:
    """Sums up anew only what changed, or when time has passed; ``now_seconds`` is since the epoch."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stored_of = -1
        self._stored: list[Measurement] = []
        self._of_table = Spent()
        self._unstored: Sequence[Object] = ()
        self._summed_seconds = -math.inf
        self._spent = Spent()

    def of(
        self,
        table: ObservationTable,
        unstored: Sequence[Object],
        workload_of: Callable[[Object], Object | None],
        *,
        now_seconds: float,
    ) -> Spent:
        """What was spent in the last day.

        ``unstored`` are profile Jobs (`is_unstored`), the same tuple while they are the same; ``workload_of`` gives the
        AIWorkload that a Job says it belongs to.
        """
        is_old = not 0.0 <= now_seconds - self._summed_seconds < REST_SECONDS
        is_other_table = self._stored_of != table.revision
        if is_other_table:
            self._stored = [_stored(row, limits_of(self._settings)) for row in table.rows if row.origin == "Profile"]
            self._stored_of = table.revision
        if is_other_table or is_old:
            self._of_table = spent(self._stored, now_seconds=now_seconds)
            self._summed_seconds = now_seconds
        if is_other_table or is_old or unstored is not self._unstored:
            ours = [job for job in unstored if is_controlled_by(job, workload_of(job))]
            under_way = filter(None, (self._under_way(job, now_seconds) for job in ours))
            self._spent = together(self._of_table, spent(under_way, now_seconds=now_seconds))
            self._unstored = unstored
        return self._spent

    def _under_way(self, job: Object, now_seconds: float) -> Measurement | None:
        metadata = job["metadata"]
        began = epoch_milliseconds(metadata.get("creationTimestamp"))
        if began is None:
            return None
        ended = epoch_milliseconds((finished_condition(job) or {}).get("lastTransitionTime"))
        ended_seconds = now_seconds if ended is None else ended / 1000
        longest_seconds = self._settings.profile_max_seconds + STARTING_SECONDS
        return Measurement(
            namespace=metadata["namespace"],
            node_class=metadata["labels"].get(LABEL_JOB_NODE_CLASS, ""),
            ended_seconds=ended_seconds,
            node_seconds=min(max(ended_seconds - began / 1000, 0.0), longest_seconds),
        )


def is_unstored(job: Object) -> bool:
    """Whether a profile Job is under way, or ended without a result that can be used: then it has no time to live."""
    finished = finished_condition(job)
    is_well = finished is not None and finished["type"] == "Complete"
    return not is_well or job.get("spec", {}).get("ttlSecondsAfterFinished") is None


def _stored(row: Observation, limits: Limits) -> Measurement:
    return Measurement(
        namespace=namespace_of(row.workload),
        node_class=row.node_class,
        ended_seconds=row.observed_milliseconds / 1000,
        node_seconds=measuring_seconds(
            startup_seconds=(row.startup_milliseconds or 0) / 1e3,
            inference_seconds=row.inference_microseconds / 1e6,
            limits=limits,
        ),
    )
