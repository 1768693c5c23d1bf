"""Whether a result tells of something that a machine can do: what is physically impossible is refused."""

from __future__ import annotations

from foretide.results import (
    Distribution,
    Environment,
    Failure,
    InspectResult,
    ProbeResult,
    ProfileResult,
    Result,
    ResultError,
    RunResult,
)
from foretide.signature import Signature, at_batch_size

MAX_MACS_PER_SECOND = 10**16
"""More than any accelerator of this decade performs."""

MAX_MACS_PER_SECOND_AND_THREAD = 10**13
"""More than a processor core performs: matrix units do about 2,000 multiply-adds a cycle."""

MAX_BYTES_PER_SECOND = 10**14
"""More than any memory moves."""

MAX_WATTS = 100_000
"""More than a node draws."""

FEWEST_STABLE_SAMPLES = 10

P90_SAMPLES = 64
P99_SAMPLES = 662
"""Fewer do not tell such a percentile."""

_ROUNDING_MILLISECONDS = 2


def check(
    result: Result, signature: Signature | None, within: tuple[int, int] | None, tolerance_milliseconds: int
) -> None:
    """Raise ResultError ResultImpossible for what cannot be; arguments as of `foretide.termination_message.parse`."""
    match result:
        case Failure():
            return
        case InspectResult():
            _check_signature(result.signature)
            return
        case ProbeResult():
            _check_probe(result)
        case ProfileResult():
            _check_times(result)
            _check_profile(result)
            _check_besides(result)
            _check_batches(result, signature)
            _check_speed(signature, result.inference.median, "inference.median", result.environment)
        case RunResult():
            _check_times(result)
            _check_run(result, signature)
            _check_speed(
                signature, result.inference_median_microseconds, "inferenceMedianMicroseconds", result.environment
            )
    _check_within(result, within, tolerance_milliseconds)


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


def _check_besides(result: ProfileResult) -> None:
    """What is told besides the time and the memory of an inference."""
    if result.stable and result.unstable_reason:
        raise _impossible("stable", f"true with unstableReason {result.unstable_reason!r}")
    if result.stable and result.inference.samples < FEWEST_STABLE_SAMPLES:
        raise _impossible(
            "stable", f"{result.inference.samples} samples are too few for that; {FEWEST_STABLE_SAMPLES} are needed"
        )
    work_microseconds = 1000 * (result.work_end - result.work_begin + _ROUNDING_MILLISECONDS)
    inferences = 1 + result.warmup_inferences + result.inference.samples
    if inferences > work_microseconds:
        raise _impossible(
            "warmupInferences", f"{inferences} inferences in {work_microseconds} us are beyond any machine"
        )
    if (result.energy_microjoules_per_inference or 0) * inferences > MAX_WATTS * work_microseconds:
        raise _impossible("energyMicrojoulesPerInference", f"together more than {MAX_WATTS} W draw in that time")
    if result.environment.accelerator is None and result.accelerator_memory_peak_bytes is not None:
        raise _impossible("acceleratorMemoryPeakBytes", "there is no accelerator")
    if result.interference and result.interference.co_runner_bytes_per_second > MAX_BYTES_PER_SECOND:
        moved = result.interference.co_runner_bytes_per_second
        raise _impossible("interference.coRunnerBytesPerSecond", f"{moved} is beyond any memory")


def _check_batches(result: ProfileResult, signature: Signature | None) -> None:
    sizes = [batch.batch_size for batch in result.batches]
    if signature is not None:
        sizes.append(signature.batch_size)
    if len(set(sizes)) < len(sizes):
        raise _impossible("batches", f"batch sizes {', '.join(map(str, sorted(sizes)))}: one occurs twice")
    for batch in result.batches:
        if batch.stable and batch.samples < FEWEST_STABLE_SAMPLES:
            raise _impossible("batches.stable", f"{batch.samples} samples are too few for that")
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
    if times.interquartile_range > 5 * times.mean + 5:  # a quarter of all took that or longer
        raise _impossible("inference.interquartileRange", f"{times.interquartile_range} with a mean of {times.mean}")
    for name, value, least, floor, share in (
        ("p90", times.p90, P90_SAMPLES, times.median, 10),
        ("p99", times.p99, P99_SAMPLES, times.p90 or times.median, 100),
    ):
        if value is None:
            continue
        if times.samples < least:
            raise _impossible(f"inference.{name}", f"{times.samples} samples are too few for {name}; {least} will do")
        if value < floor:
            raise _impossible(f"inference.{name}", f"{value} is below a lower percentile, {floor}")
        if 10 * value > 11 * share * (times.mean + 1):  # one in so many took that or longer
            raise _impossible(f"inference.{name}", f"{value} with a mean of {times.mean}")


def _check_run(result: RunResult, signature: Signature | None) -> None:
    work_milliseconds = result.work_end - result.work_begin
    # Half of all inferences took the median or longer.
    least = result.inference_median_microseconds * (result.inferences // 2)
    if least > 1000 * (work_milliseconds + _ROUNDING_MILLISECONDS) + result.inferences:
        raise _impossible(
            "inferenceMedianMicroseconds",
            f"{result.inferences} inferences of that median do not fit into {work_milliseconds} ms of work",
        )
    macs = 0 if signature is None else signature.macs * result.inferences
    if 1000 * macs > _fastest(result.environment) * (work_milliseconds + _ROUNDING_MILLISECONDS):
        raise _impossible("workEnd", f"{macs} multiply-adds in {work_milliseconds} ms are beyond any machine")


def _check_probe(result: ProbeResult) -> None:
    duration = result.work_end - result.process_start
    if duration < 0:
        raise _impossible("workEnd", f"{result.work_end} lies before processStart {result.process_start}")
    if result.startup_milliseconds > duration + _ROUNDING_MILLISECONDS:
        raise _impossible("startupMilliseconds", f"{result.startup_milliseconds} is more than the {duration} ms in all")
    measured = sum(result.model_microseconds.values())
    if measured > 1000 * (duration + _ROUNDING_MILLISECONDS):
        raise _impossible("modelMicroseconds", f"together {measured}, which do not fit into {duration} ms")
    if not all(result.model_microseconds.values()):
        raise _impossible("modelMicroseconds", "a model that takes no time")
    if not result.gemm_flops_per_second or not result.memory_bandwidth_bytes_per_second:
        raise _impossible("gemmFlopsPerSecond", "a rate of 0 is not plausible")
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
    duration, life = result.work_end - result.process_start, latest - earliest
    if duration > life + tolerance_milliseconds:
        raise _impossible("workEnd", f"{duration} ms after processStart is longer than the container's {life} ms")


def _impossible(field: str, message: str) -> ResultError:
    return ResultError("ResultImpossible", field, message)
