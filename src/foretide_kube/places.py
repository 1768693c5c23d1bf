"""Which nodes tasks may go to: those that their constraints allow and that the extender does not refuse.

It refuses nodes of classes that a workload does not select, and nodes for memory.
Pure. Memory is judged node by node with the extender's own check, which is set aside where it would leave no node: so
the filter passes what was planned. Deadlines keep nobody from a node here, nor from the planned one there.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Hashable, Mapping

from foretide.placement.admission import Candidate, Demand, check_memory
from foretide.placement.task import WorkloadPredictions
from foretide_kube.constraints import Constraints
from foretide_kube.reduced import NodeFacts


class Places:
    """Sorts tasks into groups that may go to the same nodes.

    ``groups`` is what `plan_together` takes: the nodes of each group, None standing for all.
    """

    def __init__(self, nodes: Mapping[str, NodeFacts], class_of: Mapping[str, str | None]) -> None:
        self._nodes = nodes
        self._class_of = class_of
        self._smallest = _smallest_memory_bytes(nodes, class_of)
        self._allowed: dict[Constraints, frozenset[str]] = {}
        self._known: dict[tuple[Constraints, int, int | None, frozenset[str] | None], int] = {}
        self._numbers: dict[tuple[Constraints, frozenset[str]], int] = {}
        self.groups: dict[Hashable, frozenset[str] | None] = {}

    def group_of(
        self,
        constraints: Constraints,
        workload: WorkloadPredictions | None,
        memory_limit_bytes: int | None,
        selected: frozenset[str] | None = None,
    ) -> int:
        """The group of a task; ``workload``, which may run on the classes ``selected``, lives as long as this does."""
        key = (constraints, id(workload), memory_limit_bytes, selected)
        if key not in self._known:
            allowed = self._allow(constraints)
            refused = frozenset[str]() if selected is None else self._unselected(allowed, selected)
            if workload is not None:
                refused |= self._refuse(allowed - refused, workload, memory_limit_bytes)
            number = self._known[key] = self._numbers.setdefault((constraints, refused), len(self._numbers))
            left = allowed - refused
            self.groups[number] = None if len(left) == len(self._nodes) else left
        return self._known[key]

    def _allow(self, constraints: Constraints) -> frozenset[str]:
        if constraints not in self._allowed:
            self._allowed[constraints] = frozenset(
                name for name, facts in self._nodes.items() if constraints.allow(name, facts.labels, facts.taints)
            )
        return self._allowed[constraints]

    def _unselected(self, allowed: Collection[str], selected: frozenset[str]) -> frozenset[str]:
        """Those of ``allowed`` that are of no class ``selected``."""
        return frozenset(name for name in allowed if self._class_of[name] not in selected)

    def _refuse(
        self, allowed: Collection[str], workload: WorkloadPredictions, memory_limit_bytes: int | None
    ) -> frozenset[str]:
        """Those of ``allowed`` where the task would run out of memory; none if that were all of them."""
        demand = Demand(1, memory_limit_bytes, None)

        def is_refused(node_class: str, memory_bytes: int | None) -> bool:
            return check_memory(Candidate(workload.by_class.get(node_class), memory_bytes), demand) is not None

        in_question = {name for name, smallest in self._smallest.items() if is_refused(name, smallest)}
        if not in_question:
            return frozenset()
        refused = frozenset(
            name
            for name in allowed
            if (node_class := self._class_of[name]) in in_question
            and node_class is not None
            and is_refused(node_class, self._nodes[name].allocatable_memory_bytes)
        )
        return frozenset() if len(refused) == len(allowed) else refused


def _smallest_memory_bytes(nodes: Mapping[str, NodeFacts], class_of: Mapping[str, str | None]) -> dict[str, int | None]:
    """The memory of the smallest node of each class; None where no node of it says."""
    known: dict[str, list[int]] = defaultdict(list)
    for name, facts in nodes.items():
        node_class = class_of[name]
        if node_class is not None:
            known[node_class] += [facts.allocatable_memory_bytes] if facts.allocatable_memory_bytes else []
    return {name: min(sizes, default=None) for name, sizes in known.items()}
