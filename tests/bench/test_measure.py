"""The measuring campaign without a cluster: its models, its settings, its file, and what it makes of what Pods say."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from msgspec.structs import replace

from bench.measure import campaign as measuring
from bench.measure import in_container
from bench.measure.campaign import Campaign, Progress, arguments, signatures
from bench.measure.environment import EnvironmentFile, OtherMachineError
from bench.measure.networks import MODEL_TYPES, Network, build, write
from bench.measure.pods import MODELS, Call, PodError, Said
from bench.measure.processor import (
    TABLE,
    ProcessorError,
    cpuid_addresses,
    libraries_of,
    make_library,
    variables,
)
from bench.measure.rows import DataSet, Key, MeasuredModel, flops, row
from bench.measure.settings import (
    OTHER_LIMITS,
    REPEATED_SHARE,
    Measurement,
    Setting,
    limit_mib,
    plan,
    why_not,
)
from bench.predict.table import read
from devcluster.images.archive import write_from_files
from devcluster.spec import ClusterSpec, NodeClass
from foretide.results import Distribution, Environment, Failure, ProbeResult, ProfileResult
from foretide.signature import OperatorCost, Signature
from foretide.termination_message import encode
from foretide_kube.client import ApiError

SPEC = ClusterSpec.load(Path(__file__).parents[2] / "devcluster" / "clusters" / "measure.yaml")
CLASSES = {node.node_class.name: node.node_class for node in SPEC.nodes}
SMALL = {
    "mlp": Network("mlp", 16, 2, 8),
    "cnn": Network("cnn", 4, 1, 32),
    "resnet": Network("resnet", 4, 1, 32),
    "mobilenet": Network("mobilenet", 4, 1, 32),
    "lstm": Network("lstm", 8, 2, 4),
    "gru": Network("gru", 8, 2, 4),
    "encoder": Network("encoder", 32, 2, 4),
    "mixer": Network("mixer", 16, 2, 32),
}
ENVIRONMENT = Environment(cpu_model="a processor", threads=1, cpu_millis=520, runtime="onnxruntime 1 CPU")
BEGIN = 1_800_000_000_000


def probe() -> ProbeResult:
    return ProbeResult(
        process_start=BEGIN,
        work_end=BEGIN + 1000,
        startup_milliseconds=100,
        gemm_flops_per_second=10**10,
        memory_bandwidth_bytes_per_second=10**9,
        model_microseconds={"linear": 100},
        environment=ENVIRONMENT,
    )


def profile(*, mean: int = 2000, samples: int = 20) -> ProfileResult:
    return ProfileResult(
        process_start=BEGIN,
        work_begin=BEGIN + 100,
        work_end=BEGIN + 10_000,
        load_milliseconds=100,
        first_inference_microseconds=3000,
        warmup_inferences=3,
        inference=Distribution(samples=samples, mean=mean, median=mean, interquartile_range=10),
        stable=True,
        memory_peak_bytes=10**8,
        memory_base_bytes=10**7,
        environment=ENVIRONMENT,
    )


def signature(macs: int = 10**6) -> Signature:
    return Signature(
        family="cnn",
        macs=macs,
        parameter_bytes=4000,
        activation_bytes=800,
        peak_activation_bytes=400,
        operator_count=3,
        input_pixels=64,
        by_kind={
            "denseConvolution": OperatorCost(macs=macs, bytes_written=400, count=2),
            "elementwise": OperatorCost(bytes_written=400, count=1),
        },
    )


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_every_kind_of_network_is_valid_and_infers_batches_of_any_size(model_type: str) -> None:
    network = SMALL[model_type]
    model = build(network)
    onnx.checker.check_model(model, full_check=True)
    assert [(entry.key, entry.value) for entry in model.metadata_props] == [("family", model_type)]
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    for batch in (1, 3):
        (scores,) = session.run(None, {"input": np.ones((batch, *network.input_shape), np.float32)})
        assert scores.shape == (batch, 10)
        assert np.isfinite(scores).all()


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_each_hyperparameter_makes_more_work(model_type: str, tmp_path: Path) -> None:
    small = SMALL[model_type]
    larger = {
        "width": small._replace(width=2 * small.width),
        "depth": small._replace(depth=2 * small.depth),
        "resolution": small._replace(resolution=2 * small.resolution),
    }
    settings = [Setting(network, 1, "fp32", 1000) for network in (small, *larger.values())]
    known = signatures(settings, tmp_path, no_torch)
    macs = [known[each].signature.macs for each in settings]
    assert all(more > macs[0] for more in macs[1:])


def test_the_same_network_has_the_same_bytes_and_no_half_file_passes_for_one(tmp_path: Path) -> None:
    first = write(SMALL["cnn"], tmp_path / "a").read_bytes()
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "cnn-w4-d1-r32.part").write_bytes(b"half")
    assert write(SMALL["cnn"], tmp_path / "b").read_bytes() == first
    assert build(SMALL["gru"]).SerializeToString(deterministic=True) != first


def test_a_batch_asks_for_as_many_times_the_work_and_int8_for_fewer_bytes(tmp_path: Path) -> None:
    one, four, int8 = (Setting(SMALL["mlp"], *each, 1000) for each in ((1, "fp32"), (4, "fp32"), (1, "int8")))
    known = signatures([one, four, int8], tmp_path, no_torch)
    assert known[four].signature.macs == 4 * known[one].signature.macs
    assert known[four].signature.batch_size == 4
    assert known[int8].signature.parameter_bytes < known[one].signature.parameter_bytes
    assert known[int8].parameters == known[one].parameters == known[four].parameters


def test_torch_models_are_counted_where_torch_is(tmp_path: Path) -> None:
    setting = Setting(Network("resnet18", 64, 17, 96), 2, "fp32", 1000)

    def inspect(calls: list[Call]) -> Iterator[Said]:
        assert [call.arguments[:5] for call in calls] == [
            ("inspect", "--source", "TorchVision", "--name", "resnet18"),
        ]
        document = json.dumps(
            {
                "kind": "Inspect",
                "schema": "foretide.dev/result/v1",
                "signature": {
                    "macs": 7, "parameterBytes": 40, "activationBytes": 1, "peakActivationBytes": 1,
                    "operatorCount": 1, "inputPixels": 9216,
                },
            }
        )  # fmt: skip
        yield Said(calls[0].key, document, "", 0, 1.0)

    known = signatures([setting], tmp_path, inspect)
    assert known[setting] == MeasuredModel(known[setting].signature, 10)
    assert known[setting].signature.macs == 14


def test_the_grid_is_thirty_models_at_least_the_same_on_every_class() -> None:
    grids = [{each.setting for each in plan(node_class) if each.is_grid} for node_class in CLASSES.values()]
    assert len(CLASSES) >= 5
    assert all(grid == grids[0] for grid in grids)
    assert len({setting.network for setting in grids[0]}) >= 30
    assert {setting[1:] for setting in grids[0]} == {(1, "fp32", 1000)}


def test_a_plan_has_no_row_twice_and_begins_alike_whatever_its_length() -> None:
    for node_class in CLASSES.values():
        keys = [each.key for each in plan(node_class)]
        assert len(keys) == len(set(keys))
    board = CLASSES["measure-board"]
    short, long = ([each.setting for each in plan(board, varied=count) if not each.repeat] for count in (20, 200))
    assert long[: len(short)] == short
    assert {each.network.model_type for each in short if each.runtime == "onnx"} == set(MODEL_TYPES)


def test_only_where_it_gives_a_second_thread_are_other_cpu_limits_measured() -> None:
    limits = {name: {each.setting.cpu_millis for each in plan(of)} for name, of in CLASSES.items()}
    assert limits.pop("measure-server") == {1000, *OTHER_LIMITS}
    assert all(each == {1000} for each in limits.values())


def test_some_are_measured_again_at_the_end() -> None:
    every = plan(CLASSES["measure-board"])
    again = [each for each in every if each.repeat]
    assert again == every[-len(again) :]
    assert len(again) == pytest.approx(REPEATED_SHARE * (len(every) - len(again)), abs=1)
    assert {each.setting for each in again} <= {each.setting for each in every if not each.repeat}


def test_what_is_too_slow_or_too_large_for_a_class_is_left_out_with_the_reason() -> None:
    setting, small = Setting(SMALL["cnn"], 1, "fp32", 1000), CLASSES["measure-small"]
    assert why_not(setting, signature(), small) == ""
    assert why_not(setting, signature(macs=10**11), small) == "TooSlow"
    assert why_not(setting, signature(macs=3 * 10**9), CLASSES["measure-scalar"]) == "TooSlow"
    large = Signature(
        macs=1, parameter_bytes=limit_mib(small) << 19, activation_bytes=1, peak_activation_bytes=1,
        operator_count=1, input_pixels=1,
    )  # fmt: skip
    assert why_not(setting, large, small) == "TooLarge"
    assert why_not(setting, large, CLASSES["measure-server"]) == ""


def test_flops_are_two_a_multiply_add_and_one_an_element_written_elementwise() -> None:
    assert flops(signature(macs=1000), "fp32") == 2100
    assert flops(signature(macs=1000), "bf16") == 2200


def test_the_file_is_read_as_the_models_table(tmp_path: Path) -> None:
    data = DataSet(tmp_path / "data.csv")
    data.append(line("measure-board", 0))
    measured = read(tmp_path / "data.csv")
    assert list(measured.table.device) == ["measure-board"]
    assert list(measured.architecture) == ["cnn-w4-d1-r32"]
    assert measured.seconds[0] == 0.002
    assert measured.table.number("x_cpu_millis")[0] == 1000
    assert measured.table.number("device_probe_linear_seconds")[0] == 1e-4


def test_a_row_that_a_killed_run_left_half_is_cut_off_and_the_others_stay(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    for repeat in (0, 1):
        DataSet(path).append(line("measure-board", repeat))
    path.write_bytes(path.read_bytes()[:-5])
    data = DataSet(path)
    assert data.keys == {Key("measure-board", "cnn-w4-d1-r32-b1-fp32-c1000#0")}
    data.append(line("measure-board", 1))
    assert DataSet(path).keys == data.keys
    assert len(path.read_text().splitlines()) == 3


def test_a_file_of_other_columns_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("device,workload,repeat\n")
    with pytest.raises(ValueError, match="has other columns; they differ in"):
        DataSet(path).append(line("measure-board", 0))


def test_calls_in_a_container_are_processes_of_their_own_and_one_that_fails_stops_no_other(tmp_path: Path) -> None:
    path = write(SMALL["mlp"], tmp_path)
    calls = [
        ("missing", ("inspect", "--source", "ONNX", "--file", str(tmp_path / "none.onnx"))),
        ("there", ("inspect", "--source", "ONNX", "--file", str(path), "--input", "8")),
    ]
    source = Path(in_container.__file__).read_text(encoding="utf-8")
    done = subprocess.run([sys.executable, "-c", source, json.dumps(calls)], capture_output=True, text=True, check=True)
    missing, there = (Said(**json.loads(text)) for text in done.stdout.splitlines())
    assert (missing.key, missing.status) == ("missing", 1)
    assert json.loads(missing.document)["reason"] == "ModelFileMissing"
    assert (there.key, there.status) == ("there", 0)
    assert json.loads(there.document)["signature"]["family"] == "mlp"


@dataclass
class Pods:
    """Stands for the cluster: says of each call what a Pod would print, and ends early where it is told to."""

    answers: dict[str, str] = field(default_factory=dict)
    most: int = 10**6
    seen: list[tuple[str, str, int, int]] = field(default_factory=list)

    def run(self, node_class: NodeClass, runtime: str, cpu_millis: int, calls: Sequence[Call]) -> Iterator[Said]:
        self.seen.append((node_class.name, runtime, cpu_millis, len(calls)))
        for call in calls:
            if self.most == 0:
                raise PodError("ended before all calls")
            self.most -= 1
            yield Said(call.key, self.answers.get(call.key, encode(profile()).decode()), "", 0, 1.0)


def campaign(pods: Pods, path: Path, said: list[str]) -> Campaign:
    board = CLASSES["measure-board"]
    known = {each.setting: MeasuredModel(signature(), 1000) for each in plan(board, varied=10)}
    return Campaign(
        pods,  # type: ignore[arg-type]
        [board],
        DataSet(path),
        known=known,
        probed={board.name: probe()},
        varied=10,
        say=said.append,
    )


def test_a_campaign_measures_all_once_and_the_next_one_nothing(tmp_path: Path) -> None:
    pods, said = Pods(), list[str]()
    first = campaign(pods, tmp_path / "data.csv", said)
    first.run()
    progress = first.progress["measure-board"]
    assert progress.there == progress.made == progress.wanted == len(DataSet(tmp_path / "data.csv").keys)
    assert first.runtimes == {ENVIRONMENT.runtime}
    assert f"{progress.wanted}/{progress.wanted} rows" in said[-1]
    pods.seen.clear()
    again = campaign(pods, tmp_path / "data.csv", said)
    again.run()
    assert pods.seen == []
    assert again.progress["measure-board"].there_before == progress.wanted


def test_what_a_pod_did_not_come_to_is_measured_by_another(tmp_path: Path) -> None:
    pods, said = Pods(most=5), list[str]()
    ending = campaign(pods, tmp_path / "data.csv", said)
    ending.run()
    assert ending.progress["measure-board"].made == 5
    assert any("ended before all calls" in text for text in said)
    pods.most = 10**6
    going_on = campaign(pods, tmp_path / "data.csv", said)
    going_on.run()
    assert going_on.progress["measure-board"].there_before == 5
    assert going_on.progress["measure-board"].there == going_on.progress["measure-board"].wanted


def test_an_api_server_that_does_not_answer_is_asked_a_few_times_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Away(Pods):
        def run(self, *_: object) -> Iterator[Said]:
            raise ApiError(0, "NotReached", "connection refused")

    monkeypatch.setattr(measuring, "AGAIN_SECONDS", 0.0)
    said = list[str]()
    trying = campaign(Away(), tmp_path / "data.csv", said)
    trying.run()
    assert trying.progress["measure-board"].made == 0
    assert sum("NotReached" in text for text in said) == measuring.ROUNDS


def test_rows_of_another_processor_or_of_other_classes_are_not_added_to(tmp_path: Path) -> None:
    path, classes = tmp_path / "data.json", [CLASSES["measure-board"]]
    first = EnvironmentFile(path)
    first.describe(classes, varied=10, has_rows=False)
    first.add_probes({"measure-board": probe()})
    again = EnvironmentFile(path)
    again.describe(classes, varied=20, has_rows=True)
    assert again.first_probes() == {"measure-board": probe()}
    other = replace(probe(), environment=replace(ENVIRONMENT, cpu_model="another"))
    with pytest.raises(OtherMachineError, match="measured on a processor, and this is another"):
        again.add_probes({"measure-board": other})
    assert json.loads(path.read_text(encoding="utf-8"))["varied_settings"] == 10, "what was measured before stays told"
    faster = dataclasses.replace(classes[0], speed=0.5)
    with pytest.raises(OtherMachineError, match="does not describe these classes"):
        EnvironmentFile(path).describe([faster], varied=10, has_rows=True)
    with pytest.raises(OtherMachineError, match="does not describe these classes"):
        EnvironmentFile(tmp_path / "none.json").describe(classes, varied=10, has_rows=True)


def test_the_document_tells_no_instruction_sets_of_an_older_processor(tmp_path: Path) -> None:
    path, names = tmp_path / "data.json", ("measure-board", "measure-small")
    environment = EnvironmentFile(path)
    environment.describe([CLASSES[name] for name in names], varied=10, has_rows=False)
    newer = replace(probe(), environment=replace(ENVIRONMENT, instruction_sets=("sse4_2", "avx512f")))
    environment.add_probes(dict.fromkeys(names, newer))
    found = {name: each.environment.instruction_sets for name, each in EnvironmentFile(path).first_probes().items()}
    assert found == {"measure-board": (), "measure-small": ("sse4_2", "avx512f")}


def test_the_document_tells_what_was_left_out_and_what_failed(tmp_path: Path) -> None:
    environment = EnvironmentFile(tmp_path / "data.json")
    environment.describe([CLASSES["measure-board"]], varied=10, has_rows=False)
    for runtimes in (["torch 2.6"], ["onnxruntime 1"]):
        progress = Progress(wanted=3, there_before=1, made=1, failed={"a#0": "OutOfMemory: much"})
        progress.left_out["TooSlow"] += 4
        environment.add_outcome({"measure-board": progress}, runtimes)
    content = json.loads((tmp_path / "data.json").read_text())
    assert content["outcome"]["measure-board"] == {
        "wanted": 3, "rows": 2, "left_out": {"TooSlow": 4}, "failed": {"a#0": "OutOfMemory: much"},
    }  # fmt: skip
    assert content["runtimes"] == ["onnxruntime 1", "torch 2.6"]
    assert content["classes"]["measure-board"]["speed"] == CLASSES["measure-board"].speed


def test_pods_measure_by_one_image_and_under_one_limit_each(tmp_path: Path) -> None:
    pods = Pods()
    campaign(pods, tmp_path / "data.csv", []).run()
    assert {runtime for _, runtime, _, _ in pods.seen} == {"onnx", "torch"}
    every = plan(CLASSES["measure-board"], varied=10)
    assert sum(count for *_, count in pods.seen) == len(every)


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (encode(Failure(reason="OutOfMemory", message="it does not fit")).decode(), "OutOfMemory: it does not fit"),
        ("", "ResultMissing (exit status 0)"),
        (encode(profile(mean=10**9)).decode(), "ResultImpossible (exit status 0)"),
    ],
)
def test_what_gives_no_profile_to_believe_is_told_with_its_reason_and_makes_no_row(
    document: str, reason: str, tmp_path: Path
) -> None:
    key = plan(CLASSES["measure-board"])[0].key
    said = list[str]()
    trying = campaign(Pods(answers={key: document}), tmp_path / "data.csv", said)
    trying.run()
    progress = trying.progress["measure-board"]
    assert progress.failed[key].startswith(reason)
    assert progress.there == progress.wanted - 1
    assert any(reason in text for text in said)


def test_what_stops_a_class_beyond_one_pod_is_raised(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("device,workload,repeat\n")
    with pytest.raises(ValueError, match="other columns"):
        campaign(Pods(), path, []).run()


def test_a_measurement_is_the_profilers_own_call() -> None:
    onnx_call = arguments(Setting(SMALL["lstm"], 2, "int8", 1000))
    assert onnx_call[:5] == ("profile", "--source", "ONNX", "--file", f"{MODELS}/lstm-w8-d2-r4.onnx")
    assert onnx_call[5:11] == ("--input", "4,64", "--batch-size", "2", "--precision", "int8")
    torch_call = arguments(Setting(Network("resnet18", 64, 17, 96), 1, "bf16", 1000))
    assert torch_call[1:7] == ("--source", "TorchVision", "--name", "resnet18", "--input", "3,96,96")


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What lets a program have an older processor, for numpy's libraries."""
    files = [file for file in Path(np.__file__).parents[1].glob("numpy*/**/*.so*") if file.is_file()]
    return make_library(tmp_path_factory.mktemp("older"), [(file.name, file.read_bytes()) for file in files])


