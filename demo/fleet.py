"""The nodes that tasks may go to: their classes, and what they have to give beside the Pods that stay there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from foretide.placement.plan import NodeState
from foretide.placement.resources import Resources
from foretide_kube.client import KubeClient
from foretide_kube.names import LABEL_NODE_CLASS, NODES, PODS
from foretide_kube.reduced import facts_of, reduce_node, reduce_pod


def node_classes(client: KubeClient) -> dict[str, str]:
    """The class of each node, empty where it has none."""
    return {
        node["metadata"]["name"]: node["metadata"].get("labels", {}).get(LABEL_NODE_CLASS, "")
        for node in client.list_objects(NODES)
    }


def node_states(client: KubeClient) -> list[NodeState]:
    """The nodes that have a class, as the plan sees them before any task is there."""
    cpu, memory, count = Counter[str](), Counter[str](), Counter[str]()
    for item in client.list_objects(PODS):
        pod = facts_of(reduce_pod(item))
        if pod.node and not pod.is_finished:
            cpu[pod.node] += pod.requests.cpu_millis
            memory[pod.node] += pod.requests.memory_bytes
            count[pod.node] += 1
    found = []
    for item in client.list_objects(NODES):
        node = facts_of(reduce_node(item))
        name, node_class = node.name, node.labels.get(LABEL_NODE_CLASS)
        if node_class:
            in_use = Resources(cpu[name], memory[name], count[name])
            found.append(NodeState(name, node_class, node.allocatable, in_use, cpu[name]))
    return found


def room(nodes: Sequence[NodeState]) -> dict[str, Resources]:
    """What each node has for tasks: CPU, memory and Pods that nobody else holds."""
    return {
        node.name: Resources(
            node.allocatable.cpu_millis - node.in_use.cpu_millis,
            node.allocatable.memory_bytes - node.in_use.memory_bytes,
            node.allocatable.pods - node.in_use.pods,
            node.allocatable.extended,
        )
        for node in nodes
    }
