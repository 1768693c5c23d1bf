"""How long a task may be held back."""

from __future__ import annotations

import pytest

from foretide.placement.waiting import LONGEST_SECONDS, SHORTEST_SECONDS, wait_bound_seconds


@pytest.mark.parametrize(
    ("max_wait_seconds", "completions_seconds", "bound_seconds"),
    [
        (5.0, (100.0,), 5.0),  # what is asked for counts, however little
        (None, (), SHORTEST_SECONDS),
        (None, (1.0, 2.0), SHORTEST_SECONDS),
        (None, (10.0, 20.0), 100.0),
        (None, (3.0, 98.0), 98.0),  # it may wait for the fast node as long as the slow one would take
        (None, (1000.0,), LONGEST_SECONDS),
    ],
)
def test_a_task_waits_ten_times_its_best_completion_or_its_worst_within_limits(
    max_wait_seconds: float | None, completions_seconds: tuple[float, ...], bound_seconds: float
) -> None:
    assert wait_bound_seconds(max_wait_seconds, completions_seconds) == bound_seconds
