"""What a task's start takes longer on a node that lacks its image.

What is published of a start-up is a median, so of tasks whose image was there. Who has to pull it first takes longer:
its size over what nodes of the class pull in a second. A pull is paid once: who comes to that node later waits at most
for what is left of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

USUAL_IMAGE_BYTES: Final = 200 * 2**20
"""The size of an image of which no node tells it."""
USUAL_BYTES_PER_SECOND: Final = 20.0 * 2**20
"""What a node pulls and unpacks in a second where nothing was seen of its class."""
NO_IMAGES: Final[frozenset[str]] = frozenset()


@dataclass(frozen=True, slots=True)
class PullTimes:
    """How long pulls take: sizes by image and speeds by node class, as far as they are known."""

    size_bytes: Mapping[str, int] = field(default_factory=dict)
    bytes_per_second: Mapping[str, float] = field(default_factory=dict)

    def seconds(self, image: str, node_class: str | None) -> float:
        """What it takes to pull ``image`` on a node of ``node_class``."""
        speed = self.bytes_per_second.get(node_class or "", USUAL_BYTES_PER_SECOND)
        return self.size_bytes.get(image, USUAL_IMAGE_BYTES) / speed


class Pulling:
    """Which images nodes lack in the course of one plan, and from when on those that are pulled are there.

    Nodes are named by their places; ``lacks`` are the images that each lacks at first, of those that tasks use. With
    ``is_needed`` False none lacks any, and nothing else is worth asking for.
    """

    def __init__(self, times: PullTimes, lacks: Sequence[frozenset[str]], class_of: Sequence[str | None]) -> None:
        self._times = times
        self._lacks = lacks
        self._class_of = class_of
        self._lacked_anywhere = NO_IMAGES.union(*lacks)
        self.is_needed = bool(self._lacked_anywhere)
        self._there_from_seconds: dict[tuple[int, str], float] = {}

    def concerns(self, images: frozenset[str]) -> bool:
        """Whether any node lacks one of ``images``."""
        return not images.isdisjoint(self._lacked_anywhere)

    def lacked(self, place: int, images: frozenset[str]) -> frozenset[str]:
        """Which of ``images`` a node lacks at first."""
        return self._lacks[place] & images

    def missing(self, images: frozenset[str]) -> dict[int, dict[str, float]]:
        """Which of ``images`` nodes lack that nobody pulls there, by place, and what each takes to pull."""
        found: dict[int, dict[str, float]] = {}
        for place, lacks in enumerate(self._lacks):
            for image in lacks & images:
                if (place, image) not in self._there_from_seconds:
                    found.setdefault(place, {})[image] = self._times.seconds(image, self._class_of[place])
        return found

    def seconds(self, lacked: Iterable[str], node_class: str | None) -> float:
        """What it takes to pull all of ``lacked``, one after the other."""
        return sum(self._times.seconds(image, node_class) for image in sorted(lacked))

    def spared_seconds(self, place: int, images: frozenset[str], start_seconds: float) -> float:
        """How much less a task that starts then waits for ``images`` than if nobody else pulled them."""
        total = 0.0
        for image in self._lacks[place] & images:
            there_from = self._there_from_seconds.get((place, image))
            if there_from is not None:
                whole = self._times.seconds(image, self._class_of[place])
                total += min(max(whole - (there_from - start_seconds), 0.0), whole)
        return total

    def wait_seconds(self, place: int, images: frozenset[str], start_seconds: float) -> float:
        """What a task that starts then waits for ``images``."""
        lacked = self._lacks[place] & images
        if not lacked:
            return 0.0
        return self.seconds(lacked, self._class_of[place]) - self.spared_seconds(place, lacked, start_seconds)

    def start(self, place: int, images: frozenset[str], start_seconds: float) -> float:
        """Start a task that needs ``images``; what it waits for them, pulling what is not there."""
        lacked = self._lacks[place] & images
        if not lacked:
            return 0.0
        wait_seconds, now = self.wait_seconds(place, lacked, start_seconds), start_seconds
        for image in sorted(lacked):
            now += self._times.seconds(image, self._class_of[place])
            now = min(self._there_from_seconds.get((place, image), now), now)
            self._there_from_seconds[place, image] = now
        return wait_seconds

    def still_missing(self, place: int, images: frozenset[str], now_seconds: float) -> None:
        """Take note that somebody still waits for ``images``, after all that run were started.

        One that should be there by now is expected the later the longer it is overdue; beyond a whole pull it counts as
        pulled by nobody, as where that fails again and again.
        """
        for image in self._lacks[place] & images:
            overdue_seconds = now_seconds - self._there_from_seconds.get((place, image), now_seconds)
            if overdue_seconds >= self._times.seconds(image, self._class_of[place]):
                del self._there_from_seconds[place, image]
            elif overdue_seconds > 0.0:
                self._there_from_seconds[place, image] = now_seconds + overdue_seconds
