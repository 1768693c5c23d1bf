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
from foretide_kube.names import ANNOTATION_KEY, LABEL_JOB_NODE_CLASS
from foretide_kube.times import epoch_milliseconds
from foretide_operator.forecasting import workload_column
from foretide_operator.measuring import controller_of, is_controlled_by
from foretide_operator.outcome import finished_condition
from foretide_operator.settings import Settings
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
        self._newest_milliseconds: dict[tuple[str, str], int] = {}
        """When the newest stored measurement of a workload and a class was made."""
        self._jobs: Sequence[Object] = ()
        self._summed_seconds = -math.inf
        self._spent = Spent()

    def of(
        self,
        table: ObservationTable,
        jobs: Sequence[Object],
        workload_of: Callable[[Object], Object | None],
        *,
        now_seconds: float,
    ) -> Spent:
        """What was spent in the last day.

        ``jobs`` are the profile Jobs, the same tuple while they are the same; ``workload_of`` gives the AIWorkload that
        a Job says it belongs to.
        """
        is_old = not 0.0 <= now_seconds - self._summed_seconds < REST_SECONDS
        is_other_table = self._stored_of != table.revision
        if is_other_table:
            rows = [row for row in table.rows if row.origin == "Profile"]
            self._stored = [_stored(row, limits_of(self._settings)) for row in rows]
            rows.sort(key=lambda row: row.observed_milliseconds)
            self._newest_milliseconds = {(row.workload, row.node_class): row.observed_milliseconds for row in rows}
            self._stored_of = table.revision
        if is_other_table or is_old:
            self._of_table = spent(self._stored, now_seconds=now_seconds)
            self._summed_seconds = now_seconds
        if is_other_table or is_old or jobs is not self._jobs:
            unstored = [job for job in jobs if not self._is_stored(job) and is_controlled_by(job, workload_of(job))]
            under_way = filter(None, (self._under_way(job, now_seconds) for job in unstored))
            self._spent = together(self._of_table, spent(under_way, now_seconds=now_seconds))
            self._jobs = jobs
        return self._spent

    def _is_stored(self, job: Object) -> bool:
        """Whether the table has what a Job measured, or something newer.

        A Job that ended well has a row a moment later, or never, where its result is refused.
        """
        metadata = job["metadata"]
        began_milliseconds = epoch_milliseconds(metadata.get("creationTimestamp"))
        controller = controller_of(job)
        if not _gave_result(job) or began_milliseconds is None or controller is None:
            return False
        key = metadata.get("annotations", {}).get(ANNOTATION_KEY, "")
        pair = workload_column(metadata["namespace"], controller["name"], key), _class_of(job)
        newest_milliseconds = self._newest_milliseconds.get(pair)
        return newest_milliseconds is not None and newest_milliseconds >= began_milliseconds

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
            node_class=_class_of(job),
            ended_seconds=ended_seconds,
            node_seconds=min(max(ended_seconds - began / 1000, 0.0), longest_seconds),
        )


def _gave_result(job: Object) -> bool:
    """Whether a Job ended well, with a result that can be used: one without has no time to live."""
    finished = finished_condition(job)
    is_well = finished is not None and finished["type"] == "Complete"
    return is_well and job.get("spec", {}).get("ttlSecondsAfterFinished") is not None


def _class_of(job: Object) -> str:
    return str(job["metadata"]["labels"].get(LABEL_JOB_NODE_CLASS, ""))


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
