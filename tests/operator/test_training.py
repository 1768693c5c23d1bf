"""The training table, the model's decisions, and the training process itself."""

from __future__ import annotations

import base64
import math
import queue
import threading
from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretide.model.artefact import ArtefactError
from foretide.observation import DeviceFeatures, Observation
from foretide_kube.kinds import aiworkload, completiontimemodel, workloadprofile
from foretide_kube.kinds.common import find_condition, plain
from foretide_kube.kinds.completiontimemodel import Artefact, CompletionTimeModelStatus, Errors, Version
from foretide_kube.kinds.workloadprofile import WorkloadProfile
from foretide_operator.actions import Action, Apply, Delete, WriteStatus
from foretide_operator.training import artefacts
from foretide_operator.training import table as tables
from foretide_operator.training.facts import Facts
from foretide_operator.training.protocol import ClassReport, TrainingReport, TrainingRequest
from foretide_operator.training.reconcile import Decision, decide
from foretide_operator.training.table import ObservationTable, load, store
from foretide_operator.training.trainer import NotTrained, Trained, Trainer
from tests.kinds import objects
from tests.operator.cluster_objects import NOW, NOW_MILLISECONDS, SIGNATURE, uid


def row(workload: str = "team/cnn/k1", node_class: str = "fast", **fields: Any) -> Observation:
    return Observation(
        **{
            "workload": workload,
            "node_class": node_class,
            "signature": SIGNATURE,
            "precision": "fp32",
            "cpu_millis": 1000,
            "inference_microseconds": 20_000,
            "startup_milliseconds": 1_500,
            "memory_peak_bytes": 120_000_000,
            "runtime": "onnx",
            "origin": "Profile",
            "observed_milliseconds": NOW_MILLISECONDS,
            **fields,
        }
    )


def rows(pairs: int) -> list[Observation]:
    return [
        row(
            f"team/w{number % 3}/k",
            f"class-{number // 3}",
            inference_microseconds=5_000 * (1 + number % 3) * (1 + number // 3),
        )
        for number in range(pairs)
    ]


def stored_after(actions: list[Action], before: list[Any]) -> list[Any]:
    """The ConfigMaps when these actions have been carried out."""
    found = {item["metadata"]["name"]: item for item in before}
    for action in actions:
        if isinstance(action, Apply):
            found[action.body["metadata"]["name"]] = action.body
        elif isinstance(action, Delete):
            del found[action.name]
    return list(found.values())


def profile(batches: list[dict[str, Any]]) -> WorkloadProfile:
    body = objects.workload_profile()
    body["spec"]["measurement"]["batches"] = batches
    return workloadprofile.parse(body)


def test_a_profile_is_a_row_for_each_batch_size_that_was_measured_well() -> None:
    spec = aiworkload.parse(objects.torchvision_workload()).spec
    times = {"samples": 16, "median": 1, "mean": 40_000, "stable": True}
    measured = profile([{"batchSize": 4, **times}, {"batchSize": 8, **times, "stable": False}])
    own, other = tables.profile_rows(measured, spec, SIGNATURE)
    assert (own.origin, own.signature, own.inference_microseconds) == ("Profile", SIGNATURE, 10_100)
    assert (other.origin, other.inference_microseconds) == ("Sweep", 40_000)
    assert (other.signature.batch_size, other.signature.macs) == (4, 4 * SIGNATURE.macs)
    assert (other.startup_milliseconds, other.memory_peak_bytes) == (None, None)
    assert (other.workload, other.node_class) == (own.workload, own.node_class)
    assert len(ObservationTable([own, other])) == 2
    assert len(load(stored_after(store(ObservationTable([own, other]), [], "ns", None), []))[0]) == 2


def test_a_profile_without_other_batch_sizes_is_one_row() -> None:
    spec = aiworkload.parse(objects.torchvision_workload()).spec
    assert [row.origin for row in tables.profile_rows(profile([]), spec, SIGNATURE)] == ["Profile"]


def test_rows_of_a_workload_share_its_signature_and_none_takes_another_ones() -> None:
    stored = stored_after(store(ObservationTable([row("team/a/k", name) for name in "xyz"]), [], "ns", None), [])
    table, errors = load(stored)
    other = msgspec.structs.replace(SIGNATURE, macs=1)
    table.extend([row("team/a/k", "w", signature=other), row("team/b/k", signature=other)])
    assert not errors
    assert len({id(each.signature) for each in table.rows if each.signature == SIGNATURE}) == 1
    assert {(each.workload, each.node_class) for each in table.rows if each.signature == other} == {
        ("team/a/k", "w"),
        ("team/b/k", "fast"),
    }


def test_a_row_is_the_same_however_often_it_is_added() -> None:
    table = ObservationTable([row()])
    assert not table.extend([row()])
    assert table.extend([row(origin="Run")])
    assert (len(table), table.revision) == (2, 2)


@given(st.lists(st.integers(0, 60), max_size=60))
def test_a_table_comes_back_from_its_config_maps_and_storing_it_again_changes_nothing(numbers: list[int]) -> None:
    table = ObservationTable(
        row(f"t/w{n % 7}/k", f"c{n % 5}", observed_milliseconds=NOW_MILLISECONDS + n) for n in numbers
    )
    stored = stored_after(store(table, [], "ns", None), [])
    again, errors = load(stored)
    assert errors == []
    assert sorted(map(repr, again.rows)) == sorted(map(repr, table.rows))
    assert store(again, stored, "ns", None) == []


def test_a_row_more_has_one_config_map_written() -> None:
    table = ObservationTable(row(f"t/w{n}/k") for n in range(2_000))
    stored = stored_after(store(table, [], "ns", None), [])
    assert len(stored) == 4
    table.extend([row("t/another/k")])
    (action,) = store(table, stored, "ns", None)
    assert isinstance(action, Apply)


def test_a_table_beyond_its_bound_is_cut_and_what_it_dropped_changes_it_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tables, "MAX_ROWS", 20)
    monkeypatch.setattr(tables, "KEPT_ROWS", 18)
    offered = [row(f"t/w{n}/k", observed_milliseconds=NOW_MILLISECONDS + n) for n in range(40)]
    table = ObservationTable(offered)
    assert (len(table), table.revision) == (18, 1)
    assert not table.extend(offered)
    assert table.revision == 1


