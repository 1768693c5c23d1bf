"""Carries out a request: each subcommand that deals with a model turns it into one result."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from foretide.results import Distribution, InspectResult, ProfileResult, RunResult
from foretide_profiler import runtimes
from foretide_profiler.cgroups import Limits, throttled_periods
from foretide_profiler.contention import ContentionMeter, why_contended
from foretide_profiler.energy import EnergyMeter
from foretide_profiler.environment import describe
from foretide_profiler.exploring import Allowance, Findings, Own, interfere, sweep
from foretide_profiler.failures import ProfilerError, accelerator_is_full
from foretide_profiler.measuring import SECOND, Clock, Measurement, Plan, measure, why_unstable
from foretide_profiler.memory import HeldMemory
from foretide_profiler.nvidia import SLOWED_BY_HEAT_OR_FAULT, GpuState, gpu_in_use
from foretide_profiler.order_statistics import P90_SAMPLES, P99_SAMPLES, Durations
from foretide_profiler.output import progress
from foretide_profiler.requests import InspectCall, ModelRequest, ProfileCall, RunCall
from foretide_profiler.runtimes import LoadedModel
from foretide_profiler.stopping import Stopped, interruptible


@dataclass(frozen=True, slots=True)
class Process:
    """What is known of this process before its work: when it started, and what it may use.

    ``start`` is in milliseconds since the epoch by this node's clock, ``start_nanoseconds`` the same moment on the
    monotonic one: a board without a battery sets its clock while it works, and durations must not show it.
    """

    start: int
    start_nanoseconds: int
    limits: Limits

    def now(self) -> int:
        """Milliseconds since the epoch, as the node's clock went when this process started."""
        return self.start + (time.monotonic_ns() - self.start_nanoseconds) // 1_000_000


def inspect(call: InspectCall) -> InspectResult:
    """Count the signature of the model."""
    from foretide_profiler import counting  # noqa: PLC0415 - imports onnx, which the other subcommands do without

    signature, digest = counting.count(call.model)
    return InspectResult(signature=signature, model_sha256=digest)


@dataclass(frozen=True, slots=True)
class _Figures:
    """What is read besides durations when the workload's own batch size has been measured."""

    gpu: GpuState
    throttled_periods: int | None
    contended: str
    spent_microjoules: int | None
    memory_peak_bytes: int
    accelerator_memory_peak_bytes: int | None


def profile(call: ProfileCall, process: Process) -> ProfileResult:
    """Measure the model; an interrupted measurement is reported as unstable if it has samples enough."""
    memory = HeldMemory()
    base = memory.note()
    model = load(call.model, process)
    begin, loaded_bytes = process.now(), memory.note()
    progress(f"loaded on {model.runtime} in {begin - process.start} ms")
    gpu = gpu_in_use(model.accelerator_uuid) if model.accelerator is not None else None
    plan = Plan(call.max_seconds, call.min_samples, call.min_seconds, is_throttled=process.limits.is_throttled)
    measurement, findings = Measurement(), Findings()
    throttled_before, energy = throttled_periods(), EnergyMeter(gpu)
    waits, opened = ContentionMeter(), time.perf_counter_ns()

    def read() -> _Figures:
        waited = None if process.limits.is_throttled else waits.longest_wait_nanoseconds()
        return _Figures(
            gpu=gpu.state() if gpu is not None else GpuState(),
            throttled_periods=throttled_periods(),
            contended=why_contended(waited, time.perf_counter_ns() - opened),
            spent_microjoules=energy.spent_microjoules(),
            memory_peak_bytes=memory.peak_bytes(),
            accelerator_memory_peak_bytes=model.accelerator_memory_peak_bytes(),
        )

    figures: _Figures | None = None
    end = opened + int(call.max_seconds * SECOND)
    try:
        with interruptible():
            measure(checked(model, call.model), plan, time.perf_counter_ns, measurement)
            figures = read()
            allowance = Allowance(
                time.perf_counter_ns, end, process.limits.memory_bytes, is_throttled=process.limits.is_throttled
            )
            mean = measurement.durations.total_nanoseconds / measurement.durations.count
            own = Own(call.model.batch_size, mean, loaded_bytes, figures.memory_peak_bytes)
            _explore(call, model, own, allowance, findings)
    except Stopped:
        if not measurement.is_reportable:
            raise ProfilerError("TimedOut", "stopped before there were samples enough") from None
    interrupted = "" if figures is not None else "TimedOut: stopped before the measurement was complete"
    seen = figures or read()
    calls = 1 + measurement.warm_up_inferences + measurement.durations.count
    reason = interrupted or seen.contended or why_unstable(measurement, plan) or _why_throttled(seen.gpu)
    stalls = None if throttled_before is None else (seen.throttled_periods or throttled_before) - throttled_before
    if stalls:
        progress(f"the CPU quota ran out in {stalls} scheduling periods")
    return ProfileResult(
        process_start=process.start,
        work_begin=begin,
        work_end=process.now(),
        load_milliseconds=begin - process.start,
        first_inference_microseconds=measurement.first_nanoseconds // 1000,
        warmup_inferences=measurement.warm_up_inferences,
        inference=distribution(measurement.durations),
        stable=not reason,
        unstable_reason=reason,
        memory_peak_bytes=seen.memory_peak_bytes,
        memory_base_bytes=base,
        accelerator_memory_peak_bytes=seen.accelerator_memory_peak_bytes,
        energy_microjoules_per_inference=None if seen.spent_microjoules is None else seen.spent_microjoules // calls,
        model_sha256=model.sha256,
        batches=tuple(findings.batches),
        interference=findings.interference,
        environment=describe(process.limits, model.runtime, model.accelerator, seen.gpu),
    )


