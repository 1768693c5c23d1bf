"""How much memory a task needs: as measured, with a margin, else as `foretide.memory_fit` counts its signature.

The need is the least limit under which the task is not killed: what its process holds (`memoryPeakBytes`, without
libraries' pages, which the kernel drops where memory is short) and `SLACK_BYTES`. Too little kills the task, too much
only wastes.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cached_property
from statistics import median, median_low
from typing import Final, Literal

import msgspec

from foretide import memory_fit
from foretide.memory_fit import MemoryKind, Need, Sample, kind_of
from foretide.observation import Observation, Runtime, Subject, namespace_of

MemorySource = Literal["Measured", "OtherClass", "Counted"]

SLACK_BYTES: Final = 4 * 2**20
"""Beyond what the process holds: the kernel's accounts of it, and the few pages of libraries without which it would
read them anew all the time."""
MEASURED_MARGIN: Final = 1.1
"""One run's peak against another's."""
OTHER_CLASS_MARGIN: Final = 1.12
"""Peaks of other classes: threads and kernels differ."""
COUNTED_DEVIATIONS: Final = 3.0
"""Standard deviations above what is expected of a workload that was measured nowhere: two in a hundred need more, by
Student's t with the degrees of freedom of `foretide.memory_fit`."""
CLASS_SHARE: Final = 0.25
"""What the tasks of a class hold beyond the others' counts as the class's own, as a GPU's driver is, from so much on
of what is expected of them."""
MAX_CLASS_BYTES: Final = 4 * 2**30


class MemoryEstimate(msgspec.Struct, frozen=True, kw_only=True):
    """Peak bytes of the task's process, to be exceeded by few, and what they were taken from."""

    peak_bytes: int
    source: MemorySource


class Memories:
    """Memory peaks that were observed, grouped once to answer many questions; learns when first asked to count."""

    def __init__(self, observations: Iterable[Observation]) -> None:
        self._peaks: dict[str, dict[str, int]] = defaultdict(dict)
        self._rows: dict[str, Observation] = {}
        for row in observations:
            peak = row.memory_peak_bytes
            if peak is None or peak <= 0:
                continue
            found = self._peaks[row.workload]
            found[row.node_class] = max(found.get(row.node_class, 0), peak)
            self._rows[row.workload] = row

    def estimate(self, subject: Subject) -> MemoryEstimate:
        """The need of a workload on a node class."""
        peaks = self._peaks.get(subject.workload, {})
        own = peaks.get(subject.node_class)
        if own is not None:
            return _estimate(own * MEASURED_MARGIN, "Measured")
        here = self._class_bytes.get((subject.runtime, subject.node_class), 0.0)
        need, amounts = self._needs[kind_of(subject)], memory_fit.amounts(subject)
        if not peaks:
            return _estimate(need.upper_bytes(amounts, COUNTED_DEVIATIONS) + here, "Counted")
        elsewhere = [
            max(peak - there, need.expected_bytes(amounts)) if there else peak
            for there, peak in ((self._class_bytes.get((subject.runtime, name), 0.0), peaks[name]) for name in peaks)
        ]
        return _estimate(max(elsewhere) * OTHER_CLASS_MARGIN + here, "OtherClass")

    @cached_property
    def _needs(self) -> Mapping[MemoryKind, Need]:
        samples: dict[MemoryKind, list[Sample]] = {kind: [] for kind in memory_fit.PRIORS}
        for workload, peaks in self._peaks.items():
            row = self._rows[workload]
            samples[kind_of(row)].append(Sample(workload, memory_fit.amounts(row), float(median(peaks.values()))))
        return {kind: memory_fit.learn(kind, found) for kind, found in samples.items()}

    @cached_property
    def _class_bytes(self) -> Mapping[tuple[Runtime, str], float]:
        """What tasks of a runtime hold on a class beyond what is expected: the median over namespaces of theirs.

        Of two namespaces the one with less, for the other's may be nonsense.
        """
        beyond: dict[tuple[Runtime, str], dict[str, list[tuple[float, float]]]] = defaultdict(lambda: defaultdict(list))
        for workload, peaks in self._peaks.items():
            row = self._rows[workload]
            expected = self._needs[kind_of(row)].expected_bytes(memory_fit.amounts(row))
            for node_class, peak in peaks.items():
                found = beyond[row.runtime, node_class][namespace_of(workload)]
                found.append((peak / expected - 1, peak - expected))
        held = {}
        for key, by_namespace in beyond.items():
            share, size = (
                median_low(median(pair[i] for pair in each) for each in by_namespace.values()) for i in (0, 1)
            )
            if share > CLASS_SHARE:
                held[key] = min(size, MAX_CLASS_BYTES)
        return held


def _estimate(peak_bytes: float, source: MemorySource) -> MemoryEstimate:
    return MemoryEstimate(peak_bytes=math.ceil(peak_bytes) + SLACK_BYTES, source=source)
