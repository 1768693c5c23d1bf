"""The workloads of a scenario: what their tasks ask for, and what they take on each class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import msgspec

from foretide.simulate.images import Image
from foretide.simulate.parts import MEBI, Count, Part, Positive, Share


class ImageSpec(Part, frozen=True, kw_only=True):
    """A container image: its name, and what of it is pulled."""

    name: str
    mebibytes: Positive


class WorkloadSpec(Part, frozen=True, kw_only=True):
    """A workload: what its tasks ask for, what they take on each class, and how often they come.

    ``seconds`` are medians from the binding to the container's end, but for ``startup_seconds``, by class or the same
    on all, which are known and come before them. ``predicted`` are the medians that the model gives in place of
    ``seconds`` (without them those, off by the scenario's errors). Each task's deadline is ``deadline_factor`` times
    what it takes on its best class. ``team`` is whose tasks they are (in a cluster: the namespace).
    """

    name: str
    seconds: dict[str, Positive]
    predicted: dict[str, Positive] = msgspec.field(default_factory=dict)
    startup_seconds: dict[str, Share] | Share = 0.0
    image: ImageSpec | None = None
    weight: Positive = 1.0
    cpu_millis: Count = 1000
    memory_mebibytes: Count = 256
    deadline_factor: Positive | None = None
    team: str = ""

    def startup(self) -> dict[str, float]:
        """Start-up by class, in seconds."""
        if isinstance(self.startup_seconds, dict):
            return self.startup_seconds
        return dict.fromkeys(self.seconds, self.startup_seconds)

    def pulled(self) -> Image | None:
        """Its image, if it says which it is."""
        return None if self.image is None else Image(self.image.name, round(self.image.mebibytes * MEBI))


class TaskSeconds(Mapping[str, float]):
    """What one task takes by class: ``factor`` times its workload's seconds, and its start-up.

    Tasks of a workload share the two, so that hundreds of thousands of tasks fit into memory.
    """

    __slots__ = ("_factor", "_seconds", "_startup")

    def __init__(self, seconds: Mapping[str, float], factor: float, startup: Mapping[str, float]) -> None:
        self._seconds = seconds
        self._factor = factor
        self._startup = startup

    def __getitem__(self, node_class: str) -> float:
        return self._seconds[node_class] * self._factor + self._startup[node_class]

    def __iter__(self) -> Iterator[str]:
        return iter(self._seconds)

    def __len__(self) -> int:
        return len(self._seconds)
