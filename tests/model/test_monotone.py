"""More work never takes less time, whatever parts answer."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretide.model import CompletionTimeModel
from foretide.model.predictor import CompletionTimePredictor
from foretide.model.table import Array, Table
from tests.model.fleet import columns, fleet

FEW = "class-009"


def flagged() -> tuple[Table, Array]:
    """The fleet with a flag that makes multiply-adds cheap on every other device and dear on the others."""
    table, seconds = fleet(devices=10, workloads=40, seed=21)
    number, device = (np.array([int(name[-3:]) for name in names]) for names in (table.workload, table.device))
    flag = (number % 3 == 0).astype(float)
    numbers = {**table.numbers, "x_int8": flag}
    return Table(table.device, table.workload, table.family, numbers), seconds * np.where(
        device % 2 == 0, 0.5, 1.4
    ) ** flag


@pytest.fixture(scope="module")
def predictor() -> CompletionTimePredictor:
    """With trees that are believed, a flag that changes costs, and one device with few rows."""
    table, seconds = flagged()
    random = np.random.default_rng(0)
    bend = np.where(table.number("macs") > np.median(table.number("macs")), 1.6, 1.0)
    keep = (table.device != FEW) | (random.random(len(table)) < 0.2)
    model = CompletionTimeModel(calibrate=False).fit(table.take(keep), (seconds * bend)[keep])
    assert model.predictor_.parts.residual.belief > 0
    assert model.predictor_.parts.roofline.design.modifiers == ["x_int8"]
    assert FEW in model.predictor_.parts.transfer.devices
    return model.predictor_


@settings(deadline=None, max_examples=300)
@given(
    pair=st.tuples(st.sampled_from(["class-000", FEW, "never seen"]), st.sampled_from(["workload-003", "never seen"])),
    size=st.sampled_from(["macs", "parameter_bytes", "activation_bytes", "batch_size"]),
    row=st.integers(0, 39),
    factor=st.floats(1.0, 1e4),
)
def test_raising_one_size_alone_never_lowers_the_time(
    predictor: CompletionTimePredictor, pair: tuple[str, str], size: str, row: int, factor: float
) -> None:
    table, _ = flagged()
    asked = {name: [column[row], column[row]] for name, column in columns(table).items()}
    asked["batch_size"] = [1.0, 1.0]
    asked["device"], asked["workload"] = ([name] * 2 for name in pair)
    asked[size] = [asked[size][0], asked[size][0] * factor]
    low, high = predictor.predict(Table.of(asked))
    assert high >= low * (1 - 1e-12)
