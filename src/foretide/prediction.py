"""A prediction: how long a workload takes on a node class, what it needs, and how sure that is.

`predict_workload` makes the predictions of one workload. Measured beats learned beats fallback:

* *Measured*: the mean of the class's own profile. Its interval: the mean of n of its samples scatters by their
  deviation over √n, and a later run differs from the profiled one by `RUN_TO_RUN` (`UNSTABLE_RUN_TO_RUN` where the
  profile was unstable); both are combined as independent errors of the logarithm. Once the workload's own tasks have
  run there (`foretide.runs`), profile and tasks are merged by what each is worth; where they contradict each other the
  tasks alone count, for of tasks it is told.
* *Learned*: the model's median and 90 % interval.
* *Fallback*: counted multiply-adds and bytes over the class's probed speeds, within a wide interval; over the speeds of
  a middling board within a very wide one where the class was not probed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final, Literal, Protocol

import msgspec

from foretide.contention import Coefficients, kind_of
from foretide.evidence import Estimate, merged
from foretide.memory import Memories
from foretide.observation import DeviceFeatures, Question, Subject, Table, feature_columns
from foretide.placement.completion import quantile_seconds
from foretide.runs import Runs
from foretide.startup import Startups

USUAL_PERCENTILE: Final = 90
"""By the time that so many of a hundred tasks keep to nodes are compared, where a workload does not say."""

Source = Literal["Measured", "Learned", "Fallback"]
"""Measured on that class; learned by the model; or a guess where neither was to be had."""

SUREST_FIRST: Final[tuple[Source, ...]] = ("Measured", "Learned", "Fallback")


class Interval(msgspec.Struct, frozen=True, kw_only=True):
    """A median with the 90 % interval around it, in the unit that the holder names."""

    lower: int
    median: int
    upper: int


class Prediction(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One row of ``AIWorkload.status.predictions``: a workload on a node class at its own CPU limit.

    Times are those of a node with nothing else on it; ``contention_permille`` is the coefficient by which a task takes
    longer beside others (`foretide.contention`), None where none is known.
    """

    node_class: str
    work_microseconds_per_inference: Interval
    startup_milliseconds: int
    memory_bytes: int
    source: Source
    model_version: str = ""
    measured_time: str | None = None
    contention_permille: int | None = None

    @property
    def contention(self) -> float:
        """The coefficient of contention; 0 where none is known."""
        return (self.contention_permille or 0) / 1e3

    def work_seconds(self, inferences: int, *, bound: Literal["lower", "median", "upper"] = "median") -> float:
        """Seconds from the model loaded to the last of ``inferences`` done."""
        return float(getattr(self.work_microseconds_per_inference, bound)) * inferences / 1e6

    def completion_seconds(self, inferences: int, *, bound: Literal["lower", "median", "upper"] = "median") -> float:
        """Seconds from bound to the last of ``inferences`` done: start-up and work."""
        return self.startup_milliseconds / 1e3 + self.work_seconds(inferences, bound=bound)

    def completion_quantile_seconds(self, inferences: int, percent: int) -> float:
        """Seconds from bound to the last of ``inferences`` done that ``percent`` of tasks keep to, from 50 to 99.

        The work is log-logistic, as `foretide.placement.completion.quantile_seconds` has it.
        """
        work = quantile_seconds(self.work_seconds(inferences), self.work_seconds(inferences, bound="upper"), percent)
        return self.startup_milliseconds / 1e3 + work

    def scaled_to_cpu(self, *, predicted_millis: int, actual_millis: int) -> Prediction:
        """The prediction for a pod with another CPU limit: time in inverse proportion, marked Fallback.

        Both limits are milli-CPU and positive; ValueError says which is not.
        """
        if predicted_millis <= 0 or actual_millis <= 0:
            raise ValueError(
                f"CPU limits must be positive milli-CPU: predicted for {predicted_millis}, asked for {actual_millis}"
            )
        if predicted_millis == actual_millis:
            return self
        ratio = predicted_millis / actual_millis
        work = self.work_microseconds_per_inference
        return msgspec.structs.replace(
            self,
            work_microseconds_per_inference=Interval(
                lower=round(work.lower * ratio), median=round(work.median * ratio), upper=round(work.upper * ratio)
            ),
            startup_milliseconds=round(self.startup_milliseconds * ratio),
            source="Fallback",
        )