def _explore(call: ProfileCall, model: LoadedModel, own: Own, allowance: Allowance, findings: Findings) -> None:
    """Spend the time that is left on what was asked for besides."""
    waits, opened = ContentionMeter(), allowance.clock()

    def at_batch_size(size: int) -> Callable[[], object]:
        request = replace(call.model, batch_size=size)
        try:
            model.feed(size)
        except ProfilerError:
            raise
        except Exception as error:  # no memory for the batch, in the runtime's own class of error
            raise _failure(model, request, error) from error
        return checked(model, request)

    try:
        if call.co_runner:
            interfere(checked(model, call.model), own, allowance, findings, parts=1 + len(call.batch_sizes))
        sweep(at_batch_size, call.batch_sizes, own, allowance, findings)
    finally:
        waited = None if allowance.is_throttled else waits.longest_wait_nanoseconds()
        if why_contended(waited, allowance.clock() - opened):
            findings.distrust()


def _why_throttled(state: GpuState) -> str:
    reasons = SLOWED_BY_HEAT_OR_FAULT.intersection(state.throttling or ())
    return f"Throttled: the GPU's clock was held down by {', '.join(sorted(reasons))}" if reasons else ""


def run(call: RunCall, process: Process) -> RunResult:
    """Perform the task."""
    memory = HeldMemory()
    model = load(call.model, process)
    memory.note()
    begin = process.now()
    durations = Durations()
    try:
        with interruptible():
            _perform(checked(model, call.model), call.inferences, time.perf_counter_ns, durations)
    except Stopped:
        message = f"stopped after {durations.count} of {call.inferences} inferences"
        raise ProfilerError("TimedOut", message, "inferences") from None
    end = process.now()
    gpu = gpu_in_use(model.accelerator_uuid) if model.accelerator is not None else None
    state = gpu.state() if gpu is not None else GpuState()
    return RunResult(
        process_start=process.start,
        work_begin=begin,
        work_end=end,
        inferences=durations.count,
        inference_median_microseconds=_microseconds(durations.quantiles(0.5)[0]),
        memory_peak_bytes=memory.peak_bytes(),
        environment=describe(process.limits, model.runtime, model.accelerator, state),
    )


def _perform(infer: Callable[[], object], inferences: int, clock: Clock, durations: Durations) -> None:
    """The inferences of the task, each timed from the end of the one before."""
    before = clock()
    for _ in range(inferences):
        infer()
        after = clock()
        durations.add(after - before)
        before = after


def distribution(durations: Durations) -> Distribution:
    """Summarise in microseconds; percentiles only where there are samples enough to tell them."""
    lower, median, upper, p90, p99 = map(_microseconds, durations.quantiles(0.25, 0.5, 0.75, 0.9, 0.99))
    return Distribution(
        samples=durations.count,
        mean=durations.total_nanoseconds // durations.count // 1000,
        median=median,
        interquartile_range=upper - lower,
        p90=p90 if durations.count >= P90_SAMPLES else None,
        p99=p99 if durations.count >= P99_SAMPLES else None,
    )


def load(request: ModelRequest, process: Process) -> LoadedModel:
    """Load the model that is asked for; raises as `foretide_profiler.runtimes.load` does."""
    try:
        return runtimes.load(request, process.limits)
    except MemoryError as error:
        raise ProfilerError("OutOfMemory", "the model does not fit into memory", "resources.limits.memory") from error


def checked(model: LoadedModel, request: ModelRequest) -> Callable[[], object]:
    """The model's `infer`, whose failures speak of memory, of the precision or of the input."""

    def infer() -> object:
        try:
            return model.infer()
        except Exception as error:
            raise _failure(model, request, error) from error

    return infer


def _failure(model: LoadedModel, request: ModelRequest, error: Exception) -> ProfilerError:
    """What an inference, or the making of its batch, failed of."""
    if isinstance(error, MemoryError):
        return ProfilerError("OutOfMemory", "an inference does not fit into memory", "resources.limits.memory")
    if model.accelerator is not None and "out of memory" in str(error).lower():
        return accelerator_is_full(error)
    if "alloc" in str(error).lower() or "out of memory" in str(error).lower():
        return ProfilerError("OutOfMemory", str(error), "resources.limits.memory")
    if request.precision != "fp32" and "not implemented for" in str(error):
        message = f"{model.runtime} cannot perform the model in {request.precision}; choose fp32: {error}"
        return ProfilerError("PrecisionUnsupported", message, "precision")
    shape = ",".join(map(str, request.input_shape or ()))
    message = f"the model refuses an input of shape {shape} with batch size {request.batch_size}: {error}"
    return ProfilerError("InputRefused", message, "input.shape")


def _microseconds(nanoseconds: float) -> int:
    return round(nanoseconds / 1000)
