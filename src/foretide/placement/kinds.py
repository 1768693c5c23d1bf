"""Which nodes a task may go to, and which of these are alike to it: of one class, and lacking the same images."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence

from foretide.placement.pulls import Pulling

Kind = str | None | tuple[str, frozenset[str], frozenset[str]]
"""Nodes of a class, all (None), or those of a class that, of a task's images (the first set), lack just the second."""


def class_of(kind: Kind) -> str | None:
    """The class that all nodes of ``kind`` are of; None where it is of no one class."""
    return kind[0] if isinstance(kind, tuple) else kind


class Kinds:
    """Nodes by place, each with its name and class; ``groups`` as in `foretide.placement.placing.Placing`."""

    def __init__(
        self,
        names: Sequence[str],
        classes: Sequence[str | None],
        groups: Mapping[Hashable, frozenset[str] | None],
        pulling: Pulling,
    ) -> None:
        self._names = names
        self._groups = groups
        self._pulling = pulling
        members: dict[Kind, list[int]] = defaultdict(list)
        for place, node_class in enumerate(classes):
            if node_class is not None:
                members[node_class].append(place)
        members[None] = list(range(len(names)))
        self._members: Mapping[Kind, Sequence[int]] = dict(members)
        self._eligible: dict[tuple[Hashable, Kind], Sequence[int]] = {}
        self._allowed: dict[Hashable, frozenset[int]] = {}
        self._splits: dict[tuple[Hashable, str, frozenset[str]], dict[frozenset[str], list[int]]] = {}

    def members(self, node_class: str) -> Sequence[int]:
        """The places of the nodes of a class."""
        return self._members.get(node_class, ())

    def allowed(self, group: Hashable) -> frozenset[int] | None:
        """The places of the nodes that tasks of ``group`` may go to; None for all."""
        if self._groups.get(group) is None:
            return None
        found = self._allowed.get(group)
        if found is None:
            found = self._allowed[group] = frozenset(self.eligible(group, None))
        return found

    def eligible(self, group: Hashable, kind: Kind) -> Sequence[int]:
        """The places of the nodes of a kind that tasks of ``group`` may go to."""
        names = self._groups.get(group)
        found = self._members.get(kind) if names is None else self._eligible.get((group, kind))
        if found is None:
            found = self._eligible[group, kind] = self._find(group, kind)
        return found

    def _find(self, group: Hashable, kind: Kind) -> Sequence[int]:
        if isinstance(kind, tuple):
            node_class, images, lacked = kind
            return self._split(group, node_class, images)[lacked]
        members, names = self._members.get(kind, ()), self._groups.get(group)
        return members if names is None else [place for place in members if self._names[place] in names]

    def of_class(
        self, group: Hashable, images: frozenset[str], node_class: str, alone_seconds: float
    ) -> Iterator[tuple[Kind, float]]:
        """The kinds of a class's nodes that a task may go to by its ``images``, with what it takes on each.

        ``alone_seconds`` is what it takes where all of them are.
        """
        for lacked in self._split(group, node_class, images):
            yield (node_class, images, lacked), alone_seconds + self._pulling.seconds(lacked, node_class)

    def _split(self, group: Hashable, node_class: str, images: frozenset[str]) -> Mapping[frozenset[str], list[int]]:
        """The places of a class that tasks of ``group`` may go to, by which of ``images`` are lacked there."""
        key = (group, node_class, images)
        found = self._splits.get(key)
        if found is None:
            found = self._splits[key] = defaultdict(list)
            for place in self.eligible(group, node_class):
                found[self._pulling.lacked(place, images)].append(place)
        return found