FEATURES = """
from numpy._core._multiarray_umath import __cpu_features__ as has
print(has["SSE42"], has["AVX2"], has["AVX512F"])
"""


def test_an_older_processor_has_no_newer_instructions(older: Path) -> None:
    def features(environment: dict[str, str]) -> list[str]:
        argv = [sys.executable, "-c", FEATURES]
        return subprocess.run(argv, env=environment, capture_output=True, text=True, check=True).stdout.split()

    own = features(dict(os.environ))
    assert features(variables(older, "avx2")) == [own[0], own[1], "False"]
    assert features(variables(older, "sse42")) == [own[0], "False", "False"]


def test_arithmetic_of_an_older_processor_comes_out_right(older: Path) -> None:
    program = "import numpy as np; a = np.arange(40000.0).reshape(200, 200); print(np.linalg.norm(a @ a.T))"
    argv = [sys.executable, "-c", program]
    own, old = (
        float(subprocess.run(argv, env=environment, capture_output=True, text=True, check=True).stdout)
        for environment in (dict(os.environ), variables(older, "sse42"))
    )
    assert old == pytest.approx(own, rel=1e-12)


UD2 = """
import ctypes, mmap
code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
code.write(bytes([0x0f, 0x0b]))
ctypes.CFUNCTYPE(None)(ctypes.addressof(ctypes.c_char.from_buffer(code)))()
"""