def test_a_corrupt_shard_is_named_and_the_table_goes_on() -> None:
    (broken,) = stored_after(store(ObservationTable([row()]), [], "ns", None), [])
    broken["binaryData"] = {"rows.jsonl.gz": base64.b64encode(b"garbage").decode()}
    table, errors = load([broken])
    assert len(table) == 0
    assert "foretide-observations-0" in str(errors[0])


def trained(table_rows: int = 6, artefact: bytes | None = None) -> Trained:
    report = TrainingReport(
        observations=table_rows,
        input_rows=table_rows,
        input_classes=1,
        median_absolute_permille=120,
        coverage_permille=900,
        classes=(ClassReport(node_class="fast", observations=table_rows, error_permille=120),),
    )
    return Trained(report, artefact if artefact is not None else b"model bytes", "d1")


def facts(status: CompletionTimeModelStatus | None = None, **fields: Any) -> Facts:
    body = {
        "metadata": {"name": "default", "uid": uid(), "generation": 1},
        "spec": {},
        "status": plain(status) if status is not None else {},
    }
    return Facts(
        **{
            "model": completiontimemodel.parse(body),
            "rows": 6,
            "digest": "d1",
            "observed_milliseconds": [NOW_MILLISECONDS] * 6,
            "measured_milliseconds": None,
            "classes": 1,
            "quiet_seconds": 100.0,
            "trained_digest": "",
            "failures": 0,
            "seconds_since_failure": math.inf,
            "is_training": False,
            "outcome": None,
            "training_began": NOW,
            "defects": {},
            "config_maps": {},
            "namespace": "foretide-system",
            "owner": None,
            "now": NOW,
            **fields,
        }
    )


def verdict(decision: Decision, type_: str) -> tuple[str, str]:
    found = find_condition(decision.status.conditions, type_)
    assert found is not None
    return found.status, found.reason


def test_too_few_rows_are_waited_for() -> None:
    decision = decide(facts(rows=3))
    assert verdict(decision, "Trained") == ("Unknown", "TooFewObservations")
    assert verdict(decision, "Ready") == ("False", "TooFewObservations")
    assert not decision.train


@pytest.mark.parametrize(
    ("changes", "train", "wait_seconds"),
    [
        ({}, True, None),
        ({"is_training": True}, False, None),
        ({"quiet_seconds": 1.0}, False, 2.0),
    ],
)
def test_training_begins_when_rows_have_settled(changes: Any, *, train: bool, wait_seconds: float | None) -> None:
    decision = decide(facts(**changes))
    assert (decision.train, decision.recheck_seconds) == (train, wait_seconds)


