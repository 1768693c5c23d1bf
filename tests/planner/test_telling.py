"""What the Event on a Pod says when its gate is opened."""

from __future__ import annotations

from typing import Any

import pytest

from foretide.placement.placing import Placing
from foretide.placement.plan import Assignment
from foretide.placement.prospects import Prospect
from foretide.placement.together import plan_together
from foretide_kube.floor import read_floor
from foretide_operator.planner.telling import Outlook, Telling, opening_message
from tests.extender.cluster_values import NOW_SECONDS
from tests.planner.planner_values import bound, gated, node, nodes, opened, pinned, resnet

UID = "uid-task-1"
PLANNED = Assignment(UID, NOW_SECONDS, "fast-1", NOW_SECONDS + 0.05, NOW_SECONDS + 1.5504)


def prospect(on: str, seconds: float, *, upper: float = 1.2, pull: float = 0.0) -> Prospect:
    return Prospect(on, on[:-2], NOW_SECONDS, NOW_SECONDS + seconds, NOW_SECONDS + seconds * upper, 90, pull, 1.0)


@pytest.mark.parametrize(
    ("pod", "assignment", "here", "elsewhere", "words"),
    [
        (
            gated(),
            PLANNED,
            prospect("fast-1", 12.3),
            prospect("medium-1", 21.7),
            "planned on fast-1: expected 12.3 s (90 %: 14.8), next best medium-1 21.7 s",
        ),
        (gated(), PLANNED, prospect("fast-1", 12.3), None, "planned on fast-1: expected 12.3 s (90 %: 14.8)"),
        (
            gated(),
            PLANNED,
            prospect("fast-1", 12.3, pull=10.0),
            prospect("medium-1", 21.7, pull=3.0),
            (
                "planned on fast-1: expected 12.3 s (90 %: 14.8), 10.0 s of it to pull its image, "
                "next best medium-1 21.7 s"
            ),
        ),
        (
            gated(gates=()),
            PLANNED,
            prospect("fast-1", 12.3),
            None,
            "not bound so far: planned on fast-1: expected 12.3 s (90 %: 14.8)",
        ),
        (
            gated(),
            Assignment(UID, NOW_SECONDS, "fast-1", 1.0, 2.0, reason="WaitBoundReached"),
            prospect("fast-1", 12.3),
            None,
            "planned on fast-1 (WaitBoundReached): expected 12.3 s (90 %: 14.8)",
        ),
        (
            gated(),
            Assignment(UID, NOW_SECONDS, "fast-1", 1.0, reason="NotPredicted"),
            None,
            None,
            "planned on fast-1 (NotPredicted): how long it takes there is not predicted",
        ),
        (
            gated(),
            Assignment(UID, NOW_SECONDS, reason="GatedByOthers"),
            None,
            None,
            "gate opened without a planned node (GatedByOthers): placed by the prediction for each node",
        ),
        (
            gated(gates=()),
            Assignment(UID, NOW_SECONDS, reason="NoRoomForeseen"),
            None,
            None,
            (
                "not bound so far: planned again without a planned node (NoRoomForeseen): "
                "placed by the prediction for each node"
            ),
        ),
    ],
)
def test_the_event_tells_node_and_times_or_why_there_are_none(
    pod: Any, assignment: Assignment, here: Prospect | None, elsewhere: Prospect | None, words: str
) -> None:
    assert opening_message(pod, assignment, Outlook(here, elsewhere), NOW_SECONDS) == words


@pytest.mark.parametrize(("elsewhere", "seconds"), [("slow-1", 0.0), ("quick-1", 2.25), (None, 0.0)])
def test_regretted_is_by_how_much_it_would_end_sooner_elsewhere(elsewhere: str | None, seconds: float) -> None:
    took = {"slow-1": 20.0, "quick-1": 10.0}
    other = None if elsewhere is None else prospect(elsewhere, took[elsewhere])
    assert Outlook(prospect("fast-1", 12.25), other).regret_seconds == pytest.approx(seconds)
    assert Outlook().regret_seconds == 0.0


def told(*pods: Any, of: str = "task-1", fleet: Any = None) -> str:
    """What is told of one of ``pods`` that are planned now on the small cluster."""
    floor = read_floor(
        pods,
        nodes() if fleet is None else fleet,
        lambda _pod: resnet(slowness=1.03),
        now_seconds=NOW_SECONDS,
    )
    seen: list[Placing] = []
    made = plan_together(
        floor.waiting, floor.running, floor.nodes, now_seconds=NOW_SECONDS, groups=floor.groups, look=seen.append
    )
    assignment = next(each for each in made.assignments if each.key == f"uid-{of}")
    node_class = None if assignment.node is None else assignment.node.rpartition("-")[0]
    outlook = Telling(floor, seen[0]).outlook(assignment, node_class, 90)
    return opening_message(floor.pods[assignment.key], assignment, outlook, NOW_SECONDS)


def test_of_a_plan_the_node_and_the_best_of_another_class_are_told() -> None:
    assert told(gated()) == "planned on fast-1: expected 1.6 s (90 %: 1.8), next best medium-1 3.3 s"


def test_the_next_best_waits_for_who_is_there_and_counts_it() -> None:
    crowd = [
        bound(f"there-{number}", node=name, ago_seconds=0.1) for number, name in enumerate(("medium-1", "medium-2") * 2)
    ]
    words = told(gated(), *crowd)
    assert words.startswith("planned on fast-1: expected 1.6 s (90 %: 1.8), next best slow-1 7.1 s")


def test_a_task_that_may_go_to_one_class_has_no_next_best() -> None:
    assert told(gated(spec=pinned("fast"))) == "planned on fast-1: expected 1.6 s (90 %: 1.8)"


def test_a_node_of_no_class_is_told_without_a_time() -> None:
    words = told(gated(), fleet={"bare": node("bare", None)})
    assert words == "planned on bare (NotPredicted): how long it takes there is not predicted"


def test_one_that_is_aimed_again_is_told_so() -> None:
    words = told(opened(ago_seconds=60.0))
    assert words.startswith("not bound so far: planned on fast-1: expected ")
