"""What ended tasks say of the measurement that predicts them, each once: drift, another runtime, another driver."""

from __future__ import annotations

import string
from dataclasses import replace
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretide.contention import kind_of
from foretide.prediction import Interval, PodPrediction
from foretide.results import Environment
from foretide_operator.jobs import run_job
from foretide_operator.pairing.ended import Ended, read_ended
from foretide_operator.pairing.ledger import MAX_PACKED_BYTES, Ledger, Sums, load
from foretide_operator.pairing.watch import MAX_VERSION, Told, Watch, after, tell
from tests.operator.cluster_objects import (
    NOW_MILLISECONDS,
    SETTINGS,
    SIGNATURE,
    ago,
    as_stored,
    pod_of,
    run_result,
    workload,
)
from tests.operator.test_workload_reconcile import stored_profile

WORKLOAD = workload(run={"mode": "Job"})
MEASURED = ago(3600)
KNOWN = Environment(threads=1, runtime="onnxruntime 1.20 CPUExecutionProvider", driver="550.1")
BOUND = NOW_MILLISECONDS - 56_500


def predicted(**fields: Any) -> PodPrediction:
    """That a task of a hundred inferences takes two seconds."""
    return PodPrediction(
        **{
            "node": "f1",
            "node_class": "fast",
            "inferences": 100,
            "work_milliseconds": Interval(lower=1_800, median=2_000, upper=2_200),
            "startup_milliseconds": 6_000,
            "memory_bytes": 1,
            "source": "Measured",
            "model_version": "",
            "bound_milliseconds": BOUND,
            **fields,
        }
    )


def ended(milliseconds: int) -> Ended:
    pod = pod_of(as_stored(run_job(WORKLOAD, SETTINGS)), message=run_result(work_milliseconds=milliseconds))
    return read_ended(pod, WORKLOAD, "fast", SIGNATURE)


def said(
    milliseconds: int = 2_000,
    *,
    prediction: PodPrediction | None = predicted(),  # noqa: B008 - it never changes
    measured: str = MEASURED,
    environment: Environment = KNOWN,
    node: str = "f1",
    exposure_permille: int | None = 0,
    is_of_image_in_use: bool = True,
    coefficients: Any = None,
    **row: Any,
) -> Told | None:
    """What a task of a hundred inferences that took so long says of the profile of f1."""
    found = ended(milliseconds).row
    assert found is not None
    profile = stored_profile(WORKLOAD, "fast", measured=measured)
    measurement = msgspec.structs.replace(profile.spec.measurement, environment=KNOWN)
    spec = msgspec.structs.replace(profile.spec, measurement=measurement)
    return tell(
        msgspec.structs.replace(found, exposure_permille=exposure_permille, **row),
        environment,
        prediction,
        profile=msgspec.structs.replace(profile, spec=spec),
        coefficients=coefficients or {},
        node=node,
        is_of_image_in_use=is_of_image_in_use,
    )


def watched(*milliseconds: int, **fields: Any) -> Watch:
    watch = None
    for each in milliseconds:
        told = said(each, **fields)
        assert told is not None
        watch = after(watch, told)
    assert watch is not None
    return watch


@pytest.mark.parametrize(
    ("tasks", "is_alarmed"),
    [
        ([2_000] * 50, False),
        ([2_100] * 50, False),  # off by what predictions do not follow
        ([1_900, 2_100] * 25, False),
        ([2_000] * 20 + [9_000] + [2_000] * 20, False),
        ([3_000] * 2, False),
        ([3_000] * 3, True),
        ([1_300] * 3, True),
        ([2_000] * 20 + [2_400] * 8, True),
        ([3_000] * 3 + [2_000] * 50, True),  # what was told stays told
    ],
)
def test_times_that_depart_from_what_is_predicted_for_good_are_told_of(tasks: list[int], *, is_alarmed: bool) -> None:
    assert watched(*tasks).is_alarmed is is_alarmed


def test_it_is_known_whether_tasks_take_longer_or_less_long() -> None:
    assert watched(3_000, 3_000, 3_000).is_slower
    assert not watched(1_300, 1_300, 1_300).is_slower


def test_what_company_did_to_a_task_is_no_drift() -> None:
    coefficients = {("fast", kind_of(SIGNATURE)): 1000}
    assert not watched(*[3_000] * 9, exposure_permille=500, coefficients=coefficients).is_alarmed
    assert watched(*[3_000] * 9, exposure_permille=500).is_alarmed
    assert watched(*[3_000] * 9, exposure_permille=None) == Watch(measured_time=MEASURED)


def test_a_task_is_held_against_what_it_was_predicted_to_take_whatever_its_size() -> None:
    twice = predicted(inferences=200, work_milliseconds=Interval(lower=3_600, median=4_000, upper=4_400))
    assert not watched(*[2_000] * 9, prediction=twice).is_alarmed


