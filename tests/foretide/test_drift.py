import math

import numpy as np
import pytest

from foretide.drift import Drift


def run(ratios: np.ndarray, spread: float = 0.1) -> int | None:
    """The task at which the alarm came, or None."""
    state = Drift()
    for number, ratio in enumerate(ratios, 1):
        state = state.after(actual_seconds=math.exp(spread * ratio), predicted_seconds=1.0, spread=spread)
        if state.is_alarmed:
            return number
    return None


def test_ratios_that_scatter_as_predicted_alarm_about_once_in_ten_thousand() -> None:
    random = np.random.default_rng(0)
    tasks = 200_000
    alarms, state = 0, Drift()
    for ratio in random.normal(size=tasks):
        state = state.after(actual_seconds=math.exp(0.1 * ratio), predicted_seconds=1.0, spread=0.1)
        if state.is_alarmed:
            alarms, state = alarms + 1, Drift()
    assert tasks / 20_000 <= alarms <= tasks / 6_000


@pytest.mark.parametrize(("change", "most"), [(1.0, 25), (-1.0, 25), (2.0, 8), (-2.0, 8)])
def test_a_lasting_change_is_told_soon(change: float, most: int) -> None:
    random = np.random.default_rng(1)
    waits = [run(random.normal(change, 1.0, 400)) or 400 for _ in range(200)]
    assert np.mean(waits) <= most


def test_one_outlier_is_no_drift() -> None:
    ratios = np.zeros(200)
    ratios[100] = 1e3
    assert run(ratios) is None


@pytest.mark.parametrize("name", ["actual_seconds", "predicted_seconds", "spread"])
@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
def test_what_cannot_be_is_named(name: str, value: float) -> None:
    given = {"actual_seconds": 1.0, "predicted_seconds": 1.0, "spread": 0.1, name: value}
    with pytest.raises(ValueError, match=name.split("_", maxsplit=1)[0]):
        Drift().after(**given)
