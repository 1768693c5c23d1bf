"""Which nodes a Pod may go to, by what both say of themselves: node selector, required node affinity, taints.

The rules of kube-scheduler's filters NodeAffinity, TaintToleration, NodeUnschedulable and NodeName. What depends on
other Pods or on volumes (pod affinity, topology spread, zones of volumes, host ports) is not judged here.
Source: https://kubernetes.io/docs/concepts/scheduling-eviction/
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

UNSCHEDULABLE: Final = "node.kubernetes.io/unschedulable"
_KEEPING_AWAY: Final = frozenset({"NoSchedule", "NoExecute"})


class Taint(msgspec.Struct, frozen=True):
    """A taint of a Node, as in core/v1."""

    key: str = ""
    value: str = ""
    effect: str = ""


class Toleration(msgspec.Struct, frozen=True):
    """A toleration of a Pod, as in core/v1; how long it holds is of no concern for where a Pod may go."""

    key: str = ""
    operator: str = "Equal"
    value: str = ""
    effect: str = ""

    def tolerates(self, taint: Taint) -> bool:
        """Whether ``taint`` does not keep a Pod with this toleration away."""
        if self.effect and self.effect != taint.effect:
            return False
        if self.key and self.key != taint.key:
            return False
        if self.operator == "Exists":
            return True
        return bool(self.key) and self.value == taint.value


class Requirement(msgspec.Struct, frozen=True):
    """One requirement of a node selector term."""

    key: str = ""
    operator: str = ""
    values: tuple[str, ...] | None = None

    def is_met(self, labels: Mapping[str, str]) -> bool:
        """Whether ``labels`` meet it; an operator that is not known is met by none."""
        value, values = labels.get(self.key), self.values or ()
        match self.operator:
            case "In":
                return value is not None and value in values
            case "NotIn":
                return value is None or value not in values
            case "Exists":
                return value is not None
            case "DoesNotExist":
                return value is None
            case "Gt" | "Lt":
                return self._compares(value, values)
            case _:
                return False

    def _compares(self, value: str | None, values: tuple[str, ...]) -> bool:
        try:
            have, bound = int(value or ""), int(values[0])
        except (ValueError, IndexError):
            return False
        return have > bound if self.operator == "Gt" else have < bound


class Term(msgspec.Struct, frozen=True, rename="camel"):
    """A node selector term: all of its requirements; one without any matches no node."""

    match_expressions: tuple[Requirement, ...] | None = None
    match_fields: tuple[Requirement, ...] | None = None

    def matches(self, name: str, labels: Mapping[str, str]) -> bool:
        """Whether a node of that name and labels is meant."""
        if not self.match_expressions and not self.match_fields:
            return False
        fields = {"metadata.name": name}
        return all(each.is_met(labels) for each in self.match_expressions or ()) and all(
            each.is_met(fields) for each in self.match_fields or ()
        )


class Constraints(msgspec.Struct, frozen=True):
    """What a Pod asks of its node. Equal constraints are equal and hash alike, so that what they allow is shared.

    ``selector`` are label and value in order; ``terms`` is None where no affinity is required, and any one suffices.
    """

    selector: tuple[tuple[str, str], ...] = ()
    terms: tuple[Term, ...] | None = None
    tolerations: tuple[Toleration, ...] = ()

    def allow(self, name: str, labels: Mapping[str, str], taints: tuple[Taint, ...]) -> bool:
        """Whether the Pod may go to the node ``name``; a cordoned node is one with the taint `UNSCHEDULABLE`."""
        return (
            all(labels.get(key) == value for key, value in self.selector)
            and (self.terms is None or any(term.matches(name, labels) for term in self.terms))
            and all(
                any(toleration.tolerates(taint) for toleration in self.tolerations)
                for taint in taints
                if taint.effect in _KEEPING_AWAY
            )
        )


ANYWHERE: Final = Constraints()
