"""The nodes by class, as one value: who belongs where, who lost a node to a class of higher priority, what fits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec

from foretide.observation import DeviceFeatures
from foretide_kube.client import Object
from foretide_kube.kinds.nodeclass import NodeClass
from foretide_kube.node_class_of import ClassClaim, in_order, node_class_of
from foretide_kube.published import features_of
from foretide_kube.quantity import QuantityError, millis
from foretide_kube.times import epoch_milliseconds


@dataclass(frozen=True, slots=True)
class ClassMembers:
    """A node class and its nodes.

    ``lost`` are nodes that it selects and another class has; ``rivals`` maps nodes to the classes of equal priority
    that select them too.
    """

    node_class: NodeClass
    members: tuple[Object, ...]
    lost: tuple[str, ...]
    rivals: Mapping[str, tuple[str, ...]]

    @property
    def name(self) -> str:
        """The class's name."""
        return self.node_class.metadata.name

    def fits(self, limits: Mapping[str, str | int]) -> bool:
        """Whether a Pod with these limits fits on some node of the class while it is empty."""
        return any(node_fits(node, limits) for node in self.members)


@dataclass(frozen=True, slots=True)
class Fleet:
    """All node classes by name, and the class of each node."""

    classes: Mapping[str, ClassMembers]
    class_of: Mapping[str, str]

    @property
    def devices(self) -> dict[str, DeviceFeatures]:
        """What is known of each class from its probe, and by when its hardware had last changed."""
        return {
            name: msgspec.structs.replace(
                features_of(members.node_class),
                changed_milliseconds=epoch_milliseconds(members.node_class.status.hardware_changed_time),
            )
            for name, members in self.classes.items()
        }


def read_fleet(node_classes: Iterable[NodeClass], nodes: Iterable[Object]) -> Fleet:
    """Sort the nodes into their classes."""
    parsed = {node_class.metadata.name: node_class for node_class in node_classes}
    claims = in_order(ClassClaim.of(node_class) for node_class in parsed.values())
    members: dict[str, list[Object]] = {name: [] for name in parsed}
    lost: dict[str, list[str]] = {name: [] for name in parsed}
    rivals: dict[str, dict[str, tuple[str, ...]]] = {name: {} for name in parsed}
    class_of: dict[str, str] = {}
    for node in sorted(nodes, key=lambda item: str(item["metadata"]["name"])):
        name, labels = node["metadata"]["name"], node["metadata"].get("labels", {})
        membership = node_class_of(labels, claims)
        if membership.node_class is None:
            continue
        class_of[name] = membership.node_class
        members[membership.node_class].append(node)
        for claim in claims:
            if claim.name != membership.node_class and claim.selector.matches(labels):
                lost[claim.name].append(name)
        contenders = (membership.node_class, *membership.rivals)
        if membership.rivals:
            for contender in contenders:
                rivals[contender][name] = tuple(other for other in contenders if other != contender)
    return Fleet(
        {
            name: ClassMembers(node_class, tuple(members[name]), tuple(lost[name]), rivals[name])
            for name, node_class in parsed.items()
        },
        class_of,
    )


def is_ready(node: Object) -> bool:
    """Whether the node's kubelet reports in."""
    return any(
        condition["type"] == "Ready" and condition["status"] == "True"
        for condition in node.get("status", {}).get("conditions", [])
    )


def node_fits(node: Object, limits: Mapping[str, str | int]) -> bool:
    """Whether a Pod with these limits fits on the node while it is empty."""
    allocatable = node.get("status", {}).get("allocatable", {})
    try:
        return all(millis(quantity) <= millis(allocatable.get(name, 0)) for name, quantity in limits.items())
    except QuantityError:
        return False
