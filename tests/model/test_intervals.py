import numpy as np
import pytest

from foretide.model.intervals import Intervals, student_quantile


def test_the_default_is_students_t_with_four_degrees_of_freedom() -> None:
    assert student_quantile(0.9) == pytest.approx(2.1318, abs=1e-3)
    assert student_quantile(0.5) == pytest.approx(0.7407, abs=1e-3)


def test_a_rank_beyond_the_scores_falls_back_to_the_wide_default() -> None:
    few = Intervals(scores={"pair": [0.1, 0.2, 0.3]})
    assert few.factor("pair", 0.5) == 0.2
    assert few.factor("pair", 0.9) == student_quantile(0.9)


def test_the_widest_regime_of_a_row_holds() -> None:
    intervals = Intervals(scores={"pair": [1.0] * 50, "device": [3.0] * 50, "family": [2.0] * 50})
    half = intervals.half_width(np.ones(2), [("pair",), ("device", "family")], 0.9)
    assert half.tolist() == [1.0, 3.0]


@pytest.mark.parametrize("coverage", [0.0, 1.0, -0.1, 1.5, float("nan")])
def test_a_coverage_outside_zero_and_one_is_refused(coverage: float) -> None:
    with pytest.raises(ValueError, match="coverage"):
        Intervals(scores={}).half_width(np.ones(1), [("pair",)], coverage)


def test_quantiles_follow_the_side_on_which_scores_lie() -> None:
    skewed = Intervals(scores={"pair": [-0.1] * 50 + [3.0] * 50})
    assert skewed.above("pair", 0.9) == 3.0
    assert skewed.above("pair", 0.1) == -0.1
    assert skewed.above("pair", 0.5) >= 0.0


def test_without_scores_quantiles_are_students() -> None:
    assert Intervals(scores={}).above("pair", 0.95) == pytest.approx(2.1318, abs=1e-3)
    assert Intervals(scores={}).above("pair", 0.05) == pytest.approx(-2.1318, abs=1e-3)


def test_the_furthest_regime_of_a_row_holds_for_a_quantile_too() -> None:
    intervals = Intervals(scores={"pair": [1.0] * 50, "device": [3.0] * 50, "family": [-4.0] * 50})
    shift = intervals.shift(np.array([1.0, 0.5]), [("pair",), ("device", "family")], 0.9)
    assert shift.tolist() == [1.0, 1.5]


@pytest.mark.parametrize("quantile", [0.0, 1.0, -0.1, 1.5, float("nan")])
def test_a_quantile_outside_zero_and_one_is_refused(quantile: float) -> None:
    with pytest.raises(ValueError, match="quantile"):
        Intervals(scores={}).shift(np.ones(1), [("pair",)], quantile)