def after_training(**fields: Any) -> CompletionTimeModelStatus:
    return decide(facts(outcome=trained(), **fields)).status


def test_a_trained_model_is_stored_before_the_status_names_it() -> None:
    decision = decide(facts(outcome=trained()))
    apply, status = decision.actions
    assert isinstance(apply, Apply)
    assert isinstance(status, WriteStatus)
    version = decision.status.versions[0]
    assert decision.status.active_version == version.version
    assert version.artefact is not None
    assert version.artefact.config_maps == (apply.body["metadata"]["name"],)
    assert version.errors.median_absolute_permille == 120
    assert verdict(decision, "Trained") == ("True", "Trained")
    assert decision.status.classes[0].node_class == "fast"


def test_the_same_rows_are_not_trained_on_again_also_after_a_restart() -> None:
    status = after_training()
    assert not decide(facts(status, trained_digest="d1")).train
    assert not decide(facts(status, trained_digest="")).train


def test_new_rows_are_trained_on_after_the_pause() -> None:
    status = after_training()
    soon = decide(facts(status, trained_digest="d1", digest="d2", rows=7))
    assert (soon.train, soon.recheck_seconds) == (False, 30.0)
    aged = replace(facts(status, trained_digest="d1", digest="d2", rows=7), now=NOW.replace(minute=1))
    assert decide(aged).train


def test_the_pause_between_trainings_begins_when_one_has_ended_however_long_it_took() -> None:
    status = after_training(training_began=NOW - timedelta(minutes=5))
    (version,) = status.versions
    assert version.trained_time == "2026-06-01T11:55:00Z", "what was observed later it has not seen"
    soon = decide(facts(status, trained_digest="d1", digest="d2", rows=7))
    assert (soon.train, soon.recheck_seconds) == (False, 30.0)


def test_a_clock_that_was_ahead_and_is_put_back_holds_no_training_up() -> None:
    later = NOW.replace(day=2)
    status = decide(facts(outcome=trained(), now=later, training_began=later)).status
    assert decide(facts(status, trained_digest="d1", digest="d2", rows=7)).train
    (version,) = status.versions
    turned_down = msgspec.structs.replace(version, version="x", state="Rejected", artefact=None)
    rejected = msgspec.structs.replace(status, versions=(version, turned_down))
    assert decide(facts(rejected, trained_digest="d1", digest="d2")).train, "no row is known to have taught it"


def test_a_failed_training_keeps_the_version_in_use_and_says_why() -> None:
    status = after_training()
    failed = NotTrained("exit status 1: MemoryError", "d2")
    on_failed: dict[str, Any] = {"digest": "d2", "trained_digest": "d2"}
    decision = decide(facts(status, outcome=failed, **on_failed, failures=1, seconds_since_failure=0.0))
    assert verdict(decision, "Trained") == ("False", "TrainingFailed")
    assert decision.status.active_version == status.active_version
    assert verdict(decision, "Ready") == ("True", "Ready")
    assert (decision.train, decision.recheck_seconds) == (False, 60.0)
    later = decide(facts(decision.status, **on_failed, failures=1, seconds_since_failure=60.0))
    assert verdict(later, "Trained") == ("False", "TrainingFailed")
    assert later.train, "it may have been the machine's fault"


@pytest.mark.parametrize("has_version", [False, True])
@pytest.mark.parametrize(
    ("failures", "pause_seconds"), [(1, 60.0), (2, 120.0), (3, 240.0), (9, 3600.0), (10**6, 3600.0)]
)
def test_the_same_rows_are_tried_again_the_more_seldom_the_oftener_they_failed(
    failures: int, pause_seconds: float, *, has_version: bool
) -> None:
    status = after_training() if has_version else None
    given = facts(status, digest="d2", trained_digest="d2", failures=failures, seconds_since_failure=1.0)
    assert decide(given).recheck_seconds == pause_seconds - 1.0
    assert decide(replace(given, seconds_since_failure=pause_seconds)).train


MEASURED = NOW_MILLISECONDS - 20_000


@pytest.mark.parametrize(
    ("changes", "is_considered"),
    [
        ({}, True),  # trained on these rows
        ({"digest": "d2"}, False),  # to be trained at once, or when it is time
        ({"digest": "d2", "quiet_seconds": 1.0}, False),
        ({"digest": "d2", "is_training": True}, False),
        ({"digest": "d2", "rows": 3}, True),  # too few for a training: only more measurements lead to one
        ({"digest": "d2", "trained_digest": "d2", "failures": 1, "seconds_since_failure": 1.0}, True),  # failed
    ],
)
def test_measurements_are_considered_when_no_training_is_to_come_for_them(changes: Any, *, is_considered: bool) -> None:
    status = after_training()
    found = decide(facts(status, measured_milliseconds=MEASURED, **changes)).status.considered_time
    assert found == ("2026-06-01T11:59:40Z" if is_considered else None)


