"""A prediction: how long a workload takes on a node class, what it needs, and how sure that is."""

from __future__ import annotations

from typing import Literal

import msgspec

Source = Literal["Measured", "Learned", "Fallback"]
"""Measured on that class; learned by the model; or a guess where neither was to be had."""


class Interval(msgspec.Struct, frozen=True, kw_only=True):
    """A median with the 90 % interval around it, in the unit that the holder names."""

    lower: int
    median: int
    upper: int


class Prediction(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One row of ``AIWorkload.status.predictions``: a workload on a node class at its own CPU limit."""

    node_class: str
    work_microseconds_per_inference: Interval
    startup_milliseconds: int
    memory_bytes: int
    source: Source
    model_version: str = ""
    measured_time: str | None = None

    def work_seconds(self, inferences: int, *, bound: Literal["lower", "median", "upper"] = "median") -> float:
        """Seconds from the model loaded to the last of ``inferences`` done."""
        return float(getattr(self.work_microseconds_per_inference, bound)) * inferences / 1e6

    def completion_seconds(
        self, inferences: int, *, bound: Literal["lower", "median", "upper"] = "median"
    ) -> float:
        """Seconds from bound to the last of ``inferences`` done: start-up and work."""
        return self.startup_milliseconds / 1e3 + self.work_seconds(inferences, bound=bound)

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

    ``bound_milliseconds`` is the time of the binding since the epoch as the writer saw it.
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
