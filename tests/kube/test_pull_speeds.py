"""How fast images are pulled: learned by class from the first task on a node that lacked one, never from nonsense."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretide_kube.images import ImagesByNode, read_images
from foretide_kube.pull_speeds import (
    FASTEST_BYTES_PER_SECOND,
    MOST_NAMESPACES,
    SLOWEST_BYTES_PER_SECOND,
    PullSpeeds,
)
from foretide_kube.reduced import facts_of, reduce_pod
from foretide_kube.task_pods import TaskPod
from tests.extender.cluster_values import MIB, NOW_SECONDS
from tests.planner.planner_values import gated_object, time_text

BASE = {"names": ["base:1"], "sizeBytes": MIB}


@dataclass
class Nodes:
    """Node ``full`` has the image of all tasks, any other lacks it; all are of class ``fast``."""

    size_bytes: int | None = 100 * MIB
    names: tuple[str, ...] = ("bare", *(f"bare-{number}" for number in range(50)))
    speeds: PullSpeeds = field(default_factory=PullSpeeds)

    def images(self) -> ImagesByNode:
        net = {"names": ["x"], "sizeBytes": self.size_bytes}
        lists = {name: read_images([BASE]) for name in self.names} | {"full": read_images([BASE, net])}
        return ImagesByNode(lists)

    def hear(self, pod: TaskPod, event: str = "MODIFIED", *, is_known: bool = True) -> None:
        self.speeds.heard(event, pod, self.images, lambda _node: "fast", is_known=is_known)

    def run(self, name: str, node: str, seconds: float, *, is_known: bool = True, **options: Any) -> None:
        """A Pod is bound, and starts so many seconds later."""
        self.hear(task(name, node, **options), is_known=is_known)
        self.hear(task(name, node, started=seconds, **options), is_known=is_known)


def task(
    name: str,
    node: str,
    *,
    started: float | None = None,
    namespace: str = "team",
    clock_ahead_seconds: float = 0.0,
    **options: Any,
) -> TaskPod:
    taken = NOW_SECONDS + clock_ahead_seconds
    options = {"node": node, "gates": (), "bound": time_text(NOW_SECONDS), **options}
    item = gated_object(name, **options)
    item["metadata"]["namespace"] = namespace
    item["status"]["startTime"] = time_text(taken)
    if started is not None:
        item["status"]["containerStatuses"] = [{"state": {"running": {"startedAt": time_text(taken + started)}}}]
    pod: TaskPod = facts_of(reduce_pod(item))
    return pod


def test_pulls_that_are_seen_again_and_again_are_learned() -> None:
    nodes = Nodes()
    for number in range(50):
        nodes.run(str(number), f"bare-{number}", 20.0)
    assert nodes.speeds.by_class()["fast"] == pytest.approx(5 * MIB, rel=0.01)


def test_a_clock_that_is_off_changes_nothing_of_what_is_learned() -> None:
    nodes, ahead = Nodes(), Nodes()
    for number in range(10):
        nodes.run(str(number), f"bare-{number}", 20.0)
        ahead.run(str(number), f"bare-{number}", 20.0, clock_ahead_seconds=3600.0)
    assert ahead.speeds.by_class() == nodes.speeds.by_class() != {}


@pytest.mark.parametrize(
    "options",
    [
        {"is_known": False},
        {"role": "profile"},
        {"spec": {"initContainers": [{"name": "wait", "image": "x"}]}},
    ],
    ids=["no such AIWorkload", "no task", "init containers"],
)
def test_other_pods_teach_nothing_but_leave_the_image_on_their_nodes(options: dict[str, Any]) -> None:
    nodes = Nodes()
    nodes.run("a", "bare", 390.0, **options)
    nodes.run("b", "bare", 20.0)
    assert nodes.speeds.by_class() == {}


def test_one_pod_that_takes_very_long_changes_little() -> None:
    nodes = Nodes()
    nodes.run("a", "bare", 390.0)
    assert 17 * MIB < nodes.speeds.by_class()["fast"] < 20 * MIB


def test_one_namespace_decides_nothing_for_many() -> None:
    nodes = Nodes()
    for number, namespace in enumerate(["a", "b", *["liar"] * 40]):
        nodes.run(str(number), f"bare-{number}", 300.0 if namespace == "liar" else 5.0, namespace=namespace)
    assert nodes.speeds.by_class()["fast"] == pytest.approx(20 * MIB)


def test_of_very_many_namespaces_the_latest_count() -> None:
    nodes = Nodes(names=tuple(f"bare-{number}" for number in range(3 * MOST_NAMESPACES)))
    for number in range(3 * MOST_NAMESPACES):
        seconds = 5.0 if number >= 2 * MOST_NAMESPACES else 100.0
        nodes.run(str(number), f"bare-{number}", seconds, namespace=f"n{number}")
    assert nodes.speeds.by_class()["fast"] == pytest.approx(20 * MIB)


def test_where_the_image_is_there_nothing_is_learned() -> None:
    nodes = Nodes()
    nodes.run("a", "full", 20.0)
    assert nodes.speeds.by_class() == {}


def test_only_the_first_task_that_pulls_an_image_on_a_node_tells_how_long_that_takes() -> None:
    nodes = Nodes()
    nodes.hear(task("a", "bare"))
    nodes.hear(task("b", "bare"))
    nodes.hear(task("b", "bare", started=1.0))
    assert nodes.speeds.by_class() == {}
    nodes.hear(task("a", "bare", started=20.0))
    learned = nodes.speeds.by_class()
    assert learned["fast"] < 20 * MIB
    nodes.run("c", "bare", 1.0)
    assert nodes.speeds.by_class() == learned, "the kubelet has not told of it yet"


@pytest.mark.parametrize(
    ("size_bytes", "seconds"),
    [(None, 20.0), (10 * MIB, 20.0), (100 * MIB, 0.0), (100 * MIB, -5.0), (100 * MIB, 4000.0)],
)
def test_what_cannot_be_a_pull_is_not_learned_from(size_bytes: int | None, seconds: float) -> None:
    nodes = Nodes(size_bytes=size_bytes)
    nodes.run("a", "bare", seconds)
    assert nodes.speeds.by_class() == {}


def test_a_task_that_went_without_starting_teaches_nothing() -> None:
    nodes = Nodes()
    nodes.hear(task("a", "bare"))
    nodes.hear(task("a", "bare"), "DELETED")
    assert nodes.speeds.by_class() == {}


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 2**40), st.integers(-100, 100_000)), max_size=8))
def test_what_is_learned_stays_among_what_can_be(seen: list[tuple[int, int]]) -> None:
    nodes = Nodes()
    for number, (size_bytes, seconds) in enumerate(seen):
        nodes.size_bytes = size_bytes
        nodes.run(str(number), f"bare-{number}", float(seconds))
    learned = nodes.speeds.by_class().values()
    assert all(SLOWEST_BYTES_PER_SECOND * 0.99 <= each <= FASTEST_BYTES_PER_SECOND * 1.01 for each in learned)
