"""What a profiler Job says when it ends: one small JSON document, versioned, and never trusted.

The document travels as the container's termination message (at most 4,096 bytes). It comes from a container that
runs someone else's model, so `parse` bounds every field and refuses what is physically impossible.
Durations are integers with their unit in the name; times are milliseconds since the epoch by the node's clock.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec

from foretide.signature import Count, Signature, at_batch_size

SCHEMA: Literal["foretide.dev/result/v1"] = "foretide.dev/result/v1"
MAX_RESULT_BYTES = 4096

MAX_BATCHES: Final = 8
"""Batch sizes that one profile tells of besides the workload's own."""

Microseconds = Annotated[int, msgspec.Meta(ge=0, le=86_400_000_000)]
Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=86_400_000)]
EpochMilliseconds = Annotated[int, msgspec.Meta(ge=1_500_000_000_000, le=9_999_999_999_999)]
Bytes = Annotated[int, msgspec.Meta(ge=0, le=2**50)]
Text = Annotated[str, msgspec.Meta(max_length=256)]
ProbeName = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9-]{0,31}$")]


class Document(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True, tag_field="kind"):
    """What every result carries: the version of its schema."""

    schema: Literal["foretide.dev/result/v1"] = SCHEMA


class Environment(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """The fingerprint of what a measurement ran on; absent figures are None, never 0.

    Clock, power and reasons for throttling (names as in NVML) are the accelerator's at the end of the measurement.
    ``co_runners`` are tasks on the same node meanwhile, which only who watches the cluster sees.
    """

    cpu_model: Text = ""
    architecture: Text = ""
    instruction_sets: Annotated[tuple[Text, ...], msgspec.Meta(max_length=16)] = ()
    cpu_millis: Annotated[int, msgspec.Meta(ge=1, le=10_000_000)] | None = None
    threads: Annotated[int, msgspec.Meta(ge=1, le=4096)]
    memory_limit_bytes: Bytes | None = None
    governor: Text | None = None
    runtime: Text
    accelerator: Text | None = None
    driver: Text | None = None
    accelerator_megahertz: Annotated[int, msgspec.Meta(ge=0, le=100_000)] | None = None
    accelerator_milliwatts: Annotated[int, msgspec.Meta(ge=0, le=100_000_000)] | None = None
    accelerator_throttling: Annotated[tuple[Text, ...], msgspec.Meta(max_length=16)] | None = None
    co_runners: Annotated[int, msgspec.Meta(ge=0, le=10_000)] | None = None

    @property
    def runtime_version(self) -> str:
        """Name and version of the runtime without the device that it ran on: ``onnxruntime 1.22.0``."""
        return " ".join(self.runtime.split()[:2])


class Distribution(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Order statistics of the time of one inference, in microseconds.

    p90 needs 64 samples and p99 662 to be meaningful; with fewer they are None.
    """

    samples: Annotated[int, msgspec.Meta(ge=1, le=100_000_000)]
    mean: Microseconds
    median: Microseconds
    interquartile_range: Microseconds
    p90: Microseconds | None = None
    p99: Microseconds | None = None


class BatchTime(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """The time of one inference at another batch size than the workload's, in microseconds.

    Measured as the workload's own, but for less long: 16 samples and a second are enough.
    """

    batch_size: Annotated[int, msgspec.Meta(ge=1, le=65536)]
    samples: Annotated[int, msgspec.Meta(ge=1, le=100_000_000)]
    mean: Microseconds
    median: Microseconds
    stable: bool


class Interference(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """What the standard co-runner did to the time of one inference.

    The co-runner is one thread on a CPU of its own that copies memory as fast as it can; ``slowdown_permille`` is the
    mean time beside it over the mean time alone, in thousandths; ``co_runner_bytes_per_second`` what it read and wrote
    meanwhile.
    """

    samples: Annotated[int, msgspec.Meta(ge=1, le=100_000_000)]
    slowdown_permille: Annotated[int, msgspec.Meta(ge=1, le=1_000_000_000)]
    co_runner_bytes_per_second: Count


class Failure(Document, frozen=True, kw_only=True, tag="Failure"):
    """Why nothing was measured: a CamelCase reason, the field at fault if there is one, and what to do."""

    reason: Annotated[str, msgspec.Meta(pattern=r"^[A-Z][A-Za-z0-9]{2,63}$")]
    message: Annotated[str, msgspec.Meta(max_length=1024)]
    field: Text = ""


class InspectResult(Document, frozen=True, kw_only=True, tag="Inspect"):
    """The signature of a workload, and the digest of its file where it has one."""

    signature: Signature
    model_sha256: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")] | None = None


class ProfileResult(Document, frozen=True, kw_only=True, tag="Profile"):
    """One workload measured on one node.

    ``inference`` times single calls one after the other. ``load_milliseconds`` runs from the process's first
    statement to the model ready; ``work_begin`` is that moment. Memory is the peak resident size of the process;
    ``memory_base_bytes`` what it held before the model was loaded. All of these are of the workload's own batch size;
    ``batches`` are times at others, where they were asked for and time was left, and ``interference`` what a co-runner
    does, where that was asked for.
    """

    process_start: EpochMilliseconds
    work_begin: EpochMilliseconds
    work_end: EpochMilliseconds
    load_milliseconds: Milliseconds
    first_inference_microseconds: Microseconds
    warmup_inferences: Count
    inference: Distribution
    stable: bool
    unstable_reason: Text = ""
    memory_peak_bytes: Bytes
    memory_base_bytes: Bytes
    accelerator_memory_peak_bytes: Bytes | None = None
    energy_microjoules_per_inference: Count | None = None
    model_sha256: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")] | None = None
    batches: Annotated[tuple[BatchTime, ...], msgspec.Meta(max_length=MAX_BATCHES)] = ()
    interference: Interference | None = None
    environment: Environment


class ProbeResult(Document, frozen=True, kw_only=True, tag="Probe"):
    """How a node class behaves on a fixed set of small tasks: a description no data sheet gives."""

    process_start: EpochMilliseconds
    work_end: EpochMilliseconds
    startup_milliseconds: Milliseconds
    gemm_flops_per_second: Count
    memory_bandwidth_bytes_per_second: Count
    model_microseconds: Annotated[dict[ProbeName, Microseconds], msgspec.Meta(max_length=16)]
    environment: Environment


class RunResult(Document, frozen=True, kw_only=True, tag="Run"):
    """One task performed: what it really took."""

    process_start: EpochMilliseconds
    work_begin: EpochMilliseconds
    work_end: EpochMilliseconds
    inferences: Annotated[int, msgspec.Meta(ge=1, le=10**12)]
    inference_median_microseconds: Microseconds
    memory_peak_bytes: Bytes
    environment: Environment


Result = Failure | InspectResult | ProfileResult | ProbeResult | RunResult

MAX_MACS_PER_SECOND = 10**16
"""More than any accelerator of this decade performs."""

MAX_MACS_PER_SECOND_AND_THREAD = 10**13
"""More than a processor core performs: matrix units do about 2,000 multiply-adds a cycle."""

MAX_BYTES_PER_SECOND = 10**14
"""More than any memory moves."""

P90_SAMPLES = 64
P99_SAMPLES = 662

CLOCK_TOLERANCE_MILLISECONDS = 60_000
"""How far a node's clock may be from the API server's."""

_ROUNDING_MILLISECONDS = 2
_LONGEST_TEXT = 1024


class ResultError(ValueError):
    """A document that cannot be used.

    ``reason`` is ResultMissing (nothing was said), ResultInvalid (not a document of this schema) or ResultImpossible
    (no machine behaves so); ``field`` is the path of the field at fault, or empty.
    """

    def __init__(self, reason: str, field: str, message: str) -> None:
        super().__init__(f"{reason}: {field}: {message}" if field else f"{reason}: {message}")
        self.reason = reason
        self.field = field
        self.message = message


def encode(result: Result) -> bytes:
    """Write `result` as a document of at most ``MAX_RESULT_BYTES`` bytes that `parse` can read.

    Texts are shortened where they break their bound, and the longest of all until the document fits. Numbers out of
    bounds are the caller's mistake: ResultError ResultInvalid.
    """
    limit = _LONGEST_TEXT
    while True:
        data = msgspec.json.encode(_shortened(result, limit))
        if len(data) <= MAX_RESULT_BYTES or limit == 0:
            _decode(data)
            return data
        limit = limit * 3 // 4


def parse(
    data: bytes,
    *,
    signature: Signature | None = None,
    within: tuple[int, int] | None = None,
    tolerance_milliseconds: int = CLOCK_TOLERANCE_MILLISECONDS,
) -> Result:
    """Read a document, and believe nothing that cannot be.

    ``signature`` is that of the workload measured: it bounds the speed. ``within`` is the earliest and latest moment
    (milliseconds since the epoch) by the API's times; the node's clock may differ by ``tolerance_milliseconds``.
    Raises ResultError: ResultMissing, ResultInvalid, ResultImpossible.
    """
    if not data.strip():
        raise ResultError("ResultMissing", "", "the container ended without writing a result")
    result = _decode(data)
    match result:
        case Failure():
            return result
        case InspectResult():
            _check_signature(result.signature)
            return result
        case ProbeResult():
            _check_probe(result)
        case ProfileResult():
            _check_times(result)
            _check_profile(result)
            _check_batches(result, signature)
            _check_speed(signature, result.inference.median, "inference.median", result.environment)
        case RunResult():
            _check_times(result)
            _check_run(result)
            _check_speed(
                signature, result.inference_median_microseconds, "inferenceMedianMicroseconds", result.environment
            )
    _check_within(result, within, tolerance_milliseconds)
    return result


def _decode(data: bytes) -> Result:
    if len(data) > MAX_RESULT_BYTES:
        raise ResultError("ResultInvalid", "", f"{len(data)} bytes; at most {MAX_RESULT_BYTES} are allowed")
    try:
        result: Result = _decoder.decode(data)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `")
        raise ResultError("ResultInvalid", path.rstrip("`").removeprefix("$").removeprefix("."), message) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ResultError("ResultInvalid", "", f"not a JSON document of {SCHEMA}: {error}") from error
    return result


def _check_times(result: ProfileResult | RunResult) -> None:
    if result.work_begin < result.process_start:
        raise _impossible("workBegin", f"{result.work_begin} lies before processStart {result.process_start}")
    if result.work_end < result.work_begin:
        raise _impossible("workEnd", f"{result.work_end} lies before workBegin {result.work_begin}")


def _check_profile(result: ProfileResult) -> None:
    work_milliseconds = result.work_end - result.work_begin
    times = result.inference
    _check_order(times)
    measured = times.samples * times.mean + result.first_inference_microseconds
    measured += sum(batch.samples * batch.mean for batch in result.batches)
    samples = times.samples + sum(batch.samples for batch in result.batches)
    if result.interference is not None:
        measured += result.interference.samples * times.mean * result.interference.slowdown_permille // 1000
        samples += result.interference.samples * (1 + times.mean // 1000)
    if measured > 1000 * (work_milliseconds + _ROUNDING_MILLISECONDS) + samples:
        raise _impossible("inference", f"{measured} us of inferences do not fit into {work_milliseconds} ms of work")
    loading = result.work_begin - result.process_start
    if result.load_milliseconds > loading + _ROUNDING_MILLISECONDS:
        message = f"{result.load_milliseconds} is more than the {loading} ms before the work"
        raise _impossible("loadMilliseconds", message)
    if result.memory_peak_bytes < result.memory_base_bytes:
        raise _impossible(
            "memoryPeakBytes", f"{result.memory_peak_bytes} is below memoryBaseBytes {result.memory_base_bytes}"
        )


def _check_batches(result: ProfileResult, signature: Signature | None) -> None:
    sizes = [batch.batch_size for batch in result.batches]
    if signature is not None:
        sizes.append(signature.batch_size)
    if len(set(sizes)) < len(sizes):
        raise _impossible("batches", f"batch sizes {', '.join(map(str, sorted(sizes)))}: one is there twice")
    for batch in result.batches:
        if 2 * batch.mean + 2 < batch.median:
            raise _impossible("batches.mean", f"{batch.mean} is less than half the median {batch.median}")
        if signature is not None:
            scaled = at_batch_size(signature, batch.batch_size)
            _check_speed(scaled, batch.median, "batches.median", result.environment)


def _check_order(times: Distribution) -> None:
    if times.samples == 1 and times.interquartile_range:
        raise _impossible("inference.interquartileRange", "one sample has no spread")
    if 2 * times.mean + 2 < times.median:
        raise _impossible("inference.mean", f"{times.mean} is less than half the median {times.median}")
    for name, value, least, floor in (
        ("p90", times.p90, P90_SAMPLES, times.median),
        ("p99", times.p99, P99_SAMPLES, times.p90 or times.median),
    ):
        if value is None:
            continue
        if times.samples < least:
            raise _impossible(f"inference.{name}", f"{times.samples} samples tell no {name}; {least} do")
        if value < floor:
            raise _impossible(f"inference.{name}", f"{value} is below a lower percentile, {floor}")


def _check_run(result: RunResult) -> None:
    work_milliseconds = result.work_end - result.work_begin
    # Half of all inferences took the median or longer.
    least = result.inference_median_microseconds * (result.inferences // 2)
    if least > 1000 * (work_milliseconds + _ROUNDING_MILLISECONDS) + result.inferences:
        raise _impossible(
            "inferenceMedianMicroseconds",
            f"{result.inferences} inferences of that median do not fit into {work_milliseconds} ms of work",
        )


def _check_probe(result: ProbeResult) -> None:
    duration = result.work_end - result.process_start
    if duration < 0:
        raise _impossible("workEnd", f"{result.work_end} lies before processStart {result.process_start}")
    if result.startup_milliseconds > duration + _ROUNDING_MILLISECONDS:
        raise _impossible("startupMilliseconds", f"{result.startup_milliseconds} is more than the {duration} ms in all")
    if result.gemm_flops_per_second > 2 * _fastest(result.environment):
        raise _impossible("gemmFlopsPerSecond", f"{result.gemm_flops_per_second} is beyond any machine")
    if result.memory_bandwidth_bytes_per_second > MAX_BYTES_PER_SECOND:
        raise _impossible(
            "memoryBandwidthBytesPerSecond", f"{result.memory_bandwidth_bytes_per_second} is beyond any memory"
        )


def _check_signature(signature: Signature) -> None:
    for name, whole, parts in (
        ("macs", signature.macs, sum(cost.macs for cost in signature.by_kind.values())),
        (
            "activationBytes",
            signature.activation_bytes,
            sum(cost.bytes_written for cost in signature.by_kind.values()),
        ),
        ("operatorCount", signature.operator_count, sum(cost.count for cost in signature.by_kind.values())),
    ):
        if parts > whole:
            raise _impossible(f"signature.{name}", f"{whole} is less than its parts by kind together, {parts}")


def _check_speed(signature: Signature | None, microseconds: int, field: str, environment: Environment) -> None:
    if signature is not None and signature.macs * 1_000_000 > _fastest(environment) * (microseconds + 1):
        raise _impossible(field, f"{signature.macs} multiply-adds in {microseconds} us are beyond any machine")


def _fastest(environment: Environment) -> int:
    """Multiply-adds per second that nothing like this environment exceeds."""
    if environment.accelerator is not None:
        return MAX_MACS_PER_SECOND
    return min(MAX_MACS_PER_SECOND, environment.threads * MAX_MACS_PER_SECOND_AND_THREAD)


def _check_within(
    result: ProbeResult | ProfileResult | RunResult, within: tuple[int, int] | None, tolerance_milliseconds: int
) -> None:
    if within is None:
        return
    earliest, latest = within
    if result.process_start < earliest - tolerance_milliseconds:
        raise _impossible("processStart", f"{result.process_start} lies before the container's start, {earliest}")
    if result.work_end > latest + tolerance_milliseconds:
        raise _impossible("workEnd", f"{result.work_end} lies after the container's end, {latest}")


def _impossible(field: str, message: str) -> ResultError:
    return ResultError("ResultImpossible", field, message)


def _shortened(value: object, limit: int) -> object:
    """`value` as plain JSON types, its free texts at most `limit` characters long and within their own bound."""
    match value:
        case msgspec.Struct():
            plain = {
                field.encode_name: _shortened(getattr(value, field.name), _bound(value, field.name, limit))
                for field in msgspec.structs.fields(value)
                if getattr(value, field.name) not in (None, ())
            }
            tag = value.__struct_config__.tag
            return {"kind": tag, **plain} if tag else plain
        case str():
            text = value.encode("utf-8", "replace").decode()
            return text if len(text) <= limit else text[: limit - 1] + "…" if limit else ""
        case tuple():
            return [_shortened(item, limit) for item in value]
        case dict():
            return {key: _shortened(item, limit) for key, item in value.items()}
        case _:
            return value


def _bound(owner: msgspec.Struct, name: str, limit: int) -> int:
    """The most characters that this text may have; texts of a fixed form are never cut."""
    if name in _FIXED_FORM:
        return _LONGEST_TEXT
    if isinstance(owner, Failure) and name == "message":
        return limit
    return min(limit, 64 if isinstance(owner, Signature) else 256)


_FIXED_FORM = frozenset({"schema", "reason", "model_sha256"})
_decoder = msgspec.json.Decoder(Result)
