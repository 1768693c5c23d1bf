"""What is told of a decision: the scores that were given, terms that add up, and who else is there as sums alone."""

from __future__ import annotations

from functools import partial
from itertools import count
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretide.prediction import PodPrediction
from foretide_extender.access import Rights
from foretide_extender.explaining import Standpoint, explain
from foretide_extender.metrics import Metrics
from foretide_extender.server import Answerer
from foretide_extender.state import ClusterState
from foretide_kube.explanation import Candidates, Explanation, Step
from foretide_kube.reduced import facts_of, reduce_node
from tests.extender.cluster_values import (
    MIB,
    NODES,
    NOW_SECONDS,
    bind,
    cluster,
    node_object,
    pod_object,
    prediction,
    workload_object,
)
from tests.extender.happening import ALL, events, have
from tests.extender.test_decide import with_images

ADMINISTRATOR = Rights(sees_nodes=True, sees_others=True)
TENANT = Rights(sees_nodes=False, sees_others=False)


class Asked:
    """An extender that is asked by a scheduler, and then by people."""

    def __init__(self, state: ClusterState, *, deadline_seconds: float = 60.0) -> None:
        self.now = NOW_SECONDS
        self.state = state
        ticks = count()
        self.answerer = Answerer(
            state.snapshot,
            Metrics(),
            deadline_seconds=deadline_seconds,
            now_seconds=lambda: self.now,
            clock_seconds=lambda: float(next(ticks)),
        )

    def ask(self, verb: Any, pod: dict[str, Any], names: list[str] = ALL) -> Any:
        return msgspec.json.decode(
            self.answerer.answer(verb, msgspec.json.encode({"Pod": pod, "Nodes": None, "NodeNames": names}))
        )

    def decide(self, pod: dict[str, Any], names: list[str] = ALL) -> tuple[dict[str, int], dict[str, str]]:
        """The scores, and the refused nodes with their reasons."""
        passed = self.ask("filter", pod, names)
        scored = self.ask("prioritize", pod, passed["NodeNames"]) if passed["NodeNames"] else []
        return {each["Host"]: each["Score"] for each in scored}, passed["FailedAndUnresolvableNodes"]

    def explain(
        self, name: str = "task-1", item: dict[str, Any] | None = None, rights: Rights = ADMINISTRATOR
    ) -> Explanation:
        record = self.answerer.records.find("team", name)
        known = Standpoint(record, self.state.snapshot(), self.now, rights)
        return explain("team", name, item or pod_object(name), known)


def scores_of(told: Explanation) -> dict[str, int | None]:
    return {node: each.score for each in told.candidates for node in each.nodes}


def candidate(told: Explanation, node: str) -> Candidates:
    (found,) = (each for each in told.candidates if node in each.nodes)
    return found


def assert_terms_add_up(told: Explanation) -> None:
    for each in told.candidates:
        if each.completion_seconds is None:
            continue
        parts = each.alone_seconds, each.pull_seconds, each.contention_seconds, each.sharing_seconds
        assert all(part is not None and part >= -1e-9 for part in parts)
        assert sum(part or 0.0 for part in parts) == pytest.approx(each.completion_seconds)
        if each.startup_seconds is not None:
            assert each.startup_seconds + (each.work_seconds or 0.0) == pytest.approx(each.alone_seconds)
        assert each.median_seconds is not None
        assert each.upper_seconds is not None
        assert each.median_seconds <= each.completion_seconds + 1e-9
        assert each.completion_seconds <= each.upper_seconds + 1e-9
    seconds = [each.completion_seconds for each in told.candidates if each.completion_seconds is not None]
    assert seconds == sorted(seconds)


asked_names = st.lists(st.sampled_from([*ALL, "new", "unknown"]), unique=True, min_size=1)
tasks = st.builds(
    pod_object,
    workload=st.sampled_from(["resnet", "other", "gone"]),
    cpu=st.sampled_from(["1", "2"]),
    annotations=st.sampled_from([None, {"foretide.dev/inferences": "200"}, {"foretide.dev/planned-node": "medium-1"}]),
)


