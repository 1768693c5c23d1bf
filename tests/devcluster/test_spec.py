"""Cluster descriptions: what is accepted and what is refused, with the field and the value in the message."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from devcluster.errors import SpecError
from devcluster.paths import PACKAGE
from devcluster.spec import ClusterSpec, NodeClass, Taint, parse

CLASS: dict[str, Any] = {"cpus": 1, "speed": 0.5, "memoryMiB": 512}


def described(**changes: Any) -> dict[str, Any]:
    return {"name": "x", "classes": {"edge": CLASS}, "nodes": [{"name": "n", "class": "edge"}], **changes}


def with_class(**changes: Any) -> dict[str, Any]:
    return described(classes={"edge": {**CLASS, **changes}})


def with_node(**changes: Any) -> dict[str, Any]:
    return described(nodes=[{"name": "n", "class": "edge", **changes}])


@pytest.mark.parametrize("file", sorted((PACKAGE / "clusters").glob("*.yaml")), ids=lambda file: file.stem)
def test_shipped_descriptions_are_valid(file: Path) -> None:
    assert ClusterSpec.load(file).name == file.stem


def test_a_node_carries_the_label_of_its_class_and_its_own() -> None:
    node = parse(with_node(labels={"zone": "a"})).nodes[0]
    assert node.all_labels == {"foretide.dev/node-class": "edge", "zone": "a"}


def test_a_node_of_an_unlabelled_class_carries_only_its_own_labels() -> None:
    assert parse(with_class(unlabelled=True)).nodes[0].all_labels == {}


def test_a_control_plane_alone_is_a_cluster_without_nodes() -> None:
    assert parse({"name": "x", "nodes": []}).nodes == ()


@pytest.mark.parametrize(
    ("text", "taint"),
    [
        ("dedicated=edge:NoSchedule", Taint("dedicated", "edge", "NoSchedule")),
        ("a.b/c:NoExecute", Taint("a.b/c", "", "NoExecute")),
        ("k=:PreferNoSchedule", Taint("k", "", "PreferNoSchedule")),
    ],
)
def test_taints_are_read_as_kubectl_writes_them(text: str, taint: Taint) -> None:
    assert parse(with_node(taints=[text])).nodes[0].taints == (taint,)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "the file: [] is not a mapping"),
        ({"name": "x"}, "nodes must be given"),
        (described(colour="red"), "colour is unknown; known are audit, classes, kubernetes, name, nodes"),
        (described(name="Bad_Name"), "name: 'Bad_Name' is not a name"),
        (described(name="a" * 21), "of at most 20"),
        (described(audit="yes"), "audit: 'yes' is neither true nor false"),
        (described(kubernetes=1.36), "kubernetes: 1.36 is not one of the versions of Kubernetes: 1.36.2, "),
        (described(nodes={}), "nodes: {} is not a list"),
        (described(nodes=["n"]), "nodes[0]: 'n' is not a mapping"),
        (with_node(**{"class": "fast"}), "nodes[0].class: 'fast' is not one of the classes: edge"),
        (with_node(taints=["edge"]), "nodes[0].taints[0]: 'edge' is not a taint, like 'dedicated=edge:NoSchedule'"),
        (with_node(labels={"a": 1}), "nodes[0].labels.a: 1 is not text; put it in quotes"),
        (described(nodes=[{"name": "n", "class": "edge"}] * 2), "nodes[1].name: 'n' is taken"),
        (with_class(cpus=0), "classes.edge.cpus: 0 is not a whole number from 1 to"),
        (with_class(cpus=True), "classes.edge.cpus: True is not a whole number"),
        (with_class(cpus=4096), "classes.edge.cpus: 4096 is not a whole number"),
        (with_class(speed=0), "classes.edge.speed: 0 is not a number from 0.01 to 1"),
        (with_class(speed=1.5), "classes.edge.speed: 1.5 is not"),
        (with_class(speed=float("nan")), "classes.edge.speed: nan is not"),
        (with_class(memoryMiB="1Gi"), "classes.edge.memoryMiB: '1Gi' is not a whole number"),
        (with_class(cpuset=0), "classes.edge.cpuset: 0 is not a list of CPUs in quotes"),
        (with_class(environment={"A": 1}), "classes.edge.environment.A: 1 is not text"),
        (with_class(unlabelled=1), "classes.edge.unlabelled: 1 is neither true nor false"),
    ],
)
def test_a_wrong_field_is_named_with_its_value(content: object, message: str) -> None:
    with pytest.raises(SpecError) as raised:
        parse(content)
    assert message in str(raised.value)


def test_a_file_that_is_absent_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"gone\.yaml: No such file"):
        ClusterSpec.load(tmp_path / "gone.yaml")


def test_a_file_that_is_not_yaml_is_named(tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text("name: [")
    with pytest.raises(SpecError, match=r"bad\.yaml: not YAML"):
        ClusterSpec.load(file)


@pytest.mark.parametrize(
    ("speed", "period_micros", "quota_micros"),
    [(1.0, 20_000, 40_000), (0.4, 20_000, 16_000), (0.1, 20_000, 4_000), (0.06, 50_000, 6_000), (0.01, 100_000, 2_000)],
)
def test_slow_classes_have_longer_periods_so_that_the_kernel_accepts_their_quota(
    speed: float, period_micros: int, quota_micros: int
) -> None:
    node_class = NodeClass("c", 2, speed, 512)
    assert (node_class.period_micros, node_class.quota_micros) == (period_micros, quota_micros)
