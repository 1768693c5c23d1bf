"""Tasks that no gate keeps: room is kept for them, for a while, and nothing is written on them."""

from __future__ import annotations

from foretide.placement.plan import Assignment, Plan
from foretide_kube.floor import FIRST_PAUSE_SECONDS, RESERVED_SECONDS
from foretide_operator.planner.patience import Patience
from tests.planner.test_dispatcher import Planning


def plan(at: float, *pending: Assignment) -> Plan:
    return Plan((), at, pending)


def test_room_counts_from_when_it_was_there_without_a_break() -> None:
    patience = Patience()
    patience.saw(plan(1.0, Assignment("a", 1.0, "n"), Assignment("b", 4.0, "n"), Assignment("c", 1.0)))
    assert patience.since_seconds == {"a": 1.0}
    patience.saw(plan(4.0, Assignment("a", 4.0, "n"), Assignment("b", 4.0, "n")))
    assert patience.since_seconds == {"a": 1.0, "b": 4.0}
    patience.saw(plan(5.0, Assignment("a", 9.0, "n"), Assignment("b", 5.0, "n")))
    assert patience.since_seconds == {"b": 4.0}
    patience.saw(plan(9.0))
    assert patience.since_seconds == {"b": 4.0}, "who was left out stays so"
    patience.forget_all_but({"a"})
    assert (patience.since_seconds, patience.tries) == ({}, {"a": 1})


def test_each_time_that_room_was_kept_to_the_end_counts_and_no_break_takes_that_back() -> None:
    patience = Patience()
    patience.saw(plan(1.0, Assignment("a", 1.0, "n")))
    patience.saw(plan(3.0, Assignment("a", 3.0, "n")))
    assert (patience.since_seconds, patience.tries) == ({"a": 1.0}, {"a": 1})
    patience.saw(plan(16.0, Assignment("a", 20.0, "n")))
    assert (patience.since_seconds, patience.tries) == ({}, {"a": 2}), "back, and without room"
    patience.saw(plan(20.0, Assignment("a", 20.0, "n")))
    patience.saw(plan(22.0, Assignment("a", 30.0, "n")))
    patience.saw(plan(30.0, Assignment("a", 30.0, "n")))
    assert (patience.since_seconds, patience.tries) == ({"a": 30.0}, {"a": 2})


def test_no_slot_is_promised_that_a_pending_task_is_about_to_take() -> None:
    planning = Planning()
    planning.add("p", "q", gates=())
    planning.add("a", "b")
    planning.go_until_quiet()
    assert planning.opened() == []
    planning.bind("p")
    planning.cluster.delete("q")
    planning.go()
    assert len(planning.opened()) == 1
    assert not {"p", "q"} & {name for name, _ in planning.cluster.patches}


def test_a_pending_task_that_takes_no_room_for_a_while_keeps_nobody_from_it_until_after_a_pause() -> None:
    planning = Planning()
    planning.add("p", gates=())
    planning.add("a", "b")
    planning.go()
    assert len(planning.opened()) == 1
    planning.go(RESERVED_SECONDS)
    assert sorted(planning.opened()) == ["a", "b"]
    for name in ("a", "b"):
        planning.bind(name)
        planning.end(name)
    planning.go(FIRST_PAUSE_SECONDS)
    planning.add("c", "d")
    planning.go()
    assert len(planning.opened()) == 3, "its room is kept again"
    planning.go(RESERVED_SECONDS)
    assert sorted(planning.opened()) == ["a", "b", "c", "d"]
    for name in ("c", "d"):
        planning.bind(name)
        planning.end(name)
    planning.add("e", "f")
    planning.go(FIRST_PAUSE_SECONDS)
    assert len(planning.opened()) == 6, "the second pause is longer"


def test_a_queue_that_others_opened_is_served_before_those_behind_the_gate() -> None:
    planning = Planning()
    planning.add("r1", "r2", gates=())
    for name in ("r1", "r2"):
        planning.bind(name)
    planning.add(*[f"q{index}" for index in range(4)], gates=(), age_seconds=20.0)
    planning.add("a")
    planning.go()
    for index in range(4):
        planning.go(RESERVED_SECONDS + 1.0)
        assert planning.opened() == [], "whoever waits for room is not taken for stuck"
        ended = ("r1", "r2", "q0", "q1")[index]
        planning.end(ended)
        planning.go(0.1)
        planning.bind(f"q{index}")
    planning.end("q2")
    planning.go(0.1)
    assert planning.opened() == ["a"]
