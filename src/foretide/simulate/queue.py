"""The scheduler's queue: Pods in the order in which they came there, by what they request.

What finds room on no node finds none before some node has more, so it is not tried again until then: a long queue
costs no more than a short one.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from foretide.placement.resources import Resources
from foretide.simulate.cluster import SimTask

Shape = tuple[object, ...]
"""What requests come to: Pods of one shape find room on the same nodes."""


@dataclass(frozen=True, slots=True)
class Queued:
    """A Pod in the queue; ``planned`` is the place of the node that the plan sends it to, None without one."""

    number: int
    task: SimTask
    planned: int | None


class PodQueue:
    """First come, first tried; who finds no room is overtaken by those who do."""

    def __init__(self) -> None:
        self._number = 0
        self._pods: dict[Shape, deque[Queued]] = {}
        self._hopeless: dict[Shape, Resources] = {}

    def put(self, task: SimTask, planned: int | None = None) -> None:
        """Add a Pod at the end."""
        self._number += 1
        self._pods.setdefault(shape_of(task.requests), deque()).append(Queued(self._number, task, planned))

    def in_order(self) -> list[SimTask]:
        """All that wait, who came first in front."""
        queued = [each for pods in self._pods.values() for each in pods]
        return [each.task for each in sorted(queued, key=lambda each: each.number)]

    def room_grew(self, has_room: Callable[[Resources], bool]) -> None:
        """A node has more room; ``has_room`` says whether requests fit there now."""
        for shape, requests in list(self._hopeless.items()):
            if has_room(requests):
                del self._hopeless[shape]

    def try_each(self, bind: Callable[[Queued], bool]) -> None:
        """Try all that may find room, in order; ``bind`` says whether one did, and who did leaves the queue."""
        heads = [(pods[0].number, shape) for shape, pods in self._pods.items() if shape not in self._hopeless]
        heapq.heapify(heads)
        while heads:
            _, shape = heapq.heappop(heads)
            pods = self._pods[shape]
            if not bind(pods[0]):
                self._hopeless[shape] = pods[0].task.requests
                continue
            pods.popleft()
            if pods:
                heapq.heappush(heads, (pods[0].number, shape))
            else:
                del self._pods[shape]


def shape_of(requests: Resources) -> Shape:
    """The shape of requests."""
    return (requests.cpu_millis, requests.memory_bytes, requests.pods, *sorted(requests.extended.items()))
