"""How fast images are pulled: learned by class from the first task on a node that lacked one, never from nonsense."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretide_kube.images import ImagesByNode, read_images
from foretide_kube.pull_speeds import FASTEST_BYTES_PER_SECOND, SLOWEST_BYTES_PER_SECOND, PullSpeeds
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

    def hear(self, pod: TaskPod, event: str = "MODIFIED") -> None:
        self.speeds.heard(event, pod, self.images, lambda _node: "fast")

    def run(self, name: str, node: str, seconds: float) -> None:
        """A task is bound, and starts so many seconds later."""
        self.hear(task(name, node))
        self.hear(task(name, node, started=seconds))


def task(name: str, node: str, *, started: float | None = None) -> TaskPod:
    options: dict[str, Any] = {"node": node, "gates": (), "bound": time_text(NOW_SECONDS)}
    item = gated_object(name, **options)
    if started is not None:
        item["status"]["containerStatuses"] = [{"state": {"running": {"startedAt": time_text(NOW_SECONDS + started)}}}]
    pod: TaskPod = facts_of(reduce_pod(item))
    return pod


def test_pulls_that_are_seen_again_and_again_are_learned() -> None:
    nodes = Nodes()
    for number in range(50):
        nodes.run(str(number), f"bare-{number}", 20.0)
    assert nodes.speeds.by_class()["fast"] == pytest.approx(5 * MIB, rel=0.01)


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