class PodPrediction(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The prediction written on a Pod as the annotation ``foretide.dev/prediction``: what its actuals are held against.

    ``bound_milliseconds`` is the time of the binding since the epoch as the writer saw it. ``pull_milliseconds`` of the
    start-up are for images that the node lacked.
    """

    node: str
    node_class: str
    inferences: int
    work_milliseconds: Interval
    startup_milliseconds: int
    memory_bytes: int
    source: Source
    model_version: str
    bound_milliseconds: int
    pull_milliseconds: int = 0


RUN_TO_RUN: Final = 1.10
"""How far 90 % of later runs are from a profile, as a factor: public benchmarks differ by 3.6 % in the median."""
UNSTABLE_RUN_TO_RUN: Final = 1.35
"""The same where the profile's windows did not agree."""
MAX_EFFECTIVE_SAMPLES: Final = 64
"""Neighbouring inferences are alike: more of them do not narrow the mean further."""
PROBED_FACTOR: Final = 4.0
"""Half-width of a fallback on a probed class."""
BLIND_FACTOR: Final = 20.0
"""Half-width of a fallback on a class that was not probed."""
BLIND_FLOPS_PER_SECOND: Final = 1e10
BLIND_BYTES_PER_SECOND: Final = 5e9
"""Speeds of a middling board."""
GEMM_EFFICIENCY: Final = 0.5
"""Share of the GEMM speed that a whole network reaches."""
SECONDS_PER_OPERATOR: Final = 1e-5

_Z90: Final = 1.645
_MOST_SAMPLING: Final = 3.0 / _Z90
"""Deviation of log seconds that samples are believed to scatter by at most: a factor of twenty to either side."""
_MAX_MICROSECONDS: Final = 86_400_000_000


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """The times of one inference in a class's own profile, in microseconds; see `foretide.results.Distribution`."""

    samples: int
    mean_microseconds: int
    median_microseconds: int
    interquartile_range_microseconds: int
    p90_microseconds: int | None = None
    stable: bool = True
    measured_time: str


class Predictor(Protocol):
    """What answers learned questions, as `foretide.model.predictor.CompletionTimePredictor` does."""

    def predict(self, columns: Table, /) -> Sequence[float]:
        """Median seconds per inference."""
        ...

    def predict_interval(self, columns: Table, /, coverage: float = 0.9) -> tuple[Sequence[float], Sequence[float]]:
        """Lower and upper seconds per inference."""
        ...


def predict_workload(
    questions: Sequence[Question],
    *,
    measured: Mapping[str, Measured],
    predictor: Predictor | None,
    model_version: str,
    devices: Mapping[str, DeviceFeatures],
    startups: Startups,
    memories: Memories,
    runs: Runs,
    coefficients: Coefficients,
    inferences: int,
) -> list[Prediction]:
    """One prediction per question (one workload on each of its node classes), in their order.

    `measured` holds the profiles of this very workload by node class, `runs` what tasks took; `coefficients` are those
    of contention; `inferences` is the size of one task.
    """
    learned = [question for question in questions if question.node_class not in measured]
    intervals: dict[str, Interval] = {}
    if predictor is not None and learned:
        columns = feature_columns(learned, devices)
        medians = predictor.predict(columns)
        lowers, uppers = predictor.predict_interval(columns, 0.9)
        for question, lower, middle, upper in zip(learned, lowers, medians, uppers, strict=True):
            intervals[question.node_class] = _interval(lower * 1e6, middle * 1e6, upper * 1e6)
    out = []
    for question in questions:
        name = question.node_class
        source: Source
        profile = measured.get(name)
        if profile is not None:
            source, work = "Measured", measured_interval(profile, runs.estimate(question), inferences=inferences)
        elif name in intervals:
            source, work = "Learned", intervals[name]
        else:
            source, work = "Fallback", fallback_interval(question, devices.get(name))
        out.append(
            Prediction(
                node_class=name,
                work_microseconds_per_inference=work,
                startup_milliseconds=startups.estimate(question).milliseconds,
                memory_bytes=memories.estimate(question).peak_bytes,
                source=source,
                model_version=model_version if source == "Learned" else "",
                measured_time=profile.measured_time if profile is not None else None,
                contention_permille=coefficients.get((name, kind_of(question.signature))),
            )
        )
    return out


def measured_interval(profile: Measured, ran: Estimate | None = None, *, inferences: int) -> Interval:
    """Microseconds per inference over a task of so many, from the class's own profile; see the module's docstring.

    ``ran`` is what the workload's tasks took there, None where too few have run.
    """
    mean = max(profile.mean_microseconds, 1)
    deviations = [profile.interquartile_range_microseconds / 1.349]
    if profile.p90_microseconds is not None:
        deviations.append((profile.p90_microseconds - profile.median_microseconds) / 1.2816)
    scatter = max(*deviations, 0.0) / mean
    run_to_run = math.log(RUN_TO_RUN if profile.stable else UNSTABLE_RUN_TO_RUN) / _Z90
    samples = max(min(profile.samples, MAX_EFFECTIVE_SAMPLES), 1)
    if ran is None:
        sampling = scatter / math.sqrt(max(min(samples, inferences), 1))
        return _around(mean, math.hypot(min(sampling, _MOST_SAMPLING), run_to_run))
    profiled = Estimate(
        seconds=mean / 1e6, samples=samples, scatter=min(scatter, _MOST_SAMPLING), circumstance=run_to_run
    )
    both = merged([profiled, ran])
    if both.is_contradictory:
        return _around(ran.seconds * 1e6, math.hypot(math.sqrt(ran.variance), ran.scatter))
    return _around(both.seconds * 1e6, math.hypot(both.deviation, ran.scatter))


def fallback_interval(subject: Subject, device: DeviceFeatures | None) -> Interval:
    """Microseconds per inference from counted work over probed (or middling) speeds."""
    flops = device.gemm_flops_per_second if device else None
    bandwidth = device.memory_bandwidth_bytes_per_second if device else None
    signature = subject.signature
    seconds = (
        2 * signature.macs / ((flops or BLIND_FLOPS_PER_SECOND) * GEMM_EFFICIENCY)
        + (signature.parameter_bytes + 2 * signature.activation_bytes) / (bandwidth or BLIND_BYTES_PER_SECOND)
        + signature.operator_count * SECONDS_PER_OPERATOR
    )
    factor = PROBED_FACTOR if flops else BLIND_FACTOR
    return _interval(seconds * 1e6 / factor, seconds * 1e6, seconds * 1e6 * factor)


def _around(median: float, deviation: float) -> Interval:
    """The 90 % interval of a log-normal time."""
    factor = math.exp(_Z90 * deviation)
    return _interval(median / factor, median, median * factor)


def _interval(lower: float, median: float, upper: float) -> Interval:
    middle = min(max(round(median), 1), _MAX_MICROSECONDS)
    return Interval(
        lower=min(max(math.floor(lower), 1), middle),
        median=middle,
        upper=max(min(math.ceil(upper), _MAX_MICROSECONDS), middle),
    )
