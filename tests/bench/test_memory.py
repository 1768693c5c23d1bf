"""What the bench of predicted memory makes of the committed table."""

from __future__ import annotations

import csv
import json
import os
import random
from pathlib import Path

import pytest

from bench.memory import __main__ as bench
from bench.memory import collect
from bench.memory.least_limit import memory_groups
from bench.memory.peaks import COLUMNS, DATA, Subject, read, row
from devcluster.cgroups import Hierarchies
from foretide.signature import OperatorCost, Signature


def test_a_row_is_read_as_it_was_written(tmp_path: Path) -> None:
    signature = Signature(
        family="net", macs=30, parameter_bytes=400, activation_bytes=70, peak_activation_bytes=50, operator_count=3,
        input_pixels=9, batch_size=2, by_kind={"denseConvolution": OperatorCost(macs=20)},
    )  # fmt: skip
    path = tmp_path / "table.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([COLUMNS, row(Subject("board", "net-w1", "onnx", "int8"), signature, 12345)])
    ((architecture, seen),) = read(path)
    assert (architecture, seen.node_class, seen.workload) == ("net-w1", "board", "bench/net-w1-b2-int8/1")
    assert (seen.precision, seen.runtime, seen.memory_peak_bytes) == ("int8", "onnx", 12345)
    assert (seen.signature.macs, seen.signature.peak_activation_bytes, seen.signature.batch_size) == (30, 50, 2)
    assert seen.signature.by_kind["denseConvolution"].macs == 20


def test_a_table_without_a_column_is_refused_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text(",".join(COLUMNS[:-1]) + "\n")
    with pytest.raises(ValueError, match="has no column memory_peak_bytes"):
        read(path)


def test_on_the_committed_table_the_marks_are_met(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a third of its workloads: at most 2 % would be killed, and the median is given at most a quarter too much."""
    with DATA.open(newline="") as file:
        header, *lines = csv.reader(file)
    workloads = sorted({line[1] for line in lines})
    kept = set(random.Random(1).sample(workloads, len(workloads) // 3))
    path = tmp_path / "table.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *(line for line in lines if line[1] in kept)])
    monkeypatch.setattr(bench, "RESULT", tmp_path / "results" / "memory.json")
    assert bench.main([str(path)]) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found["oom_share"] <= 0.02
    assert found["median_over_estimate"] <= 0.25
    assert found["regimes"].keys() >= {"onnx workload", "onnx family", "torch pair", "torch all but two"}


@pytest.mark.parametrize("device", ["one", "older"])
def test_a_workload_of_the_table_is_made_and_measured_anew(device: str, capsys: pytest.CaptureFixture[str]) -> None:
    workload = "mlp-w1024-d2-r256-b1-fp32"
    cpus = os.sched_getaffinity(0)
    assert collect.main(device, [workload]) == 0
    (line,) = csv.reader(capsys.readouterr().out.splitlines())
    with DATA.open(newline="") as file:
        (committed,) = (each for each in csv.reader(file) if each[:2] == [device, workload])
    assert line[:-1] == committed[:-1]
    assert int(line[-1]) == pytest.approx(int(committed[-1]), rel=0.5)
    assert os.sched_getaffinity(0) == cpus


@pytest.mark.parametrize(("device", "workload"), [("three", "cnn-w16-d2-r48-b1-fp32"), ("one", "cnn-w1-b1-fp32")])
def test_a_device_or_a_workload_that_the_table_has_not_is_refused(device: str, workload: str) -> None:
    assert collect.main(device, [workload]) == 2


def test_limits_are_written_where_the_cgroups_of_either_version_have_them(tmp_path: Path) -> None:
    v1 = ((tmp_path / "cpu", frozenset({"cpu"})), (tmp_path / "memory", frozenset({"memory"})))
    assert memory_groups(Hierarchies(v1, tmp_path)) == (tmp_path / "memory", "memory.limit_in_bytes")
    (tmp_path / "cgroup.controllers").write_text("cpu memory\n")
    assert memory_groups(Hierarchies((), tmp_path)) == (tmp_path, "memory.max")
    assert (tmp_path / "cgroup.subtree_control").read_text() == "+memory"
    (tmp_path / "cgroup.controllers").write_text("cpu\n")
    with pytest.raises(OSError, match="limit memory"):
        memory_groups(Hierarchies((), tmp_path))
