"""Which node class a node belongs to: the one rule, shared by whoever counts, predicts or places.

Of the classes whose selector matches a node's labels the highest priority wins; of equal ones the older, and of
equally old ones the lesser name, so that every process comes to the same answer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from foretide_kube.kinds.common import LabelSelector
from foretide_kube.kinds.nodeclass import NodeClass


@dataclass(frozen=True, slots=True)
class ClassClaim:
    """What a NodeClass says about which nodes are its own.

    ``created_time`` is its creationTimestamp (RFC 3339 in UTC, which sorts as text).
    """

    name: str
    selector: LabelSelector
    priority: int
    created_time: str

    @classmethod
    def of(cls, node_class: NodeClass) -> ClassClaim:
        """The claim of a NodeClass."""
        metadata, spec = node_class.metadata, node_class.spec
        return cls(metadata.name, spec.selector, spec.priority, metadata.creation_timestamp or "")


@dataclass(frozen=True, slots=True)
class Membership:
    """The class of one node.

    ``node_class`` is None where no class selects it. ``rivals`` are the classes of the same priority that also
    select it, the winner left out, by age: with any, the claim is ambiguous and all of them should say so.
    """

    node_class: str | None
    rivals: tuple[str, ...] = ()


def in_order(claims: Iterable[ClassClaim]) -> tuple[ClassClaim, ...]:
    """The claims, the one that wins first."""
    return tuple(sorted(claims, key=lambda claim: (-claim.priority, claim.created_time, claim.name)))


def node_class_of(labels: dict[str, str], ordered_claims: Iterable[ClassClaim]) -> Membership:
    """The class of a node with ``labels``; ``ordered_claims`` as `in_order` gives them."""
    winner: ClassClaim | None = None
    rivals: list[str] = []
    for claim in ordered_claims:
        if winner is not None and claim.priority < winner.priority:
            break
        if claim.selector.matches(labels):
            if winner is None:
                winner = claim
            else:
                rivals.append(claim.name)
    return Membership(winner.name if winner else None, tuple(rivals))
