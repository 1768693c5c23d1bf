"""Selectors and the class of a node: what decides for every process alike."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretide_kube.kinds.common import LabelSelector, SelectorRequirement
from foretide_kube.node_class_of import ClassClaim, Membership, in_order, node_class_of

LABELS = {"foretide.dev/node-class": "edge-small", "kubernetes.io/arch": "arm64", "empty": ""}


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ({}, True),
        ({"matchLabels": {"kubernetes.io/arch": "arm64"}}, True),
        ({"matchLabels": {"kubernetes.io/arch": "amd64"}}, False),
        ({"matchLabels": {"absent": ""}}, False),
        ({"matchLabels": {"empty": ""}}, True),
        ({"matchLabels": {"kubernetes.io/arch": "arm64", "empty": "no"}}, False),
        ({"matchExpressions": [{"key": "kubernetes.io/arch", "operator": "In", "values": ["x", "arm64"]}]}, True),
        ({"matchExpressions": [{"key": "absent", "operator": "In", "values": ["arm64"]}]}, False),
        ({"matchExpressions": [{"key": "kubernetes.io/arch", "operator": "NotIn", "values": ["arm64"]}]}, False),
        ({"matchExpressions": [{"key": "absent", "operator": "NotIn", "values": ["arm64"]}]}, True),
        ({"matchExpressions": [{"key": "empty", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "absent", "operator": "Exists"}]}, False),
        ({"matchExpressions": [{"key": "empty", "operator": "DoesNotExist"}]}, False),
        ({"matchExpressions": [{"key": "absent", "operator": "DoesNotExist"}]}, True),
    ],
)
def test_a_selector_matches_as_kubernetes_does(selector: dict[str, object], expected: bool) -> None:  # noqa: FBT001
    assert msgspec.convert(selector, LabelSelector).matches(LABELS) is expected


def test_an_unknown_operator_is_refused_by_name() -> None:
    with pytest.raises(msgspec.ValidationError, match="operator"):
        msgspec.convert({"matchExpressions": [{"key": "a", "operator": "Near"}]}, LabelSelector)


def claim(name: str, *, priority: int = 0, created: str = "2026-01-01T00:00:00Z", **labels: str) -> ClassClaim:
    return ClassClaim(name, LabelSelector(match_labels=labels), priority, created)


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        ([], Membership(None)),
        ([claim("other", arch="amd64")], Membership(None)),
        ([claim("low"), claim("high", priority=5)], Membership("high")),
        ([claim("younger", created="2026-01-02T00:00:00Z"), claim("older")], Membership("older", ("younger",))),
        ([claim("b"), claim("a")], Membership("a", ("b",))),
        ([claim("other", priority=9, arch="amd64"), claim("mine", arch="arm64")], Membership("mine")),
        ([claim("all"), claim("mine", priority=1, arch="arm64"), claim("x", priority=1)], Membership("mine", ("x",))),
    ],
)
def test_the_highest_priority_wins_then_age_then_name(claims: list[ClassClaim], expected: Membership) -> None:
    assert node_class_of({"arch": "arm64"}, in_order(claims)) == expected


SELECTORS = [
    LabelSelector(),
    LabelSelector(match_labels={"arch": "x"}),
    LabelSelector(match_expressions=(SelectorRequirement(key="y", operator="Exists"),)),
]

claims_strategy = st.lists(
    st.builds(
        ClassClaim,
        st.text("abc", min_size=1, max_size=3),
        st.sampled_from(SELECTORS),
        st.integers(-1, 1),
        st.sampled_from(["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"]),
    ),
    unique_by=lambda item: item.name,
)


@given(claims_strategy, st.randoms(use_true_random=False))
def test_the_order_in_which_classes_are_seen_does_not_matter(claims: list[ClassClaim], random: object) -> None:
    shuffled = list(claims)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert node_class_of({"arch": "x"}, in_order(claims)) == node_class_of({"arch": "x"}, in_order(shuffled))
