"""Which container images nodes hold, as kubelets report it, and the one form in which images are named here.

A node lists at most 50 images by default, its largest, so that one which is not listed may be there all the same: it is
missing for sure only where a smaller one is listed. A node that lists none says nothing. Pods may leave out registry
and tag, so all names are brought into one form. Names are kept as hashes, since nodes list many and are asked for few:
about 1.7 KiB a node.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from foretide.placement.pulls import USUAL_IMAGE_BYTES

LARGEST_IMAGE_BYTES: Final = 2**40
"""A larger size is no size."""
MOST_IMAGES: Final = 500
"""More of one node are not read."""
MOST_SIZES_KEPT: Final = 1000
"""Sizes of more images are not carried over from one state of the nodes to the next."""
_INTEGERS: Final = "q"
"""64 bits each, which holds a hash and a size."""


@dataclass(frozen=True, slots=True)
class NodeImages:
    """What a node lists: the hashes of all names in order, and beside each the size of the image, 0 where none is told.

    ``least_bytes`` is the smallest size in the list; None where it has no size, so that nothing is known to be missing.
    """

    hashes: array[int]
    sizes_bytes: array[int]
    least_bytes: int | None = None

    def size_bytes(self, image: str) -> int | None:
        """The size of ``image`` as this node tells it, 0 if it does not; None where the image is not listed."""
        wanted = hash(image)
        place = bisect_left(self.hashes, wanted)
        is_listed = place < len(self.hashes) and self.hashes[place] == wanted
        return self.sizes_bytes[place] if is_listed else None

    def lack(self, image: str, size_bytes: int) -> bool:
        """Whether an image of so many bytes is missing for sure."""
        return self.least_bytes is not None and size_bytes >= self.least_bytes and self.size_bytes(image) is None


NO_LIST: Final = NodeImages(array(_INTEGERS), array(_INTEGERS))
"""Of a node that says nothing of its images."""


class ImagesByNode:
    """The lists of all nodes; what was found of an image is kept."""

    def __init__(self, by_node: Mapping[str, NodeImages]) -> None:
        self._by_node = by_node
        self._sizes: dict[str, int | None] = {}
        self._lacking: dict[str, frozenset[str]] = {}

    def changed(self, name: str, images: NodeImages | None) -> ImagesByNode:
        """The same with another list of one node, None where it is gone; sizes that are known are kept."""
        by_node = dict(self._by_node)
        by_node.pop(name, None)
        if images is not None:
            by_node[name] = images
        found = ImagesByNode(by_node)
        told = NO_LIST if images is None else images
        if len(self._sizes) <= MOST_SIZES_KEPT:
            found._sizes = {image: size or told.size_bytes(image) or None for image, size in self._sizes.copy().items()}
        return found

    def is_lacking(self, name: str, image: str) -> bool:
        """Whether ``image`` is missing for sure on the node ``name``."""
        return self.of(name).lack(image, self.size_bytes(image) or USUAL_IMAGE_BYTES)

    def of(self, name: str) -> NodeImages:
        """What the node ``name`` lists."""
        return self._by_node.get(name, NO_LIST)

    def size_bytes(self, image: str) -> int | None:
        """The size of ``image`` as the first node has it that tells it; None if none does."""
        if image not in self._sizes:
            told = (each.size_bytes(image) for each in self._by_node.values())
            self._sizes[image] = next((size for size in told if size), None)
        return self._sizes[image]

    def lacking(self, image: str) -> frozenset[str]:
        """The nodes where ``image`` is missing for sure."""
        if image not in self._lacking:
            size = self.size_bytes(image) or USUAL_IMAGE_BYTES
            self._lacking[image] = frozenset(name for name, each in self._by_node.items() if each.lack(image, size))
        return self._lacking[image]


def read_images(listed: Any) -> NodeImages:  # noqa: ANN401 - whatever stands in a Node's status
    """The images of a Node's ``status.images``; what is of no use there is left out, and a size that cannot be."""
    entries = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    sizes = {name: size for each in entries[:MOST_IMAGES] for size in [_size(each)] for name in _names(each)}
    if not sizes:
        return NO_LIST
    by_hash = sorted((hash(name), size) for name, size in sizes.items())
    return NodeImages(
        array(_INTEGERS, [key for key, _ in by_hash]),
        array(_INTEGERS, [size for _, size in by_hash]),
        min((size for _, size in by_hash if size), default=None),
    )


@lru_cache(maxsize=4096)
def image_name(text: str) -> str:
    """The full name of an image: with registry, and with its digest or else its tag.

    As container runtimes read it: what comes first is a registry if it has a dot or a port.
    """
    named, _, digest = text.partition("@")
    path, colon, tag = named.rpartition(":")
    if not colon or "/" in tag:
        path, tag = named, "latest"
    first, slash, rest = path.partition("/")
    if not slash or not ("." in first or ":" in first or first == "localhost"):
        first, rest = "docker.io", path
    if first in {"docker.io", "index.docker.io"}:
        first, rest = "docker.io", rest if "/" in rest else f"library/{rest}"
    return f"{first}/{rest}@{digest}" if digest else f"{first}/{rest}:{tag}"


def _names(entry: Mapping[str, Any]) -> list[str]:
    names = entry.get("names")
    return [image_name(each) for each in names if isinstance(each, str) and each] if isinstance(names, list) else []


def _size(entry: Mapping[str, Any]) -> int:
    size = entry.get("sizeBytes")
    return size if type(size) is int and 0 < size <= LARGEST_IMAGE_BYTES else 0
