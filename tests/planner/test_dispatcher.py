"""The dispatcher's turns against a small API server: what is opened, what is told, what is tried again."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from foretide.placement.task import WorkloadPredictions
from foretide.placement.together import plan_together
from foretide.placement.turns import FIRST_PAUSE_SECONDS, RESERVED_SECONDS
from foretide_kube import floor as floors
from foretide_kube.client import ApiError, KubeClient
from foretide_kube.floor import Node
from foretide_kube.images import ImagesByNode
from foretide_kube.measurements import Pair, Wanted
from foretide_kube.reduced import facts_of, reduce_pod
from foretide_kube.task_pods import TaskPod
from foretide_operator.planner import dispatcher as dispatching
from foretide_operator.planner.dispatcher import IDLE_SECONDS, LONGEST_TICK_SECONDS, Dispatcher
from foretide_operator.planner.health import HUNG_SECONDS
from foretide_operator.planner.metrics import Metrics
from foretide_operator.planner.notes import NOTES_PER_SECOND
from foretide_operator.planner.opening import REST_SECONDS, opening_patch
from foretide_operator.planner.writing import EVENTS_AT_ONCE
from tests.extender.cluster_values import NOW_SECONDS
from tests.extender.real_objects import eventually
from tests.planner.planner_values import FOREIGN_GATE, gated_object, node, resnet, time_text

PLAN = "foretide.dev/plan"
PLANNED_NODE = "foretide.dev/planned-node"
FAST = {"fast-1": node("fast-1", "fast")}
"""One node, with room for two tasks at a time."""


class Cluster:
    """An API server with Pods, and what the planner knows of it, which may lag behind."""

    def __init__(self, nodes: dict[str, Node]) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.known: dict[str, TaskPod] = {}
        self.nodes_known = nodes
        self.workload_known: WorkloadPredictions | None = resnet()
        self.wanted_known: dict[Pair, Wanted] = {}
        self.selected_known: dict[tuple[str, str], frozenset[str]] = {}
        self.patches: list[tuple[str, dict[str, Any]]] = []
        self.events: list[dict[str, Any]] = []
        self.refuse: Callable[[str], None] = lambda _name: None
        self.take_event: Callable[[float], None] = lambda _timeout_seconds: None
        self.hear: Callable[[str, TaskPod], None] = lambda _event, _pod: None
        self.synced = True

    def put(self, item: dict[str, Any], *, is_told: bool = True) -> None:
        """Somebody creates or changes a Pod."""
        before = self.objects.get(item["metadata"]["name"])
        item["metadata"]["resourceVersion"] = "1" if before is None else _next(before)
        self.objects[item["metadata"]["name"]] = item
        if is_told:
            self.tell(item["metadata"]["name"])

    def change(self, name: str, change: Callable[[dict[str, Any]], None], *, is_told: bool = True) -> None:
        item = copy.deepcopy(self.objects[name])
        change(item)
        self.put(item, is_told=is_told)

    def delete(self, name: str, *, is_told: bool = True) -> None:
        del self.objects[name]
        if is_told:
            self.hear("DELETED", self.known.pop(name))

    def tell(self, name: str) -> None:
        """The watch tells of a Pod."""
        event = "MODIFIED" if name in self.known else "ADDED"
        self.known[name] = facts_of(reduce_pod(self.objects[name]))
        self.hear(event, self.known[name])

    def pods(self) -> list[TaskPod]:
        return list(self.known.values())

    def nodes(self) -> dict[str, Node]:
        return self.nodes_known

    def images(self) -> ImagesByNode:
        return ImagesByNode({name: each.facts.images for name, each in self.nodes_known.items()})

    def workload(self, namespace: str, name: str) -> WorkloadPredictions | None:
        assert (namespace, name) == ("team", "resnet")
        return self.workload_known

    def wanted(self) -> dict[Pair, Wanted]:
        return self.wanted_known

    def selected(self) -> dict[tuple[str, str], frozenset[str]]:
        return self.selected_known

    def absorb_pod(self, item: dict[str, Any]) -> None:
        self.known[item["metadata"]["name"]] = pod = facts_of(reduce_pod(item))
        self.hear("MODIFIED", pod)

    def is_synced(self) -> bool:
        return self.synced

    def patch(self, _resource: object, name: str, patch: dict[str, Any], namespace: str) -> dict[str, Any]:
        assert namespace == "team"
        self.refuse(name)
        if name not in self.objects:
            raise ApiError(404, "NotFound", name)
        item = copy.deepcopy(self.objects[name])
        metadata = patch["metadata"]
        if any(metadata[key] != item["metadata"][key] for key in ("uid", "resourceVersion")):
            raise ApiError(409, "Conflict", name)
        merged = (item["metadata"].get("annotations") or {}) | metadata["annotations"]
        item["metadata"]["annotations"] = {key: value for key, value in merged.items() if value is not None}
        if "spec" in patch:
            item["spec"]["schedulingGates"] = patch["spec"]["schedulingGates"] or []
        item["metadata"]["resourceVersion"] = _next(item)
        self.objects[name] = item
        self.patches.append((name, patch))
        return item

    def create(self, _resource: object, body: dict[str, Any], namespace: str, *, timeout_seconds: float) -> None:
        assert namespace == "team"
        self.take_event(timeout_seconds)
        self.events.append(body)


def _next(item: dict[str, Any]) -> str:
    return str(int(item["metadata"]["resourceVersion"]) + 1)


class Planning:
    """A dispatcher whose turns are taken by hand, with its own two clocks."""

    def __init__(self, nodes: dict[str, Node] | None = None) -> None:
        self.cluster = Cluster(FAST if nodes is None else nodes)
        self.metrics = Metrics()
        self.seconds = 0.0
        self.leads = True
        client: Any = self.cluster
        api: KubeClient = client
        self.dispatcher = Dispatcher(
            api,
            self.cluster,
            self.metrics,
            namespace="system",
            is_leader=lambda: self.leads,
            clock=lambda: self.seconds,
            now_seconds=lambda: NOW_SECONDS + self.seconds,
        )
        self.cluster.hear = self.dispatcher.heard

    def add(self, *names: str, **options: Any) -> None:
        for name in names:
            self.cluster.put(gated_object(name, **options))

    def go(self, seconds: float = 2.0) -> float:
        """Let time pass, take a round, and return the rest until the next."""
        self.seconds += seconds
        return self.dispatcher.go_round()

    def go_until_quiet(self) -> None:
        for _ in range(20):
            self.go()
            if not self.is_awake():
                return

    def is_awake(self) -> bool:
        """Whether there is a reason to plan again at once."""
        return self.dispatcher._changed.is_set()

    def opened(self) -> list[str]:
        return [name for name, patch in self.cluster.patches if "spec" in patch]

    def aimed(self, name: str) -> str | None:
        found: str | None = self.cluster.objects[name]["metadata"]["annotations"].get(PLANNED_NODE)
        return found

    def note(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = msgspec.json.decode(self.cluster.objects[name]["metadata"]["annotations"][PLAN])
        return found

    def counted(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(name, labels) or 0.0

    def bind(self, name: str, node: str = "fast-1") -> None:
        def change(item: dict[str, Any]) -> None:
            item["spec"]["nodeName"] = node
            time = time_text(NOW_SECONDS + self.seconds)
            item["status"]["conditions"] = [{"type": "PodScheduled", "status": "True", "lastTransitionTime": time}]

        self.cluster.change(name, change)

    def start(self, name: str, after_seconds: float) -> None:
        started = {"startedAt": time_text(NOW_SECONDS + self.seconds + after_seconds)}
        status = {
            "startTime": time_text(NOW_SECONDS + self.seconds),
            "containerStatuses": [{"state": {"running": started}}],
        }
        self.cluster.change(name, lambda item: item["status"].update(status))

    def end(self, name: str) -> None:
        self.cluster.change(name, lambda item: item["status"].update(phase="Succeeded"))


def refusing(status: int, reason: str, *names: str) -> Callable[[str], None]:
    def refuse(name: str) -> None:
        if not names or name in names:
            raise ApiError(status, reason, "")

    return refuse


def test_a_burst_is_opened_as_far_as_there_is_room_each_in_one_write_and_the_rest_is_told() -> None:
    planning = Planning()
    planning.add("a", "b", "c")
    planning.go_until_quiet()
    assert sorted(planning.opened()) == ["a", "b"]
    assert planning.aimed("a") == planning.aimed("b") == "fast-1"
    assert [name for name, _ in planning.cluster.patches].count("c") == 1
    note = planning.note("c")
    assert (note["node"], note["waitsFor"]) in {("fast-1", "a"), ("fast-1", "b")}
    assert note["expectedFinishTime"] > note["expectedStartTime"] > time_text(NOW_SECONDS + 1)
    assert planning.counted("foretide_planner_gates_opened_total", reason="Planned") == 2.0
    assert planning.counted("foretide_planner_waiting") == 1.0
    assert sorted(each["involvedObject"]["name"] for each in planning.cluster.events) == ["a", "b"]


def test_a_burst_that_is_still_arriving_is_planned_as_one() -> None:
    planning = Planning()
    planning.add("a")
    assert 0.0 < planning.go(0.0) < 1.0
    assert planning.opened() == []
    planning.go()
    assert planning.opened() == ["a"]


def test_room_that_comes_free_while_a_burst_arrives_is_taken_at_once() -> None:
    planning = Planning()
    planning.add("a", "b")
    planning.go_until_quiet()
    for name in ("a", "b"):
        planning.bind(name)
    planning.go_until_quiet()
    planning.add("c")
    planning.end("a")
    planning.go(0.0)
    assert planning.opened()[-1] == "c"


@pytest.mark.parametrize(("cpu", "opened"), [(None, []), ("0", []), ("100m", ["a"])])
def test_the_end_of_what_holds_no_cpu_frees_no_room_for_a_burst_that_arrives(
    cpu: str | None, opened: list[str]
) -> None:
    planning = Planning()
    for name in ("ended", "gone"):
        planning.add(name, gates=(), workload=None, cpu=cpu, node="fast-1")
    planning.go()
    planning.add("a")
    planning.end("ended")
    planning.cluster.delete("gone")
    planning.go(0.0)
    assert planning.opened() == opened


def test_when_a_task_ends_the_next_is_opened() -> None:
    planning = Planning()
    planning.add("a", "b", "c")
    planning.go_until_quiet()
    first = sorted(planning.opened())
    for name in first:
        planning.bind(name)
    planning.go_until_quiet()
    assert sorted(planning.opened()) == first
    planning.end("a")
    assert planning.is_awake()
    planning.go_until_quiet()
    assert planning.opened()[-1] == "c"


def test_what_was_written_by_the_planner_itself_is_no_reason_to_plan_again() -> None:
    planning = Planning()
    planning.add("a", "b", "c", "d")
    planning.go_until_quiet()
    writes = len(planning.cluster.patches)
    for name in planning.cluster.objects:
        planning.cluster.tell(name)  # as the watch does after a write
    assert not planning.is_awake()
    planning.seconds += REST_SECONDS
    for name in ("a", "b"):
        planning.bind(name)
    planning.go_until_quiet()
    assert len(planning.cluster.patches) <= writes + 2, "at most the two that wait are told anew"


@pytest.mark.parametrize("change", ["phase", "label"])
def test_only_what_can_change_the_plan_wakes_the_planner(change: str) -> None:
    planning = Planning()
    planning.add("a")
    planning.go_until_quiet()
    if change == "phase":
        planning.end("a")
    else:
        planning.cluster.change("a", lambda item: item["metadata"]["labels"].update(more="true"))
    assert planning.is_awake() is (change == "phase")


def test_a_long_queue_is_told_at_one_pace_and_no_more_when_all_is_told() -> None:
    planning = Planning({})
    planning.add(*[f"t{index:03d}" for index in range(100)])
    planning.go()
    before = len(planning.cluster.patches)
    for _ in range(50):
        planning.go(0.1)
    assert len(planning.cluster.patches) - before == pytest.approx(5.0 * NOTES_PER_SECOND, abs=1)
    for _ in range(30):
        planning.go(1.0)
    assert sorted(name for name, _ in planning.cluster.patches) == sorted(planning.cluster.objects), "each once"
    assert planning.opened() == []


def test_a_planner_that_does_not_lead_writes_nothing_and_comes_to_rest() -> None:
    planning = Planning()
    planning.leads = False
    planning.add("a")
    assert planning.go() == IDLE_SECONDS
    assert not planning.is_awake(), "else it would go round and round"
    assert planning.cluster.patches == []
    assert planning.dispatcher.silent_seconds() == 0.0


def test_a_task_that_would_outlast_the_calendar_stops_nobody() -> None:
    planning = Planning({"fast-1": node("fast-1", "fast", cpu="1")})
    planning.add("a", annotations={"foretide.dev/inferences": "1000000000"}, cpu="1m", age_seconds=50.0)
    planning.add("b", annotations={"foretide.dev/inferences": "1000000000"}, cpu="1m", age_seconds=50.0)
    planning.cluster.workload_known = resnet(slowness=1000.0)
    planning.add("c", age_seconds=10.0)
    for _ in range(30):
        planning.go()
    assert sorted(planning.opened()) == ["a", "b", "c"]
    assert "expectedFinishTime" not in planning.note("a")
    assert planning.counted("foretide_planner_plan_errors_total") == 0.0


def test_whatever_goes_wrong_with_one_pod_the_others_have_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    planning = Planning()
    planning.add("a", "b", "c")

    def fail_for_a(pod: TaskPod, *arguments: Any) -> Any:
        if pod.name == "a":
            raise OverflowError
        return opening_patch(pod, *arguments)

    monkeypatch.setattr(dispatching, "opening_patch", fail_for_a)
    planning.go_until_quiet()
    assert sorted(planning.opened()) == ["b", "c"]
    assert planning.counted("foretide_planner_write_errors_total", reason="InternalError") >= 1.0
    assert planning.dispatcher.silent_seconds() == 0.0


def test_who_leads_no_more_counts_nobody_as_waiting() -> None:
    planning = Planning({})
    planning.add("a")
    planning.go()
    assert planning.counted("foretide_planner_waiting") == 1.0
    planning.leads = False
    planning.go()
    assert planning.counted("foretide_planner_waiting") == 0.0


def test_a_queue_is_told_at_the_same_pace_when_plans_are_made_seldom() -> None:
    planning = Planning({})
    planning.add(*[f"t{index:03d}" for index in range(100)])
    planning.go()
    before = len(planning.cluster.patches)
    planning.go(6.0)
    assert len(planning.cluster.patches) - before == pytest.approx(6.0 * NOTES_PER_SECOND, abs=1)


def test_leadership_lost_in_the_middle_of_a_turn_ends_it() -> None:
    planning = Planning()
    planning.add("a", "b")

    def lose(_name: str) -> None:
        planning.leads = False

    planning.cluster.refuse = lose
    planning.go()
    assert len(planning.cluster.patches) == 1
    assert planning.cluster.events == []


def test_nothing_is_planned_before_everything_was_listed() -> None:
    planning = Planning()
    planning.cluster.synced = False
    planning.add("a")
    planning.go()
    assert planning.cluster.patches == []


@pytest.mark.parametrize(("status", "reason"), [(403, "Forbidden"), (422, "Invalid"), (500, "InternalError")])
def test_a_pod_that_cannot_be_written_on_keeps_nobody_waiting_and_is_tried_again(status: int, reason: str) -> None:
    planning = Planning()
    planning.add("a", "b", "c")
    planning.cluster.refuse = refusing(status, reason, "a", "b")
    planning.go()
    planning.go(0.0)
    assert planning.opened() == ["c"]
    assert planning.counted("foretide_planner_write_errors_total", reason=reason) == 2.0
    planning.bind("c")
    planning.end("c")
    planning.go(0.5)
    assert planning.counted("foretide_planner_write_errors_total", reason=reason) == 2.0, "not so soon"
    planning.cluster.refuse = lambda _name: None
    planning.go()
    assert sorted(planning.opened()) == ["a", "b", "c"]


def test_refusals_are_answered_by_ever_longer_pauses() -> None:
    planning = Planning()
    planning.add("a")
    planning.cluster.refuse = refusing(403, "Forbidden")
    for _ in range(200):
        planning.go(1.0)
    assert 5 <= planning.counted("foretide_planner_write_errors_total", reason="Forbidden") <= 12


@pytest.mark.parametrize(("status", "reason"), [(0, "NotReached"), (503, "ServiceUnavailable"), (429, "TooMany")])
def test_an_api_server_that_is_away_is_asked_once_a_turn(status: int, reason: str) -> None:
    planning = Planning({f"fast-{index}": node(f"fast-{index}", "fast") for index in range(9)})
    planning.add("a", "b", "c", "d")
    asked: list[str] = []

    def refuse(name: str) -> None:
        asked.append(name)
        refusing(status, reason)(name)

    planning.cluster.refuse = refuse
    planning.go()
    assert len(asked) == 1
    assert planning.dispatcher.silent_seconds() == 0.0
    planning.cluster.refuse = lambda _name: None
    planning.go()
    assert sorted(planning.opened()) == ["a", "b", "c", "d"]


def test_a_namesake_and_what_is_gone_are_left_alone() -> None:
    planning = Planning()
    planning.add("a", "b")
    planning.cluster.put(gated_object("a", metadata={"uid": "another"}), is_told=False)
    planning.cluster.delete("b", is_told=False)
    planning.go()
    assert planning.cluster.patches == []
    assert planning.cluster.events == []
    planning.cluster.tell("a")
    planning.go()
    assert planning.opened() == ["a"]


def test_what_is_about_to_start_is_not_told_before() -> None:
    planning = Planning()
    planning.add("a")
    planning.dispatcher.go_round()
    assert planning.cluster.patches == []
    planning.go_until_quiet()
    assert planning.opened() == ["a"]
    assert len(planning.cluster.patches) == 1


def test_a_pod_that_changed_meanwhile_is_opened_a_moment_later() -> None:
    planning = Planning()
    planning.add("a")
    planning.cluster.change("a", lambda item: item["metadata"].update(labels=item["metadata"]["labels"]), is_told=False)
    planning.go_until_quiet()
    assert planning.opened() == []
    assert planning.dispatcher.go_round() < 0.5
    planning.cluster.tell("a")
    planning.go()
    assert planning.opened() == ["a"]


@pytest.mark.parametrize("is_gone", [True, False])
def test_a_pod_that_is_not_as_a_lagging_watch_has_it_is_tried_ever_more_seldom(is_gone: bool) -> None:  # noqa: FBT001
    planning = Planning()
    planning.add("a", "b")
    planning.bind("b")
    tried: list[str] = []
    planning.cluster.refuse = tried.append
    if is_gone:
        planning.cluster.delete("a", is_told=False)
    else:
        planning.cluster.change("a", lambda item: item["metadata"].update(labels={}), is_told=False)
    rest_seconds, rounds = 2.0, 0
    while planning.seconds < 60.0:
        rest_seconds = planning.go(rest_seconds)
        rest_seconds, rounds = 0.0 if planning.is_awake() else rest_seconds, rounds + 1
    assert set(tried) == {"a"}
    assert 12 <= len(tried) <= 20
    assert rounds <= 100


def test_a_pod_that_was_not_as_the_watch_had_it_is_opened_as_soon_as_the_watch_tells() -> None:
    planning = Planning()
    planning.add("a")
    planning.cluster.change("a", lambda item: item["metadata"].update(generateName="a"), is_told=False)
    for _ in range(12):
        planning.go()
    assert planning.opened() == []
    planning.cluster.tell("a")
    planning.go(0.0)
    assert planning.opened() == ["a"]


def test_what_somebody_else_opened_meanwhile_is_not_written_on() -> None:
    planning = Planning()
    planning.add("a")

    def open_and_aim(item: dict[str, Any]) -> None:
        item["spec"]["schedulingGates"] = []
        item["metadata"]["annotations"] = {PLANNED_NODE: "elsewhere"}

    planning.cluster.change("a", open_and_aim, is_told=False)
    planning.go()
    assert planning.cluster.patches == []
    assert planning.aimed("a") == "elsewhere"
    assert planning.counted("foretide_planner_gates_opened_total", reason="Planned") == 0.0


def test_what_is_opened_and_not_bound_leaves_its_place_and_is_aimed_again_later() -> None:
    planning = Planning()
    planning.add("a")
    planning.go()
    assert planning.go(0.0) <= RESERVED_SECONDS
    planning.add("b", "c")
    planning.go()
    planning.go(0.0)
    assert len(planning.opened()) == 2, "the place of a is kept"
    planning.go(RESERVED_SECONDS)
    planning.go(0.0)
    assert sorted(planning.opened()) == ["a", "b", "c"]
    for name in ("b", "c"):
        planning.bind(name)
        planning.end(name)
    opened_at = planning.note("a")["openedTime"]
    planning.go(FIRST_PAUSE_SECONDS)
    assert planning.counted("foretide_planner_aimed_again_total") == 1.0
    assert planning.note("a")["openedTime"] > opened_at
    planning.go(RESERVED_SECONDS + FIRST_PAUSE_SECONDS)
    assert planning.counted("foretide_planner_aimed_again_total") == 1.0, "the second pause is longer"
    planning.go(FIRST_PAUSE_SECONDS)
    assert planning.counted("foretide_planner_aimed_again_total") == 2.0
    assert len(planning.opened()) == 3


def test_a_pod_that_was_bound_unseen_is_not_aimed_again() -> None:
    planning = Planning()
    planning.add("a")
    planning.go()
    planning.cluster.change("a", lambda item: item["spec"].update(nodeName="fast-1"), is_told=False)
    planning.go(RESERVED_SECONDS + FIRST_PAUSE_SECONDS + 1.0)
    assert planning.counted("foretide_planner_aimed_again_total") == 0.0


def test_a_gate_opens_at_its_bound_without_any_event() -> None:
    planning = Planning({})
    planning.add("a", age_seconds=0.0)
    planning.go()
    assert planning.note("a")["reason"] == "NoEligibleNode"
    planning.go(57.0)
    assert planning.opened() == []
    planning.go(1.5)
    assert planning.opened() == ["a"]
    assert planning.aimed("a") is None
    assert planning.counted("foretide_planner_gates_opened_total", reason="NoEligibleNode") == 1.0


def test_our_gate_opens_at_the_bound_where_somebody_elses_keeps_the_pod_and_theirs_stays() -> None:
    planning = Planning()
    planning.add("a", gates=(FOREIGN_GATE, PLAN), age_seconds=0.0)
    assert planning.go() == IDLE_SECONDS
    assert planning.cluster.patches == []
    planning.go(60.0)
    assert planning.cluster.objects["a"]["spec"]["schedulingGates"] == [{"name": FOREIGN_GATE}]
    writes = len(planning.cluster.patches)
    planning.go(10.0)
    assert len(planning.cluster.patches) == writes == 1


def test_the_prediction_for_a_node_that_lacks_the_image_has_the_pull_in_its_start_up() -> None:
    planning = Planning({"fast-1": node("fast-1", "fast", images=[{"names": ["base:1"], "sizeBytes": 1}])})
    planning.add("a")
    planning.go()
    written = msgspec.json.decode(planning.cluster.objects["a"]["metadata"]["annotations"]["foretide.dev/prediction"])
    assert (written["pullMilliseconds"], written["startupMilliseconds"]) == (10_000, 10_500), "200 MiB at 20 MiB/s"
    (event,) = planning.cluster.events
    assert "10.0 s of it to pull its image" in event["message"]


def test_how_fast_a_class_pulls_is_learned_from_tasks_that_had_to() -> None:
    base, net = {"names": ["base:1"], "sizeBytes": 1}, {"names": ["x"], "sizeBytes": 100 * 2**20}
    bare = {f"fast-{number}": node(f"fast-{number}", "fast", images=[base]) for number in range(2, 6)}
    planning = Planning({"fast-1": node("fast-1", "fast", images=[base, net]), **bare})
    for name in bare:
        planning.add(name, gates=())
        planning.bind(name, name)
        planning.start(name, 20.0)
    planning.cluster.nodes_known = {"fast-9": node("fast-9", "fast", images=[base])}
    planning.add("a")
    planning.go(30.0)
    written = msgspec.json.decode(planning.cluster.objects["a"]["metadata"]["annotations"]["foretide.dev/prediction"])
    assert 10_000 < written["pullMilliseconds"] < 40_000, "slower than the 20 MiB/s that it began with"


def test_forged_annotations_are_overwritten_at_the_opening() -> None:
    planning = Planning()
    forged = {PLANNED_NODE: "mine", "foretide.dev/prediction": "{}", PLAN: '{"openedTime":"2099-01-01T00:00:00Z"}'}
    planning.add("a", annotations=forged)
    planning.go()
    assert planning.aimed("a") == "fast-1"
    prediction = planning.cluster.objects["a"]["metadata"]["annotations"]["foretide.dev/prediction"]
    assert msgspec.json.decode(prediction)["node"] == "fast-1"
    assert planning.note("a")["openedTime"] < "2099"


@pytest.mark.parametrize(
    "options",
    [
        {"annotations": {"foretide.dev/prediction": f'{{"node":"fast-1","boundMilliseconds":{"9" * 400}}}'}},
        {"cpu": "1e999"},
    ],
    ids=["prediction", "limit"],
)
@pytest.mark.parametrize("workload", ["resnet", None])
def test_no_number_on_a_running_pod_stops_the_plan(options: dict[str, Any], workload: str | None) -> None:
    planning = Planning(FAST | {"slow-1": node("slow-1", "slow")})
    planning.add("forged", gates=(), node="fast-1", workload=workload, **options)
    planning.add("a")
    planning.go()
    assert planning.opened() == ["a"]
    assert planning.counted("foretide_planner_plan_errors_total") == 0.0


def test_without_a_workload_the_gate_opens_at_once_and_no_prediction_is_claimed() -> None:
    planning = Planning()
    planning.cluster.workload_known = None
    planning.add("a", annotations={"foretide.dev/prediction": "{}"})
    planning.go()
    assert planning.opened() == ["a"]
    assert "foretide.dev/prediction" not in planning.cluster.objects["a"]["metadata"]["annotations"]
    assert planning.counted("foretide_planner_gates_opened_total", reason="NotPredicted") == 1.0


def test_nothing_is_kept_of_pods_that_are_gone() -> None:
    planning = Planning()
    planning.add("a", "b", "c", "d")

    def delete_meanwhile(name: str) -> None:
        if name == "a":
            planning.cluster.hear("DELETED", planning.cluster.known["a"])

    planning.cluster.refuse = delete_meanwhile
    planning.go_until_quiet()
    planning.cluster.refuse = refusing(403, "Forbidden", "d")
    planning.seconds += REST_SECONDS
    planning.go()
    for name in list(planning.cluster.objects):
        planning.cluster.delete(name)
    planning.go()
    dispatcher = planning.dispatcher
    kept = (dispatcher._marks, dispatcher._tries, dispatcher._notes._told, dispatcher._writer._refused)
    assert [len(table) for table in (*kept, dispatcher._writer._stale)] == [0, 0, 0, 0, 0]


def test_a_planner_that_cannot_plan_shows_no_life_until_it_can(monkeypatch: pytest.MonkeyPatch) -> None:
    planning = Planning()
    planning.add("a")

    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as broken:
        broken.setattr(floors, "plan_together", fail)
        for _ in range(5):
            planning.go()
        assert planning.dispatcher.silent_seconds() == 10.0
        planning.leads = False
        planning.go()
        assert planning.dispatcher.silent_seconds() == 12.0, "it does not seek to lead before it can plan"
    assert planning.counted("foretide_planner_plan_errors_total") == 6.0
    planning.go()
    assert planning.dispatcher.silent_seconds() == 0.0
    assert planning.cluster.patches == []
    planning.leads = True
    planning.go()
    assert planning.opened() == ["a"]


def test_the_event_tells_the_bound_that_the_workload_asks_for_and_the_next_best_class() -> None:
    planning = Planning(FAST | {"slow-1": node("slow-1", "slow")})
    planning.cluster.workload_known = dataclasses.replace(resnet(slowness=1.03), percentile=99)
    planning.add("a")
    planning.go_until_quiet()
    (event,) = planning.cluster.events
    assert (event["reason"], event["type"]) == ("Planned", "Normal")
    assert event["message"] == "planned on fast-1: expected 1.6 s (99 %: 2.0), next best slow-1 7.1 s"


def test_each_planned_gate_counts_once_what_is_expected_and_what_another_class_would_save() -> None:
    planning = Planning(FAST | {"slow-1": node("slow-1", "slow")})
    planning.cluster.workload_known = resnet(slowness=1.03)
    planning.add("a")
    planning.go_until_quiet()
    assert planning.counted("foretide_placement_predicted_seconds_total") == pytest.approx(1.6, abs=0.1)
    assert planning.counted("foretide_placement_regret_seconds_total") == 0.0
    planning.go(60.0)
    assert planning.counted("foretide_planner_aimed_again_total") == 1.0
    assert planning.counted("foretide_placement_predicted_seconds_total") == pytest.approx(1.6, abs=0.1)


def test_what_was_opened_keeps_its_place_whatever_becomes_of_the_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("words")

    monkeypatch.setattr("foretide_operator.planner.telling.next_best", fail)
    planning = Planning()
    for name in ("a", "b"):
        planning.cluster.put(gated_object(name))
    planning.go()
    assert sorted(planning.opened()) == ["a", "b"]
    planning.cluster.put(gated_object("later"))
    planning.go()
    assert sorted(planning.opened()) == ["a", "b"], "their places are taken"
    assert {each["message"] for each in planning.cluster.events} == {"planned on fast-1"}


def test_events_wait_until_the_gates_are_open_and_are_told_in_the_end() -> None:
    planning = Planning({f"fast-{index}": node(f"fast-{index}", "fast") for index in range(9)})
    names = [f"t{index:02d}" for index in range(20)]
    planning.add(*names)
    planning.cluster.refuse = lambda _name: _none(planning.cluster.events if len(planning.opened()) < 18 else [])
    planning.go()
    assert len(planning.opened()) == 18
    assert len(planning.cluster.events) == EVENTS_AT_ONCE, "then it is planned again first"
    planning.cluster.refuse = lambda _name: None
    planning.go_until_quiet()
    assert len(planning.cluster.events) == 18


def test_events_that_are_slow_or_not_taken_cost_neither_the_lease_nor_the_plan() -> None:
    planning = Planning({f"fast-{index}": node(f"fast-{index}", "fast") for index in range(9)})
    planning.add(*[f"t{index:02d}" for index in range(12)])
    silent_seconds: list[float] = []

    def be_slow(timeout_seconds: float) -> None:
        planning.seconds += timeout_seconds
        silent_seconds.append(planning.dispatcher.silent_seconds())

    planning.cluster.take_event = be_slow
    planning.go_until_quiet()
    assert len(planning.cluster.events) == 12
    assert max(silent_seconds) < HUNG_SECONDS

    def hang(timeout_seconds: float) -> None:
        be_slow(timeout_seconds)
        raise ApiError(0, "NotReached", "timed out")

    planning.cluster.take_event = hang
    silent_seconds.clear()
    for name in ("t00", "t01", "t02"):
        planning.bind(name)
        planning.end(name)
    planning.add("u0", "u1", "u2")
    for _ in range(20):
        planning.go(1.0)
    assert planning.opened()[-3:] == ["u0", "u1", "u2"]
    assert len(silent_seconds) == 1, "then Events rest"


def _none(events: list[Any]) -> None:
    assert not events, "an Event was told before a gate was opened"


def test_while_plans_are_slow_they_are_made_seldom_but_never_too_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    planning = Planning({})
    planning.add("a")
    planning.go()

    def slow(*arguments: Any, **options: Any) -> Any:
        planning.seconds += planning_seconds
        return unhurried(*arguments, **options)

    unhurried = plan_together
    monkeypatch.setattr(floors, "plan_together", slow)
    planning_seconds = 0.2
    assert planning.go() == pytest.approx(4.0)
    planning_seconds = 3.0
    assert planning.go() == LONGEST_TICK_SECONDS


def test_the_thread_opens_a_gate_and_ends_when_it_is_told_to() -> None:
    planning = Planning()
    planning.add("a")
    planning.seconds = 5.0
    planning.dispatcher.start()
    eventually(lambda: planning.opened() == ["a"], "the opening")
    planning.dispatcher.stop()
    assert not planning.dispatcher._thread.is_alive()


def test_a_long_rest_between_plans_is_not_taken_for_a_planner_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatching, "IDLE_SECONDS", 0.02)
    planning = Planning({})
    planning.add("a")
    planning.seconds = 5.0

    def slow(*arguments: Any, **options: Any) -> Any:
        planning.seconds += 3.0
        return plan_together(*arguments, **options)

    monkeypatch.setattr(floors, "plan_together", slow)
    planning.dispatcher.start()
    eventually(lambda: bool(planning.cluster.patches) and not planning.is_awake(), "a plan, and a rest after it")
    plans = planning.counted("foretide_planner_plan_duration_seconds_count")
    planning.seconds += LONGEST_TICK_SECONDS / 2
    eventually(lambda: planning.dispatcher.silent_seconds() == 0.0, "a sign of life")
    assert planning.counted("foretide_planner_plan_duration_seconds_count") == plans
    planning.seconds += LONGEST_TICK_SECONDS / 2
    eventually(lambda: planning.counted("foretide_planner_plan_duration_seconds_count") > plans, "the next plan")
    planning.dispatcher.stop()
