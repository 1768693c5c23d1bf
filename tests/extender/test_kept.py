"""What is kept between requests changes no answer, whatever happens and whenever the time is up, and is bounded."""

from __future__ import annotations

import contextlib
import random
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretide_extender import board, spots, standings
from foretide_extender.decide import FilterAnswer, decide_filter, decide_prioritize
from foretide_extender.spots import TooLate
from foretide_extender.standings import Standings
from foretide_extender.state import ClusterState, Snapshot
from foretide_extender.wire import Request, encode_prioritize
from foretide_kube.pod_form import PodForm
from foretide_kube.reduced import facts_of, reduce_class, reduce_node, reduce_pod, reduce_workload
from foretide_kube.task_pods import TaskPod, read_pod
from tests.extender.cluster_values import (
    MIB,
    NOW_SECONDS,
    bind,
    class_object,
    node_object,
    pod_object,
    workload_object,
)

CLASSES = ("fast", "medium", "slow")
WORKLOADS = ("resnet", "other", "service")
LISTS: tuple[dict[str, int] | None, ...] = (
    None,
    {},
    {"base": 1},
    {"base": 1, "x": 400},
    {"base": 1, "x": 300, "y": 200},
    {"base": 100, "x": 0},
    {"base": 1, "y": 500},
)


class World:
    """A small cluster in which everything happens that can, by chance."""

    def __init__(self, chance: random.Random, nodes: int = 8) -> None:
        self.chance = chance
        self.names = [f"n{number}" for number in range(nodes)]
        self.state = ClusterState()
        self.now_seconds = NOW_SECONDS
        for name in self.names:
            self.state.node_changed("ADDED", facts_of(reduce_node(self._node(name))))
        for name in CLASSES:
            self.state.class_changed(name, facts_of(reduce_class(class_object(name))))
        for name in WORKLOADS:
            self.state.workload_changed(("team", name), facts_of(reduce_workload(self._workload(name))))

    def happen(self) -> None:
        """Something happens, or time passes."""
        kind = self.chance.choice(["pod"] * 4 + ["node"] * 3 + ["workload", "class", "time", "back"])
        if kind == "pod":
            self.state.pod_changed(self.chance.choice(["ADDED", "MODIFIED", "DELETED"]), self._bound())
        elif kind == "node":
            event = self.chance.choice(["MODIFIED", "MODIFIED", "DELETED"])
            self.state.node_changed(event, facts_of(reduce_node(self._node(self.chance.choice(self.names)))))
        elif kind == "workload":
            name = self.chance.choice(WORKLOADS)
            is_there = self.chance.random() < 0.8
            found = facts_of(reduce_workload(self._workload(name))) if is_there else None
            self.state.workload_changed(("team", name), found)
        elif kind == "class":
            name = self.chance.choice(CLASSES)
            found = facts_of(reduce_class(self._class(name))) if self.chance.random() < 0.6 else None
            self.state.class_changed(name, found)
        else:
            self.now_seconds += self.chance.choice([0.3, 1, 3, 7, 20]) if kind == "time" else -3

    def asked(self) -> TaskPod:
        """A Pod that is to be placed."""
        choose = self.chance.choice
        annotations = {
            "foretide.dev/inferences": choose(["200", "1000", "5", "7", None]),
            "foretide.dev/planned-node": choose([None, None, *self.names]),
        }
        pod = self._pod(
            workload=choose(["resnet", "resnet", "other"]),
            role=choose([None] * 9 + ["inspect"]),
            cpu=choose(["1", "3"]),
            memory=choose(["512Mi", "100Mi", None]),
            annotations={key: text for key, text in annotations.items() if text},
            created=_written(self.now_seconds - choose([0, 3, 50])),
        )
        return read_pod(msgspec.convert(pod, PodForm))

    def candidates(self) -> list[str]:
        """Some nodes, and some that nobody knows."""
        return self.chance.sample([*self.names, "strange", "new"], self.chance.randrange(1, len(self.names) + 3))

    def _bound(self) -> TaskPod:
        choose = self.chance.choice
        name = f"p{self.chance.randrange(12)}"
        pod = self._pod(
            name=name,
            node=choose([*self.names, None]),
            workload=choose([*WORKLOADS, "unknown", None]),
            role=choose([None, None, None, "profile"]),
            cpu=choose(["1", "250m", "4", None]),
            memory=choose(["64Mi", "900Mi", None]),
            phase=choose(["Running", "Pending", "Succeeded"]),
            bound=_written(self.now_seconds - self.chance.randrange(5)),
        )
        pod["metadata"]["uid"] = f"{name}-{self.chance.randrange(2)}"
        if pod["status"]["phase"] == "Running":
            pod["status"]["startTime"] = _written(self.now_seconds - choose([4, 40]))
            pod["status"]["containerStatuses"] = [{"state": {"running": {"startedAt": _written(self.now_seconds)}}}]
        found: TaskPod = facts_of(reduce_pod(pod))
        return found

    def _pod(self, **options: Any) -> dict[str, Any]:
        pod = pod_object(**options)
        pod["spec"]["containers"][0]["image"] = self.chance.choice(["x", "x", "x", "y"])
        return pod

    def _node(self, name: str) -> dict[str, Any]:
        choose = self.chance.choice
        memory = choose(["1Gi", "2Gi", "512Mi"])
        item = node_object(name, choose([*CLASSES, None]), cpu=choose(["1", "2", "4"]), memory=memory)
        listed = choose(LISTS)
        if listed is not None:
            item["status"]["images"] = [{"names": [key], "sizeBytes": size * MIB} for key, size in listed.items()]
        return item

    def _workload(self, name: str) -> dict[str, Any]:
        choose = self.chance.choice
        item = workload_object(
            name,
            classes=choose([CLASSES, ("medium",), (), ("fast", "slow")]),
            inferences=choose([10, 1000]),
            contention_permille=choose([None, 900]),
            deadline_milliseconds=choose([None, 5000, 60_000]),
            memory_mib=choose([300, 900]),
            mode="Deployment" if name == "service" else choose(["None", "None", "Deployment"]),
        )
        item["spec"]["objective"]["percentile"] = choose([50, 90, 99])
        rows = [{"nodeClass": each, "reason": "InProgress", "nodeSeconds": choose([5, 40])} for each in CLASSES]
        counts = {"desired": 3, "measured": 0, "failed": 0, "summary": "measured 0, learned 0 of 3"}
        item["status"]["profiles"] = {**counts, "classes": rows[: choose([0, 1, 3])]}
        return item

    def _class(self, name: str) -> dict[str, Any]:
        item = class_object(name, is_probed=self.chance.random() < 0.6)
        item["spec"]["priority"] = self.chance.choice([0, 1])
        if self.chance.random() < 0.3:
            item["spec"]["selector"] = {"matchLabels": {"foretide.dev/node-class": self.chance.choice(CLASSES)}}
        if item["status"] and self.chance.random() < 0.5:
            item["status"]["probe"]["gemmFlopsPerSecond"] *= 3
        return item


