"""How fast nodes pull images, learned for each class from tasks whose image was missing when they were bound.

Until its containers start such a task does little but pull. The first task on a node pulls for all that need the image
there; the others say nothing, nor do those with init containers. Whoever makes Pods decides how long they take to
start: each of them moves the average of its namespace by little, and of a class's namespaces the middle one counts.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping
from statistics import median
from typing import Final

from foretide.placement.pulls import USUAL_BYTES_PER_SECOND
from foretide_kube.images import ImagesByNode
from foretide_kube.task_pods import TaskPod

LEAST_BYTES: Final = 32 * 2**20
"""Less is pulled too soon to be timed: the API's times are whole seconds."""
SLOWEST_BYTES_PER_SECOND: Final = 2.0**18
"""What seems slower was no pull, and is not learned from."""
FASTEST_BYTES_PER_SECOND: Final = 2.0**31
"""What seems faster was no pull, and is not learned from."""
MOST_REMEMBERED: Final = 10_000
"""So many images on nodes are remembered that somebody pulled: kubelets tell of them up to a minute later."""
MOST_NAMESPACES: Final = 64
"""So many namespaces of a class are kept, those that pulled last."""
MOST_BELIEVED: Final = 2.0
"""One pull counts as at most so many times faster or slower than the namespace's average."""
_WEIGHT: Final = 0.2
"""Of the logarithm of one more pull, so that some dozen of them outweigh what was before."""


class PullSpeeds:
    """Moving averages by node class and namespace, in bytes per second.

    For one thread, but `by_class`, which any may call.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bytes_per_second: dict[str, dict[str, float]] = {}
        self._pulls: dict[str, frozenset[str]] = {}
        self._pulled: dict[tuple[str, int], None] = {}

    def heard(
        self,
        event: str,
        pod: TaskPod,
        images: Callable[[], ImagesByNode],
        class_of: Callable[[str], str | None],
        *,
        is_known: bool,
    ) -> None:
        """Take note of a Pod that appeared, changed or was deleted; ``images`` and ``class_of`` tell of nodes.

        ``is_known`` says that its AIWorkload exists: of others only what they leave on their nodes counts.
        """
        if pod.node is None or not pod.images:
            return
        if event == "DELETED" or pod.is_finished or pod.started_seconds is not None:
            lacked = self._pulls.pop(pod.uid, None)
            node_class = class_of(pod.node)
            if lacked and node_class is not None and pod.starting_seconds is not None:
                sizes = [images().size_bytes(image) for image in lacked]
                self._saw(node_class, pod.namespace, sizes, pod.starting_seconds)
        elif is_known and pod.is_task and not pod.has_init_containers and pod.uid not in self._pulls:
            missing = [image for image in pod.images if images().is_lacking(pod.node, image)]
            if missing and not any((pod.node, hash(image)) in self._pulled for image in missing):
                self._pulls[pod.uid] = frozenset(missing)
        for image in pod.images:
            self._pulled[pod.node, hash(image)] = None
        while len(self._pulled) > MOST_REMEMBERED:
            del self._pulled[next(iter(self._pulled))]

    def by_class(self) -> Mapping[str, float]:
        """What is known now; a class that is missing has the default."""
        with self._lock:
            return {name: median(known.values()) for name, known in self._bytes_per_second.items()}

    def _saw(self, node_class: str, namespace: str, sizes: list[int | None], seconds: float) -> None:
        """Take note of a pull of images of so many bytes together; nothing is learned where a size is not known."""
        total = sum(size or 0 for size in sizes)
        if None in sizes or total < LEAST_BYTES:
            return
        if not total / FASTEST_BYTES_PER_SECOND <= seconds <= total / SLOWEST_BYTES_PER_SECOND:
            return
        with self._lock:
            known = self._bytes_per_second.setdefault(node_class, {})
            before = known.pop(namespace, USUAL_BYTES_PER_SECOND)
            most = math.log(MOST_BELIEVED)
            change = min(max(math.log(total / seconds / before), -most), most)
            known[namespace] = before * math.exp(_WEIGHT * change)
            if len(known) > MOST_NAMESPACES:
                del known[next(iter(known))]
