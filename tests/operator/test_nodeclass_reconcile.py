"""NodeClasses: made from labels, counted, checked against each other, probed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from foretide.results import ProbeResult
from foretide_kube.kinds import nodeclass
from foretide_kube.kinds.common import find_condition, plain
from foretide_kube.kinds.nodeclass import MAX_NAME, NodeClass
from foretide_operator.actions import Announce, Create, Delete, WriteStatus
from foretide_operator.attempts import Attempt
from foretide_operator.fleet import node_fits, read_fleet
from foretide_operator.job_keys import probing_key
from foretide_operator.jobs import probe_job, run_job
from foretide_operator.nodeclass.discovery import decide as discover
from foretide_operator.nodeclass.facts import Facts
from foretide_operator.nodeclass.probing import abandoned
from foretide_operator.nodeclass.reconcile import Decision, decide
from foretide_operator.outcome import Done, Failed, Outcome, Running
from foretide_operator.settings import Settings
from tests.operator.cluster_objects import (
    ENVIRONMENT,
    NOW,
    SETTINGS,
    ago,
    as_stored,
    ended,
    node,
    node_class,
    pod_of,
    probe_result,
    workload,
)


def facts(name: str, classes: Any, nodes: Any, **fields: Any) -> Facts:
    return Facts(**{"members": read_fleet(classes, nodes).classes[name], "settings": SETTINGS, "now": NOW, **fields})


def verdict(decision: Decision, type_: str) -> tuple[str, str]:
    found = find_condition(decision.status.conditions, type_)
    assert found is not None
    return found.status, found.reason


def probe_attempt(
    given: NodeClass,
    outcome: Outcome | None = None,
    *,
    node_name: str = "f1",
    series: str = "",
    result: ProbeResult | None = None,
    settings: Settings = SETTINGS,
) -> Attempt:
    job = ended(as_stored(probe_job(given, attempt=1, lost_nodes=(), series=series, settings=settings, owner=None)))
    result = result or probe_result()
    return Attempt(job, outcome or Done(result, pod_of(job, message=result, node_name=node_name)))


def test_each_label_value_gets_its_node_class_once() -> None:
    nodes = [node("b", "fast"), node("a", "fast"), node("c", "slow"), node("d", None)]
    found = discover(nodes, {"slow"}, ())
    (create,) = found.actions
    assert isinstance(create, Create)
    assert create.body["metadata"]["name"] == "fast"
    assert create.body["spec"]["selector"] == {"matchLabels": {"foretide.dev/node-class": "fast"}}
    assert discover(nodes, {"slow", "fast"}, ()).actions == ()


@pytest.mark.parametrize("value", ["orin.nx", "n" * MAX_NAME, "7", "a-b.c-d"])
def test_whatever_can_name_a_node_class_is_taken_from_the_label(value: str) -> None:
    (create,) = discover([node("a", value)], (), ()).actions
    assert isinstance(create, Create)
    assert create.body["metadata"]["name"] == value


@pytest.mark.parametrize("value", ["Big_Iron", "a..b", "a-.b", "orin_nx"])
def test_a_label_that_can_be_no_name_is_complained_of_once_on_the_node(value: str) -> None:
    nodes = [node("a", value)]
    first = discover(nodes, (), ())
    (complaint,) = first.actions
    assert isinstance(complaint, Announce)
    assert (complaint.reason, complaint.about["metadata"]["name"]) == ("NodeClassNameInvalid", "a")
    assert discover(nodes, (), first.unusable).actions == ()


def test_a_class_without_nodes_says_so() -> None:
    fast = node_class("fast")
    decision = decide(facts("fast", [fast], [node("s1", "slow")]))
    assert verdict(decision, "NodesSelected") == ("False", "NoNodes")
    assert verdict(decision, "Ready") == ("False", "NoNodes")
    assert decision.status.nodes is not None
    assert decision.status.nodes.summary == "0/0"


def test_two_classes_of_equal_priority_share_a_node_the_older_has_it_and_both_say_so() -> None:
    both: dict[str, Any] = {"selector": {"matchLabels": {"foretide.dev/node-class": "fast"}}}
    older, younger = node_class("older", age_seconds=900, **both), node_class("younger", age_seconds=100, **both)
    nodes = [node("f1", "fast")]
    first = decide(facts("older", [younger, older], nodes))
    second = decide(facts("younger", [younger, older], nodes))
    assert verdict(first, "Unambiguous") == verdict(second, "Unambiguous") == ("False", "SameNodesSelected")
    assert first.status.conflicting_nodes == second.status.conflicting_nodes == ("f1",)
    assert verdict(first, "NodesSelected") == ("True", "Selected")
    assert verdict(second, "NodesSelected") == ("False", "NodesLost")


def test_a_higher_priority_takes_the_node_and_nothing_is_ambiguous() -> None:
    both: dict[str, Any] = {"selector": {"matchLabels": {"foretide.dev/node-class": "fast"}}}
    low, high = node_class("low", age_seconds=900, **both), node_class("high", priority=1, **both)
    nodes = [node("f1", "fast"), node("f2", "fast")]
    fleet = read_fleet([low, high], nodes)
    assert fleet.class_of == {"f1": "high", "f2": "high"}
    assert fleet.classes["low"].lost == ("f1", "f2")
    assert verdict(decide(facts("high", [low, high], nodes)), "Unambiguous") == ("True", "NoConflict")


def test_a_class_is_probed_once_and_the_figures_are_kept() -> None:
    fast = node_class("fast")
    nodes = [node("f1", "fast")]
    first = decide(facts("fast", [fast], nodes))
    (create, status) = first.actions
    assert isinstance(create, Create)
    assert create.body["metadata"]["namespace"] == "foretide-system"
    assert isinstance(status, WriteStatus)
    attempt = probe_attempt(fast)
    probed = decide(facts("fast", [fast], nodes, attempts=(attempt,)))
    assert verdict(probed, "Probed") == ("True", "Probed")
    assert verdict(probed, "Ready") == ("True", "Ready")
    assert probed.status.probe is not None
    assert (probed.status.probe.node, probed.status.probe.gemm_flops_per_second) == ("f1", 10**10)
    known = nodeclass.parse({**nodeclass.to_object(fast), "status": plain(probed.status)})
    again = decide(facts("fast", [known], nodes, attempts=(attempt,)))
    assert again.actions == ()
    assert decide(facts("fast", [known], nodes)).actions == ()


def test_a_class_whose_nodes_were_all_replaced_is_probed_again() -> None:
    fast = node_class("fast")
    attempt = probe_attempt(fast)
    probed = decide(facts("fast", [fast], [node("f1", "fast")], attempts=(attempt,)))
    known = nodeclass.parse({**nodeclass.to_object(fast), "status": plain(probed.status)})
    others = [node("f9", "fast", cpu="8")]
    again = decide(facts("fast", [known], others, attempts=(attempt,)))
    kinds = [type(action) for action in again.actions]
    assert kinds == [Create, WriteStatus]
    assert again.status.probe == probed.status.probe, "the old figures hold until there are new ones"


def probed_class(name: str = "fast", *, node_name: str = "f1", changed: str | None = None, **result: Any) -> NodeClass:
    """A class with one node that was probed, with these figures."""
    given = node_class(name)
    attempt = probe_attempt(given, node_name=node_name, **result)
    status = decide(facts(name, [given], [node(node_name, name)], attempts=(attempt,))).status
    status = msgspec.structs.replace(status, hardware_changed_time=changed)
    return nodeclass.parse({**nodeclass.to_object(given), "status": plain(status)})


def look(given: NodeClass, nodes: list[Any], **fields: Any) -> Decision:
    return decide(facts("fast", [given], nodes, **fields))


def made(decision: Decision) -> list[str]:
    return [action.body["metadata"]["name"] for action in decision.actions if isinstance(action, Create)]


def told(decision: Decision) -> list[tuple[str, str]]:
    return [(action.reason, action.message) for action in decision.actions if isinstance(action, Announce)]


@pytest.mark.parametrize("change", [{"machineID": "other"}, {"kernelVersion": "6.13"}, {"architecture": "arm64"}])
def test_a_node_that_says_other_things_of_itself_is_probed_again_under_its_old_name(change: dict[str, str]) -> None:
    known = probed_class()
    changed = node("f1", "fast")
    changed["status"]["nodeInfo"].update(change)
    earlier = probe_attempt(known)  # what was found out of the machine before is no answer
    first = look(known, [changed], attempts=(earlier,))
    (name,) = made(first)
    assert name != earlier.job["metadata"]["name"]
    assert verdict(first, "Probed") == ("Unknown", "Started")
    again = probe_attempt(known, series=ago(35), result=probe_result(gemm_flops_per_second=10**11))
    assert again.job["metadata"]["name"] == name
    after = look(known, [changed], attempts=(earlier, again))
    assert after.status.probe is not None
    assert after.status.probe.gemm_flops_per_second == 10**11


def test_another_image_of_the_profiler_has_a_class_probed_again_and_what_is_known_holds_meanwhile() -> None:
    known = probed_class()
    settings = replace(SETTINGS, image_onnx="registry.example/foretide/profiler:2-onnx")
    first = look(known, [node("f1", "fast")], settings=settings)
    assert len(made(first)) == 1
    assert verdict(first, "Probed") == ("True", "Probed")
    assert first.status.probe == known.status.probe
    asleep = look(known, [node("f1", "fast", ready=False)], settings=settings)
    assert (made(asleep), verdict(asleep, "Probed")) == ([], ("True", "Probed"))
    again = probe_attempt(known, series=ago(35), settings=settings)
    after = look(known, [node("f1", "fast")], attempts=(again,), settings=settings)
    assert after.status.probe is not None
    assert after.status.probe.image == settings.image_onnx
    stored = nodeclass.parse({**nodeclass.to_object(known), "status": plain(after.status)})
    assert made(look(stored, [node("f1", "fast")], settings=settings)) == []


SLOWER: dict[str, Any] = {
    "gemm_flops_per_second": 5 * 10**9,
    "memory_bandwidth_bytes_per_second": 25 * 10**8,
    "model_microseconds": {"dense": 2000},
}


@pytest.mark.parametrize(
    ("result", "said"),
    [
        ({}, ""),
        ({"gemm_flops_per_second": 6 * 10**9}, ""),  # a figure alone is within noise
        (SLOWER, "2.00 times"),
        ({"environment": msgspec.structs.replace(ENVIRONMENT, cpu_model="Other")}, "cpu model is Other and was Board"),
        ({"environment": msgspec.structs.replace(ENVIRONMENT, cpu_model="")}, ""),
        ({**SLOWER, "environment": msgspec.structs.replace(ENVIRONMENT, runtime="onnxruntime 1.21")}, ""),
    ],
)
def test_hardware_has_changed_where_a_probe_differs_beyond_noise_and_that_is_told_once(
    result: dict[str, Any], said: str
) -> None:
    board = {"environment": msgspec.structs.replace(ENVIRONMENT, cpu_model="Board")}
    known = probed_class(result=probe_result(**board), changed="2026-01-01T00:00:00Z")
    nodes = [node("f1", "fast", cpu="8")]
    again = probe_attempt(known, series=ago(35), result=probe_result(**{**board, **result}))
    after = look(known, nodes, attempts=(again,))
    assert after.status.hardware_changed_time == (ago(56.5) if said else "2026-01-01T00:00:00Z")
    assert [reason for reason, _ in told(after)] == (["HardwareChanged"] if said else [])
    assert all(said in message for _, message in told(after))
    stored = nodeclass.parse({**nodeclass.to_object(known), "status": plain(after.status)})
    later = look(stored, nodes, attempts=(again,))
    assert later.status.hardware_changed_time == after.status.hardware_changed_time
    assert told(later) == []


def test_what_the_same_node_takes_with_another_image_is_no_change_of_hardware() -> None:
    settings = replace(SETTINGS, image_onnx="registry.example/foretide/profiler:2-onnx")
    known = probed_class()
    again = probe_attempt(known, series=ago(35), result=probe_result(**SLOWER), settings=settings)
    after = look(known, [node("f1", "fast")], attempts=(again,), settings=settings)
    assert after.status.probe is not None
    assert after.status.probe.gemm_flops_per_second == SLOWER["gemm_flops_per_second"]
    assert after.status.hardware_changed_time is None


def test_a_first_probe_has_nothing_to_differ_from() -> None:
    assert probed_class().status.hardware_changed_time is None


def test_a_probe_beside_tasks_tells_of_no_change_of_speed() -> None:
    run = pod_of(as_stored(run_job(workload(), SETTINGS)), phase="Running", node_name="f1")
    known = probed_class()
    again = probe_attempt(known, series=ago(35), result=probe_result(**SLOWER))
    after = look(known, [node("f1", "fast", cpu="8")], attempts=(again,), workload_pods=[run])
    assert after.status.probe is not None
    assert after.status.probe.environment.co_runners == 1
    assert after.status.hardware_changed_time is None


@pytest.mark.parametrize("reason", ["OOMKilled", "ResultInvalid", "DeadlineExceeded", "ResultImpossible"])
def test_a_failed_probe_says_why(reason: str) -> None:
    fast = node_class("fast")
    attempt = probe_attempt(fast, Failed(reason, "because", ago(60)))
    decision = decide(facts("fast", [fast], [node("f1", "fast")], attempts=(attempt,)))
    assert verdict(decision, "Probed") == ("False", reason)


def test_a_probe_waits_for_a_ready_node_and_for_its_turn() -> None:
    fast = node_class("fast")
    asleep = decide(facts("fast", [fast], [node("f1", "fast", ready=False)]))
    assert verdict(asleep, "Probed") == ("Unknown", "NoReadyNode")
    busy = decide(facts("fast", [fast], [node("f1", "fast")], measuring=1))
    assert verdict(busy, "Probed") == ("Unknown", "Waiting")
    under_way = decide(
        replace(
            facts("fast", [fast], [node("f1", "fast")]),
            attempts=(probe_attempt(fast, Running("Unschedulable", "0/3")),),
        )
    )
    assert verdict(under_way, "Probed") == ("Unknown", "Unschedulable")


@pytest.mark.parametrize(
    ("limits", "fits"),
    [
        ({"cpu": "2", "memory": "2Gi"}, True),
        ({"cpu": "2001m", "memory": "1Gi"}, False),
        ({"cpu": "1", "memory": "2049Mi"}, False),
        ({"cpu": "1", "memory": "1Gi", "nvidia.com/gpu": 1}, False),
    ],
)
def test_what_fits_on_an_empty_node(limits: Any, *, fits: bool) -> None:
    assert node_fits(node("n", None), limits) is fits


def test_a_probe_job_of_a_class_that_went_or_was_made_anew_is_removed() -> None:
    fast, slow = node_class("fast"), node_class("slow")
    jobs = [
        as_stored(probe_job(given, attempt=1, lost_nodes=(), series="", settings=SETTINGS, owner=None))
        for given in (fast, slow)
    ]
    keys = {given.metadata.name: probing_key(given, SETTINGS) for given in (fast, slow)}
    assert abandoned(jobs, keys) == ()
    (gone,) = abandoned(jobs, {"fast": keys["fast"]})
    assert isinstance(gone, Delete)
    assert gone.name == jobs[1]["metadata"]["name"]
    again = node_class("fast")
    (stale,) = abandoned(jobs, {**keys, "fast": probing_key(again, SETTINGS)})
    assert isinstance(stale, Delete)
    assert stale.name == jobs[0]["metadata"]["name"]


def test_a_probe_job_belongs_to_the_operator_that_an_uninstall_removes() -> None:
    owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "foretide-operator", "uid": "1"}
    (create,) = decide(facts("fast", [node_class("fast")], [node("f1", "fast")], owner=owner)).actions[:1]
    assert isinstance(create, Create)
    assert create.body["metadata"]["ownerReferences"] == [owner]
