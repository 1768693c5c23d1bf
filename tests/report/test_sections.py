"""What the sections say of tasks, versions and misses."""

from __future__ import annotations

import random
from typing import Any

import msgspec
import pytest

from foretide_cli.export.document import Export, Task
from foretide_cli.report.causes import Causes
from foretide_cli.report.compared import all_compared
from foretide_kube.kinds.aiworkload import AIWorkload
from tests.report.pages import rows, section, tables, words
from tests.report.sample import SOURCES, WORKLOADS, ago, explanation, export, model, profile, task, workload

RESNET = workload("vision/resnet18", 0)


def tasks(*offs: float, of: AIWorkload = RESNET, on: int = 0, **fields: Any) -> list[Task]:
    """Tasks on the class number ``on``, each so many times off."""
    found = [task(of, on, random.Random(number), off=off, **fields) for number, off in enumerate(offs)]
    return [msgspec.structs.replace(each, pod=f"t-{number}", node="n1") for number, each in enumerate(found)]


def made(ended: list[Task], **fields: Any) -> Export:
    return export(each=0, **{"workloads": (RESNET,), "tasks": tuple(ended), **fields})


def test_errors_are_told_by_class_and_over_all() -> None:
    ended = tasks(1.0, 1.0, 2.0) + tasks(1.0, on=1)
    found = dict(tables(section(made(ended), "errors")))
    by_class = next(table for caption, table in found.items() if caption.startswith("Errors by node class"))
    first, second, over_all = rows(by_class)
    assert (first[0], first[2:]) == ("edge-large", ["1", "0.0 %", "+0.0 %", "0.0 %", "100 %", "100 %"])
    assert second[0] == "gpu-server"
    assert second[2:] == ["3", "25 %", "−25 %", "0.0 %", "67 %", "67 %"]
    assert over_all[0] == "all"
    assert over_all[2] == "4"


def test_every_task_stands_in_the_table_behind_the_picture() -> None:
    found = dict(tables(section(made(tasks(1.0, 1.5)), "errors")))
    told = {row[0]: row[6] for row in rows(found["Tasks, the latest first"])}
    assert told == {"vision/t-0": "1.00 ×", "vision/t-1": "1.50 ×"}


def test_every_task_is_a_point_up_to_a_bound_that_is_told() -> None:
    def points(number: int) -> tuple[int, str]:
        found = section(made(tasks(*[1.01] * number)), "errors")
        marks = [
            each for each in found.iter("svg") if each.get("class") == "mark measured" and each.get("y") != "50.00%"
        ]
        figure = next(found.iter("figcaption"))
        return len(marks), words(figure)

    few, said = points(40)
    assert (few, said[:8]) == (40, "40 tasks")
    many, said = points(2_500)
    assert many == 1_250
    assert said.startswith("1,250 of 2,500 tasks, evenly picked")


def test_a_forged_prediction_weighs_no_more_than_twenty_times_what_its_task_took() -> None:
    (honest,) = all_compared(tasks(1.0))
    pairing = honest.task.pairing
    assert pairing is not None
    work = msgspec.structs.replace(pairing.prediction.work_milliseconds, median=10**12, upper=10**12)
    forged = msgspec.structs.replace(
        honest.task,
        pairing=msgspec.structs.replace(
            pairing, prediction=msgspec.structs.replace(pairing.prediction, work_milliseconds=work)
        ),
    )
    (found,) = all_compared([forged])
    assert found.told == pytest.approx(20 * found.took)


def test_calibration_says_whether_intervals_are_as_told() -> None:
    def verdict(*offs: float) -> str:
        return words(section(made(tasks(*offs)), "calibration"))

    assert "90 % of 40 tasks lie within their 90 % interval: as predicted." in verdict(*[1.0] * 36, *[1.5] * 4)
    assert "50 % of 40 tasks lie within their 90 % interval: intervals are too narrow." in verdict(
        *[1.0] * 20, *[1.5] * 20
    )
    assert "100 % of 40 tasks lie within their 90 % interval: intervals are too wide." in verdict(*[1.0] * 40)
    assert "100 % of 4 tasks lie within their 90 % interval: too few to judge by." in verdict(*[1.0] * 4)