@given(events, events, asked_names, tasks, st.none() | st.integers(1, 20_000))
@settings(deadline=None)
def test_what_is_told_is_what_was_decided_whatever_happened_since(
    before: list[Any], since: list[Any], names: list[str], task: dict[str, Any], deadline: int | None
) -> None:
    mine = workload_object(deadline_milliseconds=deadline, contention_permille=500)
    state = cluster(mine, workload_object("other", classes=("fast", "medium")))
    extender = Asked(state)
    for event in before:
        if isinstance(event, float):
            extender.now += event
        else:
            have(state, event)
    scores, refused = extender.decide(task, names)
    told = extender.explain()
    assert scores_of(told) == scores
    assert {node: f"{each.reason}: {each.message}" for each in told.refused for node in each.nodes} == refused
    assert_terms_add_up(told)
    for event in since:
        if isinstance(event, float):
            extender.now += event
        else:
            have(state, event)
    extender.ask("filter", pod_object("another", workload=task["metadata"]["labels"]["foretide.dev/workload"]))
    assert extender.explain() == told


def test_each_term_is_told_where_it_is_due() -> None:
    state = cluster(workload_object(contention_permille=1000))
    state.node_changed("MODIFIED", with_images("medium-1", "medium", "base"))
    bind(state, pod_object("beside", node="medium-2"))
    for number in range(2):
        bind(state, pod_object(f"secret-{number}", node="fast-1", annotations={"foretide.dev/inferences": "900"}))
    extender = Asked(state)
    extender.decide(pod_object())
    told = extender.explain()
    alone, pulls = candidate(told, "slow-1"), candidate(told, "medium-1")
    assert alone.nodes == ["slow-1", "slow-2"]
    assert (alone.pull_seconds, alone.contention_seconds, alone.sharing_seconds) == (0.0, 0.0, 0.0)
    assert alone.startup_seconds == 0.5
    assert pulls.pull_seconds == pytest.approx(10.0)  # 200 MiB at 20 MiB/s
    beside, shared = candidate(told, "medium-2"), candidate(told, "fast-1")
    assert beside.contention_seconds is not None
    assert beside.contention_seconds > 0.5
    assert (beside.others_cpu_millis, beside.allocatable_cpu_millis) == (1000, 2000)
    assert shared.sharing_seconds is not None
    assert shared.sharing_seconds > 0.0
    assert (shared.others, shared.others_cpu_millis) == (2, 2000)
    assert candidate(told, "bare").source == "Unknown"
    assert (told.inferences, told.percentile, told.cpu_millis) == (100, 90, 1000)
    assert b"secret" not in msgspec.json.encode(told)


def test_a_class_that_is_not_predicted_says_what_it_was_guessed_from() -> None:
    extender = Asked(cluster(workload_object(classes=("fast",))))
    extender.decide(pod_object())
    guessed = candidate(extender.explain(), "slow-1")
    assert (guessed.source, guessed.startup_seconds, guessed.work_seconds) == ("ClassSpeed", None, None)
    assert guessed.alone_seconds == guessed.completion_seconds


def test_without_any_prediction_there_are_scores_and_no_seconds() -> None:
    extender = Asked(cluster())
    scores, _ = extender.decide(pod_object())
    told = extender.explain(item=pod_object(node="slow-1"))
    assert scores_of(told) == scores
    assert {each.completion_seconds for each in told.candidates} == {None}
    ordered = [each.score or 0 for each in told.candidates]
    assert ordered == sorted(ordered, reverse=True)
    assert told.placed is not None
    assert (told.placed.node, told.placed.regret_seconds) == ("slow-1", None)


def test_the_node_of_the_plan_stands_by_itself_on_top() -> None:
    extender = Asked(cluster(workload_object()))
    item = pod_object(annotations={"foretide.dev/planned-node": "medium-2"})
    extender.decide(item)
    told = extender.explain(item=item)
    planned = candidate(told, "medium-2")
    assert (planned.nodes, planned.score, planned.is_planned) == (["medium-2"], 10, True)
    assert candidate(told, "fast-1").score == 9


