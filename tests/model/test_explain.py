import numpy as np

from foretide.model import CompletionTimeModel
from tests.model.fleet import fleet


def test_the_parts_of_a_prediction_sum_to_it_and_the_rooflines_are_not_negative() -> None:
    table, seconds = fleet(devices=8, workloads=30, seed=41)
    kept = np.ones(len(table), dtype=bool)
    kept[np.flatnonzero(table.device == "class-007")[6:]] = False
    model = CompletionTimeModel(calibrate=False).fit(table.take(kept), seconds[kept])
    parts = model.explain(table)
    np.testing.assert_allclose(sum(parts), model.predict(table), rtol=1e-9)
    assert min(parts.compute.min(), parts.memory.min(), parts.overhead.min()) >= 0
    few = table.device == "class-007"
    assert (parts.transfer[~few] == 0).all()
    assert (parts.transfer[few] != 0).any()


def test_what_has_no_work_is_all_overhead() -> None:
    table, seconds = fleet(devices=3, workloads=12, seed=42)
    model = CompletionTimeModel(calibrate=False).fit(table, seconds)
    empty = {
        "device": ["class-000"], "macs": [0.0], "x_depthwise_macs": [0.0], "parameter_bytes": [0.0],
        "activation_bytes": [0.0], "op_count": [1.0],
    }  # fmt: skip
    parts = model.explain(empty)
    assert parts.compute[0] == parts.memory[0] == 0.0
    assert parts.overhead[0] > 0.0
