"""The planner's view: what counts as a change, and which class a node is of when several threads ask."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

import pytest

from foretide_kube.client import ApiError, KubeClient
from foretide_kube.constraints import Toleration
from foretide_kube.measurements import LONGEST_AWAITED_SECONDS, Wanted
from foretide_operator.planner.metrics import Metrics
from foretide_operator.planner.watching import View
from tests.extender.cluster_values import class_object, node_object, workload_object
from tests.extender.real_objects import eventually


class Server:
    """An API server that lists what it has once, tells the events given, and then keeps its watches open no longer."""

    def __init__(self, listed: dict[str, list[Any]], events: Mapping[str, Iterable[tuple[str, Any]]]) -> None:
        self._listed = listed
        self._events = dict(events)

    def list_objects_with_version(self, resource: Any, *_: Any, reduce: Any, **__: Any) -> tuple[list[Any], str]:
        return [reduce(item) for item in self._listed.get(resource.plural, [])], "10"

    def watch(self, resource: Any, *_: Any, **__: Any) -> Iterator[tuple[str, dict[str, Any]]]:
        yield from self._events.pop(resource.plural, [])
        raise ApiError(410, "Expired", "")


def later(item: dict[str, Any], version: int, **changes: Any) -> dict[str, Any]:
    made = copy.deepcopy(item)
    made["metadata"]["resourceVersion"] = str(version)
    for key, value in changes.items():
        made.setdefault(key, {}).update(value)
    return made


NODE = node_object("fast-1", "fast")
CLASS = class_object("fast")
CLASS["metadata"]["resourceVersion"] = "1"
WORKLOAD = workload_object()


def changes_heard(plural: str, *items: dict[str, Any]) -> tuple[int, View]:
    """How often a change was told of beyond the first lists."""
    listed = {"nodes": [NODE], "nodeclasses": [CLASS], "aiworkloads": [WORKLOAD]}
    end = later(node_object("the-end", None), 1000)
    events = {plural: [("MODIFIED", item) for item in items]}
    events.setdefault("nodes", []).append(("ADDED", end))
    server: Any = Server(listed, events)
    client: KubeClient = server
    view = View(client, clock=lambda: 0.0)
    heard: list[None] = []
    view.on_change(lambda: heard.append(None))
    view.start()
    eventually(lambda: view.is_synced() and "the-end" in view.nodes(), "the last event")
    view.stop()
    return len(heard) - 4, view


def test_predictions_of_a_class_are_counted_from_zero_before_its_first_task() -> None:
    server: Any = Server({"nodeclasses": [CLASS]}, {})
    client: KubeClient = server
    view, metrics = View(client, clock=lambda: 0.0), Metrics()
    view.on_class(metrics.know_class)
    view.start()
    eventually(view.is_synced, "the first lists")
    view.stop()
    labels = {"node_class": "fast", "source": "Measured"}
    assert metrics.registry.get_sample_value("foretide_predictions_total", labels) == 0.0


@pytest.mark.parametrize(
    ("plural", "item"),
    [
        ("nodes", later(NODE, 11, status={"conditions": []})),
        ("nodes", later(NODE, 11, status={"images": [{"names": ["net:1"], "sizeBytes": 5}]})),
        ("aiworkloads", later(WORKLOAD, 11, status={"conditions": [], "run": {"succeeded": 3}})),
    ],
)
def test_heartbeats_and_counts_are_no_change(plural: str, item: dict[str, Any]) -> None:
    assert changes_heard(plural, item)[0] == 0


@pytest.mark.parametrize(
    "item",
    [
        later(NODE, 11, spec={"unschedulable": True}),
        later(NODE, 11, status={"allocatable": {"cpu": "1"}}),
        later(NODE, 11, status={"conditions": [{"type": "Ready", "status": "True"}]}),
    ],
    ids=["cordoned", "smaller", "ready"],
)
def test_what_a_plan_depends_on_is_a_change(item: dict[str, Any]) -> None:
    assert changes_heard("nodes", item)[0] == 1


def test_images_are_known_as_they_were_last_told() -> None:
    _, view = changes_heard("nodes", later(NODE, 11, status={"images": [{"names": ["net:1"], "sizeBytes": 5}]}))
    assert view.images().size_bytes("docker.io/library/net:1") == 5
    assert view.images() is view.images()


def test_nodes_are_reckoned_once_and_know_their_class() -> None:
    _, view = changes_heard("nodes")
    found = view.nodes()
    assert (found["fast-1"].node_class, found["the-end"].node_class) == ("fast", None)
    assert view.nodes() is found


def measuring(version: int, *classes: str) -> dict[str, Any]:
    """The workload, of which the status says on which classes it is being measured."""
    rows = [{"nodeClass": name, "reason": "InProgress", "nodeSeconds": 40} for name in classes]
    counts = {"desired": 3, "measured": 0, "failed": 0, "summary": "measured 0, learned 0 of 3"}
    return later(WORKLOAD, version, status={"profiles": {**counts, "classes": rows}})


def told(clock: Callable[[], float], first: dict[str, Any], then: Iterable[dict[str, Any]]) -> View:
    """What is known when the watch has told of the workload as it was listed, and as it was then."""
    listed = {"nodes": [NODE], "nodeclasses": [CLASS], "aiworkloads": [first]}
    end = later(workload_object("the-end"), 1000)
    events = chain((("MODIFIED", item) for item in then), [("ADDED", end)])
    server: Any = Server(listed, {"aiworkloads": events})
    view = View(server, clock=clock)
    view.start()
    eventually(lambda: view.is_synced() and view.workload("team", "the-end") is not None, "the last event")
    view.stop()
    return view


def wanted(first: dict[str, Any], *then: dict[str, Any]) -> dict[str, Wanted]:
    """The classes of the measurements that are known in the end."""
    known = told(lambda: 0.0, first, then).wanted()
    assert all(pair[:2] == ("team", "resnet") for pair in known)
    return {node_class: each for (_, _, node_class), each in known.items()}


def test_measurements_are_known_while_the_status_tells_of_them() -> None:
    taken = Wanted(40.0, 1000, 512 * 2**20)
    assert wanted(measuring(1, "fast", "slow")) == {"fast": taken, "slow": taken}
    assert wanted(measuring(1, "fast"), measuring(11, "slow")) == {"slow": taken}
    assert wanted(measuring(1, "fast"), measuring(11)) == {}
    assert wanted(WORKLOAD, measuring(11, "fast")) == {"fast": taken}


def test_what_tasks_tolerate_is_known_of_their_measurement() -> None:
    item = measuring(1, "fast")
    item["spec"]["run"] = {"mode": "None", "template": {"tolerations": [{"key": "k", "operator": "Exists"}]}}
    assert wanted(item)["fast"].constraints.tolerations == (Toleration("k", "Exists"),)


def selecting(version: int, tier: str | None) -> dict[str, Any]:
    return later(workload_object(selector={"matchLabels": {"tier": tier}} if tier else None), version)


@pytest.mark.parametrize(
    ("first", "then", "selected"),
    [
        (selecting(1, "fast"), [], {"fast"}),
        (selecting(1, "slow"), [], set()),
        (selecting(1, "slow"), [selecting(11, "fast")], {"fast"}),
        (selecting(1, "fast"), [selecting(11, None)], None),
        (selecting(1, None), [], None),
    ],
)
def test_the_classes_that_a_workload_selects_are_known(
    first: dict[str, Any], then: list[dict[str, Any]], selected: set[str] | None
) -> None:
    assert told(lambda: 0.0, first, then).selected().get(("team", "resnet")) == selected


def test_a_measurement_is_awaited_for_a_time_from_when_it_was_first_told_of() -> None:
    seconds = 0.0

    def then() -> Iterator[dict[str, Any]]:
        nonlocal seconds
        yield measuring(11, "fast")
        seconds = LONGEST_AWAITED_SECONDS - 1.0
        yield measuring(12, "fast", "slow")

    def awaited() -> dict[str, bool]:
        return {node_class: each.is_awaited for (_, _, node_class), each in view.wanted().items()}

    view = told(lambda: seconds, measuring(1, "fast", "slow"), then())
    assert awaited() == {"fast": True, "slow": True}
    seconds += 1.0
    assert awaited() == {"fast": False, "slow": True}, "the second was told of anew"
