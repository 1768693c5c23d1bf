"""Decisions over snapshots of a small cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from foretide_extender.decide import FilterAnswer, decide_filter, decide_prioritize
from foretide_extender.standings import Standings
from foretide_extender.state import ClusterState
from foretide_extender.wire import Request, encode_prioritize
from foretide_kube.images import ImagesByNode, NodeImages
from foretide_kube.pod_form import PodForm
from foretide_kube.reduced import facts_of, reduce_class, reduce_node, reduce_workload
from foretide_kube.task_pods import TaskPod, read_pod
from tests.extender.cluster_values import (
    CREATED_TIME,
    FACTORS,
    MIB,
    NODES,
    NOW_SECONDS,
    bind,
    class_object,
    cluster,
    have_workload,
    node_object,
    pod_object,
    workload_object,
)

ALL = list(NODES)


def pod(**options: Any) -> TaskPod:
    return read_pod(msgspec.convert(pod_object(**options), PodForm))


def scored(
    state: ClusterState,
    asked: TaskPod,
    names: Sequence[str] = tuple(ALL),
    *,
    now: float = NOW_SECONDS,
    standings: Standings | None = None,
) -> dict[str, int]:
    answer = decide_prioritize(state.snapshot(), asked, names, now, standings)
    reply = msgspec.json.decode(encode_prioritize(Request(asked, names, b""), answer.entries, answer.top))
    assert [each["Host"] for each in reply] == list(names)
    return {each["Host"]: each["Score"] for each in reply}


def test_an_idle_cluster_is_scored_by_class() -> None:
    # alone nine of ten take no longer than 1.7 s, 3.7 s and 8.1 s
    assert scored(cluster(workload_object()), pod()) == {
        "fast-1": 10,
        "medium-1": 7,
        "medium-2": 7,
        "slow-1": 4,
        "slow-2": 4,
        "bare": 7,
    }


def with_images(name: str, node_class: str, *images: str) -> Any:
    item = node_object(name, node_class)
    item["status"]["images"] = [{"names": [image], "sizeBytes": {"x": 40 * MIB}.get(image, MIB)} for image in images]
    return facts_of(reduce_node(item))


def test_a_node_that_lacks_the_image_is_scored_with_the_pull() -> None:
    state = cluster(workload_object())
    state.node_changed("MODIFIED", with_images("fast-1", "fast", "base"))
    state.node_changed("MODIFIED", with_images("medium-1", "medium", "base", "x"))
    found = scored(state, pod())
    # 40 MiB at 20 MiB/s: 3.5 s on the fastest and 3.2 s where it is there, or where nothing is told of images
    assert (found["fast-1"], found["medium-1"], found["medium-2"]) == (10, 10, 10)
    state.node_changed("MODIFIED", with_images("fast-1", "fast", "base", "x"))
    assert scored(state, pod()) == scored(cluster(workload_object()), pod())


def test_what_nodes_list_is_put_together_when_it_is_asked_for_not_with_each_node(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[int] = []

    changed = ImagesByNode.changed

    def counted(self: ImagesByNode, by_node: Mapping[str, NodeImages]) -> ImagesByNode:
        made.append(len(by_node))
        return changed(self, by_node)

    monkeypatch.setattr(ImagesByNode, "changed", counted)
    state = cluster(workload_object())
    for number in range(20):
        state.node_changed("ADDED", with_images(f"more-{number}", "fast", "base"))
    for _ in range(2):
        assert len(state.snapshot().images.lacking("docker.io/library/x:latest")) == 20
    assert made == [len(NODES) + 20]


def test_a_task_that_has_started_there_has_brought_the_image() -> None:
    state = cluster(workload_object())
    state.node_changed("MODIFIED", with_images("fast-1", "fast", "base"))
    state.node_changed("MODIFIED", with_images("medium-1", "medium", "base", "x"))
    item = pod_object("there", node="fast-1", phase="Running")
    bind(state, item)
    assert scored(state, pod())["medium-2"] == 10
    item["status"]["containerStatuses"] = [{"state": {"running": {"startedAt": CREATED_TIME}}}]
    bind(state, item, "MODIFIED")
    assert scored(state, pod()) == scored(cluster(workload_object()), pod())


def test_what_is_guessed_of_a_class_holds_no_pull_and_no_company_of_others() -> None:
    """Every node but those of the class that is not predicted pulls, and one has company."""
    state = cluster(workload_object(classes=("fast", "medium"), contention_permille=1000), workload_object("net"))
    usual = scored(state, pod())
    for name, node_class in NODES.items():
        if node_class in {"fast", "medium"}:
            state.node_changed("MODIFIED", with_images(name, node_class, "base"))
    bind(state, pod_object("busy", node="medium-1", workload="net"))
    loaded = scored(state, pod())
    # 10 s more than 1.7 s and 3.7 s; slow ones as guessed, 9.7 s, and what is not known as the median, 3.7 s
    assert (usual["slow-1"], usual["bare"]) == (4, 7)
    assert (loaded["slow-1"], loaded["bare"]) == (7, 10)
    assert max(loaded["fast-1"], loaded["medium-1"]) < 7


def test_a_node_of_a_class_that_is_guessed_is_later_by_its_own_pull_and_company() -> None:
    state = cluster(workload_object(classes=("fast", "medium")))
    state.node_changed("MODIFIED", with_images("slow-1", "slow", "base"))
    found = scored(state, pod())
    assert found["slow-1"] < found["slow-2"]
    for index in range(6):
        bind(state, pod_object(f"busy-{index}", node="slow-2"))
    assert scored(state, pod())["slow-2"] < found["slow-2"]


def test_a_pull_is_no_time_beside_speeds_that_are_none() -> None:
    """With nothing predicted classes are in order of speed, which is no number of seconds."""
    state = cluster(workload_object(classes=()))
    usual = scored(state, pod())
    state.node_changed("MODIFIED", with_images("fast-1", "fast", "base"))
    assert scored(state, pod()) == usual


def test_an_over_committed_node_that_lacks_the_image_is_later_by_the_pull() -> None:
    state = cluster(workload_object())
    for node in ("medium-1", "medium-2"):
        for index in range(2):
            bind(state, pod_object(f"{node}-{index}", node=node))
    state.node_changed("MODIFIED", with_images("medium-1", "medium", "base"))
    state.node_changed("MODIFIED", with_images("medium-2", "medium", "base", "x"))
    found = scored(state, pod())
    assert found["medium-1"] < found["medium-2"]


def test_a_full_fast_node_loses_against_a_free_slower_one() -> None:
    state = cluster(workload_object(inferences=1000))
    for index in range(6):
        bind(state, pod_object(f"busy-{index}", node="fast-1"))
    result = scored(state, pod())
    assert result["medium-1"] == 10
    assert result["fast-1"] < 10


def test_tasks_that_fit_into_the_cores_slow_nobody() -> None:
    state = cluster(workload_object())
    bind(state, pod_object("busy", node="fast-1"))
    assert scored(state, pod()) == scored(cluster(workload_object()), pod())


def test_with_contention_a_node_with_company_scores_less_than_an_empty_one_of_its_class() -> None:
    state = cluster(workload_object(contention_permille=1000), workload_object("net"))
    bind(state, pod_object("busy", node="slow-1", workload="net"))
    # beside one of two cores: 6.9 s × 1.5
    assert scored(state, pod()) == {**scored(cluster(workload_object()), pod()), "slow-1": 3}
    assert scored(state, pod(workload="net"))["slow-1"] == scored(state, pod(workload="net"))["slow-2"]


def test_contention_counts_where_cores_are_shared_as_well() -> None:
    def behind(contention_permille: int | None) -> int:
        state = cluster(workload_object(inferences=1000, contention_permille=contention_permille))
        for index in range(2):
            bind(state, pod_object(f"busy-{index}", node="fast-1"))
        return scored(state, pod())["medium-1"] - scored(state, pod())["fast-1"]

    assert behind(3000) > behind(None)


def test_neither_services_nor_pods_of_others_are_company() -> None:
    state = cluster(workload_object(contention_permille=3000), workload_object("served", mode="Deployment"))
    bind(state, pod_object("service", node="fast-1", workload="served"))
    bind(state, pod_object("other", node="slow-1", workload=None))
    assert scored(state, pod()) == scored(cluster(workload_object()), pod())


def test_a_task_that_ended_or_was_deleted_counts_no_more() -> None:
    state = cluster(workload_object(inferences=1000))
    idle = scored(state, pod())
    for index in range(6):
        bind(state, pod_object(f"busy-{index}", node="fast-1"))
    assert scored(state, pod()) != idle
    for index in range(3):
        bind(state, pod_object(f"busy-{index}", node="fast-1", phase="Succeeded"), "MODIFIED")
    for index in range(3, 6):
        bind(state, pod_object(f"busy-{index}", node="fast-1"), "DELETED")
    assert scored(state, pod()) == idle


def test_remaining_work_counts_not_what_is_done() -> None:
    state = cluster(workload_object(inferences=1000))  # 10.5 s on the fastest
    for index in range(2):
        bind(state, pod_object(f"busy-{index}", node="fast-1"))
    assert scored(state, pod(), now=NOW_SECONDS + 10.0)["fast-1"] == 10
    assert scored(state, pod(), now=NOW_SECONDS)["fast-1"] <= 10
    early = scored(state, pod(), ["fast-1", "medium-1"])
    late = scored(state, pod(), ["fast-1", "medium-1"], now=NOW_SECONDS + 10.0)
    assert late["medium-1"] < early["medium-1"]  # the fast node gains on the other


def test_a_service_is_not_expected_to_end_however_short_its_task() -> None:
    scores_beside: dict[str, int] = {}
    for mode in ("None", "Deployment"):
        state = cluster(workload_object(), workload_object("beside", inferences=1, mode=mode))
        for index in range(6):
            bind(state, pod_object(f"beside-{index}", workload="beside", node="fast-1"))
        scores_beside[mode] = scored(state, pod())["fast-1"]
    assert scores_beside["Deployment"] < scores_beside["None"]


def test_pods_of_others_count_with_what_they_reserve() -> None:
    state = cluster(workload_object())
    bind(state, pod_object("database", workload=None, cpu="8", node="fast-1"))
    assert scored(state, pod())["fast-1"] < scored(state, pod())["medium-1"]


@pytest.mark.parametrize(
    ("options", "source"),
    [({"workload": "unknown"}, "ClassSpeed"), ({"role": "inspect"}, "ClassSpeed"), ({"workload": None}, "Untouched")],
)
def test_without_a_prediction_the_speed_of_the_class_decides(options: dict[str, Any], source: str) -> None:
    state = cluster(workload_object())
    assert decide_prioritize(state.snapshot(), pod(**options), ALL, NOW_SECONDS).source == source
    expected = [0] * 6 if source == "Untouched" else [10, 6, 6, 3, 3, 6]
    assert list(scored(state, pod(**options)).values()) == expected


def test_without_prediction_and_probe_all_are_equal() -> None:
    state = cluster(is_probed=False)
    assert decide_prioritize(state.snapshot(), pod(), ALL, NOW_SECONDS).source == "Equal"
    assert set(scored(state, pod()).values()) == {0}


def test_a_class_without_prediction_is_guessed_by_its_speed() -> None:
    partial = scored(cluster(workload_object(classes=("fast", "medium"))), pod())
    assert partial["fast-1"] > partial["medium-1"] > partial["slow-1"] > 0


def test_another_cpu_limit_scales_and_the_answer_says_fallback() -> None:
    state = cluster(workload_object())
    assert decide_prioritize(state.snapshot(), pod(), ALL, NOW_SECONDS).source == "Measured"
    assert decide_prioritize(state.snapshot(), pod(cpu="500m"), ALL, NOW_SECONDS).source == "Fallback"


@pytest.mark.parametrize("role", ["profile", "probe"])
def test_measuring_pods_are_left_alone(role: str) -> None:
    state = cluster(workload_object(deadline_milliseconds=1))
    assert not decide_filter(state.snapshot(), pod(role=role), ALL, NOW_SECONDS).refused
    assert decide_prioritize(state.snapshot(), pod(role=role), ALL, NOW_SECONDS).source == "Untouched"


def test_nodes_that_cannot_meet_the_deadline_are_refused_while_one_can() -> None:
    state = cluster(workload_object(deadline_milliseconds=4000))
    answer = decide_filter(state.snapshot(), pod(), ALL, NOW_SECONDS)
    assert set(answer.refused) == {"slow-1", "slow-2"}
    assert answer.reasons == {"DeadlineUnreachable": 2}


def test_a_workload_that_asks_for_less_certainty_may_go_to_slower_nodes() -> None:
    def refused(percentile: int) -> set[str]:
        item = workload_object()
        item["spec"]["objective"] = {"deadlineMilliseconds": 7200, "percentile": percentile}
        return set(decide_filter(cluster(item).snapshot(), pod(), ALL, NOW_SECONDS).refused)

    assert (refused(50), refused(90)) == (set(), {"slow-1", "slow-2"})


def test_waiting_uses_the_deadline_up_and_at_last_all_pass_again() -> None:
    state = cluster(workload_object(deadline_milliseconds=9000))
    refused = [
        len(decide_filter(state.snapshot(), pod(), ALL[:5], NOW_SECONDS + waited).refused) for waited in (0, 5, 7, 60)
    ]
    assert refused == [0, 2, 4, 0]
    assert decide_filter(state.snapshot(), pod(), ALL[:5], NOW_SECONDS + 60).overruled == ("DeadlineUnreachable",)


def test_the_planned_node_is_refused_for_memory_and_never_for_the_deadline() -> None:
    planned = {"foretide.dev/planned-node": "slow-2"}
    late = cluster(workload_object(deadline_milliseconds=4000))
    assert set(decide_filter(late.snapshot(), pod(annotations=planned), ALL, NOW_SECONDS).refused) == {"slow-1"}
    late.node_changed("MODIFIED", facts_of(reduce_node(node_object("slow-2", "slow", memory="256Mi"))))
    refused = decide_filter(late.snapshot(), pod(annotations=planned), ALL, NOW_SECONDS).refused
    assert set(refused) == {"slow-1", "slow-2"}
    assert refused["slow-2"].startswith("NodeMemoryTooSmall")


MEDIUM = {"matchLabels": {"tier": "medium"}}


@pytest.mark.parametrize("classes", [tuple(FACTORS), ()])
def test_only_nodes_of_selected_classes_pass_predicted_or_not(classes: tuple[str, ...]) -> None:
    state = cluster(workload_object(classes=classes, selector=MEDIUM), workload_object("other"))
    answer = decide_filter(state.snapshot(), pod(), [*ALL, "strange"], NOW_SECONDS)
    assert answer.refused.keys() == {"fast-1", "slow-1", "slow-2", "bare", "strange"}
    assert answer.reasons == {"NodeClassNotSelected": 5}
    assert answer.refused["slow-1"] == (
        "NodeClassNotSelected: nodeClassSelector of AIWorkload team/resnet does not select class slow"
    )
    assert answer.refused["bare"].endswith("does not select a node of no class")
    assert not decide_filter(state.snapshot(), pod(workload="other"), ALL, NOW_SECONDS).refused


def test_a_class_that_is_not_selected_is_refused_though_no_node_is_left() -> None:
    state = cluster(workload_object(selector=MEDIUM, deadline_milliseconds=1))
    assert decide_filter(state.snapshot(), pod(), ["fast-1", "bare"], NOW_SECONDS).refused.keys() == {"fast-1", "bare"}
    answer = decide_filter(state.snapshot(), pod(), ["fast-1", "medium-1"], NOW_SECONDS)
    assert answer.refused.keys() == {"fast-1"}
    assert answer.overruled == ("DeadlineUnreachable",), "only the nodes that are selected are judged by predictions"


def test_of_the_selected_nodes_the_others_checks_still_refuse_some() -> None:
    state = cluster(workload_object(selector=MEDIUM, memory_mib=900))
    state.node_changed("MODIFIED", facts_of(reduce_node(node_object("medium-1", "medium", memory="512Mi"))))
    answer = decide_filter(state.snapshot(), pod(memory=None), ALL, NOW_SECONDS)
    assert answer.reasons == {"NodeClassNotSelected": 4, "NodeMemoryTooSmall": 1}
    assert set(ALL) - answer.refused.keys() == {"medium-2"}


def test_what_is_selected_follows_the_labels_of_classes_and_the_workload() -> None:
    def passing() -> set[str]:
        return set(ALL) - decide_filter(state.snapshot(), pod(), ALL, NOW_SECONDS).refused.keys()

    def relabel(name: str, tier: str) -> None:
        state.class_changed(name, facts_of(reduce_class(class_object(name, labels={"tier": tier}))))

    state = cluster(workload_object(selector=MEDIUM))
    relabel("fast", "medium")
    assert passing() == {"fast-1", "medium-1", "medium-2"}
    relabel("medium", "other")
    assert passing() == {"fast-1"}
    state.class_changed("fast", None)
    assert passing() == set()
    have_workload(state, workload_object(selector={"matchExpressions": [{"key": "tier", "operator": "Exists"}]}))
    assert passing() == {"medium-1", "medium-2", "slow-1", "slow-2"}
    have_workload(state, workload_object())
    assert passing() == set(ALL)
    have_workload(state, workload_object(selector=MEDIUM))
    state.workload_changed(("team", "resnet"), None)
    assert passing() == set(ALL)


@pytest.mark.parametrize("role", ["profile", "probe", "inspect"])
def test_no_pod_but_those_that_run_is_bound_by_the_selector(role: str) -> None:
    state = cluster(workload_object(selector=MEDIUM))
    assert not decide_filter(state.snapshot(), pod(role=role), ALL, NOW_SECONDS).refused


def test_inferences_of_the_pod_count_and_a_bad_annotation_does_not() -> None:
    state = cluster(workload_object(deadline_milliseconds=9000))

    def refused(text: str) -> set[str]:
        asked = pod(annotations={"foretide.dev/inferences": text})
        return set(decide_filter(state.snapshot(), asked, ALL, NOW_SECONDS).refused)

    assert refused("500") == {"medium-1", "medium-2", "slow-1", "slow-2"}
    for bad in ("", "-5", "1e9", "0", "99999999999", "٣", "many", " 500"):
        assert refused(bad) == set()


def test_a_node_too_small_is_refused() -> None:
    state = cluster(workload_object(memory_mib=900))
    state.node_changed("MODIFIED", facts_of(reduce_node(node_object("fast-1", "fast", memory="512Mi"))))
    answer = decide_filter(state.snapshot(), pod(memory=None), ALL, NOW_SECONDS)
    assert set(answer.refused) == {"fast-1"}
    assert answer.reasons == {"NodeMemoryTooSmall": 1}


def test_what_is_in_use_counts_against_a_nodes_memory() -> None:
    state = cluster(workload_object(memory_mib=900), workload_object("large", memory_mib=1200))
    bind(state, pod_object("database", workload=None, memory="1500Mi", node="fast-1"))
    bind(state, pod_object("task", workload="large", memory=None, node="medium-1"))
    bind(state, pod_object("small", workload="large", memory="128Mi", node="medium-2"))
    answer = decide_filter(state.snapshot(), pod(memory=None), ALL, NOW_SECONDS)
    assert answer.reasons == {"NodeMemoryTooSmall": 2}
    assert answer.refused.keys() == {"fast-1", "medium-1"}
    assert "2048 MiB allocatable, of which 1500 MiB are in use" in answer.refused["fast-1"]
    bind(state, pod_object("database", workload=None, memory="1500Mi", node="fast-1"), "DELETED")
    assert decide_filter(state.snapshot(), pod(memory=None), ALL, NOW_SECONDS).refused.keys() == {"medium-1"}


def test_memory_in_use_keeps_no_task_from_where_it_is_planned() -> None:
    state = cluster(workload_object(memory_mib=900))
    bind(state, pod_object("database", workload=None, memory="1500Mi", node="fast-1"))
    planned = pod(memory=None, annotations={"foretide.dev/planned-node": "fast-1"})
    assert not decide_filter(state.snapshot(), planned, ALL, NOW_SECONDS).refused


def test_nodes_are_compared_by_the_time_that_as_many_tasks_keep_to_as_the_workload_asks() -> None:
    def best(percentile: int) -> str:
        item = workload_object()
        item["spec"]["objective"] = {"percentile": percentile}
        item["status"]["predictions"][0]["workMicrosecondsPerInference"]["upper"] *= 8  # the fastest is least sure
        found = scored(cluster(item), pod(), ["fast-1", "medium-1"])
        return max(found, key=found.__getitem__)

    assert (best(50), best(99)) == ("fast-1", "medium-1")


def test_the_planned_node_is_alone_on_top() -> None:
    result = scored(cluster(workload_object()), pod(annotations={"foretide.dev/planned-node": "slow-2"}))
    assert result["slow-2"] == 10
    assert sorted(result.values())[-2] == 9


def test_a_planned_node_that_is_no_candidate_changes_nothing() -> None:
    state = cluster(workload_object())
    assert scored(state, pod(annotations={"foretide.dev/planned-node": "gone"})) == scored(state, pod())


def test_a_snapshot_keeps_its_workloads_and_the_next_tells_of_every_node_that_changed() -> None:
    state = cluster(workload_object())
    before = state.snapshot()
    fast = before.nodes["fast-1"]
    state.workload_changed(("team", "resnet"), None)
    bind(state, pod_object("busy", node="fast-1"))
    state.node_changed("DELETED", facts_of(reduce_node(node_object("slow-1", "slow"))))
    after = state.snapshot()
    assert ("team", "resnet") in before.workloads
    assert (fast.pods, len(after.nodes["fast-1"].pods)) == ((), 1)
    assert (set(after.changed), after.after) == ({"fast-1", "slow-1"}, before.moment)
    assert "slow-1" not in after.nodes
    assert state.snapshot() is after


def test_a_node_that_changes_its_class_is_scored_as_the_new_one() -> None:
    state = cluster(workload_object())
    state.node_changed("MODIFIED", facts_of(reduce_node(node_object("slow-1", "fast"))))
    assert scored(state, pod())["slow-1"] == 10
    state.class_changed("fast", None)
    assert scored(state, pod())["slow-1"] == scored(state, pod())["bare"]


def test_a_workload_that_cannot_be_read_counts_as_unknown(caplog: pytest.LogCaptureFixture) -> None:
    broken = workload_object()
    broken["status"]["predictions"][0]["workMicrosecondsPerInference"]["median"] = "soon"
    assert facts_of(reduce_workload(broken)) is None
    assert "median" in caplog.text


names = st.lists(st.sampled_from([*ALL, "unknown-1", "unknown-2"]), unique=True, max_size=8)
bound = st.lists(
    st.builds(
        pod_object,
        st.text("abcdef", min_size=1, max_size=2),
        node=st.sampled_from(ALL),
        workload=st.sampled_from(["resnet", "unknown", None]),
        cpu=st.sampled_from(["1", "250m", "4", None]),
    ),
    max_size=12,
)
asked = st.builds(
    pod,
    workload=st.sampled_from(["resnet", "unknown", None]),
    role=st.sampled_from([None, "run", "inspect", "profile", "odd"]),
    cpu=st.sampled_from(["1", "100m", "32", None]),
    memory=st.sampled_from(["1Mi", "512Mi", None]),
    annotations=st.sampled_from([None, {"foretide.dev/planned-node": "slow-1"}]),
)


@given(names, bound, asked, st.none() | st.integers(1, 100_000), st.floats(-1e4, 1e6))
@settings(deadline=None)
def test_every_name_asked_is_answered_and_one_always_passes(
    candidates: list[str], others: list[dict[str, Any]], task: TaskPod, deadline: int | None, later: float
) -> None:
    state = cluster(workload_object(deadline_milliseconds=deadline))
    for item in others:
        bind(state, item)
    passed = decide_filter(state.snapshot(), task, candidates, NOW_SECONDS + later)
    assert set(passed.refused) <= set(candidates)
    assert not candidates or len(passed.refused) < len(candidates)
    found = scored(state, task, candidates, now=NOW_SECONDS + later)
    assert all(type(score) is int and 0 <= score <= 10 for score in found.values())


def served(**options: Any) -> dict[str, Any]:
    """A workload as a service: 10 ms an inference on the fastest class, 64 on the slowest."""
    return workload_object(mode="Deployment", **options)


def test_a_service_is_scored_by_a_request_and_not_by_what_starting_takes() -> None:
    slow_to_start = scored(cluster(served(startup_milliseconds=60_000)), pod())
    assert slow_to_start == scored(cluster(served(startup_milliseconds=0)), pod())
    assert slow_to_start["fast-1"] == 10
    assert slow_to_start["fast-1"] > slow_to_start["medium-1"] > slow_to_start["slow-1"]
    as_task = scored(cluster(workload_object(startup_milliseconds=60_000)), pod())
    assert as_task["slow-1"] == as_task["fast-1"] == 10


def test_the_number_of_inferences_says_nothing_of_a_service() -> None:
    assert scored(cluster(served(inferences=1)), pod()) == scored(cluster(served(inferences=10**6)), pod())


def test_an_image_to_pull_keeps_no_service_away() -> None:
    state = cluster(served())
    state.node_changed("MODIFIED", with_images("fast-1", "fast", "base"))
    state.node_changed("MODIFIED", with_images("medium-1", "medium", "base", "x"))
    assert scored(state, pod()) == scored(cluster(served()), pod())


def test_requests_below_a_millisecond_are_told_apart() -> None:
    item = served()
    for row in item["status"]["predictions"]:
        for name in ("lower", "median", "upper"):
            row["workMicrosecondsPerInference"][name] //= 100
    assert scored(cluster(item), pod()) == scored(cluster(served()), pod())


def test_a_service_goes_by_how_cores_are_shared_now_however_soon_others_end() -> None:
    def beside(inferences: int) -> dict[str, int]:
        state = cluster(served(), workload_object("beside", inferences=inferences))
        for index in range(6):
            bind(state, pod_object(f"beside-{index}", workload="beside", node="fast-1"))
        return scored(state, pod())

    assert beside(1) == beside(100_000)
    assert beside(1)["fast-1"] < scored(cluster(served()), pod())["fast-1"]


def test_nodes_too_slow_for_the_latency_are_refused_while_others_are_not() -> None:
    def answered(latency_milliseconds: int) -> FilterAnswer:
        state = cluster(served(latency_milliseconds=latency_milliseconds))
        return decide_filter(state.snapshot(), pod(), ALL, NOW_SECONDS)

    found = answered(40)
    assert set(found.refused) == {"slow-1", "slow-2"}
    assert found.refused["slow-1"] == (
        "LatencyUnreachable: 90 % of requests take up to 75.6 ms on slow by prediction (Measured), 40 ms are asked for"
    )
    assert not answered(100).refused
    assert answered(1).overruled == ()  # the node of no class might do
    assert set(answered(1).refused) == {node for node in ALL if node != "bare"}