def test_shares_by_source_come_with_what_so_few_tasks_can_tell() -> None:
    ((_, table),) = tables(section(made(tasks(*[0.99] * 10)), "calibration"))
    (row,) = rows(table)
    assert row[0] == "Measured Measured"
    assert row[1] == "10"
    assert row[3] == "100 % ! 79–100 %"  # all kept to the median that half should keep to


def test_regret_is_what_the_preferred_class_loses_against_the_best() -> None:
    ended = tasks(3.0, 3.0, 3.0) + tasks(1.0, 1.0, on=1)
    found = section(made(ended), "regret")
    (_, summary), (_, by_class) = tables(found)
    (row,) = rows(summary)
    assert row[0] == "vision/resnet18"
    assert row[2:5] == ["5", "gpu-server", "edge-large"]
    assert "A task loses" in words(found)
    assert [(each[1], each[4]) for each in rows(by_class)] == [("edge-large", "best"), ("gpu-server", "preferred")]


def test_there_is_no_regret_where_the_preferred_class_is_the_best() -> None:
    found = section(made(tasks(1.0) + tasks(1.0, on=1)), "regret")
    assert "Predictions prefer the best class everywhere: 1 workload with tasks on several classes." in words(found)


def test_versions_are_told_the_newest_first_with_why_they_went() -> None:
    (_, table), *_ = tables(section(export(each=1), "versions"))
    found = {row[0]: row for row in rows(table)}
    assert list(found) == ["14-3f9a61", "13-77b2e0", "12-0c77de", "11-5d20c4", "10-aa01bf"]
    assert found["14-3f9a61"][2] == "serving, proven"
    assert found["13-77b2e0"][2] == "rejected"
    assert found["13-77b2e0"][7] == (
        "WorseThanPresent: worse than 12-0c77de on 41 recent pairs of 9 workloads"
        "On 41 pairs held back: 14 % against 9.6 % of 12-0c77de, worse."
    )
    assert found["11-5d20c4"][2] == "rolled back"


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_a_clock_that_is_far_off_keeps_no_version_from_being_told(time: str) -> None:
    first, *others = model().status.versions
    versions = (msgspec.structs.replace(first, trained_time=time), *others)
    status = msgspec.structs.replace(model().status, versions=versions)
    (_, table), *_ = tables(section(export(each=1, model=msgspec.structs.replace(model(), status=status)), "versions"))
    assert first.version in {row[0] for row in rows(table)}


def test_who_was_not_believed_is_told_with_the_versions() -> None:
    found = dict(tables(section(export(each=1), "versions")))
    assert rows(found["Observations that were left out"]) == [["playground", "14 (all)", "Incoherent"]]


def test_before_the_first_training_it_is_said_what_it_waits_for() -> None:
    status = msgspec.structs.replace(model().status, versions=())
    found = section(export(each=1, model=msgspec.structs.replace(model(), status=status)), "versions")
    assert "Nothing was trained yet. The first version needs 4 observations" in words(found)


def test_the_worst_misses_come_first_one_of_each_workload_and_class() -> None:
    ended = tasks(1.0, 1.5, 4.0, 5.0) + tasks(0.25, on=1)
    found = section(made(ended), "misses")
    assert [words(each) for each in found.iter("h3")] == ["vision/t-3", "vision/t-0"]
    assert "4 tasks of 5 ended outside the interval" in words(found)


def test_without_a_miss_it_says_so() -> None:
    assert "All of 3 tasks lie within their 90 % interval." in words(section(made(tasks(1.0, 1.0, 1.0)), "misses"))


def test_tasks_that_failed_are_named_with_their_reason() -> None:
    failed = [msgspec.structs.replace(each, ending="Failed", reason="OOMKilled", pairing=None) for each in tasks(1.0)]
    assert "vision/t-0 failed: OOMKilled" in words(section(made(tasks(1.0, on=1) + failed), "misses"))


