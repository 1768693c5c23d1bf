"""Who leads: decided from the Lease as it was seen, by our own clock."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from foretide_operator.planner.leadership import Seen, Step, lease_spec, look, next_step

NOW = datetime(2026, 9, 21, 14, 13, 20, 250_000, tzinfo=UTC)


def seen(holder: str, *, since_seconds: float = 100.0, duration_seconds: int = 10) -> Seen:
    return Seen(holder, "t1", duration_seconds, 3, since_seconds)


@pytest.mark.parametrize(
    ("lease", "now_seconds", "expected"),
    [
        (None, 0.0, Step.CREATE),
        (seen("me"), 105.0, Step.RENEW),
        (seen("me"), 1000.0, Step.RENEW),
        (seen(""), 100.0, Step.TAKE),
        (seen("other"), 109.9, Step.WAIT),
        (seen("other"), 110.0, Step.TAKE),
        (seen("other", duration_seconds=30), 110.0, Step.WAIT),
    ],
)
def test_a_lease_is_taken_when_it_is_free_or_was_not_seen_renewed(
    lease: Seen | None, now_seconds: float, expected: Step
) -> None:
    assert next_step(lease, "me", now_seconds) is expected


def lease_object(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "x"}, "spec": spec}


def test_time_counts_from_when_the_lease_was_seen_to_change_whatever_it_says() -> None:
    first = look(lease_object(holderIdentity="other", renewTime="1999", leaseDurationSeconds=10), None, 50.0)
    assert first.since_seconds == 50.0
    again = look(lease_object(holderIdentity="other", renewTime="1999", leaseDurationSeconds=10), first, 55.0)
    assert again.since_seconds == 50.0
    renewed = look(lease_object(holderIdentity="other", renewTime="2000", leaseDurationSeconds=10), again, 58.0)
    assert renewed.since_seconds == 58.0


def test_a_lease_given_back_or_empty_is_free() -> None:
    assert next_step(look(lease_object(holderIdentity=None), None, 1.0), "me", 1.0) is Step.TAKE
    assert next_step(look({"metadata": {}}, None, 1.0), "me", 1.0) is Step.TAKE


def test_taking_counts_a_transition_and_renewing_does_not() -> None:
    taken = lease_spec(Step.TAKE, seen("other"), "me", NOW)
    assert taken["leaseTransitions"] == 4
    assert taken["acquireTime"] == taken["renewTime"] == "2026-09-21T14:13:20.250000Z"
    renewed = lease_spec(Step.RENEW, seen("me"), "me", NOW)
    assert set(renewed) == {"holderIdentity", "leaseDurationSeconds", "renewTime"}