@given(st.integers(0, 2**32), st.sampled_from([1, 3, standings.MOST_STANDINGS]))
@settings(deadline=None)
def test_answers_are_as_if_nothing_were_kept(seed: int, most_standings: int) -> None:
    world, left = World(random.Random(seed)), [1]

    def check() -> None:
        left[0] -= 1
        if left[0] < 0:
            raise TooLate

    kept = Standings(check)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(standings, "MOST_STANDINGS", most_standings)
        patch.setattr(standings, "LEAST_SCALES", 2)
        patch.setattr(standings, "MOST_ENTRIES", 0)
        patch.setattr(spots, "_LOOKS_BETWEEN_CHECKS", world.chance.choice([1, 3]))
        for _ in range(25):
            for _ in range(world.chance.choice([0, 1, 1, 3])):
                world.happen()
            left[0] = world.chance.choice([0, 1, 2, 10**6])
            with contextlib.suppress(TooLate):
                kept.prepare(world.state.snapshot(), world.now_seconds)
            for _ in range(2):
                compare(world, kept, left)


def compare(world: World, kept: Standings, left: list[int]) -> None:
    """Ask for a Pod with and without what is kept, maybe with little time."""
    asked, names, snapshot = world.asked(), world.candidates(), world.state.snapshot()
    now_seconds = world.now_seconds
    for verb in (decide_filter, decide_prioritize):
        left[0] = world.chance.choice([0, 1, 3, 10**6, 10**6])
        is_hurried = left[0] < 10**6
        try:
            found = verb(snapshot, asked, names, now_seconds, kept)
        except TooLate:
            continue
        anew = verb(snapshot, asked, names, now_seconds)
        if isinstance(found, FilterAnswer) or isinstance(anew, FilterAnswer):
            assert found == anew
        elif not is_hurried:  # else what changes with time may be some seconds old
            request = Request(asked, names, b"")
            replies = [encode_prioritize(request, each.entries, each.top) for each in (found, anew)]
            assert replies[0] == replies[1]
            assert found.source == anew.source


def test_of_many_images_among_many_sorts_of_tasks_each_is_looked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    state = of_one_class()
    state.node_changed("ADDED", facts_of(reduce_node(node_object("fast-1", "fast"))))
    snapshot, kept = state.snapshot(), Standings()
    looked: list[str] = []
    size_bytes = type(snapshot.images).size_bytes

    def counted(self: Any, image: str) -> int | None:
        if not self.is_size_known(image):
            looked.append(image)
        return size_bytes(self, image)

    monkeypatch.setattr(type(snapshot.images), "size_bytes", counted)
    for _ in range(3):
        for sort in range(12):
            pod = pod_object()
            pod["spec"]["containers"] = [{"name": str(n), "image": f"image-{sort}-{n}"} for n in range(8)]
            asked = read_pod(msgspec.convert(pod, PodForm))
            decide_prioritize(snapshot, asked, ["fast-1"], NOW_SECONDS, kept)
            kept.prepare(snapshot, NOW_SECONDS)
    assert len(looked) == 12 * 8


