"""When one model is worse than another, and when nobody can tell."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from foretide.comparison import MOST_SAY, Judged, compare


def judged(pairs: int, error: float, against: float, *, namespace: str = "team", spread: float = 0.02) -> list[Judged]:
    """Every pair of another workload, errors scattered about these."""
    chance = random.Random(3)
    return [
        Judged(
            f"{namespace}/w{number}/k",
            "board",
            max(0.0, error + chance.gauss(0, spread)),
            max(0.0, against + chance.gauss(0, spread)),
        )
        for number in range(pairs)
    ]


def verdict(rows: list[Judged]) -> str:
    found = compare(rows)
    assert found is not None
    return found.verdict


def test_nothing_foretold_is_no_comparison() -> None:
    assert compare([]) is None


def test_a_model_with_twice_the_error_is_worse() -> None:
    found = compare(judged(10, 0.2, 0.1))
    assert found is not None
    assert found.verdict == "Worse"
    assert found.pairs == 10
    assert 190 <= found.error_permille <= 250
    assert 90 <= found.against_error_permille <= 120


def test_a_model_that_is_as_good_is_shown_to_be_not_worse() -> None:
    assert verdict(judged(20, 0.1, 0.1)) == "NotWorse"
    assert verdict(judged(10, 0.1, 0.3)) == "NotWorse"


def test_few_pairs_say_nothing_unless_the_difference_is_plain() -> None:
    assert verdict(judged(1, 2.0, 0.1)) == "Undecided"
    assert verdict(judged(3, 0.15, 0.1, spread=0.05)) == "Undecided"
    assert verdict(judged(4, 1.5, 0.1)) == "Worse"


def test_a_difference_that_matters_to_nobody_is_none() -> None:
    assert verdict(judged(500, 0.105, 0.1, spread=0.001)) == "NotWorse"


def test_one_wild_pair_condemns_nobody() -> None:
    assert verdict([*judged(9, 0.1, 0.1), Judged("team/wild/k", "board", 4.0, 0.1)]) == "Undecided"


def test_many_runs_of_one_pair_count_as_one() -> None:
    runs = [Judged("team/loud/k", "board", 0.9, 0.1)] * 500
    assert verdict([*judged(12, 0.1, 0.1), *runs]) != "Worse"


def test_pairs_of_one_workload_err_together() -> None:
    rows = [Judged("team/w/k", f"class-{number}", 0.5, 0.1) for number in range(50)]
    assert verdict(rows) == "Undecided"


def test_a_namespace_has_only_so_much_say_and_one_vote() -> None:
    loud = judged(round(20 * MOST_SAY), 0.3, 0.1, namespace="loud")
    others = [judged(20, 0.1, 0.2, namespace=f"team-{number}") for number in range(3)]
    assert verdict([*loud, *(row for rows in others for row in rows)]) != "Worse"
    assert verdict([*loud, *judged(5, 0.1, 0.12, namespace="a"), *judged(5, 0.1, 0.12, namespace="b")]) != "Worse"


@given(
    st.lists(
        st.builds(
            Judged,
            st.sampled_from(["a/w/k", "a/v/k", "b/w/k", "c/w/k"]),
            st.sampled_from(["fast", "slow"]),
            st.floats(0, 60),
            st.floats(0, 60),
        ),
        max_size=30,
    )
)
def test_whatever_the_errors_there_is_an_answer_and_it_does_not_hang_on_their_order(rows: list[Judged]) -> None:
    found = compare(rows)
    assert found == compare(sorted(rows))
    if found is not None:
        assert 0 <= found.error_permille <= 1_000_000
