"""Which container images nodes hold, as kubelets report it, and the one form in which images are named here.

A node lists at most 50 images by default, its largest, so that one which is not listed may be there all the same: it is
missing for sure only where a smaller one is listed. A node that lists none says nothing. Pods may leave out registry
and tag, so all names are brought into one form. Equal lists are one object, so that a thousand nodes cost little more
than the few kinds of lists that they have.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from foretide.placement.pulls import USUAL_IMAGE_BYTES

LARGEST_IMAGE_BYTES: Final = 2**40
"""A larger size is no size."""
MOST_IMAGES: Final = 500
"""More of one node are not read."""

_Image = tuple[tuple[str, ...], int | None]
"""All names of an image, and its size in bytes where the node tells one that can be."""


@dataclass(frozen=True, slots=True, eq=False)
class NodeImages:
    """What a node lists. One object for all nodes that list the same, compared as such.

    ``least_bytes`` is the smallest size in the list; None where it has no size, so that nothing is known to be missing.
    """

    names: frozenset[str] = frozenset()
    least_bytes: int | None = None
    images: tuple[_Image, ...] = ()

    def size_bytes(self, image: str) -> int | None:
        """The size of ``image`` as this node tells it; None where it does not."""
        if image not in self.names:
            return None
        return next(size for names, size in self.images if image in names)

    def lack(self, image: str, size_bytes: int) -> bool:
        """Whether an image of so many bytes is missing for sure."""
        return image not in self.names and self.least_bytes is not None and size_bytes >= self.least_bytes


NO_LIST: Final = NodeImages()
"""Of a node that says nothing of its images."""


class ImagesByNode:
    """The lists of all nodes; what was found of an image is kept."""

    def __init__(self, by_node: Mapping[str, NodeImages]) -> None:
        self._by_node = by_node
        self._sizes: dict[str, int | None] = {}
        self._lacking: dict[str, frozenset[str]] = {}

    def size_bytes(self, image: str) -> int | None:
        """The size of ``image`` as the first node has it that tells it; None if none does."""
        if image not in self._sizes:
            told = (each.size_bytes(image) for each in self._by_node.values())
            self._sizes[image] = next((size for size in told if size is not None), None)
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
    images = tuple(_image(tuple(_names(each.get("names"))), _size(each)) for each in entries[:MOST_IMAGES])
    return _node_images(images) if images else NO_LIST


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


def _names(names: Any) -> list[str]:  # noqa: ANN401 - as in `read_images`
    return [image_name(each) for each in names if isinstance(each, str) and each] if isinstance(names, list) else []


def _size(entry: Mapping[str, Any]) -> int | None:
    size = entry.get("sizeBytes")
    return size if type(size) is int and 0 < size <= LARGEST_IMAGE_BYTES else None


@lru_cache(maxsize=4096)
def _image(names: tuple[str, ...], size_bytes: int | None) -> _Image:
    """One instance for all nodes that hold it."""
    return names, size_bytes


@lru_cache(maxsize=4096)
def _node_images(images: tuple[_Image, ...]) -> NodeImages:
    sizes = [size for _, size in images if size is not None]
    return NodeImages(frozenset(name for names, _ in images for name in names), min(sizes, default=None), images)
