"""What is measured next: by the policy, by what it gains, one after another, within the budget, and in turn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from foretide.prediction import Interval, Prediction
from foretide.profiling.turns import Candidate, Spent
from foretide.signature import Signature
from foretide_kube.names import LABEL_JOB_NODE_CLASS
from foretide_operator.actions import Create
from foretide_operator.outcome import Done, Failed, Outcome, Running
from foretide_operator.workload.facts import Facts
from foretide_operator.workload.reconcile import Decision, decide
from tests.operator.cluster_objects import SETTINGS, ago, node
from tests.operator.test_workload_reconcile import (
    NODES,
    facts,
    known,
    prediction,
    profile_attempt,
    stored_profile,
    verdict,
    with_status,
)

TRAINED = ago(600)
MICROSECONDS = {"fast": 10_000, "slow": 11_000}


def foretold(factor: float, *, source: Any = "Learned", **microseconds: int) -> Any:
    """Predictions for each class within a factor to either side; a profile's own within a tenth."""

    def predict(given: Facts, _: Signature) -> Sequence[Prediction]:
        measured = {profile.spec.node_class for profile in given.profiles}
        return [
            _within(members.name, {**MICROSECONDS, **microseconds}[members.name], 1.1, "Measured")
            if members.name in measured
            else _within(members.name, {**MICROSECONDS, **microseconds}[members.name], factor, source)
            for members in given.classes
        ]

    return predict


def _within(name: str, median: int, factor: float, source: Any) -> Prediction:
    interval = Interval(lower=round(median / factor), median=median, upper=round(median * factor))
    return prediction(name, source=source, work_microseconds_per_inference=interval, startup_milliseconds=100)


UNSURE, SURE = foretold(2.0), foretold(1.05)


def rows(decision: Decision) -> dict[str, str]:
    assert decision.status.profiles is not None
    return {row.node_class: row.reason for row in decision.status.profiles.classes}


def begun(decision: Decision) -> list[str]:
    """The classes on which a measurement begins."""
    return [
        action.body["metadata"]["labels"].get(LABEL_JOB_NODE_CLASS)
        for action in decision.actions
        if isinstance(action, Create) and action.body["metadata"]["labels"].get("foretide.dev/role") == "profile"
    ]


def candidate(worth: float, *, namespace: str = "team") -> Candidate:
    return Candidate(namespace=namespace, name="other", worth=worth)


def test_a_pair_that_is_sure_enough_is_not_measured_and_the_status_says_so() -> None:
    decision = decide(facts(workload=known(), considered_time=TRAINED), SURE)
    assert begun(decision) == []
    assert rows(decision) == {"fast": "SureEnough", "slow": "SureEnough"}
    assert verdict(decision, "Profiled") == ("True", "SureEnough")
    assert decision.status.profiles is not None
    assert decision.status.profiles.summary == "measured 0, learned 2 of 2"
    assert all((row.gain_permille or 0) < 10 for row in decision.status.profiles.classes)


def test_always_measures_what_is_sure_and_all_at_once() -> None:
    decision = decide(facts(workload=known(profiling={"policy": "Always"}), considered_time=TRAINED), SURE)
    assert sorted(begun(decision)) == ["fast", "slow"]


def test_never_measures_nothing_and_counts_what_was_learned() -> None:
    decision = decide(facts(workload=known(profiling={"policy": "Never"}), considered_time=TRAINED), UNSURE)
    assert begun(decision) == []
    assert rows(decision) == {"fast": "PolicyNever", "slow": "PolicyNever"}
    assert decision.status.profiles is not None
    assert decision.status.profiles.summary == "measured 0, learned 2 of 2"


def test_where_a_model_learns_one_pair_is_measured_after_another() -> None:
    given = known()
    (first,) = begun(decide(facts(workload=given, considered_time=TRAINED), UNSURE))
    (other,) = MICROSECONDS.keys() - {first}
    running = profile_attempt(given, first, Running("", "under way", is_started=True))
    decision = decide(facts(workload=given, attempts=(running,), measuring={first: 1}, considered_time=TRAINED), UNSURE)
    assert begun(decision) == []
    assert rows(decision) == {first: "InProgress", other: "OneAfterAnother"}


def test_without_a_model_all_classes_are_measured_at_once() -> None:
    assert sorted(begun(decide(facts(workload=known()), foretold(20.0, source="Fallback")))) == ["fast", "slow"]


@pytest.mark.parametrize(
    ("measured_ago", "trained_ago", "reason"),
    [(60, 120, "OneAfterAnother"), (60, 30, "Started"), (1000, 2000, "Started")],  # training that fails holds nobody up
)
def test_the_next_measurement_waits_until_the_model_has_learned_from_the_last(
    measured_ago: float, trained_ago: float, reason: str
) -> None:
    given = known()
    profile = stored_profile(given, "fast", measured=ago(measured_ago))
    decision = decide(facts(workload=given, profiles=(profile,), considered_time=ago(trained_ago)), UNSURE)
    assert rows(decision) == {"fast": "Measured", "slow": reason}
    assert bool(begun(decision)) is (reason == "Started")


@pytest.mark.parametrize(
    "outcome",
    [
        Failed("OOMKilled", "killed", ago(600)),
        Failed("TimedOut", "slow", ago(2)),
        Running("Unschedulable", "no node has room"),
    ],
)
def test_a_measurement_that_failed_or_cannot_begin_keeps_no_other_from_beginning(outcome: Outcome) -> None:
    given = known()
    attempts = (profile_attempt(given, "fast", outcome),)
    assert begun(decide(facts(workload=given, attempts=attempts, considered_time=TRAINED), UNSURE)) == ["slow"]


