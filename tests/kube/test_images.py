"""Images of nodes: named in one form, missing only where that is sure, and nonsense left out."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretide_kube.images import (
    FULL_LIST,
    LARGEST_IMAGE_BYTES,
    LONGEST_NAME,
    MOST_KEPT,
    MOST_NAMES,
    MOST_SIZES_KEPT,
    NO_LIST,
    ImagesByNode,
    NodeImages,
    image_name,
    read_images,
)
from foretide_kube.reduced import facts_of, reduce_node
from foretide_kube.task_pods import MOST_IMAGES, TaskPod
from tests.extender.cluster_values import MIB, node_object
from tests.planner.planner_values import gated

BASE = "registry.example/base:1"
NET = "registry.example/net:1"


def listed(**sizes: Any) -> NodeImages:
    return read_images([{"names": [f"registry.example/{name}:1"], "sizeBytes": size} for name, size in sizes.items()])


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("busybox", "docker.io/library/busybox:latest"),
        ("busybox:1.36", "docker.io/library/busybox:1.36"),
        ("index.docker.io/busybox", "docker.io/library/busybox:latest"),
        ("team/net", "docker.io/team/net:latest"),
        ("registry.example/net", "registry.example/net:latest"),
        ("registry.example:5000/net", "registry.example:5000/net:latest"),
        ("registry.example:5000/team/net:2", "registry.example:5000/team/net:2"),
        ("localhost/net:2", "localhost/net:2"),
        ("registry.example/net:2@sha256:ab", "registry.example/net@sha256:ab"),
        ("registry.example/net@sha256:ab", "registry.example/net@sha256:ab"),
    ],
)
def test_images_are_named_in_one_form(text: str, name: str) -> None:
    assert image_name(text) == name
    assert image_name(name) == name


@given(st.text())
def test_whatever_an_image_is_called_it_has_a_name(text: str) -> None:
    assert isinstance(image_name(text), str)


def test_an_image_is_there_under_each_of_its_names_and_missing_where_smaller_ones_are_listed() -> None:
    node = read_images([{"names": ["net@sha256:ab", "net:1"], "sizeBytes": 50 * MIB}])
    assert node.size_bytes("docker.io/library/net:1") == node.size_bytes("docker.io/library/net@sha256:ab") == 50 * MIB
    assert not node.lack("docker.io/library/net:1", 50 * MIB)
    assert node.lack(NET, 50 * MIB)


def test_an_image_may_be_there_where_only_larger_ones_are_listed_or_none() -> None:
    """A kubelet lists its largest images, by default 50."""
    assert not listed(**{f"large-{number}": (100 + number) * MIB for number in range(50)}).lack(NET, 99 * MIB)
    assert not NO_LIST.lack(NET, 10**12)


def test_an_image_of_unknown_size_may_be_there_where_the_list_is_full() -> None:
    full, short = ({f"small-{number}": MIB for number in range(count)} for count in (FULL_LIST, FULL_LIST - 1))
    assert ImagesByNode({"full": listed(**full), "short": listed(**short)}).lacking(NET) == {"short"}


def test_an_image_of_which_not_all_names_are_listed_may_have_any_other_of_its_repository() -> None:
    digests = [f"registry.example/net@sha256:{number}" for number in range(MOST_NAMES)]
    cut, whole = (
        read_images([{"names": names, "sizeBytes": 50 * MIB}, {"names": [BASE], "sizeBytes": MIB}])
        for names in (digests, digests[1:])
    )
    images = ImagesByNode({"cut": cut, "whole": whole})
    assert images.lacking(NET) == {"whole"}
    assert images.lacking("registry.example/other:1") == {"cut", "whole"}
    assert images.size_bytes(NET) is None, "which of them it is nobody knows"


def test_an_image_is_as_large_as_the_largest_that_a_node_tells() -> None:
    """It differs by architecture; which node told last says nothing."""
    images = ImagesByNode({"a": listed(net=40 * MIB), "b": listed(net=60 * MIB), "c": listed(net=50 * MIB)})
    assert images.size_bytes(NET) == 60 * MIB


def test_what_is_found_is_the_same_however_much_was_asked_and_little_of_it_is_kept() -> None:
    images = ImagesByNode({"has": listed(base=MIB, net=200 * MIB), "lacks": listed(base=MIB)})
    for _ in range(2):
        for number in range(2 * MOST_KEPT):
            assert images.lacking(f"registry.example/{number}:1") == {"has", "lacks"}
        assert images.lacking(NET) == {"lacks"}
        assert images.size_bytes(NET) == 200 * MIB
    assert len(images._lacking) <= MOST_KEPT
    for number in range(2 * MOST_SIZES_KEPT):
        assert images.size_bytes(f"registry.example/{number}:1") is None
    assert len(images._sizes) <= MOST_SIZES_KEPT


@pytest.mark.parametrize("size", [-1, 0, True, 1.5, "5", None, LARGEST_IMAGE_BYTES + 1, 10**400])
def test_a_size_that_cannot_be_is_none_and_the_image_is_there_all_the_same(size: Any) -> None:
    node = listed(net=size)
    assert (node.size_bytes(NET), node.lack(NET, MIB)) == (0, False)
    assert ImagesByNode({"a": node}).size_bytes(NET) is None
    assert not node.lack("registry.example/other:1", MIB), "nothing is known of what it leaves out"


@pytest.mark.parametrize("status", [None, 5, "x", [None, 5], [{}], [{"names": None}], [{"names": [5, ""]}], {"a": 1}])
def test_a_list_that_is_none_says_nothing(status: Any) -> None:
    node = read_images(status)
    assert node is NO_LIST
    assert not node.lack(NET, MIB)


def test_equal_lists_are_equal_in_whatever_order_they_are_told() -> None:
    assert listed(base=MIB, net=5) == listed(net=5, base=MIB) != listed(base=MIB, net=6)
    item = node_object("a", "fast")
    item["status"]["images"] = [{"names": ["net:1"], "sizeBytes": MIB}]
    assert facts_of(reduce_node(item)) == facts_of(reduce_node(item))
    assert facts_of(reduce_node(node_object("a", "fast"))).images is NO_LIST


def test_of_all_nodes_those_lack_an_image_that_is_larger_than_the_least_that_they_list() -> None:
    images = ImagesByNode({"has": listed(base=MIB, net=200 * MIB), "lacks": listed(base=MIB), "silent": NO_LIST})
    assert images.lacking(NET) == {"lacks"}
    assert images.size_bytes(NET) == 200 * MIB


def test_the_size_of_an_image_that_nobody_has_is_taken_to_be_a_usual_one() -> None:
    images = ImagesByNode({"small": listed(base=MIB), "large": listed(base=300 * MIB)})
    assert images.size_bytes(NET) is None
    assert images.lacking(NET) == {"small"}


def test_of_a_node_that_changed_the_new_list_holds_and_of_others_what_was_known() -> None:
    has, base = listed(net=300, base=10), listed(base=10)
    images = ImagesByNode({"has": has, "lacks": base})
    assert images.is_lacking("lacks", NET)
    after = images.changed({"has": has, "lacks": listed(net=300, base=10)})
    assert images.lacking(NET) == {"lacks"}
    assert (after.lacking(NET), after.is_lacking("lacks", NET)) == (frozenset(), False)
    gone = after.changed({"lacks": has, "new": base})
    assert gone.lacking(NET) == {"new"}
    assert not gone.is_lacking("has", NET)


LISTS = st.dictionaries(
    st.sampled_from("abc"),
    st.dictionaries(st.sampled_from(("net", "base")), st.sampled_from((0, 10, 300, 400))).map(
        lambda each: listed(**each)
    ),
)


@given(st.lists(LISTS, min_size=2))
def test_a_size_that_is_kept_is_what_would_be_found_anew(steps: list[dict[str, NodeImages]]) -> None:
    images = ImagesByNode({})
    for by_node in steps:
        images = images.changed(by_node)
        assert images.size_bytes(NET) == ImagesByNode(by_node).size_bytes(NET)


def test_a_task_needs_the_images_of_all_its_containers_and_those_that_it_mounts() -> None:
    spec = {
        "initContainers": [{"name": "fetch", "image": "fetch:2"}],
        "volumes": [
            {"name": "tmp", "emptyDir": {}},
            {"name": "model", "image": {"reference": "registry.example/model"}},
        ],
    }
    pod: TaskPod = gated("a", spec=spec)
    assert pod.images == {
        "docker.io/library/x:latest",
        "docker.io/library/fetch:2",
        "registry.example/model:latest",
    }
    assert gated("b", workload=None).images == frozenset(), "those of others are nobody's business"


def of_images(*texts: str) -> frozenset[str]:
    return gated(
        "a", spec={"containers": [{"name": f"c{index}", "image": text} for index, text in enumerate(texts)]}
    ).images


def test_of_a_pod_with_very_many_images_or_a_very_long_one_nothing_is_made() -> None:
    many = [f"net-{number}" for number in range(MOST_IMAGES + 1)]
    assert len(of_images(*many[:-1])) == MOST_IMAGES
    assert of_images(*many) == frozenset()
    assert len(of_images(*many[:-1], *many[:-1])) == MOST_IMAGES, "each counts once"
    assert len(of_images("x" * LONGEST_NAME, "net")) == 2
    assert of_images("x" * (LONGEST_NAME + 1), "net") == frozenset()


def test_a_very_long_name_on_a_node_is_left_out() -> None:
    names = ["x" * (LONGEST_NAME + 1), "net:1"]
    assert read_images([{"names": names, "sizeBytes": MIB}]) == read_images([{"names": names[1:], "sizeBytes": MIB}])
