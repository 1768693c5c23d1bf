"""Ended Pods: what is learned of them, what is not believed, and that each is counted once whatever is interrupted."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretide.prediction import Interval, PodPrediction
from foretide_kube.names import NODES, PODS
from foretide_operator.fleet import Fleet
from foretide_operator.jobs import run_job
from foretide_operator.metrics import MOST_TIMES_OFF, QUANTITIES, Metrics
from foretide_operator.pairing.ended import Ended, is_waiting_to_be_paired, ran_for, read_ended
from foretide_operator.pairing.ledger import Ledger, load
from foretide_operator.pairing.pairer import GRACE_SECONDS, Pairer
from foretide_operator.pairing.watch import Told
from foretide_operator.training.table import ObservationTable
from tests.operator.cluster_objects import (
    NOW,
    NOW_MILLISECONDS,
    SETTINGS,
    SIGNATURE,
    ago,
    as_stored,
    node,
    pod_of,
    run_result,
    workload,
)
from tests.operator.memory_api import MemoryApi

WORKLOAD = workload(run={"mode": "Job"}, objective={"deadlineMilliseconds": 20_000})
BOUND = NOW_MILLISECONDS - 56_500


def prediction(**fields: Any) -> PodPrediction:
    return PodPrediction(
        **{
            "node": "n1",
            "node_class": "fast",
            "inferences": 100,
            "work_milliseconds": Interval(lower=1_800, median=2_200, upper=2_600),
            "startup_milliseconds": 6_000,
            "memory_bytes": 1,
            "source": "Measured",
            "model_version": "",
            "bound_milliseconds": BOUND,
            **fields,
        }
    )


def task_pod(*, predicted: PodPrediction | str | None = None, **fields: Any) -> Any:
    fields.setdefault("message", run_result())
    pod = pod_of(as_stored(run_job(WORKLOAD, SETTINGS)), **fields)
    if predicted is not None:
        text = predicted if isinstance(predicted, str) else msgspec.json.encode(predicted).decode()
        pod["metadata"]["annotations"]["foretide.dev/prediction"] = text
    return pod


def read(pod: Any, node_class: str | None = "fast") -> Ended:
    return read_ended(pod, WORKLOAD, node_class, SIGNATURE)


def test_a_task_is_paired_and_its_work_is_learned() -> None:
    ended = read(task_pod(predicted=prediction()))
    assert (ended.ending, ended.node_class) == ("Paired", "fast")
    assert ended.pairing is not None
    assert ended.pairing.actual_work_milliseconds == 2_000
    assert ended.pairing.actual_startup_milliseconds == 6_500
    assert ended.pairing.is_deadline_met is True
    assert ended.row is not None
    assert (ended.row.inference_microseconds, ended.row.origin) == (20_000, "Run")
    assert ended.row.startup_milliseconds == 6_500


@pytest.mark.parametrize("off_milliseconds", [-40_000, 40_000])
def test_when_a_task_ended_goes_by_the_apis_clock_where_its_nodes_is_off(off_milliseconds: int) -> None:
    begin = NOW_MILLISECONDS - 50_000 + off_milliseconds
    told = run_result(process_start=begin - 1_000, work_begin=begin, work_end=begin + 2_000)
    row = read(task_pod(message=told)).row
    assert row is not None
    assert row.observed_milliseconds == NOW_MILLISECONDS - 30_000
    assert row.inference_microseconds == 20_000


def test_a_start_that_had_to_pull_is_paired_and_teaches_nothing_of_usual_ones() -> None:
    ended = read(task_pod(predicted=prediction(pull_milliseconds=5_000)))
    assert ended.pairing is not None
    assert (ended.ending, ended.pairing.actual_startup_milliseconds) == ("Paired", 6_500)
    assert ended.row is not None
    assert (ended.row.inference_microseconds, ended.row.startup_milliseconds) == (20_000, None)


@pytest.mark.parametrize(
    "forged",
    [
        "no json",
        "{}",
        '{"x":' + "[" * 100_000 + "]" * 100_000 + "}",
        prediction(node="elsewhere"),
        prediction(node_class="slow"),
        prediction(bound_milliseconds=BOUND - 3_600_000),
        prediction(work_milliseconds=Interval(lower=3_000, median=2_000, upper=1_000)),
        prediction(work_milliseconds=Interval(lower=-5, median=2_000, upper=3_000)),
        prediction(inferences=0),
        prediction(startup_milliseconds=-1),
        prediction(pull_milliseconds=-1),
        prediction(pull_milliseconds=6_001),
    ],
)
def test_a_prediction_that_does_not_fit_the_pod_counts_nowhere(forged: Any) -> None:
    ended = read(task_pod(predicted=forged))
    assert ended.ending == "PredictionRefused"
    assert ended.pairing is None
    assert ended.reason


@pytest.mark.parametrize(
    "forged",
    [
        prediction(work_milliseconds=Interval(lower=0, median=10**12, upper=10**12)),
        prediction(work_milliseconds=Interval(lower=0, median=1, upper=1), startup_milliseconds=1),
        prediction(startup_milliseconds=10**9),
    ],
)
def test_a_forged_prediction_weighs_no_more_in_the_metrics_than_the_time_that_its_pod_held_the_node(
    forged: PodPrediction,
) -> None:
    metrics = Metrics()
    ended = read(task_pod(predicted=forged))
    assert ended.pairing is not None
    metrics.count(ended)
    most_seconds = MOST_TIMES_OFF * ended.pairing.actual_completion_milliseconds / 1e3
    for quantity in QUANTITIES:
        labels = {"node_class": "fast", "quantity": quantity}
        for name, most in {
            "foretide_predicted_seconds_total": most_seconds,
            "foretide_prediction_absolute_error_seconds_total": most_seconds,
            "foretide_actual_to_predicted_ratio_sum": MOST_TIMES_OFF,
        }.items():
            counted = metrics.registry.get_sample_value(name, labels)
            assert counted is not None
            assert counted <= most, (name, quantity)


def test_sums_of_a_class_begin_at_zero_before_its_first_task_ends() -> None:
    metrics = Metrics()
    metrics.know_classes(["fast"])
    labels = {"node_class": "fast", "quantity": "work"}
    value = metrics.registry.get_sample_value
    assert value("foretide_actual_seconds_total", labels) == 0.0
    metrics.count(read(task_pod(predicted=prediction())))
    counted = value("foretide_actual_seconds_total", labels)
    metrics.know_classes(["fast", "slow"])
    assert value("foretide_actual_seconds_total", labels) == counted
    assert value("foretide_prediction_interval_total", {"node_class": "slow", "outcome": "above"}) == 0.0
    assert value("foretide_deadline_total", {"outcome": "missed"}) == 0.0
    assert value("foretide_model_versions_total", {"outcome": "RolledBack"}) == 0.0


def test_an_honest_prediction_counts_in_the_metrics_as_it_is() -> None:
    metrics = Metrics()
    metrics.count(read(task_pod(predicted=prediction())))
    labels = {"node_class": "fast", "quantity": "work"}
    assert metrics.registry.get_sample_value("foretide_predicted_seconds_total", labels) == pytest.approx(2.2)
    assert metrics.registry.get_sample_value("foretide_prediction_absolute_error_seconds_total", labels) == (
        pytest.approx(0.2)
    )


def test_a_prediction_for_a_node_without_class_counts_nowhere() -> None:
    assert read(task_pod(predicted=prediction(node_class="made-up")), node_class=None).ending == "PredictionRefused"


def test_a_foreign_container_is_paired_by_the_apis_times_and_teaches_nothing() -> None:
    ended = read(task_pod(message="done", predicted=prediction()))
    assert ended.ending == "Paired"
    assert ended.row is None
    assert ended.pairing is not None
    assert ended.pairing.actual_work_milliseconds is None
    assert ended.pairing.actual_completion_milliseconds == 26_500


@pytest.mark.parametrize(
    "message",
    [run_result(work_milliseconds=3_600_000), run_result(inference_median_microseconds=10**6), "{}"],
)
def test_an_impossible_report_teaches_nothing(message: Any) -> None:
    assert read(task_pod(message=message, predicted=prediction())).row is None


@pytest.mark.parametrize(
    ("pod", "reason"),
    [
        (task_pod(phase="Failed", terminated={"reason": "OOMKilled", "exitCode": 137}), "OOMKilled"),
        (task_pod(phase="Failed", message=None, reason="Evicted"), "Evicted"),
        (task_pod(phase="Failed", message=None), "Failed"),
    ],
)
def test_a_failed_task_is_counted_apart(pod: Any, reason: str) -> None:
    ended = read(pod)
    assert (ended.ending, ended.reason, ended.row, ended.pairing) == ("Failed", reason, None, None)


@pytest.mark.parametrize("off_milliseconds", [-40_000, 0, 40_000])
def test_the_start_up_that_is_learned_is_not_measured_across_two_clocks(off_milliseconds: int) -> None:
    begin = NOW_MILLISECONDS - 50_000 + off_milliseconds
    message = run_result(process_start=begin - 1_000, work_begin=begin, work_end=begin + 2_000)
    pod = task_pod(message=message)
    pod["status"]["containerStatuses"][0]["state"]["terminated"]["finishedAt"] = ago(48)
    row = read(pod).row
    assert row is not None
    assert (row.startup_milliseconds, row.inference_microseconds) == (6_500, 20_000)


@pytest.mark.parametrize(("age_seconds", "is_its_own"), [(59, True), (58, True), (57, False), (10, False)])
def test_a_pod_that_is_older_than_the_workload_ran_for_none_that_is_there(
    *, age_seconds: float, is_its_own: bool
) -> None:
    metadata = msgspec.structs.replace(WORKLOAD.metadata, creation_timestamp=ago(age_seconds))
    assert ran_for(task_pod(), msgspec.structs.replace(WORKLOAD, metadata=metadata)) is is_its_own  # made 58 s ago


def test_only_ended_tasks_that_were_not_marked_wait_to_be_paired() -> None:
    pod = task_pod()
    assert is_waiting_to_be_paired(pod)
    assert not is_waiting_to_be_paired(task_pod(phase="Running"))
    pod["metadata"]["annotations"]["foretide.dev/paired"] = "2026-06-01T12:00:00Z"
    assert not is_waiting_to_be_paired(pod)
    inspecting = task_pod()
    inspecting["metadata"]["labels"]["foretide.dev/role"] = "inspect"
    assert not is_waiting_to_be_paired(inspecting)
    own = task_pod()
    del own["metadata"]["labels"]["foretide.dev/role"]
    assert is_waiting_to_be_paired(own)


FLEET = Fleet({}, {"f1": "fast"})


class Pairing:
    """A pairer on a cluster with one class, whose clocks stand still until they are moved."""

    def __init__(self, *, ended_ago_seconds: float = 1.0) -> None:
        self.seconds = 0.0
        self.api = MemoryApi()
        self.api.put(NODES, node("f1", "fast"))
        self.pod = task_pod(node_name="f1")
        state = self.pod["status"]["containerStatuses"][0]["state"]["terminated"]
        state["finishedAt"] = ago(ended_ago_seconds)
        self.api.put(PODS, self.pod)
        self.metrics = Metrics()
        self.pairer = Pairer(self.api.client, self.api.world, SETTINGS, self.metrics, monotonic=lambda: self.seconds)

    def look(self, *, jump_seconds: float = 0.0) -> str | None:
        """How the Pod's end was counted, None while it waits; ``jump_seconds`` is how far the wall clock is off."""
        self.done = self.pairer.look(ObservationTable(), FLEET, {}, None, NOW + timedelta(seconds=jump_seconds))
        endings = {
            sample.labels["ending"]
            for family in self.metrics.registry.collect()
            for sample in family.samples
            if sample.name == "foretide_tasks_ended_total" and sample.value
        }
        return endings.pop() if endings else None


