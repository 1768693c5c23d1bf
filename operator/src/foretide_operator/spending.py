"""What classes have spent on measurements in the last day, out of what is stored: the training table and the Jobs.

Rows of the table outlive workloads, so that making a workload anew does not renew a budget. Jobs count as long as their
result is not stored. One that failed, or went without a result, is booked (`foretide_operator.booking`): it may be
replaced by the next attempt, or go with its workload. Probes do not count; each class has one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from typing import Final

from foretide.observation import Observation, namespace_of
from foretide.profiling.turns import Limits, Measurement, Spent, measuring_seconds, spent, together
from foretide_kube.client import Object
from foretide_kube.names import LABEL_JOB_NODE_CLASS
from foretide_kube.times import epoch_milliseconds
from foretide_operator.booking import Bookings, booked
from foretide_operator.forecasting import workload_column
from foretide_operator.job_keys import measured_key
from foretide_operator.measuring import controller_of, is_controlled_by
from foretide_operator.outcome import finished_condition
from foretide_operator.packed import whole
from foretide_operator.settings import Settings
from foretide_operator.training.table import ObservationTable

LONG_START_SECONDS: Final = 30.0
"""A Job of whose Pod nothing is known counts for the longest measurement and so long to start, at most: it may have
waited."""
REST_SECONDS: Final = 10.0
"""What was summed up is summed up again after so long though nothing changed: measurements grow older than a day."""
TABLE_REST_SECONDS: Final = 2.0
"""The table is not summed up again sooner, though it has other rows: until then their Jobs count in their place."""


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
        self._stored_jobs: set[str] = set()
        """The UIDs of Jobs whose results the table has, as far as was looked since it was summed up."""
        self._jobs: Sequence[Object] = ()
        self._summed_seconds = -math.inf
        self._spent = Spent()
        self._bookings: Bookings = {}
        self._open: dict[str, Object] = {}
        """Jobs of ours that gave no result yet, by UID, as they were last seen."""
        self._bound_milliseconds: dict[str, int] = {}
        """When the first Pod of an open Job was bound: the Pod of one whose time is up is gone before the Job fails."""

    @property
    def bookings(self) -> Bookings:
        """What has to be stored: another mapping whenever it changes."""
        return self._bookings

    def load(self, bookings: Bookings) -> None:
        """Begin with what was stored."""
        self._bookings = bookings

    def of(
        self,
        table: ObservationTable,
        jobs: Sequence[Object],
        workload_of: Callable[[Object], Object | None],
        bound_of: Callable[[Object], int | None],
        *,
        now_seconds: float,
    ) -> Spent:
        """What was spent in the last day.

        ``jobs`` are the profile Jobs, the same tuple while they are the same; ``workload_of`` gives the AIWorkload that
        a Job says it belongs to, ``bound_of`` when the first of its Pods was bound, in milliseconds since the epoch.
        """
        age_seconds = now_seconds - self._summed_seconds
        is_due = not 0.0 <= age_seconds < REST_SECONDS
        gone = self._open.keys() - {job["metadata"]["uid"] for job in jobs} if jobs is not self._jobs else ()
        if self._stored_of != table.revision:
            # whether a Job that is gone had a result is seen now, or never
            is_due |= not 0.0 <= age_seconds < TABLE_REST_SECONDS or bool(gone)
            if is_due:
                self._read(table)
        if is_due:
            self._of_table = spent(self._stored, now_seconds=now_seconds)
            self._summed_seconds = now_seconds
        if is_due or jobs is not self._jobs:
            lost = self._look_at(jobs, gone, workload_of, bound_of)
            took = {uid: self._took(job, now_seconds) for uid, job in {**lost, **self._open}.items()}
            failed = [uid for uid, job in self._open.items() if _has_failed(job)]
            more = {uid: took.pop(uid) for uid in (*lost, *failed)}
            self._bookings = booked(self._bookings, more, now_seconds=now_seconds)
            under_way = (each for uid, each in took.items() if uid not in self._bookings)
            jobless = spent([*self._bookings.values(), *under_way], now_seconds=now_seconds)
            self._spent = together(self._of_table, jobless)
            self._jobs = jobs
        return self._spent

    def _read(self, table: ObservationTable) -> None:
        rows = [row for row in table.rows if row.origin == "Profile"]
        self._stored = [_stored(row, limits_of(self._settings)) for row in rows]
        rows.sort(key=lambda row: row.observed_milliseconds)
        self._newest_milliseconds = {(row.workload, row.node_class): row.observed_milliseconds for row in rows}
        self._stored_jobs = set()
        self._stored_of = table.revision

    def _look_at(
        self,
        jobs: Sequence[Object],
        gone: Collection[str],
        workload_of: Callable[[Object], Object | None],
        bound_of: Callable[[Object], int | None],
    ) -> dict[str, Object]:
        """Take note of the Jobs without a stored result; gives those of the ``gone`` that never had one."""
        lost = {uid: self._open[uid] for uid in gone if not self._is_stored(self._open[uid])}
        self._open = {
            uid: job
            for uid, job in self._unstored(jobs).items()
            if uid in self._open or is_controlled_by(job, workload_of(job))
        }
        known = self._bound_milliseconds
        found = {uid: known.get(uid) or bound_of(job) for uid, job in self._open.items()}
        found |= {uid: known.get(uid) for uid in lost}
        self._bound_milliseconds = {uid: bound for uid, bound in found.items() if bound is not None}
        return lost

    def _unstored(self, jobs: Sequence[Object]) -> dict[str, Object]:
        """By UID the Jobs whose results the table does not have; which it has is looked up once for each."""
        unknown = {job["metadata"]["uid"]: job for job in jobs if job["metadata"]["uid"] not in self._stored_jobs}
        self._stored_jobs.update(uid for uid, job in unknown.items() if self._is_stored(job))
        return {uid: job for uid, job in unknown.items() if uid not in self._stored_jobs}

    def _is_stored(self, job: Object) -> bool:
        """Whether the table has what a Job measured, or something newer.

        A Job that ended well has a row a moment later, or never, where its result is refused.
        """
        metadata = job["metadata"]
        began_milliseconds = epoch_milliseconds(metadata.get("creationTimestamp"))
        controller = controller_of(job)
        if not _gave_result(job) or began_milliseconds is None or controller is None:
            return False
        key = measured_key(whole(job))
        pair = workload_column(metadata["namespace"], controller["name"], key), _class_of(job)
        newest_milliseconds = self._newest_milliseconds.get(pair)
        return newest_milliseconds is not None and newest_milliseconds >= began_milliseconds

    def _took(self, job: Object, now_seconds: float) -> Measurement:
        """What a Job took until now, or its end: the time since its Pod has a node."""
        metadata = job["metadata"]
        ended = epoch_milliseconds((finished_condition(job) or {}).get("lastTransitionTime"))
        ended_seconds = now_seconds if ended is None else ended / 1000
        bound = self._bound_milliseconds.get(metadata["uid"])
        began = bound or epoch_milliseconds(metadata.get("creationTimestamp"))
        node_seconds = 0.0 if began is None else max(ended_seconds - began / 1000, 0.0)
        longest_seconds = self._settings.profile_max_seconds + LONG_START_SECONDS
        if (
            bound is not None
        ):  # no Job of ours goes on beyond this; a clock may have been ahead, or the Job a forged one
            longest_seconds = self._settings.job_deadline_seconds
        node_seconds = min(node_seconds, longest_seconds)
        return Measurement(
            namespace=metadata["namespace"],
            node_class=_class_of(job),
            ended_seconds=ended_seconds,
            node_seconds=node_seconds,
        )


def _has_failed(job: Object) -> bool:
    finished = finished_condition(job)
    return finished is not None and finished["type"] == "Failed"


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
