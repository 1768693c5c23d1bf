"""Which container images nodes hold, as kubelets report it, and the one form in which images are named here.

A node lists at most 50 images by default, its largest, so that one which is not listed may be there all the same: it is
missing for sure only where a smaller one is listed, or where its size is not known and the list is not full. Of each
image it lists at most five names, digests first, so that one with five may have any other name of the same repository.
A node that lists none says nothing. Pods may leave out registry and tag, so all names are brought into one form. Names
are kept as hashes, since nodes list many and are asked for few: about 1.7 KiB a node.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, TypeVar

from foretide.placement.pulls import USUAL_IMAGE_BYTES, PullTimes

LARGEST_IMAGE_BYTES: Final = 2**40
"""A larger size is no size."""
MOST_IMAGES: Final = 500
"""More of one node are not read."""
LONGEST_NAME: Final = 512
"""Characters. A longer text names no image: a repository has at most 255, a tag 128, a digest 71."""
FULL_LIST: Final = 50
"""So many images a kubelet lists by default: there may be more."""
MOST_NAMES: Final = 5
"""So many names of an image a kubelet lists: there may be more."""
MOST_KEPT: Final = 32
"""Of so many images it is kept which nodes lack them."""
MOST_SIZES_KEPT: Final = 512
"""Of so many images it is kept how large they are."""
_INTEGERS: Final = "q"
"""64 bits each, which holds a hash and a size."""


@dataclass(frozen=True, slots=True)
class NodeImages:
    """What a node lists: the hashes of all names in order, and beside each the size of the image, 0 where none is told.

    Among the names are the repositories of images that may have more names than are listed. ``least_bytes`` is the
    smallest size in the list; None where it has no size, so that nothing is known to be missing. ``is_full`` says that
    there may be more images than are listed.
    """

    hashes: array[int]
    sizes_bytes: array[int]
    least_bytes: int | None = None
    is_full: bool = False

    def size_bytes(self, image: str) -> int | None:
        """The size of ``image`` as this node tells it, 0 if it does not; None where the image is not listed."""
        wanted = hash(image)
        place = bisect_left(self.hashes, wanted)
        is_listed = place < len(self.hashes) and self.hashes[place] == wanted
        return self.sizes_bytes[place] if is_listed else None

    def lack(self, image: str, size_bytes: int | None) -> bool:
        """Whether an image of so many bytes, None where that is not known, is missing for sure."""
        if self.least_bytes is None or (size_bytes is None and self.is_full):
            return False
        if (size_bytes or USUAL_IMAGE_BYTES) < self.least_bytes or self.size_bytes(image) is not None:
            return False
        return self.size_bytes(_repository(image)) is None


NO_LIST: Final = NodeImages(array(_INTEGERS), array(_INTEGERS))
"""Of a node that says nothing of its images."""


class ImagesByNode:
    """The lists of all nodes; what was found of the latest images is kept. Any thread may ask."""

    def __init__(self, by_node: Mapping[str, NodeImages]) -> None:
        self._by_node = by_node
        self._sizes: dict[str, int | None] = {}
        self._lacking: dict[str, frozenset[str]] = {}

    def changed(self, by_node: Mapping[str, NodeImages]) -> ImagesByNode:
        """The lists as they are now; sizes that the other lists cannot have changed are kept."""
        found = ImagesByNode(by_node)
        if self._sizes:
            names = self._by_node.keys() | by_node.keys()
            others = [
                (before, after)
                for before, after in ((self._by_node.get(name, NO_LIST), by_node.get(name, NO_LIST)) for name in names)
                if before is not after
            ]
            found._sizes = {
                image: max((size or 0, *(after.size_bytes(image) or 0 for _, after in others))) or None
                for image, size in self._sizes.items()
                if not size or all(before.size_bytes(image) != size for before, _ in others)
            }
        return found

    def of(self, name: str) -> NodeImages:
        """What the node ``name`` lists."""
        return self._by_node.get(name, NO_LIST)

    def is_lacking(self, name: str, image: str) -> bool:
        """Whether ``image`` is missing for sure on the node ``name``."""
        return self.of(name).lack(image, self.size_bytes(image))

    def is_size_known(self, image: str) -> bool:
        """Whether `size_bytes` need not look through all nodes."""
        return image in self._sizes

    def size_bytes(self, image: str) -> int | None:
        """The largest size of ``image`` that a node tells, since it differs by architecture; None if none does."""
        if image in self._sizes:
            return self._sizes[image]
        told = (each.size_bytes(image) for each in self._by_node.values())
        found = max((size for size in told if size), default=None)
        self._sizes = _kept(self._sizes, MOST_SIZES_KEPT) | {image: found}  # in one step: several threads ask
        return found

    def lacking(self, image: str) -> frozenset[str]:
        """The nodes where ``image`` is missing for sure."""
        known = self._lacking.get(image)
        if known is not None:
            return known
        size = self.size_bytes(image)
        found = frozenset(name for name, each in self._by_node.items() if each.lack(image, size))
        self._lacking = _kept(self._lacking, MOST_KEPT) | {image: found}  # as above
        return found

    def pull_seconds(
        self, images: Collection[str], node_class: str | None, bytes_per_second: Mapping[str, float]
    ) -> float:
        """What it takes to pull ``images`` on a node of that class, given what is known of speeds by class."""
        sizes = {image: self.size_bytes(image) for image in images}
        times = PullTimes({image: size for image, size in sizes.items() if size is not None}, bytes_per_second)
        return sum(times.seconds(image, node_class) for image in sorted(images))


_Found = TypeVar("_Found")


def _kept(found: dict[str, _Found], most: int) -> dict[str, _Found]:
    """What was found, the oldest left out where it is too much: images are named by whoever makes Pods."""
    return found if len(found) < most else dict(list(found.items())[1 - most :])


def read_images(listed: Any) -> NodeImages:  # noqa: ANN401 - whatever stands in a Node's status
    """The images of a Node's ``status.images``; what is of no use there is left out, and a size that cannot be."""
    entries = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    sizes: dict[str, int] = {}
    for each in entries[:MOST_IMAGES]:
        names = _names(each)
        if len(names) >= MOST_NAMES:
            sizes.update(dict.fromkeys(map(_repository, names), 0))
        sizes.update(dict.fromkeys(names, _size(each)))
    if not sizes:
        return NO_LIST
    by_hash = sorted((hash(name), size) for name, size in sizes.items())
    return NodeImages(
        array(_INTEGERS, [key for key, _ in by_hash]),
        array(_INTEGERS, [size for _, size in by_hash]),
        min((size for _, size in by_hash if size), default=None),
        is_full=len(entries) >= FULL_LIST,
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


def _repository(image: str) -> str:
    """The name of an image without its digest or tag."""
    named, is_digest, _ = image.partition("@")
    return named if is_digest else named.rpartition(":")[0]


def _names(entry: Mapping[str, Any]) -> list[str]:
    names = entry.get("names")
    if not isinstance(names, list):
        return []
    return [image_name(each) for each in names if isinstance(each, str) and 0 < len(each) <= LONGEST_NAME]


def _size(entry: Mapping[str, Any]) -> int:
    size = entry.get("sizeBytes")
    return size if type(size) is int and 0 < size <= LARGEST_IMAGE_BYTES else 0
