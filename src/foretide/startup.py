"""How long a task takes from bound to its work's begin: pull, container, runtime, model.

From the closest observations that there are, in this order: this workload on this class; this runtime on this class;
another runtime on this class, by the usual ratio of the two; other classes, by how much slower this one is; a default.
Medians throughout: an image that had to be pulled first is the exception that must not become the rule. Of what others
took, the median over namespaces, each with the median of its workloads: nobody's number of workloads outvotes the rest.
Of two in the middle, the value between them nearest to the class's own probe: a lie moves others no further than that.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import median, median_high, median_low
from typing import Final, Literal

import msgspec

from foretide.observation import DeviceFeatures, Observation, Runtime, Subject, namespace_of

StartupSource = Literal["Workload", "Runtime", "Class", "OtherClass", "Default"]

DEFAULT_MILLISECONDS: Final[Mapping[Runtime, int]] = {"onnx": 3_000, "torch": 8_000}
"""On a class of which nothing is known: importing the runtime is most of it."""
MAX_SLOWNESS: Final = 20.0
"""How many times as long another class is believed to take; starting is not all computation. Nor does what a workload
took count for others beyond so many times the default: it is reported by containers that run anyone's model."""


class StartupEstimate(msgspec.Struct, frozen=True, kw_only=True):
    """Milliseconds from bound to the work's begin, and what they were taken from."""

    milliseconds: int
    source: StartupSource


class Startups:
    """Start-ups that were observed, grouped once to answer many questions."""

    def __init__(self, observations: Iterable[Observation], devices: Mapping[str, DeviceFeatures]) -> None:
        self._devices = devices
        own: dict[tuple[str, str], list[int]] = defaultdict(list)
        runtime_of: dict[str, Runtime] = {}
        for row in observations:
            if row.startup_milliseconds is not None and row.startup_milliseconds >= 0:
                own[row.workload, row.node_class].append(row.startup_milliseconds)
                runtime_of[row.workload] = row.runtime
        self._own = {pair: median(times) for pair, times in own.items()}
        by_namespace: dict[tuple[Runtime, str], dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
        for (workload, node_class), time in self._own.items():
            runtime, namespace = runtime_of[workload], namespace_of(workload)
            believed = min(time, MAX_SLOWNESS * DEFAULT_MILLISECONDS[runtime])
            by_namespace[runtime, node_class][namespace].append(believed)
        self._runtime = {key: self._agreed(key, times.values()) for key, times in by_namespace.items()}

    def estimate(self, subject: Subject) -> StartupEstimate:
        """The start-up of a workload on a node class."""
        own = self._own.get((subject.workload, subject.node_class))
        if own is not None:
            return _estimate(own, "Workload")
        same = self._runtime.get((subject.runtime, subject.node_class))
        if same is not None:
            return _estimate(same, "Runtime")
        other: Runtime = "onnx" if subject.runtime == "torch" else "torch"
        there = self._runtime.get((other, subject.node_class))
        if there is not None:
            return _estimate(there * self._ratio(subject.runtime, other), "Class")
        elsewhere = self._elsewhere(subject)
        if elsewhere:
            return _estimate(median(elsewhere), "OtherClass")
        return _estimate(DEFAULT_MILLISECONDS[subject.runtime], "Default")

    def _agreed(self, key: tuple[Runtime, str], by_namespace: Iterable[Sequence[float]]) -> float:
        """What namespaces saw of a runtime on a class: of two in the middle, nobody's mean but what is likely."""
        runtime, node_class = key
        votes = [median(times) for times in by_namespace]
        device, likely = self._devices.get(node_class), float(DEFAULT_MILLISECONDS[runtime])
        if device is not None and device.startup_milliseconds:
            likely *= device.startup_milliseconds / DEFAULT_MILLISECONDS["onnx"]
        return min(max(likely, median_low(votes)), median_high(votes))

    def _ratio(self, runtime: Runtime, other: Runtime) -> float:
        """How many times as long `runtime` takes as `other`: the median over classes that know both."""
        ratios = [
            time / self._runtime[other, node_class]
            for (name, node_class), time in self._runtime.items()
            if name == runtime and self._runtime.get((other, node_class), 0) > 0
        ]
        return median(ratios) if ratios else DEFAULT_MILLISECONDS[runtime] / DEFAULT_MILLISECONDS[other]

    def _elsewhere(self, subject: Subject) -> Sequence[float]:
        own = {c: time for (workload, c), time in self._own.items() if workload == subject.workload}
        others = own or {c: time for (runtime, c), time in self._runtime.items() if runtime == subject.runtime}
        return [time * self._slowness(subject.node_class, node_class) for node_class, time in others.items()]

    def _slowness(self, node_class: str, other: str) -> float:
        here, there = self._devices.get(node_class), self._devices.get(other)
        slowness = here.slowness_against(there) if here and there else None
        return 1.0 if slowness is None else min(max(slowness, 1 / MAX_SLOWNESS), MAX_SLOWNESS)


def _estimate(milliseconds: float, source: StartupSource) -> StartupEstimate:
    return StartupEstimate(milliseconds=round(milliseconds), source=source)
