import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretide.evidence import Estimate, merged


def estimate(seconds: float, *, samples: int = 1, scatter: float = 0.1, circumstance: float = 0.1) -> Estimate:
    return Estimate(seconds=seconds, samples=samples, scatter=scatter, circumstance=circumstance)


estimates = st.builds(
    Estimate,
    seconds=st.floats(1e-6, 1e5),
    samples=st.integers(1, 10_000),
    scatter=st.floats(0.01, 2.0),
    circumstance=st.floats(0.01, 2.0),
)


@given(st.lists(estimates, min_size=1, max_size=6))
def test_what_is_merged_lies_among_the_estimates(given_: list[Estimate]) -> None:
    found = merged(given_)
    seconds = [each.seconds for each in given_]
    assert min(seconds) * (1 - 1e-9) <= found.seconds <= max(seconds) * (1 + 1e-9)
    assert found.deviation > 0


def test_many_actuals_outweigh_a_short_profile() -> None:
    profile = estimate(1.0, samples=3, scatter=0.3, circumstance=0.2)
    actuals = estimate(1.2, samples=200, scatter=0.3, circumstance=0.03)
    assert abs(merged([profile, actuals]).seconds - 1.2) < 0.02


def test_estimates_that_agree_are_surer_together() -> None:
    one = estimate(1.0)
    assert merged([one, one]).deviation == pytest.approx(merged([one]).deviation / math.sqrt(2))


def test_estimates_that_contradict_each_other_are_less_sure_than_each() -> None:
    found = merged([estimate(1.0), estimate(4.0)])
    assert found.deviation > merged([estimate(1.0)]).deviation


@pytest.mark.parametrize(("seconds", "is_contradictory"), [(1.0, False), (1.2, False), (2.0, True)])
def test_whether_estimates_contradict_each_other_is_told(seconds: float, *, is_contradictory: bool) -> None:
    assert merged([estimate(1.0), estimate(seconds)]).is_contradictory is is_contradictory


def test_no_estimate_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        merged([])


@pytest.mark.parametrize(
    "bad",
    [
        {"seconds": 0.0},
        {"seconds": math.nan},
        {"samples": 0},
        {"scatter": -1.0},
        {"scatter": math.nan},
        {"scatter": 1e-200, "circumstance": 0.0},
        {"scatter": 0.0, "circumstance": 0.0},
    ],
)
def test_what_cannot_be_is_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"must|at least"):
        Estimate(**{"seconds": 1.0, "samples": 1, "scatter": 0.1, "circumstance": 0.1, **bad})  # type: ignore[arg-type]