@pytest.mark.parametrize(
    ("program", "number"), [("import ctypes; ctypes.string_at(8)", signal.SIGSEGV), (UD2, signal.SIGILL)]
)
def test_a_real_fault_of_a_program_still_ends_it(older: Path, program: str, number: int) -> None:
    argv = [sys.executable, "-c", program]
    done = subprocess.run(argv, env=variables(older, "sse42"), capture_output=True, check=False, timeout=60)
    assert done.returncode == -number


@pytest.mark.parametrize(("name", "value"), [("OLDER_PROCESSOR", "vax"), ("OLDER_PROCESSOR_TABLE", "/none")])
def test_what_an_older_processor_cannot_be_made_of_ends_the_program(older: Path, name: str, value: str) -> None:
    environment = variables(older, "avx2") | {name: value}
    done = subprocess.run(["true"], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 97
    assert f"{value}: {name} must be" in done.stderr


def test_a_table_of_another_library_ends_the_program(older: Path, tmp_path: Path) -> None:
    table = (older.with_name(TABLE)).read_text(encoding="utf-8")
    wrong = tmp_path / TABLE
    wrong.write_text(re.sub(r"( [^ ]*_multiarray_umath[^ ]*) .*", r"\1 40", table), encoding="utf-8")
    environment = variables(older, "avx2") | {"OLDER_PROCESSOR_TABLE": str(wrong)}
    argv = [sys.executable, "-c", "import numpy"]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 97
    assert "of another library of this name and size" in done.stderr


def test_bytes_within_another_instruction_are_no_cpuid() -> None:
    mov = bytes.fromhex("b80fa20000")  # mov eax, 0xa20f
    cpuid, nop = bytes.fromhex("0fa2"), b"\x90"
    code = 100 * nop + mov + 100 * nop + cpuid + 100 * nop
    header = struct.pack("<4s12sHHIQQQIHHHHHH", b"\x7fELF", b"\x02\x01\x01", 3, 62, 1, 0, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 120, 0x7000, 0, len(code), len(code), 4096)
    assert cpuid_addresses(header + segment + code) == [0x7000 + 205]
    assert cpuid_addresses(b"#!/bin/sh") == []


def test_libraries_of_an_image_are_those_of_all_its_layers(tmp_path: Path) -> None:
    file, image = tmp_path / "libx.so.1", tmp_path / "image.tar"
    file.write_bytes(b"content")
    write_from_files(image, "docker.io/test:1", {"/usr/lib/libx.so.1": file, "/usr/lib/notes.solid": file}, ["/x"])
    assert list(libraries_of(image)) == [("libx.so.1", b"content")]


def test_without_a_compiler_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ProcessorError, match="apt-get install gcc"):
        make_library(tmp_path, [])


def no_torch(calls: list[Call]) -> Iterator[Said]:
    raise AssertionError(f"nothing is to be counted by torch: {calls}")


def line(device: str, repeat: int) -> dict[str, object]:
    measurement = Measurement(Setting(SMALL["cnn"], 1, "fp32", 1000), repeat, is_grid=repeat == 0)
    return row(device, measurement, MeasuredModel(signature(), 1000), probe(), profile())