@pytest.mark.parametrize("task", [{"measured": ago(20)}, {"cpu_millis": 500}])
def test_a_task_that_ended_before_a_measurement_or_had_other_limits_says_nothing_of_it(task: dict[str, Any]) -> None:
    assert said(**task) is None


@pytest.mark.parametrize(
    "task",
    [
        {"prediction": None},
        {"prediction": predicted(source="Learned")},
        {"measured": ago(60)},  # it was bound before what was measured then had been published
    ],
)
def test_a_task_that_was_not_predicted_by_a_measurement_does_not_depart_from_it(task: dict[str, Any]) -> None:
    watch = watched(*[9_000] * 9, **task)
    assert (watch.count, watch.is_alarmed) == (0, False)


def test_the_next_measurement_is_watched_anew() -> None:
    watch = watched(3_000, 3_000, 3_000)
    told = said(2_000, measured=ago(600))
    assert told is not None
    assert after(watch, told) == Watch(measured_time=ago(600), count=1)


@pytest.mark.parametrize(
    ("task", "runtime", "driver"),
    [
        ({}, "", ""),
        ({"environment": msgspec.structs.replace(KNOWN, runtime="onnxruntime 1.21 X")}, "onnxruntime 1.21", ""),
        ({"environment": msgspec.structs.replace(KNOWN, runtime="onnxruntime 1.20 CUDAExecutionProvider")}, "", ""),
        ({"environment": msgspec.structs.replace(KNOWN, driver="560.2")}, "", "560.2"),
        ({"environment": msgspec.structs.replace(KNOWN, driver="560.2"), "node": "f2"}, "", ""),
        ({"environment": msgspec.structs.replace(KNOWN, driver=None)}, "", ""),
        (
            {"environment": msgspec.structs.replace(KNOWN, runtime="x " + "y" * 200)},
            ("x " + "y" * 200)[:MAX_VERSION],
            "",
        ),
    ],
)
def test_what_a_task_ran_on_is_kept_where_it_is_not_what_was_measured_on(
    task: dict[str, Any], runtime: str, driver: str
) -> None:
    watch = watched(2_000, **task)
    assert (watch.runtime, watch.driver) == (runtime, driver)


def test_a_task_of_another_image_says_nothing_of_the_runtime() -> None:
    other = msgspec.structs.replace(KNOWN, runtime="onnxruntime 1.21 X")
    assert watched(2_000, environment=other, is_of_image_in_use=False).runtime == ""


def test_a_runtime_that_is_put_back_is_forgotten() -> None:
    told = [said(environment=msgspec.structs.replace(KNOWN, runtime=r)) for r in ("onnxruntime 1.21", KNOWN.runtime)]
    watch = None
    for each in told:
        assert each is not None
        watch = after(watch, each)
    assert watch is not None
    assert watch.runtime == ""


def task(milliseconds: int) -> Ended:
    return replace(ended(milliseconds), told=said(milliseconds))


TASKS = [task(2_000 + 100 * number) for number in range(6)]


@given(st.lists(st.tuples(st.sets(st.integers(0, 5)), st.booleans()), max_size=8))
def test_each_task_is_held_against_its_measurement_once_whatever_is_cut_off(
    looks: list[tuple[set[int], bool]],
) -> None:
    ledger, annotated, counted = Ledger(), set[str](), set[str]()
    for numbers, is_cut_off in looks:
        seen = [TASKS[n] for n in sorted(numbers) if TASKS[n].uid not in annotated]
        ledger = ledger.plus(seen, annotated=annotated, alive={WORKLOAD.metadata.uid})
        counted |= {each.uid for each in seen}
        if is_cut_off:
            ledger = load(ledger.to_config_map("ns", None))
        else:
            annotated |= {each.uid for each in seen}
    watch = ledger.watch_of(WORKLOAD.metadata.uid, "fast")
    assert (0 if watch is None else watch.count) == len(counted)


def test_a_ledger_that_was_stored_without_watches_is_read() -> None:
    uid = WORKLOAD.metadata.uid
    old = {"sums": {f"{uid}/fast": {"count": 2, "timed": 2, "work_milliseconds": 5}}, "counted": []}
    assert msgspec.json.decode(msgspec.json.encode(old), type=Ledger).watch_of(uid, "fast") is None


def test_a_ledger_fits_its_config_map_whatever_tasks_say() -> None:
    random = Random(0)

    def said_at(number: int) -> Sums:
        text = "".join(random.choices(string.printable, k=MAX_VERSION))
        return Sums(count=number, watch=Watch(measured_time=MEASURED, runtime=text, driver=text[::-1]))

    ledger = Ledger(sums={f"{number}/fast": said_at(number) for number in range(20_000)})
    stored = ledger.to_config_map("ns", None)
    assert sum(map(len, stored["binaryData"].values())) <= 4 * MAX_PACKED_BYTES // 3 + 4
    kept = load(stored).sums
    assert list(kept)[-1] == "19999/fast"
    assert 1_000 < len(kept) < 20_000
