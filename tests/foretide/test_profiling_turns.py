"""Whose turn it is: what is worth most first, namespaces by turns, within what a class may spend."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretide.profiling.turns import (
    DAY_SECONDS,
    Candidate,
    Limits,
    Measurement,
    measuring_seconds,
    rank,
    spent,
)

LIMITS = Limits(max_seconds=30, min_samples=64, min_seconds=5)
NOW_SECONDS = 10 * DAY_SECONDS
CANDIDATES = st.lists(
    st.builds(
        Candidate, namespace=st.sampled_from("ab"), name=st.text("xyz", min_size=1, max_size=3), worth=st.floats(0, 1e6)
    ),
    min_size=1,
    max_size=12,
    unique_by=lambda each: (each.namespace, each.name),
)


def measured(namespace: str = "a", node_class: str = "fast", *, ago_seconds: float = 60.0) -> Measurement:
    return Measurement(
        namespace=namespace, node_class=node_class, ended_seconds=NOW_SECONDS - ago_seconds, node_seconds=20.0
    )


@pytest.mark.parametrize(
    ("inference_seconds", "seconds"),
    [(0.001, 4 + 3 + 5), (0.1, 4 + 3 + 6.4), (0.3, 4 + 3 + 19.2), (5.0, 4 + 30)],
)
def test_a_measurement_takes_starting_warming_up_and_sampling_until_it_is_cut_off(
    inference_seconds: float, seconds: float
) -> None:
    found = measuring_seconds(startup_seconds=4.0, inference_seconds=inference_seconds, limits=LIMITS)
    assert found == pytest.approx(seconds)


def test_only_the_last_day_is_counted_by_class_and_namespace() -> None:
    found = spent(
        [
            measured(),
            measured("b"),
            measured(node_class="slow"),
            measured(ago_seconds=DAY_SECONDS),
            measured(ago_seconds=DAY_SECONDS - 1),
            measured("c", ago_seconds=-2 * DAY_SECONDS),  # told by a clock that has been put back
        ],
        now_seconds=NOW_SECONDS,
    )
    assert found.node_seconds == {"fast": 60.0, "slow": 20.0}
    assert found.measurements == {("fast", "a"): 2, ("fast", "b"): 1, ("slow", "a"): 1}


@given(CANDIDATES)
def test_within_a_namespace_what_gains_most_per_second_comes_first_and_no_two_are_equal(
    candidates: list[Candidate],
) -> None:
    ranks = sorted((rank(each, measurements=0), each.worth) for each in candidates)
    assert all(before[1] >= after[1] and before[0] < after[0] for before, after in pairwise(ranks))


@given(CANDIDATES, st.integers(0, 100))
def test_whatever_a_namespace_claims_to_be_worth_one_with_fewer_measurements_comes_first(
    candidates: list[Candidate], measurements: int
) -> None:
    modest = Candidate(namespace="c", name="c", worth=0.0)
    assert all(rank(modest, measurements=measurements) < rank(c, measurements=measurements + 1) for c in candidates)
