"""A result travels in 4,096 bytes, comes back as it was, and is refused where it cannot be true."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretide.results import (
    BatchTime,
    Distribution,
    Environment,
    Failure,
    InspectResult,
    Interference,
    ProbeResult,
    ProfileResult,
    Result,
    ResultError,
    RunResult,
)
from foretide.signature import OperatorCost, Signature
from foretide.termination_message import MAX_RESULT_BYTES, encode, parse

START = 1_800_000_000_000
ENVIRONMENT = Environment(threads=2, runtime="onnxruntime 1.31 CPUExecutionProvider")
SIGNATURE = Signature(
    macs=10**9,
    parameter_bytes=4,
    activation_bytes=4,
    peak_activation_bytes=4,
    operator_count=3,
    input_pixels=1,
    by_kind={"linear": OperatorCost(macs=10**9, count=3)},
)
PROFILE = ProfileResult(
    process_start=START,
    work_begin=START + 500,
    work_end=START + 10_000,
    load_milliseconds=500,
    first_inference_microseconds=30_000,
    warmup_inferences=10,
    inference=Distribution(samples=700, mean=10_000, median=9_000, interquartile_range=500, p90=12_000, p99=20_000),
    stable=True,
    memory_peak_bytes=200,
    memory_base_bytes=100,
    environment=ENVIRONMENT,
)
SWEPT = msgspec.structs.replace(
    PROFILE,
    work_end=START + 20_000,
    batches=tuple(
        BatchTime(batch_size=2**size, samples=16, mean=10_000, median=9_000, stable=size < 5) for size in range(1, 9)
    ),
    interference=Interference(samples=100, slowdown_permille=1_750, co_runner_bytes_per_second=10**10),
)
RUN = RunResult(
    process_start=START,
    work_begin=START + 500,
    work_end=START + 1500,
    inferences=100,
    inference_median_microseconds=10_000,
    memory_peak_bytes=100,
    environment=ENVIRONMENT,
)
PROBE = ProbeResult(
    process_start=START,
    work_end=START + 5000,
    startup_milliseconds=500,
    gemm_flops_per_second=10**11,
    memory_bandwidth_bytes_per_second=10**10,
    model_microseconds={"linear": 100},
    environment=ENVIRONMENT,
)
RESULTS: list[Result] = [
    PROFILE,
    SWEPT,
    RUN,
    PROBE,
    InspectResult(signature=SIGNATURE, model_sha256="a" * 64),
    Failure(reason="InputRefused", message="wants 3,224,224", field="input.shape"),
]


@pytest.mark.parametrize("result", RESULTS, ids=lambda result: type(result).__name__)
def test_a_result_comes_back_as_it_was(result: Result) -> None:
    assert parse(encode(result)) == result


@settings(deadline=None)
@given(
    message=st.text(max_size=6000),
    field=st.text(max_size=600),
)
def test_a_failure_with_any_texts_fits_and_keeps_its_reason(message: str, field: str) -> None:
    data = encode(Failure(reason="InternalError", message=message, field=field))
    assert len(data) <= MAX_RESULT_BYTES
    back = parse(data)
    assert isinstance(back, Failure)
    assert back.reason == "InternalError"


@settings(deadline=None)
@given(
    names=st.lists(st.text(max_size=400), max_size=16),
    model=st.text(max_size=5000),
    reason=st.text(max_size=5000),
)
def test_a_profile_with_any_texts_fits_and_keeps_its_figures(names: list[str], model: str, reason: str) -> None:
    environment = Environment(
        cpu_model=model, instruction_sets=tuple(names), threads=2, runtime=model, governor=model, driver=model
    )
    result = msgspec.structs.replace(SWEPT, environment=environment, stable=False, unstable_reason=reason)
    data = encode(result)
    assert len(data) <= MAX_RESULT_BYTES
    back = parse(data)
    assert isinstance(back, ProfileResult)
    assert (back.inference, back.batches) == (SWEPT.inference, SWEPT.batches)
    assert len(back.environment.instruction_sets) == len(names)


def test_a_profile_from_before_there_were_batch_sizes_is_read_as_one_without() -> None:
    document = json.loads(encode(PROFILE))
    assert document.keys().isdisjoint({"batches", "interference"})
    back = parse(json.dumps(document).encode())
    assert isinstance(back, ProfileResult)
    assert (back.batches, back.interference) == ((), None)


def test_texts_with_lone_surrogates_are_written_all_the_same() -> None:
    back = parse(encode(Failure(reason="ModelFileMissing", message="/model/\udcff.onnx is missing")))
    assert isinstance(back, Failure)
    assert back.message == "/model/?.onnx is missing"


def test_numbers_out_of_bounds_are_not_written() -> None:
    with pytest.raises(ResultError) as caught:
        encode(msgspec.structs.replace(RUN, inferences=0))
    assert (caught.value.reason, caught.value.field) == ("ResultInvalid", "inferences")


@pytest.mark.parametrize("data", [b"", b"  \n"])
def test_silence_is_a_missing_result(data: bytes) -> None:
    with pytest.raises(ResultError) as caught:
        parse(data)
    assert caught.value.reason == "ResultMissing"


@pytest.mark.parametrize(
    "data",
    [
        b"Killed",
        b"\xff\xfe\x00garbage",
        b"[" * 4000,
        b'{"kind":"Run"',
        b'{"kind":"Nonsense"}',
        b'{"kind":"Run","schema":"foretide.dev/result/v2"}',
        b"null",
        encode(PROFILE)[:-40],
        b" " * 1_000_000 + b"{}",
        b'{"x":' * 600 + b"1" + b"}" * 600,
    ],
    ids=lambda data: repr(data[:24]),
)
def test_anything_but_a_document_of_the_schema_is_invalid(data: bytes) -> None:
    with pytest.raises(ResultError) as caught:
        parse(data)
    assert caught.value.reason == "ResultInvalid"


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_at_all_make_parse_fail_otherwise(data: bytes) -> None:
    with pytest.raises(ResultError):
        parse(data)


def test_an_unknown_field_is_named() -> None:
    document = {**json.loads(encode(RUN)), "extra": 1}
    with pytest.raises(ResultError, match="extra"):
        parse(json.dumps(document).encode())


@pytest.mark.parametrize(
    ("result", "changes", "field"),
    [
        (PROFILE, {"workBegin": START - 1}, "workBegin"),
        (PROFILE, {"workEnd": START + 499}, "workEnd"),
        (PROFILE, {"workEnd": START + 7000}, "inference"),
        (PROFILE, {"loadMilliseconds": 5000}, "loadMilliseconds"),
        (PROFILE, {"memoryPeakBytes": 99}, "memoryPeakBytes"),
        (PROFILE, {"firstInferenceMicroseconds": 9_000_000}, "inference"),
        (RUN, {"workEnd": START + 400}, "workEnd"),
        (RUN, {"inferenceMedianMicroseconds": 100_000}, "inferenceMedianMicroseconds"),
        (PROBE, {"workEnd": START - 5}, "workEnd"),
        (PROBE, {"startupMilliseconds": 6000}, "startupMilliseconds"),
        (PROBE, {"gemmFlopsPerSecond": 10**15}, "gemmFlopsPerSecond"),
        (PROBE, {"memoryBandwidthBytesPerSecond": 10**15}, "memoryBandwidthBytesPerSecond"),
        (PROBE, {"memoryBandwidthBytesPerSecond": 0}, "gemmFlopsPerSecond"),
        (PROBE, {"gemmFlopsPerSecond": 0}, "gemmFlopsPerSecond"),
        (PROBE, {"modelMicroseconds": {"linear": 0}}, "modelMicroseconds"),
        (PROBE, {"modelMicroseconds": {"linear": 3_000_000, "elementwise": 3_000_000}}, "modelMicroseconds"),
        (PROFILE, {"unstableReason": "Drifting: it took longer"}, "stable"),
        (PROFILE, {"warmupInferences": 10**9}, "warmupInferences"),
        (PROFILE, {"energyMicrojoulesPerInference": 10**13}, "energyMicrojoulesPerInference"),
        (PROFILE, {"acceleratorMemoryPeakBytes": 100}, "acceleratorMemoryPeakBytes"),
        (
            SWEPT,
            {"interference": {"samples": 3, "slowdownPermille": 1000, "coRunnerBytesPerSecond": 10**15}},
            "interference.coRunnerBytesPerSecond",
        ),
    ],
)
def test_what_no_machine_can_do_is_impossible(result: Result, changes: dict[str, Any], field: str) -> None:
    document = {**json.loads(encode(result)), **changes}
    with pytest.raises(ResultError) as caught:
        parse(json.dumps(document).encode())
    assert (caught.value.reason, caught.value.field) == ("ResultImpossible", field)


@pytest.mark.parametrize(
    ("times", "field"),
    [
        ({"samples": 63, "p99": None}, "inference.p90"),
        ({"samples": 600}, "inference.p99"),
        ({"p90": 8000}, "inference.p90"),
        ({"p99": 11_000}, "inference.p99"),
        ({"mean": 4000}, "inference.mean"),
        ({"samples": 1, "p90": None, "p99": None}, "inference.interquartileRange"),
        ({"interquartileRange": 60_000}, "inference.interquartileRange"),
        ({"p90": 120_000, "p99": None}, "inference.p90"),
        ({"p99": 1_200_000}, "inference.p99"),
        ({"samples": 9, "p90": None, "p99": None}, "stable"),
    ],
)
def test_order_statistics_that_contradict_each_other_are_impossible(times: dict[str, Any], field: str) -> None:
    document = json.loads(encode(PROFILE))
    document["inference"] |= times
    with pytest.raises(ResultError) as caught:
        parse(json.dumps(document).encode())
    assert (caught.value.reason, caught.value.field) == ("ResultImpossible", field)


@pytest.mark.parametrize(
    ("whole", "part"), [("macs", "macs"), ("activationBytes", "bytesWritten"), ("operatorCount", "count")]
)
def test_a_signature_less_than_its_parts_is_impossible(whole: str, part: str) -> None:
    document = json.loads(encode(InspectResult(signature=SIGNATURE)))
    most = document["signature"][whole] + 1
    document["signature"]["byKind"] = {"linear": {"macs": 0, "bytesWritten": 0, "count": 0}}
    document["signature"]["byKind"]["linear"][part] = most
    with pytest.raises(ResultError) as caught:
        parse(json.dumps(document).encode())
    assert (caught.value.reason, caught.value.field) == ("ResultImpossible", f"signature.{whole}")


@pytest.mark.parametrize("result", [PROFILE, RUN], ids=["profile", "run"])
def test_speed_beyond_any_machine_is_impossible_for_the_signature(result: Result) -> None:
    assert parse(encode(result), signature=SIGNATURE) == result
    huge = msgspec.structs.replace(SIGNATURE, macs=10**15)
    with pytest.raises(ResultError) as caught:
        parse(encode(result), signature=huge)
    assert caught.value.reason == "ResultImpossible"


@pytest.mark.parametrize(
    ("batches", "field"),
    [
        ([{"batchSize": 2, "samples": 3, "mean": 10, "median": 10, "stable": False}] * 2, "batches"),
        ([{"batchSize": 1, "samples": 3, "mean": 10_000, "median": 10_000, "stable": False}], "batches"),
        ([{"batchSize": 2, "samples": 3, "mean": 400, "median": 1000, "stable": False}], "batches.mean"),
        ([{"batchSize": 65_536, "samples": 3, "mean": 1, "median": 1, "stable": False}], "batches.median"),
        ([{"batchSize": 2, "samples": 3, "mean": 10**10, "median": 10**10, "stable": False}], "inference"),
        ([{"batchSize": 2, "samples": 3, "mean": 10_000, "median": 10_000, "stable": True}], "batches.stable"),
    ],
)
def test_other_batch_sizes_that_cannot_be_are_impossible(batches: list[dict[str, Any]], field: str) -> None:
    document = {**json.loads(encode(PROFILE)), "batches": batches}
    with pytest.raises(ResultError) as caught:
        parse(json.dumps(document).encode(), signature=SIGNATURE)
    assert (caught.value.reason, caught.value.field) == ("ResultImpossible", field)


def test_a_co_runner_beside_which_all_took_longer_than_there_was_time_is_impossible() -> None:
    interference = {"samples": 1000, "slowdownPermille": 2_000_000, "coRunnerBytesPerSecond": 1}
    document = {**json.loads(encode(PROFILE)), "interference": interference}
    with pytest.raises(ResultError) as caught:
        parse(json.dumps(document).encode())
    assert (caught.value.reason, caught.value.field) == ("ResultImpossible", "inference")


@pytest.mark.parametrize("result", [PROFILE, RUN, PROBE], ids=["profile", "run", "probe"])
def test_times_must_lie_within_the_containers_life_but_for_the_clocks_difference(result: Any) -> None:
    end = result.work_end
    assert parse(encode(result), within=(START, end), tolerance_milliseconds=0) == result
    assert parse(encode(result), within=(START + 5000, end + 5000), tolerance_milliseconds=5000) == result
    for within, field in (((START + 5001, end + 5001), "processStart"), ((START - 5001, end - 5001), "workEnd")):
        with pytest.raises(ResultError) as caught:
            parse(encode(result), within=within, tolerance_milliseconds=5000)
        assert (caught.value.reason, caught.value.field) == ("ResultImpossible", field)


@pytest.mark.parametrize("result", [PROFILE, RUN, PROBE], ids=["profile", "run", "probe"])
def test_a_container_that_lived_shorter_than_its_work_cannot_be_but_for_one_difference_of_clocks(result: Any) -> None:
    end = result.work_end
    assert parse(encode(result), within=(START, end - 400), tolerance_milliseconds=400) == result
    with pytest.raises(ResultError) as caught:
        parse(encode(result), within=(START + 300, end - 300), tolerance_milliseconds=400)
    assert (caught.value.reason, caught.value.field) == ("ResultImpossible", "workEnd")


def test_a_task_that_was_over_before_any_machine_could_perform_it_is_impossible() -> None:
    quick = msgspec.structs.replace(RUN, work_end=RUN.work_begin, inference_median_microseconds=0, inferences=10**9)
    with pytest.raises(ResultError) as caught:
        parse(encode(quick), signature=msgspec.structs.replace(SIGNATURE, macs=10**6, by_kind={}))
    assert (caught.value.reason, caught.value.field) == ("ResultImpossible", "workEnd")
