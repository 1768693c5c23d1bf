"""What predictions are made of besides a workload's own profiles."""

from __future__ import annotations

import msgspec
import pytest

from foretide_operator.forecasting import Knowledge
from tests.foretide.workloads import DEVICES, observation, question


@pytest.mark.parametrize(("changed_milliseconds", "counts"), [(None, True), (10, False)])
def test_times_of_a_machine_that_is_no_more_foretell_nothing(changed_milliseconds: int | None, *, counts: bool) -> None:
    rows = [
        observation(
            origin="Run",
            exposure_permille=0,
            startup_milliseconds=40_000,
            memory_peak_bytes=10**9,
            observed_milliseconds=at,
        )
        for at in range(3, 6)
    ]
    devices = {"fast": msgspec.structs.replace(DEVICES["fast"], changed_milliseconds=changed_milliseconds)}
    knowledge = Knowledge.of(rows, devices, None, "", {})
    assert (knowledge.runs.estimate(question()) is not None) is counts
    assert knowledge.startups.estimate(question()).source == ("Workload" if counts else "Default")
    assert knowledge.memories.estimate(question()).peak_bytes > 10**9, "what a workload holds is much the same"