def test_a_class_without_a_ready_node_keeps_no_other_from_beginning() -> None:
    nodes = (node("f1", "fast", ready=False), *NODES[1:])
    decision = decide(facts(workload=known(), nodes=nodes, considered_time=TRAINED), UNSURE)
    assert rows(decision) == {"fast": "NoReadyNode", "slow": "Started"}


def test_what_became_sure_is_not_tried_again() -> None:
    given = known()
    attempts = (profile_attempt(given, "fast", Failed("TimedOut", "slow", ago(3600))),)
    decision = decide(facts(workload=given, attempts=attempts, considered_time=TRAINED), SURE)
    assert begun(decision) == []
    assert rows(decision)["fast"] == "SureEnough"


def test_a_class_that_has_spent_its_budget_is_not_measured_whatever_the_policy() -> None:
    spent = Spent({"fast": float(SETTINGS.profile_budget_seconds), "slow": SETTINGS.profile_budget_seconds - 1.0})
    decision = decide(facts(workload=known(profiling={"policy": "Always"}), spent=spent), UNSURE)
    assert begun(decision) == ["slow"]
    assert rows(decision) == {"fast": "BudgetSpent", "slow": "Started"}
    assert verdict(decision, "Profiled") == ("Unknown", "BudgetSpent")


@pytest.mark.parametrize(
    ("ahead", "measurements", "begins"),
    [
        (candidate(1e6), {}, False),
        (candidate(0.0), {}, True),
        (candidate(1e6, namespace="greedy"), {("fast", "greedy"): 1}, True),
        (candidate(0.0, namespace="modest"), {("fast", "team"): 1}, False),
    ],
)
def test_what_is_worth_most_comes_first_and_namespaces_take_turns(
    ahead: Candidate, measurements: dict[tuple[str, str], int], *, begins: bool
) -> None:
    spent = Spent()
    spent.measurements.update(measurements)
    decision = decide(facts(workload=known(), ahead={"fast": ahead}, spent=spent), UNSURE)
    assert ("fast" in begun(decision)) is begins
    assert rows(decision)["fast"] == ("Started" if begins else "Waiting")
    assert "slow" in begun(decision)


def test_more_tasks_make_a_measurement_worth_more() -> None:
    def worth(**more: Any) -> int:
        full = {"fast": SETTINGS.profiles_per_class, "slow": SETTINGS.profiles_per_class}
        found = decide(facts(workload=known(), measuring=full, **more), UNSURE).status.profiles
        assert found is not None
        return found.classes[0].worth_permille or 0

    outcome = profile_attempt(known(), "fast").outcome
    assert isinstance(outcome, Done)
    assert worth(run_pods=(outcome.pod,) * 9) == pytest.approx(10 * worth(), rel=0.01)


def started_in(startup_milliseconds: int) -> Any:
    """Predictions as `UNSURE`, where a Pod takes so long to start."""

    def predict(given: Facts, signature: Signature) -> Sequence[Prediction]:
        foretold = UNSURE(given, signature)
        return [msgspec.structs.replace(each, startup_milliseconds=startup_milliseconds) for each in foretold]

    return predict


def figures(startup_milliseconds: int, **spec: Any) -> list[tuple[int, int]]:
    """Gain and worth of each class."""
    profiles = decide(
        facts(workload=known(**spec), considered_time=TRAINED), started_in(startup_milliseconds)
    ).status.profiles
    assert profiles is not None
    return [(row.gain_permille or 0, row.worth_permille or 0) for row in profiles.classes]


SERVICE = {"mode": "Deployment"}


def test_a_service_is_measured_for_what_a_request_gains_however_long_its_pods_take_to_start() -> None:
    at_once, in_an_hour = figures(0, run=SERVICE), figures(3_600_000, run=SERVICE)
    assert [gain for gain, _ in at_once] == [gain for gain, _ in in_an_hour]
    assert min(gain for gain, _ in at_once) > 10
    assert at_once == figures(0, run=SERVICE, inferences=50_000)
    assert all(worth > other for (_, worth), (_, other) in zip(at_once, in_an_hour, strict=True)), "it costs more"


def test_a_service_is_worth_as_much_as_a_task_of_the_usual_size() -> None:
    assert figures(0, run=SERVICE) == figures(0, inferences=1000)
    assert min(worth for _, worth in figures(0, run=SERVICE)) > 0


def test_published_figures_stay_where_they_move_by_less_than_a_fifth() -> None:
    full = {"fast": SETTINGS.profiles_per_class, "slow": SETTINGS.profiles_per_class}
    given = known()
    before = decide(facts(workload=given, measuring=full), UNSURE).status
    stored = with_status(given, before)
    near = decide(facts(workload=stored, measuring=full), foretold(2.06)).status
    far = decide(facts(workload=stored, measuring=full), foretold(8.0)).status
    assert near.profiles == before.profiles
    assert far.profiles != before.profiles


def test_a_measurement_that_is_too_old_is_made_again_though_what_it_says_is_sure() -> None:
    given = known(profiling={"policy": "Auto", "maxAgeSeconds": 3600})
    profiles = (stored_profile(given, "fast", measured=ago(7200)), stored_profile(given, "slow", measured=ago(60)))
    assert begun(decide(facts(workload=given, profiles=profiles, considered_time=ago(30)), SURE)) == ["fast"]


def test_reasons_and_messages_fit_the_schema_however_long() -> None:
    given = known()
    attempts = tuple(profile_attempt(given, name, Failed("OOMKilled", "x" * 2000, ago(60))) for name in MICROSECONDS)
    status = decide(facts(workload=given, attempts=attempts), UNSURE).status
    assert with_status(given, status).status == status
    assert status.profiles is not None
    assert all(row.message.startswith("xxx") for row in status.profiles.classes)
