"""What is kept from round to round, and that it stays within its bound without a cliff."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from foretide.placement import expectations
from foretide.placement.expectations import Expectations
from foretide.placement.plan import Expected
from foretide.placement.task import Task, WorkloadPredictions
from tests.extender.cluster_values import prediction

CLASSES = ("fast", "slow")
ROOM = 6


@pytest.fixture(autouse=True)
def _little_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expectations, "MOST_KEPT", ROOM)


@pytest.fixture
def workload() -> WorkloadPredictions:
    return WorkloadPredictions(100, 1000, None, {name: prediction(name, median_microseconds=1000) for name in CLASSES})


def asked(
    known: Expectations, workload: WorkloadPredictions, sizes: Iterable[int]
) -> dict[tuple[int, str], Expected | None]:
    """What a round is told of tasks of these sizes."""
    known.begin_round()
    return {
        (size, name): each for size in sizes for name, each in known.on_classes(Task(inferences=size), workload).items()
    }


def reckoned_anew(
    before: dict[tuple[int, str], Expected | None], after: dict[tuple[int, str], Expected | None]
) -> list[tuple[int, str]]:
    assert after == before | after, "told otherwise than before"
    return [key for key, each in after.items() if each is not before.get(key)]


def test_what_every_round_asks_for_is_reckoned_once(workload: WorkloadPredictions) -> None:
    known = Expectations()
    first = asked(known, workload, range(3))
    assert reckoned_anew(first, asked(known, workload, (2, 0, 1))) == []
    task = Task(inferences=1)
    assert known.on_class(task, workload, "fast") is first[1, "fast"]
    assert known.on_class(task, workload, "fast") == Expected.of(workload.by_class["fast"], 1)
    assert known.on_class(task, workload, "of another") is None


@pytest.mark.parametrize("order", [1, -1])
def test_of_more_than_fit_those_alone_are_reckoned_anew_that_have_no_room(
    workload: WorkloadPredictions, order: int
) -> None:
    known = Expectations()
    sizes = range(5)
    first = asked(known, workload, sizes)
    for _ in range(3):
        again = asked(known, workload, sizes[::order])
        assert len(reckoned_anew(first, again)) == len(sizes) * len(CLASSES) - ROOM


def test_what_a_round_did_not_ask_for_makes_room(workload: WorkloadPredictions) -> None:
    known = Expectations()
    asked(known, workload, range(100, 103))
    asked(known, workload, range(3))
    first = asked(known, workload, range(3))
    assert reckoned_anew(first, asked(known, workload, range(3))) == []


def test_predictions_that_changed_are_reckoned_by_what_they_say_now(workload: WorkloadPredictions) -> None:
    known = Expectations()
    before = asked(known, workload, [1])
    changed = WorkloadPredictions(100, 1000, None, {"fast": prediction("fast", median_microseconds=5)})
    after = asked(known, changed, [1])
    assert after[1, "fast"] == Expected.of(changed.by_class["fast"], 1) != before[1, "fast"]