def test_where_the_pod_went_is_held_against_the_best_candidate() -> None:
    extender = Asked(cluster(workload_object()))
    extender.decide(pod_object())
    late, best = (extender.explain(item=pod_object(node=node)).placed for node in ("medium-1", "fast-1"))
    assert late is not None
    assert best is not None
    assert late.best_node == "fast-1"
    assert late.regret_seconds == pytest.approx((late.completion_seconds or 0.0) - (late.best_seconds or 0.0))
    assert late.regret_seconds == pytest.approx(2.0, abs=0.3)
    assert (best.best_node, best.regret_seconds) == ("fast-1", 0.0)
    elsewhere = extender.explain(item=pod_object(node="of-another-scheduler")).placed
    assert elsewhere is not None
    assert elsewhere.completion_seconds is None


def test_refused_nodes_stand_together_with_their_reason_and_checks_that_were_set_aside_are_named() -> None:
    extender = Asked(cluster(workload_object(deadline_milliseconds=4000)))
    extender.decide(pod_object())
    (refused,) = extender.explain().refused
    assert (refused.reason, refused.nodes) == ("DeadlineUnreachable", ["slow-1", "slow-2"])
    hopeless = Asked(cluster(workload_object(deadline_milliseconds=1)))
    hopeless.decide(pod_object(), ["fast-1"])
    assert hopeless.explain().overruled == ["DeadlineUnreachable"]


def test_one_node_that_is_left_is_told_with_its_terms_though_no_scores_were_asked_for() -> None:
    extender = Asked(cluster(workload_object()))
    extender.ask("filter", pod_object(), ["medium-1"])
    told = extender.explain()
    (only,) = told.candidates
    assert (only.nodes, only.score, told.prioritize) == (["medium-1"], None, None)
    assert only.completion_seconds is not None
    assert "no scores" in told.message


def test_an_answer_that_failed_open_says_why() -> None:
    extender = Asked(cluster(workload_object()), deadline_seconds=0.0)
    bind(extender.state, pod_object("there", node="fast-1", cpu="4"))
    extender.decide(pod_object())
    told = extender.explain()
    assert told.prioritize == Step(failed_open="DeadlineExceeded")
    assert "DeadlineExceeded" in told.message
    assert {node for each in told.candidates for node in each.nodes} == set(NODES)


def test_what_the_planner_wrote_is_told() -> None:
    expected = PodPrediction(
        node="fast-1",
        node_class="fast",
        inferences=100,
        work_milliseconds=prediction("fast", median_microseconds=1000).work_microseconds_per_inference,
        startup_milliseconds=500,
        memory_bytes=300 * MIB,
        source="Measured",
        model_version="",
        bound_milliseconds=1,
    )
    annotations = {
        "foretide.dev/planned-node": "fast-1",
        "foretide.dev/plan": '{"node":"fast-1","waitsFor":"team/other"}',
        "foretide.dev/prediction": msgspec.json.encode(expected).decode(),
    }
    extender = Asked(cluster(workload_object()))
    planned = extender.explain(item=pod_object(annotations=annotations)).planned
    assert planned is not None
    assert planned.prediction == expected
    assert (planned.node, planned.plan and planned.plan.waits_for) == ("fast-1", "team/other")
    forged = pod_object(annotations={"foretide.dev/prediction": "[]", "foretide.dev/plan": "7"})
    assert extender.explain(item=forged).planned is None


def test_a_pod_that_nobody_asked_about_is_told_what_would_be_decided_now() -> None:
    extender = Asked(cluster(workload_object()))
    item = pod_object()
    item["spec"]["schedulingGates"] = [{"name": "foretide.dev/plan"}]
    told = extender.explain(item=item)
    assert (told.status, told.as_of) == ("NotDecided", "now")
    assert "gate" in told.message
    assert scores_of(told) == extender.decide(pod_object("like-it"))[0]


def test_a_task_that_runs_does_not_stand_in_its_own_way() -> None:
    extender = Asked(cluster(workload_object()))
    item = pod_object(node="fast-1", cpu="2", phase="Running")
    before = extender.explain(item=pod_object(cpu="2"))
    bind(extender.state, item)
    assert extender.explain(item=item).candidates == before.candidates
    assert "another replica" in extender.explain(item=item).message


