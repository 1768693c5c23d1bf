"""Whether nodes have their classes: labels that were meant otherwise, classes without nodes, probes that failed."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from difflib import SequenceMatcher
from typing import Final

from foretide_cli.doctor.finding import Finding, Severity, one_line
from foretide_cli.doctor.observed import Observed, condition_of
from foretide_cli.doctor.workloads import HINDRANCES
from foretide_cli.tables import some
from foretide_kube.client import Object
from foretide_kube.kinds.common import find_condition
from foretide_kube.kinds.nodeclass import NodeClass, is_name
from foretide_kube.names import GROUP, LABEL_NODE_CLASS
from foretide_kube.node_class_of import ClassClaim, in_order, node_class_of

_LABELLING: Final = "docs/kinds.md#nodeclass"
_CONDITIONS: Final[tuple[tuple[str, Severity, str], ...]] = (
    ("Probed", "Error", "kubectl describe nclass {name}"),
    ("Unambiguous", "Warning", f"give the classes other selectors or priorities: {_LABELLING}"),
)
"""Conditions of a class, how bad it is that one is not True, and what to do."""
_LIKE: Final = 0.6
_ALMOST_THE_SAME: Final = 0.9
"""So alike, of one, are words that differ by a slip, and those that differ by a letter."""


def classes(observed: Observed) -> Iterator[Finding]:
    """Checks of nodes, then of classes."""
    yield from _labels(observed)
    if observed.nodes is None or observed.classes is None:
        return
    claims = in_order(ClassClaim.of(each) for each in observed.classes)
    names = {each.metadata.name for each in observed.classes}
    members: dict[str, list[Object]] = defaultdict(list)
    bare = []
    for node in observed.nodes:
        found = node_class_of(node["metadata"].get("labels") or {}, claims).node_class
        if found is not None:
            members[found].append(node)
        elif _takes_tasks(node) and not _is_told_of(node, names):
            bare.append(str(node["metadata"]["name"]))
    yield from _bare(observed, bare, has_classes=bool(members))
    for each in observed.classes:
        yield from _class(each, members[each.metadata.name])
    yield from _unprofiled(observed, members)


def _labels(observed: Observed) -> Iterator[Finding]:
    """Labels that look like the one that names a class, and values that can name none."""
    selected = {
        key
        for each in observed.classes or ()
        for key in (*each.spec.selector.match_labels, *(one.key for one in each.spec.selector.match_expressions))
    }
    for node in observed.nodes or ():
        name, labels = node["metadata"]["name"], node["metadata"].get("labels") or {}
        for key in sorted(labels.keys() - selected - {LABEL_NODE_CLASS}):
            if LABEL_NODE_CLASS not in labels and is_near_miss(key):
                yield Finding(
                    severity="Error",
                    reason="LabelMisspelt",
                    object=f"Node {name}",
                    field=f"metadata.labels[{key}]",
                    value=labels[key],
                    message=f"Foretide ignores this label; the label for a node's class is {LABEL_NODE_CLASS}",
                    remedy=f"kubectl label node {name} {LABEL_NODE_CLASS}={labels[key] or 'CLASS'} {key}-",
                )
        value = labels.get(LABEL_NODE_CLASS)
        if value is not None and not is_name(value):
            yield Finding(
                severity="Error",
                reason="NodeClassNameInvalid",
                object=f"Node {name}",
                field=f"metadata.labels[{LABEL_NODE_CLASS}]",
                value=value,
                message="this cannot be the name of a NodeClass: use lower-case letters, digits, '-' and '.'",
                remedy=f"kubectl label --overwrite node {name} {LABEL_NODE_CLASS}={_as_name(value)}",
            )


def is_near_miss(key: str) -> bool:
    """Whether a label's key was probably meant to be the one that names a node's class.

    Others have node classes of their own (``eks.amazonaws.com/nodeclass``): a prefix must look like ours too.
    """
    prefix, slash, name = key.rpartition("/")
    likeness = _likeness(name, LABEL_NODE_CLASS.rpartition("/")[2])
    if not slash:
        return likeness >= _ALMOST_THE_SAME
    return likeness >= _LIKE and _likeness(prefix, GROUP) >= _LIKE


def _likeness(one: str, other: str) -> float:
    return SequenceMatcher(None, one.lower().replace("_", "-"), other).ratio()


def _as_name(value: str) -> str:
    made = "".join(letter if letter.isalnum() else "-" for letter in value.lower()).strip("-")
    return made if is_name(made) else "CLASS"


def _takes_tasks(node: Object) -> bool:
    """Whether ordinary Pods may go there: a node that keeps them off by a taint needs no class."""
    spec = node.get("spec") or {}
    taints = [each for each in spec.get("taints") or () if not each["key"].startswith("node.kubernetes.io/")]
    return not any(each["effect"] in {"NoSchedule", "NoExecute"} for each in taints)


def _is_told_of(node: Object, classes: Collection[str]) -> bool:
    """Whether its missing class is told of otherwise: a slip in its labels, or a class that is about to be made."""
    labels = node["metadata"].get("labels") or {}
    named = labels.get(LABEL_NODE_CLASS)
    return any(map(is_near_miss, labels)) if named is None else named not in classes


def _bare(observed: Observed, bare: Sequence[str], *, has_classes: bool) -> Iterator[Finding]:
    if not bare and observed.nodes:
        return
    if not observed.nodes:
        yield Finding(
            severity="Error",
            reason="NoNodes",
            object="Cluster",
            message="the cluster has no nodes",
            remedy="kubectl get nodes",
        )
        return
    lost = "tasks may go there, and nothing is predicted for them there"
    yield Finding(
        severity="Note" if has_classes else "Error",
        reason="NodesWithoutClass",
        object=f"Node {bare[0]}",
        field=f"metadata.labels[{LABEL_NODE_CLASS}]",
        value="(none)",
        message=f"{len(bare)} of {len(observed.nodes)} nodes have no class ({some(bare)}): "
        + (lost if has_classes else "nothing is measured or predicted until one has"),
        remedy=f"kubectl label node {' '.join(bare[:3])} {LABEL_NODE_CLASS}=CLASS ({_LABELLING})",
    )


def _class(node_class: NodeClass, members: Sequence[Object]) -> Iterator[Finding]:
    name = node_class.metadata.name
    if not members:
        yield _without_nodes(node_class)
        return
    if not any(condition_of(node, "Ready").get("status") == "True" for node in members):
        yield Finding(
            severity="Warning",
            reason="NoReadyNode",
            object=f"NodeClass {name}",
            field="status.nodes",
            value=f"0 of {len(members)} Ready",
            message=f"none of its nodes is Ready ({some([node['metadata']['name'] for node in members])})",
            remedy=f"kubectl describe node {members[0]['metadata']['name']}",
        )
    for kind, severity, remedy in _CONDITIONS:
        found = find_condition(node_class.status.conditions, kind)
        if found is None or found.status == "True":
            continue
        if found.status == "False" or found.reason in HINDRANCES:
            yield Finding(
                severity=severity,
                reason=found.reason,
                object=f"NodeClass {name}",
                field=f"status.conditions[{kind}]",
                value=found.status,
                message=one_line(found.message),
                remedy=remedy.format(name=name),
            )


def _without_nodes(node_class: NodeClass) -> Finding:
    name, selector = node_class.metadata.name, node_class.spec.selector
    words = [f"{key}={value}" for key, value in sorted(selector.match_labels.items())]
    words += [f"{each.key} {each.operator} {','.join(each.values)}".strip() for each in selector.match_expressions]
    is_plain = selector.match_labels and not selector.match_expressions
    label = f"kubectl label node NODE {' '.join(words)}" if is_plain else f"kubectl edit nclass {name}"
    return Finding(
        severity="Warning",
        reason="ClassWithoutNodes",
        object=f"NodeClass {name}",
        field="spec.selector",
        value=", ".join(words) or "(everything)",
        message="it selects no node, or those that it selects belong to a class of higher priority",
        remedy=f"{label}, or: kubectl delete nclass {name}",
    )


def _unprofiled(observed: Observed, members: dict[str, list[Object]]) -> Iterator[Finding]:
    """Classes on which no workload was ever measured, though there are some."""
    if not observed.workloads or observed.profiled_classes is None:
        return
    for name in sorted(members.keys() - observed.profiled_classes):
        if not members[name]:
            continue
        told = [
            each.reason
            for workload in observed.workloads
            for each in (() if workload.status.profiles is None else workload.status.profiles.classes)
            if each.node_class == name
        ]
        why = Counter(told).most_common(1)[0][0] if told else "its status says nothing yet"
        yield Finding(
            severity="Note",
            reason="ClassUnprofiled",
            object=f"NodeClass {name}",
            field="AIWorkload status.profiles.classes",
            value=why,
            message="no workload was measured on this class: predictions there are learned from others, or guessed",
            remedy="docs/profiling.md#what-is-measured-and-what-is-not",
        )
