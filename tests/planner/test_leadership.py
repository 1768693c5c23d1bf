"""Who leads: decided from the Lease as it was seen, by our own clock."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from foretide_kube.client import ApiError
from foretide_operator.planner.leadership import EXPIRY_SECONDS, Elector, Seen, Step, lease_spec, look, next_step
from tests.extender.real_objects import eventually

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


class Leases:
    """An API server with one Lease."""

    def __init__(self) -> None:
        self.lease: dict[str, Any] = {"metadata": {"resourceVersion": "1"}, "spec": {}}
        self.hold: Callable[[], object] = lambda: None

    @property
    def holder(self) -> str | None:
        found: str | None = self.lease["spec"].get("holderIdentity")
        return found

    def find(self, *_: object) -> dict[str, Any]:
        return copy.deepcopy(self.lease)

    def replace(self, _resource: object, body: dict[str, Any], _namespace: str) -> dict[str, Any]:
        self.hold()
        return self._write(body["metadata"], body["spec"])

    def patch(self, _resource: object, _name: str, body: dict[str, Any], _namespace: str) -> dict[str, Any]:
        return self._write(body.get("metadata", {}), self.lease["spec"] | body["spec"])

    def _write(self, metadata: dict[str, Any], spec: dict[str, Any]) -> dict[str, Any]:
        version = self.lease["metadata"]["resourceVersion"]
        if metadata.get("resourceVersion", version) != version:
            raise ApiError(409, "Conflict", "")
        self.lease = {"metadata": {"resourceVersion": str(int(version) + 1)}, "spec": spec}
        return copy.deepcopy(self.lease)


class Turn:
    """The time of day and of the monotonic clock."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def elector(self, leases: Any, identity: str, is_well: Callable[[], bool] = lambda: True) -> Elector:
        return Elector(
            leases, "system", identity, clock=lambda: self.seconds, now=lambda: datetime.now(UTC), is_well=is_well
        )


def test_a_container_that_was_killed_goes_on_with_the_lease_and_another_pod_waits_for_its_end() -> None:
    turn, leases = Turn(), Leases()
    turn.elector(leases, "pod-1").turn()
    again, other = turn.elector(leases, "pod-1"), turn.elector(leases, "pod-2")
    other.turn()
    again.turn()
    assert (again.is_leader, other.is_leader) == (True, False)
    other.turn()
    turn.seconds += EXPIRY_SECONDS
    other.turn()
    assert (again.is_leader, other.is_leader) == (False, True)


def test_the_lease_is_given_back_unless_somebody_else_has_it_by_now() -> None:
    turn, leases = Turn(), Leases()
    first, second = turn.elector(leases, "first"), turn.elector(leases, "second")
    first.turn()
    first.give_back()
    assert (leases.holder, first.is_leader) == (None, False)
    first.turn()
    late = copy.deepcopy(leases.lease)
    late["spec"]["holderIdentity"] = None
    leases.patch(None, "", {"spec": late["spec"]}, "")
    second.turn()
    assert leases.holder == "second"
    first.give_back()
    assert (leases.holder, second.is_leader) == ("second", True)


def test_a_lease_that_is_being_renewed_at_the_end_is_left_to_expire() -> None:
    turn, leases, going_on = Turn(), Leases(), threading.Event()
    elector = turn.elector(leases, "first")
    elector.turn()
    renewing = threading.Event()

    def hold() -> None:
        renewing.set()
        going_on.wait(10.0)

    leases.hold = hold
    elector.start(lambda: None)
    assert renewing.wait(5.0)
    elector.stop()
    assert leases.holder == "first"
    going_on.set()
    elector._thread.join(5.0)


def test_who_becomes_fit_to_lead_seeks_the_lease_at_once() -> None:
    leases, fit = Leases(), threading.Event()
    elector = Turn().elector(leases, "first", is_well=fit.is_set)
    elector.start(lambda: None)
    fit.set()
    eventually(lambda: elector.is_leader, "leading", seconds=1.5)
    elector.stop()
    assert leases.holder is None
