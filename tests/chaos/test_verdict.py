"""Each check passes what is right and tells of what is wrong."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from foretide.prediction import Interval, PodPrediction
from foretide_kube.client import Object
from foretide_kube.names import (
    ANNOTATION_KEY,
    ANNOTATION_PAIRED,
    ANNOTATION_PREDICTION,
    GATE_PLAN,
    LABEL_JOB_NODE_CLASS,
    LABEL_MANAGED_BY,
    LABEL_NODE_CLASS,
    LABEL_ROLE,
    MANAGED_BY,
)
from foretide_operator.jobs import run_job
from foretide_operator.pairing.ledger import Ledger, Sums
from tests.chaos import verdict
from tests.chaos.verdict import INDEX, TASK_LABEL, Facts, judge
from tests.chaos.witness import Witness
from tests.e2e.workloads import onnx_workload
from tests.operator.cluster_objects import NOW_MILLISECONDS, SETTINGS, as_stored, pod_of, run_result
from tests.operator.cluster_objects import workload as stored_workload

NOW = "2026-01-01T00:00:30Z"


def conditions(*types: str) -> list[Object]:
    return [
        {
            "type": kind,
            "status": "True",
            "reason": "Fine",
            "message": "",
            "observedGeneration": 1,
            "lastTransitionTime": NOW,
        }
        for kind in types
    ]


def workload() -> Object:
    item = onnx_workload("w", b"model")
    item["spec"] |= {"batchSize": 1, "precision": "fp32", "run": {"mode": "Job", "completions": 2}}
    item["spec"]["input"]["dataType"] = "float32"
    item["metadata"] |= {"namespace": "chaos", "uid": "W", "generation": 1, "creationTimestamp": "2026-01-01T00:00:00Z"}
    kinds = ("Inspected", "Profiled", "Predicted", "Admissible", "RunComplete", "Ready")
    item["status"] = {"conditions": conditions(*kinds)}
    return item


def job(uid: str = "J", **status: Any) -> Object:
    ended = {"type": "Complete", "status": "True", "lastTransitionTime": NOW}
    owner = {"kind": "AIWorkload", "name": "w", "uid": "W", "controller": True}
    return {
        "kind": "Job",
        "metadata": {
            "name": f"job-{uid}",
            "namespace": "chaos",
            "uid": uid,
            "labels": {LABEL_MANAGED_BY: MANAGED_BY, LABEL_ROLE: "run"},
            "annotations": {ANNOTATION_KEY: uid},
            "ownerReferences": [owner],
        },
        "spec": {"completions": 2, "completionMode": "Indexed"},
        "status": {"succeeded": 2, "conditions": [ended]} | status,
    }


def pod(uid: str, index: int, *, of: str = "J", phase: str = "Succeeded", **annotations: str) -> Object:
    owner = {"kind": "Job", "name": f"job-{of}", "uid": of, "controller": True}
    return {
        "kind": "Pod",
        "metadata": {
            "name": f"pod-{uid}",
            "namespace": "chaos",
            "uid": uid,
            "labels": {TASK_LABEL: "w", LABEL_ROLE: "run"},
            "annotations": {INDEX: str(index), ANNOTATION_PAIRED: NOW, **annotations},
            "ownerReferences": [owner],
            "creationTimestamp": "2026-01-01T00:00:10Z",
        },
        "spec": {"nodeName": "n"},
        "status": {"phase": phase},
    }


def sound() -> Facts:
    pods, jobs = (pod("a", 0), pod("b", 1)), (job(),)
    owner: Object = {"metadata": {"name": "w", "namespace": "chaos", "uid": "W"}, "kind": "AIWorkload"}
    planner: Object = {"metadata": {"name": "foretide-operator-x", "uid": "P"}, "kind": "Pod", "spec": {}}
    ready = [{"type": "Ready", "status": "True"}]
    node: Object = {"metadata": {"name": "n", "labels": {LABEL_NODE_CLASS: "c"}}, "status": {"conditions": ready}}
    node_class: Object = {
        "kind": "NodeClass",
        "metadata": {"name": "c", "generation": 1},
        "status": {"nodes": {"ready": 1}, "conditions": conditions("NodesSelected", "Probed", "Unambiguous", "Ready")},
    }
    model: Object = {
        "kind": "CompletionTimeModel",
        "metadata": {"name": "default", "generation": 1},
        "status": {"conditions": conditions("Trained", "ArtefactValid", "Ready")},
    }
    return Facts(
        pods=pods,
        jobs=jobs,
        gone=frozenset(),
        let_go=frozenset(),
        forgotten=frozenset(),
        rivals=(),
        workloads=(workload(),),
        node_classes=(node_class,),
        model=model,
        nodes=(node,),
        present=(owner, planner, *jobs, *pods),
        leases=({"metadata": {"name": "foretide-planner"}, "spec": {"holderIdentity": "foretide-operator-x-P"}},),
        ledger=Ledger(),
        metric_tasks=2,
        metric_bounds=(2, 2),
        unsteady=(),
    )


def wrong(facts: Facts) -> dict[str, list[str]]:
    """What is wrong, but for checks that found nothing."""
    return {name: lines for name, lines in judge(facts).items() if lines}


def only(facts: Facts, check: str) -> str:
    """The one thing that is wrong."""
    found = wrong(facts)
    assert found.keys() == {check}, found
    (line,) = found[check]
    return line


def test_nothing_is_wrong_where_all_is_right() -> None:
    assert wrong(sound()) == {}
    assert verdict.tasks_done(sound()) == 2


def test_a_job_that_has_not_ended_has_lost_what_it_has_not_done() -> None:
    facts = replace(sound(), pods=(pod("a", 0),), jobs=(job(succeeded=1, conditions=[]),))
    assert only(facts, "lost") == "a task of Job job-J, of 2: it has not ended"


def test_a_job_that_failed_has_lost_tasks_and_says_why() -> None:
    failed = {"type": "Failed", "status": "True", "message": "too often", "lastTransitionTime": NOW}
    facts = replace(sound(), pods=(pod("a", 0),), jobs=(job(succeeded=1, conditions=[failed]),))
    assert only(facts, "lost") == "a task of Job job-J, of 2: too often"


def test_a_job_that_is_gone_is_missed_but_not_one_that_was_deleted() -> None:
    facts = replace(sound(), gone=frozenset({"J"}))
    assert "nobody deleted it" in only(facts, "lost")
    assert wrong(replace(facts, forgotten=frozenset({"J"}))) == {}
    assert wrong(replace(facts, forgotten=frozenset({"W"}))) == {}


def test_a_complete_job_without_a_pod_that_did_an_index_has_lost_it() -> None:
    assert "task 1 of Job job-J" in only(replace(sound(), pods=(pod("a", 0),)), "lost")


def test_an_index_that_succeeded_twice_is_told_of_a_deleted_pod_too() -> None:
    facts = replace(sound(), pods=(*sound().pods, pod("c", 1)), gone=frozenset({"c"}))
    assert only(facts, "duplicated_indexes") == "task 1 of Job job-J was done 2 times"


def test_a_task_that_ended_well_after_its_job_had_given_it_up_is_told_apart() -> None:
    facts = replace(sound(), pods=(*sound().pods, pod("c", 1)), gone=frozenset({"c"}), let_go=frozenset({"c"}))
    assert wrong(facts) == {}
    assert verdict.done_though_given_up(facts) == 1
    twice = replace(facts, pods=(*facts.pods, pod("d", 1)))
    assert only(twice, "duplicated_indexes") == "task 1 of Job job-J was done 2 times"
    assert verdict.done_though_given_up(twice) == 0


def test_a_pod_is_given_up_that_loses_its_finalizer_before_it_ends() -> None:
    witness = Witness()
    for uid, first, last in (("given-up", "Running", "Succeeded"), ("counted", "Succeeded", "Succeeded")):
        tracked = pod(uid, 0, phase="Running")
        tracked["metadata"]["finalizers"] = ["batch.kubernetes.io/job-tracking"]
        for seen in (tracked, pod(uid, 0, phase=first), pod(uid, 0, phase=last)):
            witness.hear_of_pod("MODIFIED", seen)
    assert witness.let_go == {"given-up"}


def test_a_pod_that_has_ended_without_mark_is_unpaired_while_it_is_there() -> None:
    unmarked = pod("b", 1)
    del unmarked["metadata"]["annotations"][ANNOTATION_PAIRED]
    facts = replace(sound(), pods=(pod("a", 0), unmarked))
    assert "pod-b has ended and is not paired" in only(facts, "unpaired")
    assert wrong(replace(facts, gone=frozenset({"b"}))) == {}


@pytest.mark.parametrize("count", [1, 3])
def test_sums_that_say_another_number_than_the_pods_are_told(count: int) -> None:
    facts = replace(sound(), ledger=Ledger(sums={"W/c": Sums(count=count)}))
    assert only(facts, "unpaired") == f"AIWorkload w: 0 of its tasks are paired, the sums count {count}"


def measured(item: Object) -> Object:
    """The Pod with a prediction for its node, and the result of its task."""
    job_ = as_stored(run_job(stored_workload(run={"mode": "Job"}), SETTINGS))
    ended = pod_of(job_, message=run_result(), node_name=item["spec"]["nodeName"])
    predicted = PodPrediction(
        node=item["spec"]["nodeName"],
        node_class="c",
        inferences=100,
        work_milliseconds=Interval(lower=1_800, median=2_200, upper=2_600),
        startup_milliseconds=6_000,
        memory_bytes=1,
        source="Measured",
        model_version="",
        bound_milliseconds=NOW_MILLISECONDS - 56_500,
    )
    item["metadata"]["annotations"][ANNOTATION_PREDICTION] = msgspec.json.encode(predicted).decode()
    return {**item, "spec": ended["spec"], "status": ended["status"]}


@pytest.mark.parametrize(("is_marked", "least"), [(True, 1), (False, 0)])
def test_a_task_with_prediction_and_result_is_in_the_sums_once_if_it_is_marked_and_at_most_once_if_not(
    least: int, *, is_marked: bool
) -> None:
    task = measured(pod("a", 0))
    if not is_marked:
        del task["metadata"]["annotations"][ANNOTATION_PAIRED]
    facts = replace(sound(), pods=(task, pod("b", 1)), gone=frozenset({"a"}))
    for count in (0, 1, 2):
        told = wrong(replace(facts, ledger=Ledger(sums={"W/c": Sums(count=count)} if count else {})))
        if least <= count <= 1:
            assert told == {}
        else:
            assert told["unpaired"] == [f"AIWorkload w: {least} of its tasks are paired, the sums count {count}"]


@pytest.mark.parametrize("tasks", [1, 3])
def test_metrics_that_say_another_number_are_told(tasks: int) -> None:
    assert f"the metrics count {tasks} tasks" in only(replace(sound(), metric_tasks=tasks), "unpaired")


def without_owner(facts: Facts) -> Iterable[Object]:
    return (item for item in facts.present if item["metadata"]["uid"] != "W")


def test_what_has_lost_its_owner_is_an_orphan() -> None:
    facts = sound()
    assert only(replace(facts, present=tuple(without_owner(facts))), "orphans").endswith("job-J: its owner is gone")


def test_a_job_of_ours_that_nobody_owns_is_an_orphan() -> None:
    stray = job("S")
    del stray["metadata"]["ownerReferences"]
    facts = replace(sound(), present=(*sound().present, stray))
    assert only(facts, "orphans").endswith("job-S: ours, and nobody's")


def test_a_pod_behind_our_gate_is_told() -> None:
    gated = pod("g", 0, phase="Pending")
    gated["spec"] = {"schedulingGates": [{"name": GATE_PLAN}]}
    facts = replace(sound(), present=(*sound().present, gated))
    assert only(facts, "orphans").endswith("still behind our gate")


def test_a_run_that_was_made_twice_is_told() -> None:
    again = job("K")
    again["metadata"]["annotations"][ANNOTATION_KEY] = "J"
    facts = replace(sound(), jobs=(job(), again), forgotten=frozenset({"K"}))
    assert only(facts, "orphans") == "the run J of AIWorkload W was made 2 times"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"status": "False", "reason": "Bad", "message": "so"}, "Ready is False, Bad: so"),
        ({"observedGeneration": 0}, "Ready speaks of generation 0, it is 1"),
        ({"type": "Other"}, "says nothing of Ready"),
    ],
)
def test_a_condition_that_is_not_as_it_must_be_is_told(change: Object, told: str) -> None:
    item = workload()
    item["status"]["conditions"][-1] |= change
    assert told in only(replace(sound(), workloads=(item,)), "conditions")


def test_a_node_class_that_counts_other_nodes_is_told() -> None:
    facts = sound()
    facts.node_classes[0]["status"]["nodes"]["ready"] = 2
    assert only(facts, "conditions") == "NodeClass c: says 2 nodes Ready, 1 are"


def test_a_missing_model_is_told() -> None:
    assert only(replace(sound(), model=None), "conditions") == "there is no CompletionTimeModel"


def test_a_lease_that_is_held_by_who_is_gone_is_told() -> None:
    gone: Object = {"metadata": {"name": "foretide-planner"}, "spec": {"holderIdentity": "foretide-operator-old-Q"}}
    assert "which is not there" in only(replace(sound(), leases=(gone,)), "leases")
    assert only(replace(sound(), leases=()), "leases") == "there is no Lease foretide-planner"


def test_containers_that_do_not_come_to_rest_are_told() -> None:
    assert only(replace(sound(), unsteady=("planner: not at rest",)), "restarting") == "planner: not at rest"


def profile_job(uid: str, *conditions_: Object) -> Object:
    item = job(uid, conditions=list(conditions_))
    item["metadata"]["labels"] |= {LABEL_ROLE: "profile", LABEL_JOB_NODE_CLASS: "c"}
    item["metadata"]["annotations"][ANNOTATION_KEY] = "k"
    return item


def test_a_second_job_for_the_same_while_one_is_under_way_is_witnessed() -> None:
    witness = Witness()
    ended = {"type": "Failed", "status": "True"}
    witness.hear_of_job("ADDED", profile_job("first", ended))
    witness.hear_of_job("ADDED", profile_job("second"))
    assert witness.rivals == []
    witness.hear_of_job("ADDED", profile_job("third"))
    assert witness.rivals == ["job-third was made while job-second was under way"]
    witness.hear_of_job("DELETED", profile_job("second"))
    witness.hear_of_job("DELETED", profile_job("third"))
    witness.hear_of_job("ADDED", profile_job("fourth"))
    assert len(witness.rivals) == 1
