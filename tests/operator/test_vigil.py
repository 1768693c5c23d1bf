"""When the planner counts as silent: by what was watched of its Lease, never by what could not be read."""

from __future__ import annotations

from typing import Any

from foretide_operator.gates.vigil import AWAY_SECONDS, GRACE_SECONDS, SILENT_SECONDS, Vigil


def lease(renewed: int, holder: str | None = "a") -> dict[str, Any]:
    return {"spec": {"holderIdentity": holder, "renewTime": f"2026-06-01T12:00:{renewed:02d}.000000Z"}}


class Watched:
    """A vigil after its first grace, read every two seconds."""

    def __init__(self) -> None:
        self.now_seconds = 1000.0
        self.vigil = Vigil.begin(self.now_seconds - GRACE_SECONDS).after_reading(lease(0), self.now_seconds)

    def read(self, found: dict[str, Any] | None, *, seconds: float, every: float = 2.0) -> None:
        until = self.now_seconds + seconds
        while self.now_seconds < until:
            self.now_seconds += every
            self.vigil = self.vigil.after_reading(found, self.now_seconds)

    def fail(self, *, seconds: float, is_away: bool = True) -> None:
        self.now_seconds += seconds
        self.vigil = self.vigil.after_failure(is_away=is_away)

    def is_opening(self) -> bool:
        return self.vigil.may_open(self.now_seconds) and self.vigil.is_silent()


def test_a_planner_that_renews_is_never_silent() -> None:
    watched = Watched()
    for second in range(1, 50):
        watched.read(lease(second), seconds=2)
        assert not watched.is_opening()


def test_a_lease_that_stands_still_is_silence_after_ten_seconds() -> None:
    watched = Watched()
    watched.read(lease(0), seconds=SILENT_SECONDS - 2)
    assert not watched.is_opening()
    watched.read(lease(0), seconds=2)
    assert watched.is_opening()


def test_a_lease_without_holder_and_none_at_all_are_silence_too() -> None:
    for found in (lease(0, holder=None), lease(0, holder=""), {}, None):
        watched = Watched()
        watched.read(found, seconds=SILENT_SECONDS + 2)
        assert watched.is_opening(), found


def test_a_lease_that_changes_hands_with_nobody_is_silence() -> None:
    watched = Watched()
    for second in range(1, 8):
        watched.read(lease(second, holder=None), seconds=2)
    assert watched.is_opening()


def test_one_renewal_ends_the_silence() -> None:
    watched = Watched()
    watched.read(lease(0), seconds=40)
    watched.read(lease(1), seconds=2)
    assert not watched.is_opening()


def test_nothing_is_opened_in_the_grace_after_the_start() -> None:
    vigil = Vigil.begin(0.0)
    for second in range(0, int(GRACE_SECONDS), 2):
        vigil = vigil.after_reading(None, second)
        assert not vigil.may_open(second)
    assert vigil.after_reading(None, GRACE_SECONDS).may_open(GRACE_SECONDS)


def test_time_in_which_the_lease_could_not_be_read_is_no_silence() -> None:
    watched = Watched()
    watched.read(lease(0), seconds=SILENT_SECONDS - 2)
    watched.fail(seconds=4)
    assert not watched.vigil.may_open(watched.now_seconds)
    watched.read(lease(0), seconds=2)
    assert not watched.is_opening(), "the gap is not counted"
    watched.read(lease(0), seconds=2)
    assert watched.is_opening(), "what was watched before it is"


def test_after_an_outage_the_planner_gets_the_grace_again() -> None:
    watched = Watched()
    watched.fail(seconds=AWAY_SECONDS)
    watched.read(lease(0), seconds=GRACE_SECONDS)
    assert not watched.is_opening()
    watched.read(lease(0), seconds=4)
    assert watched.is_opening()


def test_so_it_does_when_we_ourselves_were_stopped() -> None:
    watched = Watched()
    watched.read(lease(0), seconds=600, every=600.0)
    assert not watched.is_opening()


def test_short_gaps_cannot_put_off_silence_for_ever() -> None:
    watched = Watched()
    for _ in range(10):
        watched.fail(seconds=2)
        watched.read(lease(0), seconds=4)
    assert watched.is_opening()


def test_a_lease_that_may_not_be_read_is_no_silence_and_does_not_suspend_the_bounds() -> None:
    watched = Watched()
    watched.fail(seconds=60, is_away=False)
    assert watched.vigil.may_open(watched.now_seconds)
    assert not watched.vigil.is_silent()
