"""The nodes of a scenario: groups of one class, what is true of them, and how they are lost."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import msgspec

from foretide.placement.plan import NodeState
from foretide.placement.resources import Resources
from foretide.simulate.failures import EVICTION_SECONDS, NOTICE_SECONDS, Failures, Loss, Wear
from foretide.simulate.parts import MEBI, Count, Part, Positive, Share
from foretide.simulate.world import ClassTruth


class Failing(Part, frozen=True, kw_only=True):
    """Each node is lost every ``mean_seconds`` that it runs, on average and by chance, for ``repair_seconds``."""

    mean_seconds: Positive
    repair_seconds: Positive


class NodeGroup(Part, frozen=True, kw_only=True):
    """Nodes of one class, all alike; ``release_seconds`` pass from a container's end until its requests are free.

    The others are as in `foretide.simulate.world.ClassTruth`: ``images`` are those that are there from the start.
    """

    node_class: str
    count: Count
    cpu_millis: Count
    memory_mebibytes: Count
    release_seconds: Share = 1.8
    interference: Share = 0.0
    pull_mebibytes_per_second: Positive | None = None
    images: list[str] = msgspec.field(default_factory=list)
    failing: Failing | None = None

    def nodes(self) -> Iterator[NodeState]:
        """Its nodes, named by their class."""
        whole = Resources(self.cpu_millis, self.memory_mebibytes * MEBI, 110)
        for number in range(self.count):
            yield NodeState(f"{self.node_class}-{number:04d}", self.node_class, whole)

    def truth(self) -> ClassTruth:
        """What nobody plans with."""
        rate = self.pull_mebibytes_per_second
        return ClassTruth(self.interference, math.inf if rate is None else rate * MEBI, frozenset(self.images))


class GivenLoss(Part, frozen=True, kw_only=True):
    """A node, by name, that is lost at a time; without ``repair_seconds`` it never comes back."""

    node: str
    at_seconds: Share
    repair_seconds: Positive | None = None


class NodeLoss(Part, frozen=True, kw_only=True):
    """Nodes that are lost at given times, and when Kubernetes acts on a loss of whatever kind.

    A node is out of service when it has not been heard for ``notice_seconds``, and its Pods are given up
    ``eviction_seconds`` later.
    """

    losses: list[GivenLoss] = msgspec.field(default_factory=list)
    notice_seconds: Share = NOTICE_SECONDS
    eviction_seconds: Share = EVICTION_SECONDS

    def failures(self, groups: Sequence[NodeGroup]) -> Failures:
        """All losses of a fleet."""
        return Failures(
            wear={
                group.node_class: Wear(group.failing.mean_seconds, group.failing.repair_seconds)
                for group in groups
                if group.failing is not None
            },
            losses=[
                Loss(each.node, each.at_seconds, math.inf if each.repair_seconds is None else each.repair_seconds)
                for each in self.losses
            ],
            notice_seconds=self.notice_seconds,
            eviction_seconds=self.eviction_seconds,
        )
