"""How much memory a task takes at most: what was measured, with a margin, else counted from its signature.

Counted: peak = what the runtime itself holds + parameters + the activations that live at once. What the runtime holds
is learned from what observed peaks leave over, at an upper quantile: too little kills the task, too much only wastes.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final, Literal

import msgspec

from foretide.observation import Observation, Runtime, Subject
from foretide.signature import Signature

MemorySource = Literal["Measured", "OtherClass", "Counted"]

RUNTIME_BYTES: Final[Mapping[Runtime, int]] = {"onnx": 90 * 10**6, "torch": 350 * 10**6}
"""What a process holds with the runtime loaded and no model, as long as nothing was observed."""
MEASURED_MARGIN: Final = 1.1
"""One run's peak against another's."""
OTHER_CLASS_MARGIN: Final = 1.2
"""Peaks of other classes: threads and kernels differ."""
COUNTED_MARGIN: Final = 1.2
"""Parameters and activations as counted: allocators round up, and layouts are copied."""
QUANTILE: Final = 0.9
MAX_HELD_FACTOR: Final = 4.0
"""How many times `RUNTIME_BYTES` a runtime is believed to hold: peaks are reported by containers that run anyone's
model, and one false report must not make every other workload look too large for its limit."""


class MemoryEstimate(msgspec.Struct, frozen=True, kw_only=True):
    """Peak bytes of the task's process, to be exceeded by few, and what they were taken from."""

    peak_bytes: int
    source: MemorySource


class Memories:
    """Memory peaks that were observed, grouped once to answer many questions."""

    def __init__(self, observations: Iterable[Observation]) -> None:
        own: dict[tuple[str, str], int] = {}
        held: dict[Runtime, dict[str, int]] = defaultdict(dict)
        for row in observations:
            peak = row.memory_peak_bytes
            if peak is None or peak <= 0:
                continue
            pair = row.workload, row.node_class
            own[pair] = max(own.get(pair, 0), peak)
            over = peak - round(COUNTED_MARGIN * _counted(row.signature))
            over = min(over, round(MAX_HELD_FACTOR * RUNTIME_BYTES[row.runtime]))
            held[row.runtime][row.workload] = max(held[row.runtime].get(row.workload, over), over)
        self._own = own
        self._runtime = {
            runtime: _upper_quantile([RUNTIME_BYTES[runtime], *held.get(runtime, {}).values()])
            for runtime in RUNTIME_BYTES
        }

    def estimate(self, subject: Subject) -> MemoryEstimate:
        """The peak of a workload on a node class."""
        own = self._own.get((subject.workload, subject.node_class))
        if own is not None:
            return MemoryEstimate(peak_bytes=math.ceil(own * MEASURED_MARGIN), source="Measured")
        others = [peak for (workload, _), peak in self._own.items() if workload == subject.workload]
        if others:
            return MemoryEstimate(peak_bytes=math.ceil(max(others) * OTHER_CLASS_MARGIN), source="OtherClass")
        counted = self._runtime[subject.runtime] + COUNTED_MARGIN * _counted(subject.signature)
        return MemoryEstimate(peak_bytes=math.ceil(max(counted, 1)), source="Counted")


def _counted(signature: Signature) -> int:
    return signature.parameter_bytes + signature.peak_activation_bytes


def _upper_quantile(values: list[int]) -> int:
    ordered = sorted(values)
    return ordered[min(math.ceil(QUANTILE * (len(ordered) + 1)), len(ordered)) - 1]
