"""What Pods request and nodes have, counted as kube-scheduler counts it.

A Pod fits a node where, for each resource that it requests, the requests of all Pods there and its own stay within the
allocatable; the number of Pods is a resource like the others. What a Pod does not request cannot keep it away.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

Amounts = tuple[int, ...]
"""One number per resource, in the order of an `Axes`."""

NOT_NEEDED: Final = -(2**62)
"""Stands for a resource that is not requested, so that even an overcommitted node has enough of it."""


@dataclass(frozen=True, slots=True)
class Resources:
    """Amounts of each resource: what one Pod requests (then ``pods`` is 1), many request, or a node has to give.

    ``extended`` holds all other resources by name, in whole units (``nvidia.com/gpu``, ``ephemeral-storage`` in bytes).
    """

    cpu_millis: int = 0
    memory_bytes: int = 0
    pods: int = 1
    extended: Mapping[str, int] = field(default_factory=dict)


NOTHING: Final = Resources(pods=0)


class Axes:
    """The resources that occur in one plan, in a fixed order, so that amounts are plain tuples."""

    def __init__(self, requests: Iterable[Resources]) -> None:
        names = {name for each in requests for name, amount in each.extended.items() if amount > 0}
        self._extended = tuple(sorted(names))

    def amounts(self, resources: Resources) -> Amounts:
        """The amounts of ``resources``."""
        standard = resources.cpu_millis, resources.memory_bytes, resources.pods
        if not self._extended:
            return standard
        return (*standard, *(resources.extended.get(name, 0) for name in self._extended))


def needed(amounts: Amounts) -> Amounts:
    """What must be free for ``amounts`` to fit: nothing of what is not requested."""
    return tuple(amount if amount > 0 else NOT_NEEDED for amount in amounts)
