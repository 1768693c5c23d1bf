"""One look at a NodeClass: membership, conflicts, probe, and one status."""

from __future__ import annotations

from dataclasses import dataclass

from foretide_kube.kinds.common import plain, set_condition
from foretide_kube.kinds.nodeclass import NodeClassStatus
from foretide_kube.names import NODE_CLASSES
from foretide_operator.actions import Action, Announce, Verdict, WriteStatus
from foretide_operator.nodeclass import membership, probing
from foretide_operator.nodeclass.facts import Facts


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do, and after how many seconds to look again even if nothing happens."""

    actions: tuple[Action, ...]
    status: NodeClassStatus
    recheck_seconds: float | None = None


def decide(facts: Facts) -> Decision:
    """The whole decision about one class; the status is written last, and only if it changed."""
    selected, counts = membership.nodes_selected(facts.members)
    unambiguous, conflicting = membership.unambiguous(facts.members)
    probed = probing.decide(facts)
    verdicts = [selected, unambiguous, probed.verdict]
    verdicts.append(_ready(verdicts))
    node_class = facts.members.node_class
    conditions = node_class.status.conditions
    for verdict in verdicts:
        conditions = set_condition(
            conditions,
            verdict.type,
            verdict.status,
            verdict.reason,
            verdict.message,
            observed_generation=node_class.metadata.generation,
            now=facts.now,
        )
    status = NodeClassStatus(
        observed_generation=node_class.metadata.generation,
        conditions=conditions,
        nodes=counts,
        conflicting_nodes=conflicting,
        probe=probed.probe,
        hardware_changed_time=probed.hardware_changed_time,
    )
    actions: list[Action] = [action for action in probed.actions if not isinstance(action, Announce)]
    if status != node_class.status:
        metadata = node_class.metadata
        actions.append(WriteStatus(NODE_CLASSES, "", metadata.name, metadata.uid, plain(status)))
    # An Event comes after the status that it tells of: told before, it would be told again where that is not stored.
    actions += [action for action in probed.actions if isinstance(action, Announce)]
    return Decision(tuple(actions), status, probed.recheck_seconds)


def _ready(verdicts: list[Verdict]) -> Verdict:
    for verdict in verdicts:
        if verdict.status != "True":
            return Verdict("Ready", verdict.status, verdict.reason, f"{verdict.type}: {verdict.message}")
    return Verdict("Ready", "True", "Ready", verdicts[0].message)