def causes(ended: list[Task], number: int = 0, **fields: Any) -> str:
    of = made(ended, **fields)
    compared = all_compared(ended)
    return " ".join(" ".join(Causes(of, compared).of(compared[number])).split())


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("Measured", "Predicted by the workload's own profile on gpu-server of 2026-09-19 14:13 UTC."),
        ("Learned", "predicted by model 14-3f9a61, whose median error there is 8.0 %."),
        ("Fallback", "A guess: neither measured on"),
    ],
)
def test_a_miss_says_what_it_was_told_by(source: str, said: str) -> None:
    of = workload("vision/resnet18", SOURCES.index(source))
    assert said in causes(tasks(3.0, of=of), profiles=(profile(RESNET),))


def test_a_miss_by_a_profile_that_was_not_stable_says_so() -> None:
    of = workload("vision/detect-320", 0)
    said = causes(tasks(3.0, of=of), workloads=(of,), profiles=(profile(of),))
    assert "The profile was not stable (CpuContended)." in said


def test_a_miss_by_a_profile_that_is_outdated_says_why() -> None:
    outdated = {
        "type": "Current",
        "status": "False",
        "reason": "DriverChanged",
        "message": "tasks on n1 run with driver 2",
        "lastTransitionTime": ago(),
    }
    found = profile(RESNET)
    status = msgspec.convert({"conditions": [outdated]}, type(found.status))
    said = causes(tasks(3.0), profiles=(msgspec.structs.replace(found, status=status),))
    assert "DriverChanged: tasks on n1 run with driver 2" in said


def test_a_miss_by_a_version_that_was_taken_back_says_so() -> None:
    of = workload("vision/resnet18", 1)
    (learned,) = tasks(3.0, of=of)
    assert learned.pairing is not None
    prediction = msgspec.structs.replace(learned.pairing.prediction, model_version="11-5d20c4")
    pairing = msgspec.structs.replace(learned.pairing, prediction=prediction)
    said = causes([msgspec.structs.replace(learned, pairing=pairing)])
    assert "Model 11-5d20c4 was rolled back since: WorseThanProven." in said


def test_a_miss_names_who_was_beside_it_on_its_node() -> None:
    slow, other = tasks(3.0, 1.0)
    assert slow.bound_milliseconds is not None
    assert slow.ended_milliseconds is not None
    half = (slow.bound_milliseconds + slow.ended_milliseconds) // 2
    beside = msgspec.structs.replace(other, bound_milliseconds=half, ended_milliseconds=slow.ended_milliseconds + 9_000)
    assert "1 other task ran beside it on n1, for 50 % of its time." in causes([slow, beside])
    elsewhere = msgspec.structs.replace(beside, node="n2")
    assert "ran beside it" not in causes([slow, elsewhere])


def test_a_miss_says_whether_its_like_miss_too() -> None:
    assert (
        "3 other tasks of this workload on gpu-server took 1.00 × what was predicted, in the median: it stands alone."
        in causes(tasks(3.0, 1.0, 1.0, 1.0))
    )
    assert "took 3.0 × what was predicted, in the median: it is not alone." in causes(tasks(3.0, 3.0, 3.0, 3.0))


def test_a_miss_that_went_elsewhere_than_planned_says_so() -> None:
    said = causes(tasks(3.0, planned_node="n2"))
    assert "It was planned on n2, and kube-scheduler bound it to n1." in said


def test_a_miss_tells_what_the_extender_keeps_of_it() -> None:
    (slow,) = tasks(3.0)
    told = msgspec.structs.replace(slow, explanation=explanation(slow, "n9"))
    said = "By the extender's figures n1 was 5.0 s later than n9: 15.4 s; 4.1 s of it for others there."
    assert said in causes([told])
    assert "--explain" not in words(section(made([told]), "misses"))
    assert "--explain" in words(section(made([slow]), "misses"))


def test_what_the_operator_counted_is_told_without_any_pod() -> None:
    found = section(export(each=0), "errors")
    ((_, table),) = tables(found)
    assert len(rows(table)) == len(WORKLOADS)
    assert rows(table)[0] == ["vision/resnet18", "400 tasks", "7.3 s", "1.02 ×"]