def test_a_prediction_is_waited_for_a_moment_and_no_longer() -> None:
    pairing = Pairing()
    assert pairing.look() is None
    assert pairing.done.recheck_seconds == pytest.approx(GRACE_SECONDS + 0.1)
    pairing.seconds = GRACE_SECONDS - 1.0
    assert pairing.look() is None
    assert pairing.done.recheck_seconds == pytest.approx(1.1)
    pairing.seconds = GRACE_SECONDS
    assert pairing.look() == "Unpredicted"
    assert pairing.done.recheck_seconds is None


@pytest.mark.parametrize("jump_seconds", [-86_400.0, 86_400.0])
def test_a_wall_clock_that_jumps_changes_nothing_of_how_long_a_prediction_is_waited_for(jump_seconds: float) -> None:
    pairing = Pairing()
    assert pairing.look() is None
    pairing.seconds = 3.0
    assert pairing.look(jump_seconds=jump_seconds) is None
    text = msgspec.json.encode(prediction(node="f1")).decode()
    pairing.pod["metadata"]["annotations"]["foretide.dev/prediction"] = text
    pairing.api.put(PODS, pairing.pod)
    assert pairing.look(jump_seconds=jump_seconds) == "Paired"


def test_what_ended_while_nobody_looked_is_waited_for_as_well() -> None:
    pairing = Pairing(ended_ago_seconds=1800.0)  # the planner may have been as long away as the operator
    assert pairing.look() is None
    pairing.seconds = GRACE_SECONDS
    assert pairing.look() == "Unpredicted"


