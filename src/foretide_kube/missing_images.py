"""Which images that tasks need are missing on which nodes.

Pure. What kubelets report is up to a minute old, so an image also counts as there where `TaskPod.has_images` says so.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from foretide_kube.images import ImagesByNode, NodeImages
from foretide_kube.task_pods import TaskPod

MOST_IMAGES: Final = 8
"""So many of the images that most tasks need are looked at; any other counts as there."""


def missing_for(
    pod: TaskPod, lists: ImagesByNode, pods: Callable[[], Iterable[TaskPod]], now_seconds: float
) -> frozenset[str]:
    """Which images of a bound Pod its node lacks, but for the Pod itself; ``pods`` gives all, asked for if need be."""
    missing = frozenset(image for image in pod.images if pod.node in lists.lacking(image))
    if missing:
        for each in pods():
            if each.node == pod.node and each.uid != pod.uid and each.has_images(now_seconds):
                missing -= each.images
    return missing


class MissingImages:
    """Told of all Pods first, then asked. Times are seconds since the epoch."""

    def __init__(self, now_seconds: float) -> None:
        self._now = now_seconds
        self._needed: Counter[frozenset[str]] = Counter()
        self._there: defaultdict[str, set[str]] = defaultdict(set)

    def need(self, images: frozenset[str]) -> None:
        """Count a task that has not started."""
        self._needed[images] += 1

    def take(self, pod: TaskPod) -> None:
        """Take note of the images that a Pod's node has because it has started."""
        if pod.node is not None and pod.has_images(self._now):
            self._there[pod.node] |= pod.images

    def find(self, lists: Mapping[str, NodeImages]) -> tuple[dict[str, frozenset[str]], dict[str, int]]:
        """What nodes lack, by name, those that lack nothing left out; and the sizes of images in bytes, where known."""
        counts = Counter[str]()
        for images, count in self._needed.items():
            counts.update(dict.fromkeys(images, count))
        asked = sorted(counts, key=lambda image: (-counts[image], image))[:MOST_IMAGES]
        by_node = ImagesByNode(lists)
        lacked: defaultdict[str, set[str]] = defaultdict(set)
        for image in asked:
            for name in by_node.lacking(image):
                if image not in self._there.get(name, ()):
                    lacked[name].add(image)
        sizes = {image: by_node.size_bytes(image) for image in asked}
        return (
            {name: frozenset(images) for name, images in lacked.items()},
            {image: size for image, size in sizes.items() if size is not None},
        )
