"""What one namespace's reports do to the predictions of others: vetting and model as the operator joins them."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from bench.influence import NONSENSE, Neighbours, measure
from foretide.observation import Observation, namespace_of
from foretide.signature import OperatorCost, Signature
from foretide.vetting import vet

SEEN = Neighbours(0)


@pytest.mark.parametrize("lie", NONSENSE)
def test_a_namespace_that_reports_nonsense_changes_no_prediction_of_another_by_a_hundredth(lie: str) -> None:
    assert SEEN.change(lie).max() <= 0.01


def test_a_lie_that_could_be_true_bends_the_others_by_less_than_a_hundredth_in_the_median() -> None:
    bent = SEEN.change("subtle")
    assert 0.0 < np.median(bent) <= 0.01
    assert bent.max() <= 0.05


@pytest.mark.parametrize("lie", ["scattered", "other sizes"])
def test_lies_that_are_believed_bend_the_others_by_a_few_hundredths_in_the_median_and_none_twofold(lie: str) -> None:
    assert vet(SEEN.told(lie), SEEN.devices).exclusions == ()
    bent = SEEN.change(lie)
    assert np.median(bent) <= 0.04
    assert bent.max() <= 0.9


def test_what_is_peculiar_to_a_workload_that_is_not_believed_still_holds_for_itself() -> None:
    known = {(row.workload, row.node_class) for row in SEEN.own}
    elsewhere = [each for each in SEEN.pairs(SEEN.own) if (each.workload, each.node_class) not in known]
    true = SEEN.predicted(SEEN.others + SEEN.own, elsewhere)
    assert 50 < np.median(SEEN.predicted(SEEN.told("slow"), elsewhere) / true) < 150


def test_the_bench_tells_the_worst_of_what_cannot_be_true_and_how_far_what_can_be_is_believed() -> None:
    found = measure(1)
    assert found["nonsense_max"] <= 1.0
    assert {name for name, figures in found["lies"].items() if figures.get("left_out") == 100.0} == {
        "slow", "fast", "random", "signatures",
    }  # fmt: skip
    assert found["lies"]["subtle"]["max"] == pytest.approx(100 * SEEN.change("subtle").max(), abs=0.01)


def test_on_public_times_hardly_a_row_is_left_out_though_each_family_is_a_namespace_of_its_own() -> None:
    with (Path(__file__).parents[2] / "bench/data/mlperf_edge.csv").open() as file:
        rows = [public(line) for line in csv.DictReader(file)]
    assert len({namespace_of(row.workload) for row in rows}) > 3
    vetted = vet(rows, {})
    assert len(vetted.apart) <= len(rows) / 500
    assert not any(each.whole for each in vetted.exclusions)


def public(line: dict[str, str]) -> Observation:
    return Observation(
        workload=f"{line['family']}/{line['workload']}/k",
        node_class=line["device"],
        signature=Signature(
            family=line["family"],
            macs=int(line["macs"]),
            parameter_bytes=int(line["parameter_bytes"]),
            activation_bytes=int(line["activation_bytes"]),
            peak_activation_bytes=0,
            operator_count=int(line["op_count"]),
            input_pixels=int(line["input_pixels"]),
            by_kind={"depthwiseConvolution": OperatorCost(macs=int(line["x_depthwise_macs"]))},
        ),
        precision="int8" if line["x_int8"] == "1" else "fp32",
        cpu_millis=1000,
        inference_microseconds=max(1, round(1e6 * float(line["seconds"]))),
        runtime="onnx",
        origin="Profile",
        observed_milliseconds=1,
    )
