"""What `bench.profile_repeat` makes of four measurements of a model, and of several models."""

from __future__ import annotations

import pytest

from bench.profile_repeat import Medians, summary


def test_a_machine_that_slows_down_shows_in_the_tool_as_in_the_profiler_and_not_between_the_two() -> None:
    medians = Medians(profiles=(100.0, 120.0), tool=(105.0, 126.0))
    assert medians.between_profiles_percent == pytest.approx(20.0)
    assert medians.between_tools_percent == pytest.approx(20.0)
    assert medians.to_tool_percent == pytest.approx(-100 / 21)


@pytest.mark.parametrize(("second", "percent"), [(110.0, 10.0), (90.0, 100 / 9)])
def test_how_far_two_are_apart_is_of_the_smaller_one_whichever_came_first(second: float, percent: float) -> None:
    assert Medians((100.0, second), (1.0, 1.0)).between_profiles_percent == pytest.approx(percent)


def test_the_summary_keeps_torchs_benchmark_apart_from_other_tools() -> None:
    rows = [
        {
            "tool": tool,
            "between_profiles_percent": percent,
            "between_tools_percent": 1.0,
            "to_tool_percent": -percent,
            "arithmetic_apart_percent": percent / 2,
        }
        for tool, percent in (("torch.utils.benchmark", 2.0), ("timeit", 4.0), ("timeit", 6.0))
    ]
    found = summary(rows)
    assert (found["between_profiles_percent"], found["to_tool_percent"]) == (4.0, 4.0)
    assert (found["to_torch_benchmark_percent"], found["arithmetic_apart_percent"]) == (2.0, 3.0)
    assert summary(rows[1:])["to_torch_benchmark_percent"] is None
