"""How fast nodes pull images, learned for each class from tasks whose image was missing when they were bound.

From its binding to the start of its containers such a task does little but pull. The first task on a node pulls for all
that need the image there; the others say nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Final

from foretide.placement.pulls import USUAL_BYTES_PER_SECOND
from foretide_kube.images import ImagesByNode
from foretide_kube.task_pods import TaskPod

LEAST_BYTES: Final = 32 * 2**20
"""Less is pulled too soon to be timed: the API's times are whole seconds."""
SLOWEST_BYTES_PER_SECOND: Final = 2.0**18
FASTEST_BYTES_PER_SECOND: Final = 2.0**31
"""What seems slower or faster than these was no pull, and is not learned from."""
MOST_REMEMBERED: Final = 10_000
"""So many images on nodes are remembered that somebody pulled: kubelets tell of them up to a minute later."""
_WEIGHT: Final = 0.2
"""Of one more pull, so that some dozen of them outweigh what was before."""


class PullSpeeds:
    """Moving averages by node class, in bytes per second. For one thread, but `by_class`, which any may call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bytes_per_second: dict[str, float] = {}
        self._pulls: dict[str, frozenset[str]] = {}
        self._pulled: dict[tuple[str, str], None] = {}

    def heard(
        self, event: str, pod: TaskPod, images: Callable[[], ImagesByNode], class_of: Callable[[str], str | None]
    ) -> None:
        """Take note of a Pod that appeared, changed or was deleted; ``images`` and ``class_of`` tell of nodes."""
        if pod.node is None or not pod.images:
            return
        if event == "DELETED" or pod.is_finished or pod.started_seconds is not None:
            lacked = self._pulls.pop(pod.uid, None)
            if lacked and pod.started_seconds is not None and pod.bound_seconds is not None:
                sizes = [images().size_bytes(image) for image in lacked]
                self._saw(class_of(pod.node), sizes, pod.started_seconds - pod.bound_seconds)
        elif pod.uid not in self._pulls:
            missing = [image for image in pod.images if images().is_lacking(pod.node, image)]
            new = frozenset(image for image in missing if (pod.node, image) not in self._pulled)
            if missing and len(new) == len(missing):
                self._pulls[pod.uid] = new
        for image in pod.images:
            self._pulled[pod.node, image] = None
        while len(self._pulled) > MOST_REMEMBERED:
            del self._pulled[next(iter(self._pulled))]

    def by_class(self) -> Mapping[str, float]:
        """What is known now; a class that is missing has the default."""
        with self._lock:
            return dict(self._bytes_per_second)

    def _saw(self, node_class: str | None, sizes: list[int | None], seconds: float) -> None:
        """Take note of a pull of images of so many bytes together; nothing is learned where a size is not known."""
        total = sum(size or 0 for size in sizes)
        if node_class is None or None in sizes or total < LEAST_BYTES:
            return
        if not total / FASTEST_BYTES_PER_SECOND <= seconds <= total / SLOWEST_BYTES_PER_SECOND:
            return
        with self._lock:
            usual = total / self._bytes_per_second.get(node_class, USUAL_BYTES_PER_SECOND)
            self._bytes_per_second[node_class] = total / (usual + _WEIGHT * (seconds - usual))
