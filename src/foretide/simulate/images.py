"""Images on a simulated node: the first task of an image waits until it is pulled, and who comes meanwhile with it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Image:
    """A container image by name; ``size_bytes`` are what is pulled."""

    name: str
    size_bytes: int


class NodeImages:
    """What a node has and pulls: one image after the other, as kubelet does by default. Nothing is ever removed."""

    def __init__(self, held: Iterable[str], pull_bytes_per_second: float) -> None:
        self._rate = pull_bytes_per_second
        self._ready_seconds = dict.fromkeys(held, 0.0)
        self._idle_from_seconds = 0.0

    def ready_seconds(self, image: Image, now_seconds: float) -> float:
        """When a task that is bound now has its image, which is pulled if need be."""
        ready = self._ready_seconds.get(image.name)
        if ready is None:
            begin = max(self._idle_from_seconds, now_seconds)
            ready = self._ready_seconds[image.name] = self._idle_from_seconds = begin + image.size_bytes / self._rate
        return max(ready, now_seconds)

    def lose(self, now_seconds: float) -> None:
        """The node is lost, and so are pulls that are not done; what is there stays on its disk."""
        self._ready_seconds = {name: ready for name, ready in self._ready_seconds.items() if ready <= now_seconds}
        self._idle_from_seconds = now_seconds