def test_no_prediction_is_waited_for_where_no_node_was_found() -> None:
    pairing = Pairing()
    del pairing.pod["spec"]["nodeName"]
    pairing.pod["status"]["phase"] = "Failed"
    pairing.api.put(PODS, pairing.pod)
    assert pairing.look() == "Failed"


TASKS = [read(task_pod(predicted=prediction())) for _ in range(6)]


@given(st.lists(st.tuples(st.sets(st.integers(0, 5)), st.booleans()), max_size=8))
def test_each_pod_is_counted_once_however_often_it_is_seen_and_whenever_it_is_cut_off(
    looks: list[tuple[set[int], bool]],
) -> None:
    stored: Any = None
    ledger = Ledger()
    annotated: set[str] = set()
    counted: set[str] = set()
    for numbers, is_cut_off in looks:
        seen = [TASKS[n] for n in sorted(numbers) if TASKS[n].uid not in annotated]
        uids = {task.uid for task in seen}
        ledger = ledger.plus(seen, annotated=annotated, alive={WORKLOAD.metadata.uid})
        stored = ledger.to_config_map("ns", None)
        counted |= uids
        if is_cut_off:  # killed between storing and annotating: everything in memory is lost
            ledger = load(stored)
        else:
            annotated |= uids
    actuals = ledger.of_workload(WORKLOAD.metadata.uid)
    assert (actuals.count if actuals else 0) == len(counted)


