"""Who waits for a class, and what classes have spent: read from what is stored, so a restart finds it as it was."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from foretide.observation import Observation
from foretide.profiling.turns import Candidate, Spent
from foretide_kube.client import ApiError
from foretide_kube.kinds.aiworkload import workload_key
from foretide_kube.names import AIWORKLOADS, COMPLETION_TIME_MODELS, JOBS, NODES
from foretide_operator.jobs import profile_job
from foretide_operator.line import Line
from foretide_operator.queue import Key
from foretide_operator.spending import LONG_START_SECONDS, TABLE_REST_SECONDS, Spending
from foretide_operator.training.table import ObservationTable
from tests.operator.cluster_objects import (
    NOW,
    SETTINGS,
    SIGNATURE,
    Object,
    as_stored,
    ended,
    node,
    node_class,
    workload,
    workload_object,
)
from tests.operator.memory_api import MemoryApi
from tests.operator.test_controller import Process, cluster, live

NOW_SECONDS = NOW.timestamp()
OWNER: Object = {"metadata": {"uid": "owner"}}


def waiting(name: str, worth_permille: int = 1000, *, reason: str = "Waiting", namespace: str = "team") -> Object:
    row = {"nodeClass": "fast", "reason": reason, "worthPermille": worth_permille}
    body = workload_object(name, status={"profiles": {"classes": [row]}})
    body["metadata"]["namespace"] = namespace
    return body


def line_of(*items: Object) -> tuple[MemoryApi, Line]:
    api = MemoryApi()
    line = Line(api.world.workloads)
    for item in items:
        api.put(AIWORKLOADS, item)
    return api, line


def first(line: Line, *, for_: str = "me", spent: Spent | None = None) -> str | None:
    found: Candidate | None = line.ahead_of("team", for_, spent or Spent()).get("fast")
    return None if found is None else found.name


def test_the_one_that_is_worth_most_is_ahead_of_all_others_and_not_of_itself() -> None:
    _, line = line_of(waiting("a", 5), waiting("b", 9), waiting("c", 7), waiting("d", 99, reason="SureEnough"))
    assert first(line) == "b"
    assert first(line, for_="b") == "c"


def test_who_no_longer_waits_is_deleted_or_cannot_be_looked_at_is_passed() -> None:
    api, line = line_of(waiting("a", 5), waiting("b", 9), waiting("c", 7), waiting("d", 6))
    api.put(AIWORKLOADS, waiting("b", 9, reason="InProgress"))
    assert first(line) == "c"
    api.delete(AIWORKLOADS, "c", "team")
    assert first(line) == "d"
    line.leave("team", "d")
    assert first(line) == "a"
    api.put(AIWORKLOADS, waiting("a", 5, reason="Measured"))
    assert first(line) is None


def test_who_could_not_be_looked_at_has_its_place_again_once_it_can_be() -> None:
    _, line = line_of(waiting("a", 5), waiting("b", 9))
    line.changed()
    line.leave("team", "b")
    assert first(line) == "a"
    assert line.first("fast", Spent()) == ("team", "a")
    assert line.changed() == {"fast"}
    line.rejoin("team", "b")
    assert line.first("fast", Spent()) == ("team", "b")
    assert line.changed() == {"fast"}
    line.rejoin("team", "b")
    line.rejoin("team", "nobody")
    assert line.changed() == set()


def test_where_somebody_leaves_the_line_or_another_is_first_it_is_told_once() -> None:
    api, line = line_of(waiting("a", 5), waiting("b", 9), waiting("c", 7))
    assert line.changed() == {"fast"}
    api.put(AIWORKLOADS, waiting("b", 9, reason="SureEnough"))
    assert line.changed() == {"fast"}
    assert line.changed() == set()
    assert line.first("fast", Spent()) == ("team", "c")
    api.put(AIWORKLOADS, waiting("d", 6))
    assert line.changed() == set(), "who comes behind the first changes nobody's turn"
    api.put(AIWORKLOADS, waiting("e", 8))
    assert line.changed() == {"fast"}


def test_whose_measurement_has_begun_had_its_turn_though_its_status_does_not_say_so_yet() -> None:
    _, line = line_of(waiting("a", 5), waiting("b", 9), waiting("c", 7))
    begun = {("fast", "team", "b"), ("slow", "team", "c")}
    assert line.first("fast", Spent(), begun) == ("team", "c")
    assert line.ahead_of("team", "c", Spent(), begun)["fast"].name == "a"
    assert line.first("slow", Spent(), begun) is None


def test_a_class_that_is_asked_about_or_that_nobody_waits_for_any_more_leaves_nothing_behind() -> None:
    api, line = line_of(waiting("a", 5))
    for number in range(100):
        assert line.first(f"forged-{number}", Spent()) is None
    assert list(line._classes) == ["fast"]
    api.put(AIWORKLOADS, waiting("a", 5, reason="Measured"))
    assert not line._classes
    assert line.changed() == {"fast"}


def test_a_worth_that_changes_moves_a_workload_within_the_line() -> None:
    api, line = line_of(waiting("a", 5), waiting("b", 9), waiting("c", 9))
    api.put(AIWORKLOADS, waiting("a", 10))
    assert first(line) == "a"
    api.put(AIWORKLOADS, waiting("a", 8))
    assert first(line) == "b"


def test_the_namespace_with_fewer_measurements_in_the_last_day_is_ahead() -> None:
    _, line = line_of(waiting("a", 10**9, namespace="greedy"), waiting("b", 1, namespace="modest"))
    spent = Spent()
    spent.measurements["fast", "greedy"] = 1
    assert first(line) == "a"
    assert first(line, spent=spent) == "b"


def row(node_class: str = "fast", *, namespace: str = "team", hours_ago: float = 1.0, origin: Any = "Profile") -> Any:
    return Observation(
        workload=f"{namespace}/cnn/key",
        node_class=node_class,
        signature=SIGNATURE,
        precision="fp32",
        cpu_millis=1000,
        inference_microseconds=1_000,
        startup_milliseconds=2_000,
        runtime="onnx",
        origin=origin,
        observed_milliseconds=round((NOW - timedelta(hours=hours_ago)).timestamp() * 1000),
    )


def row_of_job(seconds_ago: float) -> Observation:
    """A row of the workload that `job` measures, by the key that rows have it."""
    column = f"team/cnn/{workload_key(workload().spec)}"
    found: Observation = msgspec.structs.replace(row(hours_ago=seconds_ago / 3600), workload=column)
    return found


def job(*, began_ago: float = 20.0, **spec: Any) -> Object:
    given = workload()
    body = as_stored(
        profile_job(given, node_class("fast"), attempt=1, lost_nodes=(), replaced=None, settings=SETTINGS),
        age_seconds=began_ago,
    )
    body["metadata"]["ownerReferences"][0]["uid"] = OWNER["metadata"]["uid"]
    body["spec"].update(spec)
    return body


def spent(rows: list[Any], *jobs: Object, owner: Object | None = OWNER) -> Spent:
    return Spending(SETTINGS).of(ObservationTable(rows), jobs, lambda _: owner, lambda _: None, now_seconds=NOW_SECONDS)


def test_stored_measurements_of_the_last_day_are_spent_also_when_their_workload_is_gone() -> None:
    found = spent(
        [row(), row("slow"), row(namespace="b"), row(hours_ago=25, namespace="c"), row(origin="Run", hours_ago=2)]
    )
    assert found.node_seconds == {"fast": 2 * (2 + 3 + 5), "slow": 2 + 3 + 5}
    assert found.measurements == {("fast", "team"): 1, ("fast", "b"): 1, ("slow", "team"): 1}


@pytest.mark.parametrize(
    ("made", "node_seconds"),
    [
        (job(), 20.0),
        (ended(job(began_ago=50), "Failed", seconds_ago=20), 30.0),
        (
            job(began_ago=5000),
            SETTINGS.profile_max_seconds + LONG_START_SECONDS,
        ),  # it waited for a node most of the time
        (ended(job(began_ago=50), seconds_ago=20), 30.0),  # its result is not stored yet, or is refused
        (ended({**job(began_ago=50), "spec": {}}, seconds_ago=20), 30.0),  # it gave none that can be used, and stays
    ],
)
def test_a_job_without_a_stored_result_is_spent_for_as_long_as_it_took(made: Object, node_seconds: float) -> None:
    assert spent([], made).node_seconds.get("fast", 0.0) == pytest.approx(node_seconds)


def test_a_measurement_counts_without_a_gap_and_once_while_it_becomes_a_row_of_the_table() -> None:
    done = ended(job(began_ago=50), seconds_ago=20)
    of_job = row_of_job(20)
    older = row_of_job(60)
    of_other = row(hours_ago=20 / 3600)
    for rows, others in (([], 0), ([older], 1), ([of_other], 1), ([of_job], 0), ([older, of_job], 1)):
        assert spent(rows, done).measurements["fast", "team"] == 1 + others
    stored_seconds = 2 + 3 + 5
    assert spent([older], done).node_seconds["fast"] == stored_seconds + 30
    assert spent([of_job], done).node_seconds["fast"] == stored_seconds


def test_a_measurement_counts_once_at_every_moment_though_the_table_is_not_summed_up_at_each_change() -> None:
    done = ended(job(began_ago=50), seconds_ago=20)
    of_job = row_of_job(20)
    spending, table = Spending(SETTINGS), ObservationTable()

    def seen(seconds: float, *jobs: Object) -> tuple[int, float]:
        found = spending.of(table, jobs, lambda _: OWNER, lambda _: None, now_seconds=NOW_SECONDS + seconds)
        return found.measurements["fast", "team"], found.node_seconds["fast"]

    assert seen(0.0, done) == (1, 30.0)
    table.extend([of_job])
    other = job(began_ago=0.0)
    assert seen(1.0, done, other) == (2, 30.0 + 1.0)
    assert seen(TABLE_REST_SECONDS, done, other) == (2, 2 + 3 + 5 + 2.0)
    assert seen(TABLE_REST_SECONDS + 1.0, done, other) == (2, 2 + 3 + 5 + 3.0)


def test_a_job_counts_again_whose_row_the_table_has_no_more() -> None:
    done = ended(job(began_ago=50), seconds_ago=20)
    of_job = row_of_job(20)
    spending = Spending(SETTINGS)
    seconds = [
        spending.of(
            table, (done,), lambda _: OWNER, lambda _: None, now_seconds=NOW_SECONDS + 5.0 * number
        ).node_seconds["fast"]
        for number, table in enumerate((ObservationTable([of_job]), ObservationTable()))
    ]
    assert seconds == [2 + 3 + 5, 30.0]


def test_a_job_whose_row_is_there_is_looked_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    done = ended(job(began_ago=50), seconds_ago=20)
    of_job = row_of_job(20)
    spending, table = Spending(SETTINGS), ObservationTable([of_job])
    looked_up: list[Object] = []

    def is_stored(job: Object) -> bool:
        looked_up.append(job)
        return Spending._is_stored(spending, job)

    monkeypatch.setattr(spending, "_is_stored", is_stored)
    for number in range(5):
        spending.of(table, (done, job()), lambda _: OWNER, lambda _: None, now_seconds=NOW_SECONDS + 0.1 * number)
    assert looked_up.count(done) == 1


def test_jobs_that_only_wear_our_labels_spend_nothing() -> None:
    assert spent([], job(), owner=None).node_seconds == {}


def test_what_was_spent_is_forgotten_after_a_day() -> None:
    spending, table = Spending(SETTINGS), ObservationTable([row(hours_ago=23.5)])
    before, after = (
        spending.of(table, (), lambda _: None, lambda _: None, now_seconds=NOW_SECONDS + hours * 3600).node_seconds
        for hours in (0, 1)
    )
    assert before["fast"] > 0.0
    assert after == {}


def test_a_workload_whose_look_failed_once_is_in_the_line_after_the_next_look() -> None:
    api = MemoryApi()
    api.put(NODES, node("f1", "fast"))
    for name in "abc":
        api.put(AIWORKLOADS, workload_object(name))
    process = live(api, rounds=2)
    (waiting,) = (
        item for item in api.all(AIWORKLOADS) if item["status"]["profiles"]["classes"][0]["reason"] == "Waiting"
    )
    name = waiting["metadata"]["name"]
    gatherer = process.controller._gatherer
    assert gatherer.next_on("fast", Spent()) == ("team", name)
    waiting["metadata"]["generation"] += 1
    api.put(AIWORKLOADS, waiting)
    api.lose_at = frozenset({api.writes + 1})  # the status is written, and the answer is lost
    with pytest.raises(ApiError):
        process.controller.look(Key("workload", "team", name))
    assert gatherer.next_on("fast", Spent()) is None
    process.controller.look(Key("workload", "team", name))
    assert gatherer.next_on("fast", Spent()) == ("team", name)


def made(api: MemoryApi) -> list[str]:
    """The workloads whose measurements have begun, in that order."""
    return [
        item["metadata"]["labels"]["foretide.dev/workload"]
        for item in api.all(JOBS)
        if item["metadata"]["labels"]["foretide.dev/role"] == "profile"
    ]


def test_everything_that_is_wanted_is_measured_in_the_end_on_every_class() -> None:
    api = MemoryApi()
    api.put(NODES, node("f1", "fast"))
    api.put(NODES, node("s1", "slow"))
    for number in range(5):
        other = workload_object(f"w{number}", inferences=10 ** (number + 1))
        other["metadata"]["namespace"] = f"team-{number % 2}"
        api.put(AIWORKLOADS, other)
    live(api, rounds=9)
    summaries = [item["status"]["profiles"]["summary"] for item in api.all(AIWORKLOADS)]
    assert summaries == ["measured 2, learned 0 of 2"] * 5


@pytest.mark.parametrize("killed", [False, True])
def test_pairs_are_measured_in_the_order_of_their_worth_also_if_the_operator_is_killed_between(*, killed: bool) -> None:
    api = MemoryApi()
    api.put(NODES, node("f1", "fast"))
    for name, inferences in (("a", 200), ("b", 10_000), ("c", 500), ("d", 2_000)):
        api.put(AIWORKLOADS, workload_object(name, inferences=inferences))
    live(api, rounds=8, killed=killed)
    order = made(api)
    assert order[1:] == [name for name in "bdca" if name != order[0]]  # the first is whoever is inspected first


def test_a_class_that_has_spent_its_budget_measures_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.operator.test_controller.SETTINGS", replace(SETTINGS, profile_budget_seconds=10))
    api = MemoryApi()
    cluster(api)
    api.put(AIWORKLOADS, workload_object("other"))
    live(api, rounds=6)
    assert len(made(api)) == 2  # one on each class
    reasons = {row["reason"] for item in api.all(AIWORKLOADS) for row in item["status"]["profiles"]["classes"]}
    assert reasons == {"Measured", "BudgetSpent"}


def test_the_stored_model_is_loaded_before_the_first_workload_is_looked_at() -> None:
    api = MemoryApi()
    cluster(api)
    Process(api).controller.look(Key("workload", "team", "cnn"))
    assert [item["metadata"]["name"] for item in api.all(COMPLETION_TIME_MODELS)] == ["default"]
