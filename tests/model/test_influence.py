"""What one namespace's reports do to the predictions of others: vetting and model as the operator joins them."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from foretide.model import CompletionTimeModel
from foretide.observation import Observation, Question, feature_columns, namespace_of, to_columns
from foretide.signature import OperatorCost, Signature
from foretide.vetting import vet
from tests.foretide.lies import LIES
from tests.model.fleet import observed

ROWS, DEVICES = observed(devices=8, namespaces=5, per_namespace=10, seed=0, share=0.5)
LIAR = "team-0"
OWN = [row for row in ROWS if namespace_of(row.workload) == LIAR]
OTHERS = [row for row in ROWS if namespace_of(row.workload) != LIAR]
ASKED = [
    Question(
        workload=workload,
        node_class=name,
        signature=row.signature,
        precision=row.precision,
        cpu_millis=row.cpu_millis,
        runtime=row.runtime,
    )
    for workload, row in sorted({row.workload: row for row in OTHERS}.items())
    for name in sorted(DEVICES)
]
"""All pairs of the others, measured or not."""


def predicted(rows: list[Observation], asked: list[Question] = ASKED) -> np.ndarray:
    vetted = vet(rows, DEVICES)
    apart = to_columns(vetted.apart, DEVICES) if vetted.apart else None
    model = CompletionTimeModel(calibrate=False).fit(*to_columns(vetted.kept, DEVICES), apart=apart)
    return np.asarray(model.predict(feature_columns(asked, DEVICES)))


def change(rows: list[Observation], against: np.ndarray) -> np.ndarray:
    return np.asarray(np.abs(predicted(rows) / against - 1.0))


@pytest.mark.parametrize("name", ["slow", "fast", "random", "signatures"])
def test_a_namespace_that_reports_nonsense_changes_no_prediction_of_another_by_a_hundredth(name: str) -> None:
    assert change(OTHERS + LIES[name](OWN), predicted(OTHERS)).max() <= 0.01


def test_nor_does_nonsense_on_one_class_though_the_rest_is_believed() -> None:
    rest = [row for row in OWN if row.node_class != OWN[0].node_class]
    assert change(OTHERS + LIES["one class"](OWN), predicted(OTHERS + rest)).max() <= 0.01


def test_a_lie_that_could_be_true_bends_the_others_by_less_than_a_hundredth_in_the_median() -> None:
    bent = change(OTHERS + LIES["subtle"](OWN), predicted(ROWS))
    assert 0.0 < np.median(bent) <= 0.01
    assert bent.max() <= 0.05


@pytest.mark.parametrize("name", ["scattered", "other sizes"])
def test_lies_that_are_believed_bend_the_others_by_a_few_hundredths_in_the_median_and_none_twofold(name: str) -> None:
    assert vet(OTHERS + LIES[name](OWN), DEVICES).exclusions == ()
    bent = change(OTHERS + LIES[name](OWN), predicted(ROWS))
    assert np.median(bent) <= 0.04
    assert bent.max() <= 0.9


def test_what_is_peculiar_to_a_workload_that_is_not_believed_still_holds_for_itself() -> None:
    rows = LIES["slow"](OWN)
    known = {(row.workload, row.node_class) for row in rows}
    own = {row.workload: row for row in rows}
    elsewhere = [
        (workload, name) for workload in sorted(own) for name in sorted(DEVICES) if (workload, name) not in known
    ]
    questions = [
        Question(
            workload=workload,
            node_class=name,
            signature=own[workload].signature,
            precision="fp32",
            cpu_millis=1000,
            runtime="onnx",
        )
        for workload, name in elsewhere
    ]
    ratio = predicted(OTHERS + rows, questions) / predicted(ROWS, questions)
    assert 50 < np.median(ratio) < 150


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
