"""Where a Pod may go, case by case as kube-scheduler's filters have it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from foretide_kube.constraints import UNSCHEDULABLE, Taint
from foretide_kube.pod_form import PodForm
from foretide_kube.reduced import facts_of, reduce_node

LABELS = {"zone": "a", "disks": "4", "kubernetes.io/hostname": "n1"}


def allows(spec: dict[str, Any], *taints: Taint) -> bool:
    form = msgspec.convert({"metadata": {"name": "p"}, "spec": spec}, PodForm)
    return form.spec.constraints().allow("n1", LABELS, taints)


def affinity(*terms: dict[str, Any]) -> dict[str, Any]:
    required = {"nodeSelectorTerms": list(terms)}
    return {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}}


def expression(key: str, operator: str, *values: str) -> dict[str, Any]:
    return {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, True),
        ({"nodeSelector": {"zone": "a"}}, True),
        ({"nodeSelector": {"zone": "b"}}, False),
        ({"nodeSelector": {"zone": "a", "gpu": "yes"}}, False),
        (affinity(expression("zone", "In", "b", "a")), True),
        (affinity(expression("zone", "In", "b")), False),
        (affinity(expression("zone", "In", "b"), expression("zone", "Exists")), True),
        (affinity(expression("gpu", "NotIn", "yes")), True),
        (affinity(expression("zone", "NotIn", "a")), False),
        (affinity(expression("gpu", "DoesNotExist")), True),
        (affinity(expression("disks", "Gt", "3")), True),
        (affinity(expression("disks", "Lt", "4")), False),
        (affinity(expression("zone", "Gt", "3")), False),
        (affinity({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]}), True),
        (affinity({"matchFields": [{"key": "metadata.name", "operator": "NotIn", "values": ["n1"]}]}), False),
        (affinity({}), False),
        (affinity(), False),
        (affinity(expression("zone", "Resembles", "a")), False),
        ({"nodeSelector": {"zone": "b"}, **affinity(expression("zone", "In", "a"))}, False),
    ],
)
def test_selectors_and_required_affinity(spec: dict[str, Any], expected: bool) -> None:  # noqa: FBT001
    assert allows(spec) is expected


@pytest.mark.parametrize(
    ("toleration", "expected"),
    [
        (None, False),
        ({"operator": "Exists"}, True),
        ({"key": "edge", "operator": "Exists"}, True),
        ({"key": "edge", "value": "yes"}, True),
        ({"key": "edge", "value": "yes", "effect": "NoSchedule"}, True),
        ({"key": "edge", "value": "yes", "effect": "NoExecute"}, False),
        ({"key": "edge", "value": "no"}, False),
        ({"key": "other", "operator": "Exists"}, False),
    ],
)
def test_taints_and_tolerations(toleration: dict[str, str] | None, expected: bool) -> None:  # noqa: FBT001
    spec = {"tolerations": [toleration]} if toleration else {}
    assert allows(spec, Taint("edge", "yes", "NoSchedule")) is expected
    assert allows(spec, Taint("edge", "yes", "PreferNoSchedule"))


def test_a_cordoned_node_is_tainted_whether_or_not_the_taint_is_there_yet() -> None:
    node = {"metadata": {"name": "n1"}, "spec": {"unschedulable": True}, "status": {"allocatable": {"cpu": "2"}}}
    facts = facts_of(reduce_node(node))
    assert facts.taints == (Taint(UNSCHEDULABLE, "", "NoSchedule"),)
    assert not allows({}, *facts.taints)
    assert allows({"tolerations": [{"operator": "Exists"}]}, *facts.taints)
    tainted = {**node, "spec": {"unschedulable": True, "taints": [{"key": UNSCHEDULABLE, "effect": "NoSchedule"}]}}
    assert facts_of(reduce_node(tainted)).taints == facts.taints


def test_equal_constraints_are_one_key() -> None:
    one = {"nodeSelector": {"a": "1", "b": "2"}, **affinity(expression("zone", "In", "a"))}
    other = {**affinity(expression("zone", "In", "a")), "nodeSelector": {"b": "2", "a": "1"}}
    made = [msgspec.convert({"metadata": {}, "spec": spec}, PodForm).spec.constraints() for spec in (one, other)]
    assert len(set(made)) == 1