def test_a_measurement_of_a_clock_ahead_is_considered_until_now_and_no_further() -> None:
    found = decide(facts(after_training(), measured_milliseconds=NOW_MILLISECONDS + 10**9)).status.considered_time
    assert found == "2026-06-01T12:00:00Z"


@pytest.mark.parametrize("has_version", [False, True])
def test_a_failed_training_is_followed_by_a_pause_whatever_asks_for_another(*, has_version: bool) -> None:
    old = NOW.replace(hour=1)
    status = decide(facts(outcome=trained(), now=old, training_began=old)).status if has_version else None
    new_rows: dict[str, Any] = {"digest": "d3", "trained_digest": "d2", "rows": 8}
    soon = decide(facts(status, **new_rows, seconds_since_failure=1.0))
    assert (soon.train, soon.recheck_seconds) == (False, 59.0)
    assert decide(facts(status, **new_rows, seconds_since_failure=60.0)).train


def test_an_altered_artefact_is_not_used_and_trained_again() -> None:
    status = after_training()
    defects = {status.active_version: ("ArtefactChecksumMismatch", "sha256 differs")}
    decision = decide(facts(status, trained_digest="d1", defects=defects))
    assert verdict(decision, "ArtefactValid") == ("False", "ArtefactChecksumMismatch")
    assert verdict(decision, "Ready") == ("False", "ArtefactChecksumMismatch")
    assert decision.train
    healed = decide(facts(decision.status, trained_digest="d1", defects=defects, outcome=trained()))
    assert verdict(healed, "ArtefactValid") == ("True", "ChecksumMatches")


def test_an_older_sound_version_steps_in_for_an_altered_one() -> None:
    first = after_training()
    both = decide(facts(first, outcome=trained(artefact=b"newer"), digest="d2")).status
    assert len(both.versions) == 2
    defects = {both.active_version: ("ArtefactChecksumMismatch", "sha256 differs")}
    decision = decide(facts(both, trained_digest="d2", digest="d2", defects=defects))
    assert decision.status.active_version == first.active_version
    assert verdict(decision, "ArtefactValid") == ("False", "ArtefactChecksumMismatch")
    assert decision.train is False, "the older one stands; the next rows train anew"


def test_old_versions_and_their_config_maps_go() -> None:
    status: CompletionTimeModelStatus | None = None
    maps: dict[str, Any] = {}
    for number in range(5):
        decision = decide(facts(status, outcome=trained(artefact=f"v{number}".encode()), config_maps=maps))
        maps = {
            item["metadata"]["name"]: item
            for item in stored_after([*decision.actions, *decision.removals], list(maps.values()))
        }
        status = decision.status
    assert status is not None
    assert [version.state for version in status.versions] == [*["Superseded"] * 4, "Serving"]
    kept = [version.artefact for version in status.versions if version.artefact is not None]
    assert len(kept) == 3
    assert set(maps) == {name for artefact in kept for name in artefact.config_maps}


def train_for_real(request: TrainingRequest, *, timeout_seconds: float = 100.0) -> Any:
    done = threading.Event()
    trainer = Trainer(done.set, timeout_seconds=timeout_seconds)
    trainer.start(request, "digest")
    assert trainer.is_running or done.is_set()
    assert done.wait(100)
    return trainer.take()


def test_the_training_process_gives_a_model_that_predicts_what_it_saw() -> None:
    devices = {name: DeviceFeatures(node_class=name, gemm_flops_per_second=10**10) for name in ("class-0", "class-1")}
    outcome = train_for_real(TrainingRequest(observations=tuple(rows(6)), devices=devices))
    assert isinstance(outcome, Trained), outcome
    assert outcome.report.observations == 6
    assert outcome.report.median_absolute_permille is not None
    assert [report.node_class for report in outcome.report.classes] == ["class-0", "class-1"]
    described, body = artefacts.to_config_map(outcome.artefact, outcome.report, "ns", None)
    maps = {body["metadata"]["name"]: body}
    assert artefacts.load(described, maps).save() == outcome.artefact
    maps[body["metadata"]["name"]]["binaryData"] = {"artefact": base64.b64encode(outcome.artefact[:-1]).decode()}
    with pytest.raises(ArtefactError) as altered:
        artefacts.load(described, maps)
    assert altered.value.reason == "ArtefactChecksumMismatch"
    with pytest.raises(ArtefactError) as missing:
        artefacts.load(described, {})
    assert missing.value.reason == "ArtefactMalformed"