def test_each_pod_of_which_nothing_is_to_be_told_gets_an_answer_that_says_so() -> None:
    extender = Asked(cluster(workload_object()))
    assert extender.explain(item=pod_object(workload=None)).status == "NotOurs"
    assert extender.explain(item=pod_object(role="profile")).status == "NotOurs"
    ended = extender.explain(item=pod_object(node="fast-1", phase="Succeeded"))
    assert (ended.status, ended.as_of, ended.candidates) == ("Ended", None, [])
    unread = explain("team", "task-1", pod_object(), Standpoint(None, None, NOW_SECONDS, ADMINISTRATOR))
    assert (unread.status, unread.as_of) == ("NotDecided", None)


def test_of_a_pod_that_is_gone_nothing_is_told_and_to_a_namesake_neither() -> None:
    extender = Asked(cluster(workload_object()))
    extender.decide(pod_object())
    record = extender.answerer.records.find("team", "task-1")
    gone = explain("team", "task-1", None, Standpoint(record, extender.state.snapshot(), NOW_SECONDS, ADMINISTRATOR))
    assert gone == Explanation(namespace="team", pod="task-1", status="NotFound", message="there is no Pod team/task-1")
    namesake = pod_object()
    namesake["metadata"]["uid"] = "another"
    assert extender.explain(item=namesake).as_of == "now"


def test_who_may_not_list_nodes_is_told_of_no_other_nodes_than_those_of_a_decision() -> None:
    extender = Asked(cluster(workload_object()))
    told = extender.explain(rights=Rights(sees_nodes=False, sees_others=True))
    assert (told.status, told.as_of, told.candidates, told.workload) == ("NotDecided", None, [], "resnet")
    assert "the right to list nodes" in told.message
    extender.decide(pod_object(), ["medium-1", "slow-1"])
    assert scores_of(extender.explain(rights=TENANT)).keys() == {"medium-1", "slow-1"}


def test_who_may_not_list_the_pods_of_others_is_told_of_no_others_and_of_all_else() -> None:
    extender = Asked(cluster(workload_object(contention_permille=1000)))
    bind(extender.state, pod_object("theirs", node="fast-1"))
    for status in ("NotDecided", "Decided"):
        told = extender.explain(rights=Rights(sees_nodes=True, sees_others=False))
        all_of_it = extender.explain()
        assert told.status == status
        assert {(each.others, each.others_cpu_millis) for each in told.candidates} == {(None, None)}
        assert candidate(all_of_it, "fast-1").others_cpu_millis == 1000
        assert candidate(told, "fast-1").contention_seconds == candidate(all_of_it, "fast-1").contention_seconds
        extender.decide(pod_object())


def test_what_takes_long_asks_again_and_again_whether_to_rest() -> None:
    state = cluster(workload_object())
    for number in range(200):
        bind(state, pod_object(f"busy-{number}", node="fast-1", cpu=f"{number}m"))
        state.node_changed("ADDED", facts_of(reduce_node(node_object(f"n-{number}", "fast"))))
        bind(state, pod_object(f"there-{number}", node=f"n-{number}", cpu=f"{5000 + number}m"))
    extender, names = Asked(state), [*ALL, *(f"n-{number}" for number in range(200))]
    all_rests = []
    for decide in (lambda: None, lambda: extender.decide(pod_object(), names)):
        decide()
        known = Standpoint(
            extender.answerer.records.find("team", "task-1"), state.snapshot(), NOW_SECONDS, ADMINISTRATOR
        )
        rests: list[None] = []
        told = explain("team", "task-1", pod_object(), known, partial(rests.append, None))
        assert len(told.candidates) > 100
        assert len(rests) > 3 * len(told.candidates)
        all_rests.append(len(rests))
    assert all_rests[0] > all_rests[1] + 200, "to decide takes rests too"


def test_an_inspection_is_told_by_class_speed() -> None:
    extender = Asked(cluster(workload_object()))
    item = pod_object(role="inspect")
    scores, _ = extender.decide(item)
    told = extender.explain(item=item)
    assert scores_of(told) == scores
    assert candidate(told, "fast-1").source == "ClassSpeed"
    extender.state.class_changed("fast", None)
    assert scores_of(extender.explain(item=item)) == scores
