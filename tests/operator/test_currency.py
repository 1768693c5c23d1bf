"""Whether a measurement is current: each reason by a table, what is said of it, and that none goes round for ever."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from foretide.results import Environment
from foretide_kube.kinds import nodeclass
from foretide_kube.kinds.common import plain
from foretide_kube.kinds.nodeclass import NodeClass, NodeClassStatus, Probe
from foretide_kube.kinds.workloadprofile import Replaced, WorkloadProfile
from foretide_kube.kinds.workloadprofile import parse as parse_profile
from foretide_operator.actions import Announce, Create, Delete, WriteStatus
from foretide_operator.outcome import Failed, Running
from foretide_operator.pairing.ledger import Ledger
from foretide_operator.pairing.watch import Watch
from foretide_operator.workload.currency import current, outdated
from foretide_operator.workload.facts import Facts
from foretide_operator.workload.profiles import decide as decide_statuses
from foretide_operator.workload.reconcile import Decision, decide
from tests.operator.cluster_objects import ENVIRONMENT, SETTINGS, ago, as_stored
from tests.operator.test_choice import SURE, TRAINED, begun
from tests.operator.test_workload_reconcile import CLASSES, edited, facts, known, profile_attempt, stored_profile

MEASURED = ago(3600)
OLD = Environment(threads=1, runtime="onnxruntime 1.20 CPUExecutionProvider", driver="550.1")


def probed(*, runtime: str = "onnxruntime 1.20 CPUExecutionProvider", image: str = SETTINGS.image_onnx) -> Probe:
    return Probe(
        probed_time=ago(60),
        node="f1",
        node_fingerprint="x",
        image=image,
        startup_milliseconds=1,
        gemm_flops_per_second=1,
        memory_bandwidth_bytes_per_second=1,
        environment=msgspec.structs.replace(ENVIRONMENT, runtime=runtime),
    )


def fast(**status: Any) -> NodeClass:
    body = nodeclass.to_object(CLASSES[0])
    return nodeclass.parse({**body, "status": plain(NodeClassStatus(**status))})


def measured(given: Any, *, measured: str = MEASURED, replaced: Replaced | None = None) -> WorkloadProfile:
    profile = stored_profile(given, "fast", measured=measured)
    measurement = msgspec.structs.replace(profile.spec.measurement, environment=OLD)
    spec = msgspec.structs.replace(profile.spec, measurement=measurement, replaced=replaced)
    return msgspec.structs.replace(profile, spec=spec)


def asked(
    *,
    watch: Watch | None = None,
    node_class: NodeClass | None = None,
    replaced: Replaced | None = None,
    age_seconds: float = 3600,
    **spec: Any,
) -> Facts:
    """A workload that was measured on the class fast, an hour ago if nothing else is said."""
    given = known(**spec)
    profile = measured(given, measured=ago(age_seconds), replaced=replaced)
    watches = {} if watch is None else {"fast": msgspec.structs.replace(watch, measured_time=ago(age_seconds))}
    classes = (node_class or CLASSES[0], CLASSES[1])
    return facts(workload=given, profiles=(profile,), watches=watches, classes=classes, considered_time=TRAINED)


def reason(given: Facts) -> str:
    found = outdated(given, given.profiles[0])
    return "" if found is None else found.reason


ALARMED = Watch(measured_time="", count=4, slower_permille=9_000, is_alarmed=True)
NEW_DRIVER = Watch(measured_time="", driver="560.2")
NEW_RUNTIME = Watch(measured_time="", runtime="onnxruntime 1.21")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (asked(), ""),
        (asked(watch=Watch(measured_time="", count=100, slower_permille=7_900)), ""),
        (asked(watch=ALARMED), "Drifted"),
        (asked(watch=NEW_DRIVER), "DriverChanged"),
        (asked(watch=NEW_RUNTIME), "RuntimeChanged"),
        (asked(node_class=fast(hardware_changed_time=ago(1800))), "HardwareChanged"),
        (asked(node_class=fast(hardware_changed_time=ago(3600))), ""),
        (asked(node_class=fast(hardware_changed_time=ago(7200))), ""),
        (asked(node_class=fast(probe=probed())), ""),
        (asked(node_class=fast(probe=probed(runtime="onnxruntime 1.20 Other"))), ""),
        (asked(node_class=fast(probe=probed(runtime="onnxruntime 1.21 CPUExecutionProvider"))), "RuntimeChanged"),
        (asked(node_class=fast(probe=probed(runtime="onnxruntime 1.21", image="older"))), ""),
        (
            asked(
                node_class=fast(probe=probed(runtime="onnxruntime 1.21")),
                model={"source": "TorchVision", "name": "resnet18"},
            ),
            "",
        ),
        (asked(profiling={"maxAgeSeconds": 3601}), ""),
        (asked(profiling={"maxAgeSeconds": 3600}), "Stale"),
    ],
)
def test_a_measurement_is_out_of_date_for_one_reason_at_a_time(given: Facts, expected: str) -> None:
    assert reason(given) == expected
    verdict = current(given, given.profiles[0])
    assert (verdict.status, verdict.reason) == (("False", expected) if expected else ("True", "UpToDate"))


def test_what_tasks_said_of_an_earlier_measurement_says_nothing_of_this_one() -> None:
    given = asked(watch=ALARMED)
    assert reason(replace(given, watches={"fast": msgspec.structs.replace(ALARMED, measured_time=ago(9000))})) == ""


@pytest.mark.parametrize(
    ("given", "cause"),
    [
        ({"watch": NEW_DRIVER}, "560.2"),
        ({"watch": NEW_RUNTIME}, "onnxruntime 1.21"),
        ({"node_class": fast(hardware_changed_time=ago(1800))}, ago(1800)),
    ],
)
def test_a_measurement_that_did_not_take_its_cause_away_is_not_made_again_for_it(
    given: dict[str, Any], cause: str
) -> None:
    why = outdated(asked(**given), asked(**given).profiles[0])
    assert why is not None
    assert why.cause == cause
    answered = Replaced(name="older", reason=why.reason, cause=cause)
    assert reason(asked(**given, replaced=answered)) == ""
    assert reason(asked(**given, replaced=msgspec.structs.replace(answered, cause="another"))) == why.reason


@pytest.mark.parametrize(("age_seconds", "expected"), [(3600, ""), (86_399, ""), (86_400, "Drifted")])
def test_what_was_measured_for_drift_is_measured_for_drift_again_after_a_day(age_seconds: float, expected: str) -> None:
    given = asked(watch=ALARMED, replaced=Replaced(name="older", reason="Drifted"), age_seconds=age_seconds)
    assert reason(given) == expected
    verdict = current(given, given.profiles[0])
    assert verdict.reason == (expected or "TasksDiffer")
    assert "longer" in verdict.message


def container(*, env: Any = (), runtime: Any = None, **limits: Any) -> dict[str, Any]:
    """Spec of a workload whose container is given this."""
    template = {"env": list(env)} | ({} if runtime is None else {"runtimeClassName": runtime})
    return {
        "resources": {"limits": {"cpu": "1", "memory": "512Mi"} | limits},
        "run": {"mode": "Job", "template": template},
    }


THREADS = {"name": "OMP_WAIT_POLICY", "value": "active"}
CONTAINER = container(env=[THREADS], runtime="nvidia", **{"nvidia.com/gpu": 1})


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (CONTAINER, ""),
        (container(env=[THREADS], runtime="nvidia", cpu="1000m", memory="0.5Gi", **{"nvidia.com/gpu": "1"}), ""),
        ({**CONTAINER, "inferences": 7, "maxWaitSeconds": 60, "objective": {"deadlineMilliseconds": 9_000}}, ""),
        (container(env=[THREADS], runtime="nvidia", memory="513Mi", **{"nvidia.com/gpu": 1}), "ContainerChanged"),
        (container(env=[THREADS], runtime="nvidia", **{"nvidia.com/gpu": 2}), "ContainerChanged"),
        (container(env=[THREADS], runtime="nvidia"), "ContainerChanged"),
        (container(env=[THREADS], **{"nvidia.com/gpu": 1}), "ContainerChanged"),
        (container(runtime="nvidia", **{"nvidia.com/gpu": 1}), "ContainerChanged"),
        (
            container(env=[{**THREADS, "value": "passive"}], runtime="nvidia", **{"nvidia.com/gpu": 1}),
            "ContainerChanged",
        ),
    ],
)
def test_a_measurement_is_out_of_date_once_its_container_is_given_something_else(
    changed: dict[str, Any], expected: str
) -> None:
    given = asked(**CONTAINER)
    assert reason(replace(given, workload=edited(given.workload, **changed))) == expected


@pytest.mark.parametrize("changed", [container(memory="1Gi"), container(env=[THREADS]), container(runtime="nvidia")])
def test_what_its_container_is_given_now_is_measured_though_the_prediction_is_sure(changed: dict[str, Any]) -> None:
    given = asked()
    assert begun(decide(given, SURE)) == []
    assert begun(decide(replace(given, workload=edited(given.workload, **changed)), SURE)) == ["fast"]


def test_what_labels_or_places_tasks_outdates_no_measurement() -> None:
    template = {
        "metadata": {"labels": {"a": "b"}, "annotations": {"example.com/a": "b"}},
        "nodeSelector": {"tier": "a"},
        "tolerations": [{"operator": "Exists"}],
    }
    given = asked(run={"mode": "Job"})
    assert reason(replace(given, workload=edited(given.workload, run={"mode": "Job", "template": template}))) == ""


def test_what_an_earlier_version_measured_stays_whatever_its_container_was_given() -> None:
    given = asked(**CONTAINER)
    (profile,) = given.profiles
    earlier = msgspec.structs.replace(profile.spec.workload, container_key=None)
    spec = msgspec.structs.replace(profile.spec, workload=earlier)
    given = replace(given, profiles=(msgspec.structs.replace(profile, spec=spec),))
    assert reason(given) == reason(replace(given, workload=edited(given.workload))) == ""


def test_a_change_that_is_taken_back_is_measured_again_only_if_it_was_measured() -> None:
    first = asked(**CONTAINER)
    changed = replace(first, workload=edited(first.workload, **container()))
    assert reason(replace(changed, workload=edited(changed.workload, **CONTAINER))) == ""
    attempt = profile_attempt(changed.workload, "fast", replacing=first.profiles[0])
    create = next(each for each in decide(replace(changed, attempts=(attempt,)), SURE).actions if type(each) is Create)
    assert create.body["spec"]["replaced"]["reason"] == "ContainerChanged"
    second = replace(changed, profiles=(parse_profile(as_stored(create.body)),))
    assert reason(second) == ""
    assert reason(replace(second, workload=edited(second.workload, **CONTAINER))) == "ContainerChanged"


def row(decision: Decision) -> tuple[str, str]:
    assert decision.status.profiles is not None
    return next((each.reason, each.message) for each in decision.status.profiles.classes if each.node_class == "fast")


def test_what_drifted_is_measured_again_though_its_prediction_is_sure_and_stays_in_use_meanwhile() -> None:
    given = asked(watch=ALARMED)
    decision = decide(given, SURE)
    assert begun(decision) == ["fast"]
    reason_, message = row(decision)
    assert reason_ == "Started"
    assert message.startswith("again, for Drifted (tasks take longer")
    assert not any(isinstance(action, Delete) for action in decision.actions)
    assert decision.status.profiles is not None
    assert decision.status.profiles.measured == 1


def test_what_has_changed_is_worth_more_to_measure_than_what_has_grown_old() -> None:
    def worth(given: Facts) -> int:
        found = decide(given, SURE).status.profiles
        assert found is not None
        return next(each.worth_permille or 0 for each in found.classes if each.node_class == "fast")

    assert worth(asked(watch=ALARMED)) > 2 * worth(asked(profiling={"maxAgeSeconds": 60}))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"measuring": {"fast": 1}}, "Waiting"),
        ({"nodes": ()}, "NoReadyNode"),
    ],
)
def test_what_it_waits_for_is_said_beside_why(changes: dict[str, Any], expected: str) -> None:
    given = asked(watch=ALARMED)
    if "nodes" in changes:
        changes = {"classes": tuple(replace(members, members=()) for members in given.classes)}
    reason_, message = row(decide(replace(given, **changes), SURE))
    assert reason_ == expected
    assert "Drifted" in message


def test_its_job_is_one_whatever_reason_comes_meanwhile_and_the_new_measurement_says_what_it_replaced() -> None:
    given = asked(watch=ALARMED)
    first = next(action.body for action in decide(given, SURE).actions if isinstance(action, Create))
    hardware = replace(given, classes=asked(node_class=fast(hardware_changed_time=ago(1800))).classes)
    second = next(action.body for action in decide(hardware, SURE).actions if isinstance(action, Create))
    assert first["metadata"]["name"] == second["metadata"]["name"]
    attempt = profile_attempt(given.workload, "fast", replacing=given.profiles[0])
    assert attempt.job["metadata"]["name"] == first["metadata"]["name"]
    running = replace(attempt, outcome=Running("", "under way", is_started=True))
    assert begun(decide(replace(given, attempts=(running,)), SURE)) == []
    create, delete = decide(replace(given, attempts=(attempt,)), SURE).actions[:2]
    assert isinstance(create, Create)
    assert isinstance(delete, Delete)
    old = given.profiles[0].metadata.name
    assert create.body["spec"]["replaced"] == {"name": old, "reason": "Drifted", "cause": ""}
    assert delete.name == old != create.body["metadata"]["name"]


def test_what_another_measurement_replaced_is_removed_though_its_making_was_cut_off() -> None:
    given = asked()
    (delete, _) = decide_statuses(replace(given, superseded=(measured(given.workload),)), Ledger())
    assert isinstance(delete, Delete)


@pytest.mark.parametrize("again", [fast(), fast(hardware_changed_time=ago(7200))])
def test_a_measurement_of_other_hardware_stays_one_though_its_class_was_made_again(again: NodeClass) -> None:
    given = asked(node_class=fast(hardware_changed_time=ago(1800)))
    (write,) = decide_statuses(given, Ledger())
    assert isinstance(write, WriteStatus)
    profile = msgspec.structs.replace(
        given.profiles[0], status=msgspec.convert(write.status, type(given.profiles[0].status))
    )
    after = replace(asked(node_class=again), profiles=(profile,))
    gone = replace(after, classes=())
    assert [reason(each) for each in (after, gone)] == ["HardwareChanged", "HardwareChanged"]
    assert decide_statuses(after, Ledger()) == decide_statuses(gone, Ledger()) == ()


def test_it_is_told_once_when_tasks_depart_from_a_measurement() -> None:
    given = asked(watch=ALARMED)
    (write, told) = decide_statuses(given, Ledger())
    assert isinstance(write, WriteStatus)
    assert isinstance(told, Announce)
    assert (told.about["kind"], told.reason) == ("AIWorkload", "Drifted")
    assert "fast" in told.message
    status = msgspec.convert(write.status, type(given.profiles[0].status))
    after = replace(given, profiles=(msgspec.structs.replace(given.profiles[0], status=status),))
    assert decide_statuses(after, Ledger()) == ()


@pytest.mark.parametrize(
    "given",
    [
        asked(profiling={"maxAgeSeconds": 60}),
        asked(watch=NEW_RUNTIME),
        asked(node_class=fast(hardware_changed_time=ago(9))),
    ],
)
def test_what_concerns_more_than_a_workload_is_no_event_of_each(given: Facts) -> None:
    assert [type(action) for action in decide_statuses(given, Ledger())] == [WriteStatus]


def test_a_measurement_that_could_not_be_made_again_is_still_counted_as_the_one_in_use() -> None:
    given = asked(profiling={"maxAgeSeconds": 3600})
    failed = profile_attempt(given.workload, "fast", Failed("OOMKilled", "killed"), replacing=given.profiles[0])
    decision = decide(replace(given, attempts=(failed,)), SURE)
    assert decision.status.profiles is not None
    assert (decision.status.profiles.measured, decision.status.profiles.failed) == (1, 0)
    reason_, message = row(decision)
    assert reason_ == "OOMKilled"
    assert message.startswith("again, for Stale")


def test_what_failed_for_one_cause_makes_room_for_what_is_to_be_measured_for_another() -> None:
    given = asked(profiling={"maxAgeSeconds": 3600}, node_class=fast(hardware_changed_time=ago(1800)))
    failed = profile_attempt(given.workload, "fast", Failed("OOMKilled", "killed"), replacing=given.profiles[0])
    (delete,) = [each for each in decide(replace(given, attempts=(failed,)), SURE).actions if isinstance(each, Delete)]
    assert delete.name == failed.job["metadata"]["name"]
    assert begun(decide(given, SURE)) == ["fast"]


def test_a_job_that_was_made_under_other_limits_is_no_reason_to_measure_again() -> None:
    older = known(resources={"limits": {"cpu": "1", "memory": "2Gi"}})
    given = asked()
    left = profile_attempt(older, "fast", Running("", "under way", is_started=True), replacing=given.profiles[0])
    decision = decide(replace(given, attempts=(left,)), SURE)
    assert row(decision)[0] == "Measured"
