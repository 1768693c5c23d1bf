"""Conditions change as Kubernetes asks: the time moves with the status and with nothing else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from foretide_kube.kinds.common import find_condition, set_condition, to_time

FIRST = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
LATER = FIRST + timedelta(minutes=5)


def test_a_new_condition_is_appended_with_the_present_time() -> None:
    conditions = set_condition((), "Ready", "Unknown", "Pending", "", observed_generation=1, now=FIRST)
    conditions = set_condition(conditions, "Probed", "False", "TimedOut", "why", observed_generation=1, now=LATER)
    assert [condition.type for condition in conditions] == ["Ready", "Probed"]
    assert conditions[0].last_transition_time == "2026-01-02T03:04:05Z"
    assert conditions[1].last_transition_time == "2026-01-02T03:09:05Z"


def test_the_time_stays_while_the_status_stays() -> None:
    before = set_condition((), "Ready", "False", "Pending", "first", observed_generation=1, now=FIRST)
    (after,) = set_condition(before, "Ready", "False", "Failed", "second", observed_generation=2, now=LATER)
    assert after.last_transition_time == to_time(FIRST)
    assert (after.reason, after.message, after.observed_generation) == ("Failed", "second", 2)


def test_the_time_moves_when_the_status_changes_and_the_order_stays() -> None:
    before = set_condition((), "Ready", "False", "Pending", "", observed_generation=1, now=FIRST)
    before = set_condition(before, "Probed", "True", "Measured", "", observed_generation=1, now=FIRST)
    after = set_condition(before, "Ready", "True", "Ready", "", observed_generation=1, now=LATER)
    assert [condition.type for condition in after] == ["Ready", "Probed"]
    assert after[0].last_transition_time == to_time(LATER)
    assert after[1] is before[1]


def test_a_message_that_is_too_long_is_cut_to_what_the_schema_allows() -> None:
    (condition,) = set_condition((), "Ready", "False", "Failed", "x" * 5000, observed_generation=1, now=FIRST)
    assert len(condition.message) == 2048
    assert condition.message.endswith("...")


def test_asking_for_a_condition_that_was_never_set_finds_nothing() -> None:
    conditions = set_condition((), "Ready", "True", "Ready", "", observed_generation=1, now=FIRST)
    assert find_condition(conditions, "Ready") is conditions[0]
    assert find_condition(conditions, "Probed") is None


def test_times_are_written_in_utc() -> None:
    assert to_time(FIRST.astimezone(timezone(timedelta(hours=9)))) == "2026-01-02T03:04:05Z"