def since(measured_time: str, tasks: list[Ended]) -> list[Ended]:
    """The same, as tasks that were done after a measurement."""
    told = Told(measured_time=measured_time, departure=None, runtime=None, driver=None)
    return [replace(task, told=told) for task in tasks]


def test_what_is_summed_up_of_a_measurement_are_the_tasks_since_and_of_the_workload_all() -> None:
    uid = WORKLOAD.metadata.uid
    ledger = Ledger().plus([TASKS[0], *since("then", TASKS[1:4])], annotated=(), alive={uid})
    first = ledger.of_class(uid, "fast", "then")
    assert first is not None
    assert first.count == 3
    assert ledger.of_class(uid, "fast", "later") is None, "no task was done since it was made again"
    ledger = ledger.plus(since("later", TASKS[4:5]), annotated=(), alive={uid})
    second = ledger.of_class(uid, "fast", "later")
    assert second is not None
    assert second.count == 1
    assert ledger.of_class(uid, "fast", "then") is None
    actuals = ledger.of_workload(uid)
    assert actuals is not None
    assert (actuals.count, actuals.mean_work_milliseconds) == (5, 2_000)


def test_sums_say_how_far_actuals_are_from_predictions() -> None:
    ledger = Ledger().plus(since("then", TASKS[:2]), annotated=(), alive={WORKLOAD.metadata.uid})
    summary = ledger.of_class(WORKLOAD.metadata.uid, "fast", "then")
    assert summary is not None
    assert (summary.count, summary.mean_work_milliseconds, summary.mean_startup_milliseconds) == (2, 2_000, 6_500)
    assert summary.actual_to_predicted_permille == 909
    assert ledger.of_class(WORKLOAD.metadata.uid, "slow", "then") is None
    assert load({"binaryData": {"ledger.json.gz": "AAAA"}}) == Ledger()


def test_a_workload_that_is_made_again_under_its_name_inherits_no_sums() -> None:
    own, other = WORKLOAD.metadata.uid, "another"
    ledger = Ledger().plus(since("then", TASKS[:2]), annotated=(), alive={own, other})
    assert ledger.of_workload(other) is None
    assert ledger.of_class(other, "fast", "then") is None
    late = read_ended(task_pod(predicted=prediction()), None, "fast", None)
    after = ledger.plus([late], annotated=(), alive={other})
    assert after.sums == {}
    assert late.uid in after.counted
