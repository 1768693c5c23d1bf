"""What failed measurements took is held against the day's budget, whatever becomes of their Jobs and workloads."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from foretide.profiling.turns import Measurement, Spent
from foretide_kube.client import ApiError
from foretide_kube.names import AIWORKLOADS, CONFIG_MAPS, JOBS, NODES, PODS, WORKLOAD_PROFILES, Resource
from foretide_operator import booking
from foretide_operator.spending import Spending
from foretide_operator.training import table as tables
from foretide_operator.training.table import ObservationTable
from tests.operator.cluster_objects import SETTINGS, Object, ended, node, pod_of, workload_object
from tests.operator.memory_api import MemoryApi
from tests.operator.test_controller import Process, cluster, live
from tests.operator.test_line import NOW_SECONDS, OWNER, job, row_of_job

BOUND_MILLISECONDS = round(1000 * (NOW_SECONDS - 590))


class Life:
    """What is reckoned from one look to the next, and what is stored of it."""

    def __init__(self) -> None:
        self.stored: Object | None = None
        self.restart()

    def restart(self) -> None:
        self.spending = Spending(SETTINGS)
        self.spending.load(booking.load(self.stored))

    def of(
        self,
        *jobs: Object,
        table: ObservationTable | None = None,
        bound: int | None = BOUND_MILLISECONDS,
        hours: float = 0.0,
        has_owner: bool = True,
    ) -> Spent:
        found = self.spending.of(
            table or ObservationTable([]),
            jobs,
            lambda _: OWNER if has_owner else None,
            lambda _: bound,
            now_seconds=NOW_SECONDS + hours * 3600,
        )
        self.stored = booking.to_config_map(self.spending.bookings, "ns", None)
        return found


def test_a_job_counts_from_when_its_pod_had_a_node_to_its_end_though_its_pod_is_gone_by_then() -> None:
    life, under_way = Life(), job(began_ago=600)
    assert life.of(under_way).node_seconds == {"fast": 590.0}
    failed = ended(under_way, "Failed", seconds_ago=0)
    assert life.of(failed, bound=None).node_seconds == {"fast": 590.0}
    life.restart()
    assert life.of(failed, bound=None).node_seconds == {"fast": 590.0}


@pytest.mark.parametrize("told", [{}, {"activeDeadlineSeconds": 86_400}])
def test_a_job_counts_for_the_deadline_of_ours_at_most_whatever_it_says_and_how_far_ahead_the_clock_was(
    told: Object,
) -> None:
    life, under_way = Life(), job(began_ago=600, **told)
    assert life.of(under_way).node_seconds == {"fast": 590.0}
    assert life.of(hours=2.0).node_seconds == {"fast": SETTINGS.job_deadline_seconds}


def test_what_failed_counts_when_its_job_and_its_workload_are_gone_until_a_day_has_passed() -> None:
    life, failed = Life(), ended(job(began_ago=600), "Failed", seconds_ago=0)
    life.of(failed)
    for _ in range(2):
        gone = life.of(has_owner=False)
        assert (gone.node_seconds, gone.measurements) == ({"fast": 590.0}, {("fast", "team"): 1})
        life.restart()
    assert life.of(hours=25).node_seconds == {}
    assert life.spending.bookings == {}


def test_a_job_that_goes_under_way_with_its_workload_counts_for_as_long_as_it_ran() -> None:
    life, under_way = Life(), job(began_ago=600)
    life.of(under_way)
    assert life.of(has_owner=False).node_seconds == {"fast": 590.0}


def test_each_attempt_counts() -> None:
    life = Life()
    attempts = [ended(job(began_ago=600), "Failed", seconds_ago=0) for _ in range(3)]
    for attempt in attempts:
        life.of(attempt)
    assert life.of().measurements["fast", "team"] == 3


def test_a_job_whose_result_is_stored_is_not_booked_when_it_goes() -> None:
    life, done = Life(), ended(job(began_ago=50), seconds_ago=20)
    life.of(done)
    table = ObservationTable([row_of_job(0.0)])
    life.of(done, table=table)
    life.of(table=table)
    assert life.spending.bookings == {}


def test_jobs_that_only_wear_our_labels_are_not_booked() -> None:
    life = Life()
    life.of(ended(job(), "Failed"), has_owner=False)
    assert life.of().node_seconds == {}


def test_a_job_that_failed_while_the_operator_was_away_counts_from_when_its_pod_had_a_node() -> None:
    api = MemoryApi()
    cluster(api)
    (workload,) = api.all(AIWORKLOADS)
    failed = ended(job(began_ago=600), "Failed", seconds_ago=0)
    failed["metadata"]["ownerReferences"][0].update(uid=workload["metadata"]["uid"], name=workload["metadata"]["name"])
    api.put(JOBS, failed)
    api.put(PODS, pod_of(failed, phase="Failed"))
    Process(api).work()
    (stored,) = [item for item in api.all(CONFIG_MAPS) if item["metadata"]["name"] == booking.NAME]
    assert booking.load(stored)[failed["metadata"]["uid"]].node_seconds == pytest.approx(56.5)


def test_nothing_new_is_not_stored_again() -> None:
    life, failed = Life(), ended(job(began_ago=600), "Failed", seconds_ago=0)
    life.of(failed)
    before = life.spending.bookings
    life.of(failed, hours=0.1)
    life.of(hours=0.2)
    assert life.spending.bookings is before


def test_the_most_that_is_booked_fits_a_config_map_and_the_newest_are_kept() -> None:
    each = [
        Measurement(namespace="n" * 63, node_class="c" * 63, ended_seconds=NOW_SECONDS + n / 7, node_seconds=n / 7)
        for n in range(booking.MOST + 100)
    ]
    more = {f"{n:036d}": measurement for n, measurement in enumerate(each)}
    kept = booking.booked({}, more, now_seconds=NOW_SECONDS)
    assert list(kept.values()) == each[100:]
    assert len(msgspec.json.encode(booking.to_config_map(kept, "ns", None))) < 2**20


@pytest.mark.parametrize("data", [{}, {"spent.json": "AAAA"}, {"spent.json": "W10="}, {"spent.json": "no base64"}])
def test_what_cannot_be_read_is_forgotten(data: Object) -> None:
    assert booking.load({"binaryData": data}) == {}


def test_the_operator_stores_what_failed_and_finds_it_again() -> None:
    api = MemoryApi()
    cluster(api)
    process = Process(api)
    (workload,) = api.all(AIWORKLOADS)
    failed = job(began_ago=600)
    failed["metadata"]["ownerReferences"][0].update(uid=workload["metadata"]["uid"], name=workload["metadata"]["name"])
    api.put(JOBS, ended(failed, "Failed", seconds_ago=0))
    process.work()
    (stored,) = [item for item in api.all(CONFIG_MAPS) if item["metadata"]["name"] == booking.NAME]
    assert failed["metadata"]["uid"] in booking.load(stored)
    under_way = job(began_ago=600)
    under_way["metadata"]["ownerReferences"] = failed["metadata"]["ownerReferences"]
    under_way["metadata"]["name"] += "-other"
    api.put(JOBS, under_way)
    api.put(PODS, pod_of(under_way, phase="Running"))
    process.work()
    api.delete(JOBS, under_way["metadata"]["name"], "team")
    process.work()
    (stored,) = [item for item in api.all(CONFIG_MAPS) if item["metadata"]["name"] == booking.NAME]
    took = booking.load(stored)[under_way["metadata"]["uid"]]
    assert took.node_seconds == pytest.approx(56.5), (
        "from when its Pod was bound, and not for as long as one may have waited"
    )
    again = Process(api)
    assert failed["metadata"]["uid"] in again.controller._gatherer.spending.bookings


class NoBookings(MemoryApi):
    """Has no room for the ConfigMap of what failed."""

    def patch(self, resource: Resource, name: str, *arguments: Any, **options: Any) -> Object:
        if name == booking.NAME:
            raise ApiError(403, "Forbidden", "exceeded quota: configmaps")
        return super().patch(resource, name, *arguments, **options)


def test_what_was_measured_is_stored_though_what_failed_cannot_be() -> None:
    api = NoBookings()
    api.put(NODES, node("f1", "fast"))
    api.put(AIWORKLOADS, workload_object("cnn", profiling={"policy": "Always"}))
    (workload,) = api.all(AIWORKLOADS)
    failed = ended(job(began_ago=600), "Failed", seconds_ago=500)
    failed["metadata"]["ownerReferences"][0].update(uid=workload["metadata"]["uid"], name=workload["metadata"]["name"])
    api.put(JOBS, failed)
    live(api, rounds=6)
    assert len(api.all(WORKLOAD_PROFILES)) == 1
    assert len(tables.load(api.all(CONFIG_MAPS))[0]) == 1
