"""What a cluster shall be: node classes and nodes, read from a small YAML file and checked field by field."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from devcluster import versions
from devcluster.errors import SpecError

NODE_CLASS_LABEL = "foretide.dev/node-class"

_NAME = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_CPUSET = re.compile(r"\d+(-\d+)?(,\d+(-\d+)?)*")
_TAINT = re.compile(r"(?P<key>[^=:\s]+)(=(?P<value>[^=:\s]*))?:(?P<effect>NoSchedule|PreferNoSchedule|NoExecute)")
_LONGEST_CLUSTER_NAME = 20
_LONGEST_NODE_NAME = 30


@dataclass(frozen=True)
class NodeClass:
    """A kind of hardware.

    `cpus` is what a node offers to Kubernetes; `speed` is how fast each of them is, as a share of one CPU of this
    machine, so that a node gets `cpus * speed` CPU seconds a second. `environment` is what the hardware imposes on
    every container, for example the instruction set that numeric libraries may use. Nodes of an unlabelled class carry
    no node class and their share of a busy machine is that of an ordinary process.
    """

    name: str
    cpus: int
    speed: float
    memory_mib: int
    cpuset: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    unlabelled: bool = False

    @property
    def period_micros(self) -> int:
        """Period of the CPU quota: short, so that latencies are smooth; at least 2 ms of it for a limit of one CPU."""
        for period in (20_000, 50_000):
            if self.speed * period >= 2_000:
                return period
        return 100_000

    @property
    def quota_micros(self) -> int:
        """What a node may use in each period, all CPUs together."""
        return max(1_000, round(self.cpus * self.speed * self.period_micros))


@dataclass(frozen=True)
class Taint:
    """A node's taint, as Kubernetes names its fields."""

    key: str
    value: str
    effect: str


@dataclass(frozen=True)
class Node:
    """One node: its name, its class, and labels and taints beyond those of its class."""

    name: str
    node_class: NodeClass
    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[Taint, ...] = ()

    @property
    def all_labels(self) -> dict[str, str]:
        """Own labels and the one that names the class."""
        by_class = {} if self.node_class.unlabelled else {NODE_CLASS_LABEL: self.node_class.name}
        return {**by_class, **self.labels}


@dataclass(frozen=True)
class ClusterSpec:
    """A cluster: no nodes means a control plane alone.

    `audit` has the API server log who called what; `kubernetes` is the version of all that is Kubernetes' own.
    """

    name: str
    nodes: tuple[Node, ...] = ()
    audit: bool = False
    kubernetes: str = field(default_factory=versions.chosen)

    @classmethod
    def load(cls, path: Path | str) -> ClusterSpec:
        """Read a YAML file; raises `SpecError` with the field, the value and what is allowed."""
        try:
            text = Path(path).read_text(encoding="utf-8")
        except OSError as error:
            raise SpecError(
                f"{path}: {error.strerror}; name a cluster file, for example devcluster/clusters/demo.yaml"
            ) from error
        try:
            content = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise SpecError(f"{path}: not YAML: {error}") from error
        try:
            return parse(content)
        except SpecError as error:
            raise SpecError(f"{path}: {error}") from error


def parse(content: object) -> ClusterSpec:
    """Check a cluster description as YAML gives it; raises `SpecError`."""
    top = _mapping("the file", content, required={"name", "nodes"}, optional={"classes", "audit", "kubernetes"})
    name = _name("name", top["name"], _LONGEST_CLUSTER_NAME)
    classes = {
        key: _node_class(f"classes.{key}", key, value)
        for key, value in _any_mapping("classes", top.get("classes", {})).items()
    }
    nodes: list[Node] = []
    for i, value in enumerate(_list("nodes", top["nodes"])):
        node = _node(f"nodes[{i}]", value, classes)
        if node.name in {other.name for other in nodes}:
            raise SpecError(f"nodes[{i}].name: {node.name!r} is taken by an earlier node; names must differ")
        nodes.append(node)
    if len(nodes) > 200:
        raise SpecError(f"nodes: {len(nodes)} are too many; 200 is the most that addresses are laid out for")
    audit = _flag("audit", top.get("audit", False))
    version = versions.supported("kubernetes", top["kubernetes"]) if "kubernetes" in top else versions.chosen()
    return ClusterSpec(name, tuple(nodes), audit=audit, kubernetes=version)


