"""Fleets and tasks of any make, for the plan's properties."""

from __future__ import annotations

from collections.abc import Hashable

from hypothesis import strategies as st

from foretide.placement.plan import Expected, NodeState, Running, Waiting
from foretide.placement.resources import Resources
from foretide.placement.timeline import Lags

GIB = 2**30
CLASSES = ("a", "b", "c")
NOW = 1000.0
GROUPS: dict[Hashable, frozenset[str] | None] = {
    "some": frozenset({"node-0", "node-2"}),
    "none": frozenset({"elsewhere"}),
}

times = st.floats(0.1, 100.0)
images = st.sampled_from([frozenset[str](), frozenset[str](), frozenset({"x"}), frozenset({"x", "y"})])
"""What tasks need, or nodes lack."""


def expected(seconds: float) -> Expected:
    return Expected(seconds, seconds * 1.3)


@st.composite
def nodes(draw: st.DrawFn, *, most: int = 5) -> list[NodeState]:
    return [
        NodeState(
            f"node-{index}",
            draw(st.sampled_from(CLASSES)),
            Resources(1000 * draw(st.integers(1, 4)), draw(st.integers(1, 4)) * GIB, draw(st.integers(2, 10))),
            Resources(draw(st.sampled_from([0, 500])), 0, draw(st.integers(0, 1))),
            draw(st.sampled_from([0, 500])),
            draw(images),
        )
        for index in range(draw(st.integers(1, most)))
    ]


@st.composite
def demands(draw: st.DrawFn, *, oversubscribe: bool) -> tuple[Resources, int]:
    requests = Resources(500 * draw(st.integers(1, 4)), draw(st.integers(0, 2)) * GIB)
    return requests, requests.cpu_millis * (draw(st.sampled_from([1, 2])) if oversubscribe else 1)


@st.composite
def waiting(draw: st.DrawFn, *, most: int = 10, oversubscribe: bool = True) -> list[Waiting]:
    found = []
    for index in range(draw(st.integers(1, most))):
        requests, cpu_millis = draw(demands(oversubscribe=oversubscribe))
        by_class = draw(st.dictionaries(st.sampled_from(CLASSES), times.map(expected)))
        latest = draw(st.one_of(st.just(1e9), st.floats(NOW - 5, NOW + 60)))
        group = draw(st.sampled_from([None, None, "some", "none"]))
        needed = draw(images)
        found.append(Waiting(f"task-{index:02d}", requests, cpu_millis, by_class, latest, group, images=needed))
    return found


@st.composite
def running(draw: st.DrawFn, fleet: list[NodeState], *, oversubscribe: bool = True) -> list[Running]:
    """What really can be there: requests fit."""
    found = []
    left = {
        node.name: (
            node.allocatable.cpu_millis - node.in_use.cpu_millis,
            node.allocatable.memory_bytes,
            node.allocatable.pods - node.in_use.pods,
        )
        for node in fleet
    }
    for index in range(draw(st.integers(0, 6))):
        node = draw(st.sampled_from(fleet)).name
        requests, cpu_millis = draw(demands(oversubscribe=oversubscribe))
        cpu, memory, pods = left[node]
        if requests.cpu_millis <= cpu and requests.memory_bytes <= memory and pods >= 1:
            left[node] = cpu - requests.cpu_millis, memory - requests.memory_bytes, pods - 1
            seconds = draw(st.one_of(st.none(), times.map(expected)))
            found.append(Running(f"run-{index}", node, requests, cpu_millis, NOW - draw(times), seconds))
    return found


lags = st.fixed_dictionaries(
    {name: st.builds(Lags, st.sampled_from([0.0, 1.8]), st.sampled_from([0.0, 0.05])) for name in CLASSES}
)
