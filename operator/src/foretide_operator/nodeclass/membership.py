"""NodesSelected and Unambiguous: which nodes a class has, and which it shares a claim to."""

from __future__ import annotations

from foretide_kube.kinds.nodeclass import MAX_CONFLICTING_NODES, NodeCounts
from foretide_operator.actions import Verdict
from foretide_operator.fleet import ClassMembers, is_ready


def nodes_selected(members: ClassMembers) -> tuple[Verdict, NodeCounts]:
    """Whether the class has nodes, and how many."""
    total = len(members.members)
    counts = NodeCounts.of(total=total, ready=sum(is_ready(node) for node in members.members))
    if total:
        return Verdict("NodesSelected", "True", "Selected", f"{counts.ready} of {total} nodes are Ready"), counts
    if members.lost:
        message = f"every node that it selects belongs to another class: {_some(members.lost)}"
        return Verdict("NodesSelected", "False", "NodesLost", message), counts
    return Verdict("NodesSelected", "False", "NoNodes", "spec.selector matches no node; see kubectl get nodes"), counts


def unambiguous(members: ClassMembers) -> tuple[Verdict, tuple[str, ...]]:
    """Whether no class of equal priority selects one of its nodes too, and the nodes where one does."""
    if not members.rivals:
        return Verdict("Unambiguous", "True", "NoConflict", "no other class of its priority selects its nodes"), ()
    nodes = tuple(sorted(members.rivals))[:MAX_CONFLICTING_NODES]
    others = sorted({name for rivals in members.rivals.values() for name in rivals})
    message = (
        f"{', '.join(others)} of the same priority also select {_some(tuple(members.rivals))}; the older class has "
        "them: give the classes different priorities or selectors"
    )
    return Verdict("Unambiguous", "False", "SameNodesSelected", message), nodes


def _some(names: tuple[str, ...]) -> str:
    shown = ", ".join(sorted(names)[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"