def of_one_class(**options: Any) -> ClusterState:
    """A class without nodes, and a workload that is predicted on it."""
    state = ClusterState()
    state.class_changed("fast", facts_of(reduce_class(class_object("fast"))))
    state.workload_changed(("team", "resnet"), facts_of(reduce_workload(workload_object(**options))))
    return state


def crowded(nodes: int, tasks: int) -> Snapshot:
    """Nodes on which more tasks run than they have cores, each with others."""
    state = of_one_class(inferences=1000)
    for node in range(nodes):
        state.node_changed("ADDED", facts_of(reduce_node(node_object(f"n{node}", "fast"))))
        for task in range(tasks):
            bound = _written(NOW_SECONDS - 10 * node // nodes)
            busy = pod_object(f"busy-{node}-{task}", node=f"n{node}", cpu=f"{1000 + node}m", bound=bound)
            bind(state, busy)
    return state.snapshot()


def asked(**options: Any) -> TaskPod:
    """A Pod that is to be placed."""
    return read_pod(msgspec.convert(pod_object(**options), PodForm))


def test_where_much_changes_with_time_every_request_is_answered_and_the_rest_follows_little_by_little() -> None:
    snapshot, left = crowded(300, 3), [10**6]

    def check() -> None:
        left[0] -= 1
        if left[0] < 0:
            raise TooLate

    kept, names = Standings(check), list(snapshot.nodes)
    decide_prioritize(snapshot, asked(), names, NOW_SECONDS, kept)
    later = NOW_SECONDS + 8
    request = Request(asked(), names, b"")
    anew = decide_prioritize(snapshot, asked(), names, later)
    wanted = encode_prioritize(request, anew.entries, anew.top)
    replies = []
    for _ in range(12):
        left[0] = 40
        found = decide_prioritize(snapshot, asked(), names, later, kept)
        replies.append(encode_prioritize(request, found.entries, found.top))
    assert replies[0] != wanted
    assert replies[-1] == wanted


def test_nodes_with_the_same_company_are_reckoned_once() -> None:
    state = of_one_class()
    for node in range(100):
        state.node_changed("ADDED", facts_of(reduce_node(node_object(f"n{node}", "fast", cpu="500m"))))
    checks: list[int] = []
    decide_prioritize(state.snapshot(), asked(), ["n1"], NOW_SECONDS, Standings(lambda: checks.append(1)))
    kept = Standings()
    decide_prioritize(state.snapshot(), asked(), ["n1"], NOW_SECONDS, kept)
    (standing,) = kept._kept.values()
    assert len(standing.spots) == 1


def test_what_is_kept_is_bounded_however_different_tasks_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standings, "MOST_ENTRIES", 1000)
    monkeypatch.setattr(standings, "MOST_SPOTS", 2000)
    snapshot, kept = crowded(100, 3), Standings()
    names = list(snapshot.nodes)
    for number in range(40):
        for inferences in ("10", "20", "30", "40"):
            pod = asked(cpu=f"{1000 + number}m", annotations={"foretide.dev/inferences": inferences})
            for some in (names, names[:50], names[50:]):
                found = decide_prioritize(snapshot, pod, some, NOW_SECONDS, kept)
                encode_prioritize(Request(pod, some, b""), found.entries, found.top)
    kept.prepare(snapshot, NOW_SECONDS)
    everything = list(kept._kept.values())
    boards = [each for standing in everything for each in standing._boards.values()]
    tables = [entries for each in boards for entries in each._entries.values()]
    assert sum(map(len, tables)) <= 1000
    assert sum(map(len, everything)) <= 2000
    assert len(boards) <= len(everything) * standings.MOST_BOARDS
    assert set(kept._scales._order) == {(each, scale) for each in boards for scale in each._entries}


def test_of_more_sorts_than_are_kept_each_is_finished_though_there_is_little_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(standings, "MOST_STANDINGS", 2)
    monkeypatch.setattr(spots, "_LOOKS_BETWEEN_CHECKS", 10)
    left = [0]

    def check() -> None:
        left[0] -= 1
        if left[0] < 0:
            raise TooLate

    snapshot, kept = crowded(100, 1), Standings(check)
    decided = [0, 0, 0]
    for turn in range(60):
        left[0] = 5
        try:
            decide_filter(snapshot, asked(cpu=f"{1000 + turn % 3}m"), list(snapshot.nodes), NOW_SECONDS, kept)
        except TooLate:
            continue
        decided[turn % 3] += 1
    assert min(decided) > 5


def test_nothing_is_kept_of_words_for_nodes_that_are_gone() -> None:
    state = of_one_class()
    kept = Standings()
    for number in range(50):
        for event in ("ADDED", "DELETED"):
            state.node_changed(event, facts_of(reduce_node(node_object(f"n{number}", "fast"))))
            found = decide_prioritize(state.snapshot(), asked(), [f"n{number}"], NOW_SECONDS, kept)
            encode_prioritize(Request(asked(), [f"n{number}"], b""), found.entries, found.top)
    assert not any(kept._words._by_score)
    assert [dict(each) for entries in _boards(kept) for each in entries._entries.values()] == []


def _boards(kept: Standings) -> list[board.Board]:
    return [each for standing in kept._kept.values() for each in standing._boards.values()]


def _written(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