def _node_class(where: str, name: str, value: object) -> NodeClass:
    fields = _mapping(
        where, value, required={"cpus", "speed", "memoryMiB"}, optional={"cpuset", "environment", "unlabelled"}
    )
    _name(where, name, 63)
    cpus, speed, memory = fields["cpus"], fields["speed"], fields["memoryMiB"]
    machine_cpus = os.cpu_count() or 1
    if isinstance(cpus, bool) or not isinstance(cpus, int) or not 1 <= cpus <= machine_cpus:
        raise SpecError(
            f"{where}.cpus: {cpus!r} is not a whole number from 1 to {machine_cpus}, the CPUs of this machine"
        )
    if isinstance(speed, bool) or not isinstance(speed, int | float) or not 0.01 <= speed <= 1:
        raise SpecError(
            f"{where}.speed: {speed!r} is not a number from 0.01 to 1 (the share of one CPU of this machine)"
        )
    if isinstance(memory, bool) or not isinstance(memory, int) or memory < 64:
        raise SpecError(f"{where}.memoryMiB: {memory!r} is not a whole number of at least 64")
    cpuset = fields.get("cpuset")
    if cpuset is not None and (not isinstance(cpuset, str) or not _CPUSET.fullmatch(cpuset)):
        raise SpecError(f'{where}.cpuset: {cpuset!r} is not a list of CPUs in quotes, like "0" or "0-1,3"')
    environment = _strings(f"{where}.environment", fields.get("environment", {}))
    unlabelled = _flag(f"{where}.unlabelled", fields.get("unlabelled", False))
    return NodeClass(name, cpus, float(speed), memory, cpuset, environment, unlabelled)


def _node(where: str, value: object, classes: Mapping[str, NodeClass]) -> Node:
    fields = _mapping(where, value, required={"name", "class"}, optional={"labels", "taints"})
    name = _name(f"{where}.name", fields["name"], _LONGEST_NODE_NAME)
    named = fields["class"]
    if named not in classes:
        raise SpecError(
            f"{where}.class: {named!r} is not one of the classes: {', '.join(sorted(classes)) or 'none given'}"
        )
    taints = tuple(
        _taint(f"{where}.taints[{i}]", taint)
        for i, taint in enumerate(_list(f"{where}.taints", fields.get("taints", [])))
    )
    return Node(name, classes[named], _strings(f"{where}.labels", fields.get("labels", {})), taints)


def _taint(where: str, value: object) -> Taint:
    match = _TAINT.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise SpecError(f"{where}: {value!r} is not a taint, like 'dedicated=edge:NoSchedule'")
    return Taint(match["key"], match["value"] or "", match["effect"])


def _any_mapping(where: str, value: object) -> dict[str, Any]:
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise SpecError(f"{where}: {value!r} is not a mapping of names to values")
    return value


def _mapping(where: str, value: object, *, required: set[str], optional: set[str]) -> dict[str, Any]:
    found = _any_mapping(where, value)
    if missing := required - found.keys():
        raise SpecError(f"{where}: {', '.join(sorted(missing))} must be given")
    if unknown := found.keys() - required - optional:
        raise SpecError(
            f"{where}: {', '.join(sorted(unknown))} is unknown; known are {', '.join(sorted(required | optional))}"
        )
    return found


def _list(where: str, value: object) -> list[Any]:
    if not isinstance(value, list):
        raise SpecError(f"{where}: {value!r} is not a list")
    return value


def _strings(where: str, value: object) -> dict[str, str]:
    found = _any_mapping(where, value)
    for key, text in found.items():
        if not isinstance(text, str):
            raise SpecError(f"{where}.{key}: {text!r} is not text; put it in quotes")
    return found


def _flag(where: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise SpecError(f"{where}: {value!r} is neither true nor false")
    return value


def _name(where: str, value: object, longest: int) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value) or len(value) > longest:
        raise SpecError(f"{where}: {value!r} is not a name of at most {longest} small letters, digits and hyphens")
    return value
