"""Images of nodes: named in one form, missing only where that is sure, and nonsense left out."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretide_kube.images import LARGEST_IMAGE_BYTES, NO_LIST, ImagesByNode, NodeImages, image_name, read_images
from foretide_kube.reduced import facts_of, reduce_node
from foretide_kube.task_pods import TaskPod
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
    images = ImagesByNode({"has": listed(net=300, base=10), "lacks": listed(base=10)})
    assert images.is_lacking("lacks", NET)
    after = images.changed("lacks", listed(net=300, base=10))
    assert images.lacking(NET) == {"lacks"}
    assert (after.lacking(NET), after.is_lacking("lacks", NET)) == (frozenset(), False)
    gone = after.changed("has", None).changed("new", listed(base=10))
    assert gone.lacking(NET) == {"new"}
    assert not gone.is_lacking("has", NET)


def test_the_size_of_an_image_is_known_once_a_node_tells_it() -> None:
    images = ImagesByNode({"one": listed(base=10)})
    assert images.size_bytes(NET) is None
    assert images.changed("two", listed(net=300)).size_bytes(NET) == 300


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
