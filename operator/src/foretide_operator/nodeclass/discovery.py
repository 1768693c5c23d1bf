"""NodeClasses for labelled nodes: who labels a node with a class need not write the class as well."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from foretide_kube.client import Object
from foretide_kube.kinds.nodeclass import is_name, made_for_label, to_object
from foretide_kube.names import LABEL_MANAGED_BY, LABEL_NODE_CLASS, MANAGED_BY, NODE_CLASSES
from foretide_operator.actions import Action, Announce, Create


@dataclass(frozen=True, slots=True)
class Discovery:
    """NodeClasses to make, and label values that can be no name with the nodes that carry them."""

    actions: tuple[Action, ...]
    unusable: tuple[str, ...]


def decide(nodes: Iterable[Object], existing: Collection[str], announced: Collection[str]) -> Discovery:
    """One NodeClass per label value; ``announced`` are unusable values that were complained of before."""
    first_node: dict[str, Object] = {}
    for node in sorted(nodes, key=lambda item: str(item["metadata"]["name"])):
        value = node["metadata"].get("labels", {}).get(LABEL_NODE_CLASS)
        if value:
            first_node.setdefault(value, node)
    actions: list[Action] = []
    unusable = []
    for value, node in sorted(first_node.items()):
        if not is_name(value):
            unusable.append(value)
            if value not in announced:
                message = (
                    f"label {LABEL_NODE_CLASS}={value} cannot be the name of a NodeClass; use lower-case letters, "
                    "digits, '-' and '.', with a letter or digit at both ends and next to each '.'"
                )
                actions.append(Announce(node, "Warning", "NodeClassNameInvalid", message))
        elif value not in existing:
            body = to_object(made_for_label(value))
            body.pop("status", None)
            body["metadata"]["labels"] = {LABEL_MANAGED_BY: MANAGED_BY, LABEL_NODE_CLASS: value}
            actions.append(Create(NODE_CLASSES, body))
    return Discovery(tuple(actions), tuple(unusable))
