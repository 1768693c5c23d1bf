"""Scores: integers that order nodes as their completions do, and guesses where nothing is predicted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretide.observation import DeviceFeatures
from foretide.placement.score import complete, scores
from foretide.placement.speed import class_speeds


@pytest.mark.parametrize(
    ("completions", "expected"),
    [
        ([], []),
        ([5.0], [10]),
        ([5.0, 5.5], [10, 10]),  # within the model's uncertainty
        ([5.0, 6.0], [10, 9]),
        ([1.0, 4.0, 16.0, 1000.0], [10, 5, 0, 0]),
        ([6.4, 2.4, 1.0], [3, 7, 10]),
    ],
)
def test_the_best_gets_ten_and_factors_cost_points(completions: list[float], expected: list[int]) -> None:
    assert scores(completions) == expected


@given(st.lists(st.floats(1e-3, 1e7), min_size=1, max_size=50))
def test_scores_are_integers_from_0_to_10_in_the_order_of_completion(completions: list[float]) -> None:
    result = scores(completions)
    assert len(result) == len(completions)
    assert max(result) == 10
    assert all(type(score) is int and 0 <= score <= 10 for score in result)
    ranked = [score for _, score in sorted(zip(completions, result, strict=True))]
    assert ranked == sorted(ranked, reverse=True)


@given(st.lists(st.floats(1e-3, 1e5), min_size=1, max_size=20), st.sampled_from([1e-2, 0.5, 2.0, 64.0]))
def test_only_ratios_matter(completions: list[float], factor: float) -> None:
    scaled = scores([value * factor for value in completions])
    assert all(abs(a - b) <= 1 for a, b in zip(scaled, scores(completions), strict=True))


@pytest.mark.parametrize(
    ("completions", "speeds", "expected"),
    [
        ([], [], None),
        ([None, None], [None, None], None),
        ([2.0, 8.0], [None, None], [2.0, 8.0]),
        ([None, None], [1.0, 0.25], [1.0, 4.0]),
        ([2.0, None], [1.0, 0.25], [2.0, 8.0]),
        ([2.0, 2.0, None], [1.0, 0.25, 0.5], [2.0, 2.0, 2.0]),  # geometric mean of 2 and 0.5 is 1
        ([2.0, 6.0, None], [1.0, None, None], [2.0, 6.0, 4.0]),
        ([2.0, None], [None, 0.5], [2.0, 2.0]),  # nothing relates speed to seconds
        ([None, None], [1.0, None], [1.0, 1.0]),
    ],
)
def test_what_is_not_predicted_is_guessed_from_class_speed_or_counts_as_middling(
    completions: list[float | None], speeds: list[float | None], expected: list[float] | None
) -> None:
    assert complete(completions, speeds) == (expected if expected is None else pytest.approx(expected))


def features(gemm: int | None = None, **times: int) -> DeviceFeatures:
    return DeviceFeatures(node_class="c", gemm_flops_per_second=gemm, model_microseconds=times)


@pytest.mark.parametrize(
    ("probes", "expected"),
    [
        ({}, {}),
        ({"a": features()}, {}),
        ({"a": features(conv=10), "b": features(conv=40)}, {"a": 1.0, "b": 0.25}),
        ({"a": features(conv=10, mlp=40), "b": features(conv=40, mlp=40)}, {"a": 1.0, "b": 0.5}),
        ({"a": features(conv=10, mlp=1), "b": features(conv=20, other=1)}, {"a": 1.0, "b": 0.5}),
        ({"a": features(100, conv=1), "b": features(50, mlp=1)}, {"a": 1.0, "b": 0.5}),  # nothing in common
        ({"a": features(conv=10), "b": features(50)}, {"a": 1.0}),
        ({"a": features(conv=0, mlp=2), "b": features(conv=7, mlp=4)}, {"a": 1.0, "b": 0.5}),
    ],
)
def test_speed_is_the_geometric_mean_over_what_all_classes_ran(
    probes: dict[str, DeviceFeatures], expected: dict[str, float]
) -> None:
    assert class_speeds(probes) == pytest.approx(expected)
