"""Who may lead: a planner that comes round and sees; and when only a restart can help it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from foretide_operator.planner.health import BLIND_SECONDS, DEAF_SECONDS, HUNG_SECONDS, STUCK_SECONDS, Health
from foretide_operator.planner.watching import WATCH_SECONDS

WELL = Health(
    is_synced=True,
    dispatcher_silent_seconds=HUNG_SECONDS - 1.0,
    recorder_silent_seconds=STUCK_SECONDS - 1.0,
    watch_ages_seconds={"pods": 0.0, "nodeclasses": WATCH_SECONDS + 15.0},
)


def test_a_planner_that_comes_round_and_sees_may_lead() -> None:
    assert WELL.is_fit_to_lead()
    assert WELL.problem() == ""


@pytest.mark.parametrize(
    "unfit",
    [
        replace(WELL, is_synced=False),
        replace(WELL, dispatcher_silent_seconds=HUNG_SECONDS),
        replace(WELL, watch_ages_seconds={"pods": 0.0, "nodes": BLIND_SECONDS}),
    ],
    ids=["unsynced", "hung", "blind"],
)
def test_a_planner_that_hangs_or_does_not_see_lets_others_lead_and_is_given_time(unfit: Health) -> None:
    assert not unfit.is_fit_to_lead()
    assert unfit.problem() == ""


@pytest.mark.parametrize(
    ("beyond_help", "problem"),
    [
        (replace(WELL, dispatcher_silent_seconds=STUCK_SECONDS + 1.0), "nothing was done for 61 s"),
        (replace(WELL, recorder_silent_seconds=STUCK_SECONDS + 1.0), "nothing was done for 61 s"),
        (replace(WELL, watch_ages_seconds={"nodes": DEAF_SECONDS + 1.0}), "nothing was received about nodes for 901 s"),
    ],
)
def test_what_does_not_come_back_by_itself_is_said(beyond_help: Health, problem: str) -> None:
    assert beyond_help.problem() == problem
