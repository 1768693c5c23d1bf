"""The comparison of regressors: what they are given, that they learn from it, and how their errors are told."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from bench.measure.rows import DataSet as File
from bench.measure.rows import MeasuredModel, row
from bench.measure.settings import Measurement, plan
from bench.predict.splits import folds
from bench.predict.table import read as read_table
from bench.regressors import __main__ as regressors
from bench.regressors.contenders import ON_HYPERPARAMETERS, ON_SIGNATURE
from bench.regressors.dataset import TARGETS, DataSet, read
from bench.regressors.figures import errors, noise
from devcluster.spec import NodeClass
from foretide.results import Distribution, Environment, ProbeResult, ProfileResult
from foretide.signature import OperatorCost, Signature

CLASSES = [NodeClass(f"class-{number}", 1, 0.1 * (number + 1), 1024) for number in range(5)]
ENVIRONMENT = Environment(threads=1, cpu_millis=500, runtime="onnxruntime 1 CPU")
BEGIN = 1_800_000_000_000


def made_up(node_class: NodeClass, measurement: Measurement) -> dict[str, object]:
    """Time by multiply-adds, which follow from the hyperparameters, and by the class's speed."""
    setting = measurement.setting
    macs = setting.batch_size * setting.network.width**2 * setting.network.depth * setting.network.resolution
    mean = max(100, round(macs / node_class.speed / 1000))
    signature = Signature(
        family=setting.network.model_type,
        macs=macs,
        parameter_bytes=4 * setting.network.width**2,
        activation_bytes=4 * setting.network.resolution,
        peak_activation_bytes=4 * setting.network.resolution,
        operator_count=setting.network.depth,
        input_pixels=setting.network.resolution,
        batch_size=setting.batch_size,
        by_kind={"linear": OperatorCost(macs=macs, bytes_written=4, count=1)},
    )
    probe = ProbeResult(
        process_start=BEGIN,
        work_end=BEGIN + 1,
        startup_milliseconds=1,
        gemm_flops_per_second=round(1e9 * node_class.speed),
        memory_bandwidth_bytes_per_second=10**9,
        model_microseconds={"linear": round(100 / node_class.speed)},
        environment=ENVIRONMENT,
    )
    profile = ProfileResult(
        process_start=BEGIN,
        work_begin=BEGIN + 10,
        work_end=BEGIN + 10**7,
        load_milliseconds=10,
        first_inference_microseconds=mean,
        warmup_inferences=1,
        inference=Distribution(samples=10, mean=mean, median=mean, interquartile_range=1),
        stable=True,
        memory_peak_bytes=10**8,
        memory_base_bytes=10**7,
        environment=ENVIRONMENT,
    )
    return row(node_class.name, measurement, MeasuredModel(signature, setting.network.width**2), probe, profile)


def some(node_class: NodeClass) -> list[Measurement]:
    """A third of a short plan, and all that is measured again."""
    return [each for number, each in enumerate(plan(node_class, varied=36)) if number % 3 == 0 or each.repeat]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("regressors") / "data.csv"
    file = File(path)
    for node_class in CLASSES:
        for measurement in some(node_class):
            file.append(made_up(node_class, measurement))
    return path


@pytest.fixture(scope="module")
def data(path: Path) -> DataSet:
    return read(path)


def test_measurements_made_again_are_no_rows(path: Path, data: DataSet) -> None:
    every = sum(len(some(node_class)) for node_class in CLASSES)
    assert len(data) < every == len(path.read_text().splitlines()) - 1
    assert not data.frame.duplicated(["device", "workload"]).any()


def test_the_model_is_given_what_the_benches_of_prediction_read(path: Path, data: DataSet) -> None:
    told, told_there = data.measured("seconds"), read_table(path).table
    assert set(told.table.numbers) == set(told_there.numbers)
    assert list(told.table.family[:5]) == list(told_there.family[:5])


def test_hyperparameters_tell_nothing_that_is_counted_in_the_graph(data: DataSet) -> None:
    told = data.by_hyperparameters("total_time_s").table.numbers
    assert not {"macs", "parameter_bytes", "activation_bytes", "op_count"} & set(told)
    assert {"x_width", "x_depth", "x_resolution", "batch_size"} <= set(told)


def test_a_missing_or_empty_file_says_what_writes_it(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="is missing: make measure writes it"):
        read(tmp_path / "none.csv")
    (tmp_path / "empty.csv").write_text("device,workload,family,architecture,repeat\n")
    with pytest.raises(SystemExit, match="has no rows"):
        read(tmp_path / "empty.csv")


@pytest.mark.parametrize("label", [*ON_HYPERPARAMETERS, *ON_SIGNATURE])
def test_every_contender_tells_rows_it_has_learned_better_than_their_mean(label: str, data: DataSet) -> None:
    rows, target = np.arange(len(data)), "total_time_s"
    told = (ON_HYPERPARAMETERS | ON_SIGNATURE)[label](data, target, rows, rows)
    actual = data.target(target)
    assert np.isfinite(told).all()
    assert np.mean(np.abs(told - actual)) < np.mean(np.abs(actual.mean() - actual))


@pytest.mark.parametrize("target", ["flops", "macs"])
def test_counts_beyond_any_time_are_learned_by_the_model_too(target: str, data: DataSet) -> None:
    rows = np.arange(len(data))
    told = ON_HYPERPARAMETERS["foretide on hyperparameters"](data, target, rows, rows)
    assert np.median(np.abs(told / data.target(target) - 1)) < 0.5


@pytest.mark.parametrize("split", ["architecture", "family", "class"])
def test_a_grouped_split_asks_for_every_row_of_groups_that_it_has_not_learned(split: str, data: DataSet) -> None:
    measured = data.measured("total_time_s")
    of = {"architecture": measured.architecture, "family": measured.table.family, "class": measured.table.device}[split]
    asked_for = set()
    for train, asked in folds(regressors.SPLITS[split], measured, 0):
        assert not set(of[train]) & set(of[asked])
        asked_for |= set(of[asked])
    assert asked_for == set(of)


def test_errors_are_over_the_range_and_relative() -> None:
    found = errors(np.array([1.0, 2.0, 11.0]), np.array([1.1, 2.0, 12.0]))
    assert found["nrmse"] == pytest.approx(100 * np.sqrt((0.01 + 1) / 3) / 10, rel=1e-3)
    assert found["mape"] == pytest.approx(100 * (0.1 + 1 / 11) / 3, rel=1e-3)
    assert found["median"] == pytest.approx(100 / 11, rel=1e-3)


def test_the_noise_is_how_far_pairs_are_apart_either_way() -> None:
    found = noise(np.array([1.0, 1.0, 1.0]), np.array([1.1, 1 / 1.1, 1.0]))
    assert found["pairs"] == 3
    assert found["median"] == pytest.approx(100 * np.log(1.1), rel=1e-3)


def test_a_perceptron_that_cannot_be_run_ends_the_bench_with_what_it_said(
    data: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextmanager
    def no_torch() -> Iterator[object]:
        yield lambda *_: subprocess.CompletedProcess([], 1, "", "No module named 'torch'")

    monkeypatch.setattr(regressors, "torch_python", no_torch)
    monkeypatch.setattr(regressors, "HERE", tmp_path / "bench")
    monkeypatch.setattr(regressors, "RESULTS", tmp_path / "bench" / "results")
    (tmp_path / "bench").mkdir()
    parts = {"random": list(folds("random", data.measured(TARGETS[-1]), 0))}
    with pytest.raises(SystemExit, match="needs torch and ended with 1:\nNo module named 'torch'"):
        regressors._by_perceptron(data, parts)