def test_a_training_is_over_for_who_is_told_so() -> None:
    told = queue.Queue[bool]()
    trainer = Trainer(lambda: told.put(trainer.is_running))
    trainer.start(TrainingRequest(observations=(), devices={}), "digest")
    assert not told.get(timeout=100), "who looks then would not train on what came meanwhile, and nobody looks again"
    assert trainer.take() is not None


def test_a_training_that_cannot_work_is_a_message_and_not_an_exception() -> None:
    outcome = train_for_real(TrainingRequest(observations=(), devices={}))
    assert isinstance(outcome, NotTrained)
    assert "no rows" in outcome.message


def test_a_training_that_takes_too_long_is_ended() -> None:
    outcome = train_for_real(TrainingRequest(observations=tuple(rows(6)), devices={}), timeout_seconds=0.01)
    assert isinstance(outcome, NotTrained)
    assert "stopped after" in outcome.message


@given(st.binary(max_size=200) | st.just(b"{}") | st.just(b'{"observations":1,"classes":[{"node_class":"x"}]}'))
def test_a_report_that_cannot_be_read_says_nothing(stored: bytes) -> None:
    described, body = artefacts.to_config_map(b"model", TrainingReport(observations=3), "ns", None)
    body["binaryData"]["report.json"] = base64.b64encode(stored).decode()
    assert artefacts.report_of(described, {body["metadata"]["name"]: body}).classes == ()


@pytest.mark.parametrize("body", [{}, {"binaryData": None}, {"binaryData": {"report.json": 5}}, {"binaryData": {}}])
def test_a_config_map_of_any_form_gives_a_report(body: Any) -> None:
    described, made = artefacts.to_config_map(b"model", TrainingReport(observations=3), "ns", None)
    assert artefacts.report_of(described, {made["metadata"]["name"]: body}) == TrainingReport(observations=0)
    assert artefacts.report_of(described, {}) == TrainingReport(observations=0)


def test_a_report_comes_back_with_what_was_said_of_classes() -> None:
    outcome = trained()
    described, body = artefacts.to_config_map(outcome.artefact, outcome.report, "ns", None)
    assert artefacts.report_of(described, {body["metadata"]["name"]: body}).classes == outcome.report.classes


versions = st.builds(
    Version,
    version=st.sampled_from(["a", "b", "c"]),
    trained_time=st.sampled_from(["2026-06-01T11:00:00Z", "never", "0000-00-00T00:00:00Z", ""]),
    observations=st.integers(0, 1_000_000),
    errors=st.just(Errors()),
    state=st.sampled_from(["Serving", "Superseded", "Rejected", "RolledBack"]),
    proven_time=st.none() | st.just("never"),
    artefact=st.none() | st.just(Artefact(config_maps=("m",), sha256="0" * 64, bytes=1)),
)


@given(
    found=st.lists(versions, max_size=6, unique_by=lambda each: each.version),
    active=st.sampled_from(["", "a", "b", "gone"]),
    defects=st.dictionaries(st.sampled_from(["a", "b"]), st.just(("ArtefactMalformed", "damaged"))),
    is_trained=st.booleans(),
    keep=st.integers(1, 10),
)
def test_whatever_stands_in_the_status_there_is_a_decision(
    found: list[Version], active: str, defects: dict[str, tuple[str, str]], keep: int, *, is_trained: bool
) -> None:
    status = CompletionTimeModelStatus(active_version=active, versions=tuple(found))
    given_facts = facts(status, defects=defects, outcome=trained() if is_trained else None)
    spec = completiontimemodel.CompletionTimeModelSpec(keep_versions=keep)
    decision = decide(replace(given_facts, model=msgspec.structs.replace(given_facts.model, spec=spec)))
    named = {version.version: version for version in decision.status.versions}
    assert len(named) == len(decision.status.versions) <= 10
    assert sum(version.artefact is not None for version in named.values()) <= keep
    assert decision.status.active_version in {active, *named}
    if is_trained:
        (newest,) = [version for version in named.values() if version.observations == 6 and version.input_sha256]
        assert decision.status.active_version == newest.version
