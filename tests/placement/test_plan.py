"""The plan: each task where it ends first, nothing promised twice, nobody stuck."""

from __future__ import annotations

import pytest

from foretide.placement.plan import (
    NO_ELIGIBLE_NODE,
    NO_ROOM_FORESEEN,
    NOT_PREDICTED,
    TOO_LARGE,
    WAIT_BOUND_REACHED,
    Expected,
    NodeState,
    Running,
    Waiting,
)
from foretide.placement.resources import Resources
from foretide.placement.timeline import Lags
from tests.placement.listed import plan

GIB = 2**30
NO_LAGS = {name: Lags(0.0, 0.0) for name in ("fast", "slow")}
ONE = Resources(1000, GIB)
NEVER = 1e9


def node(name: str, node_class: str | None = "fast", *, cores: int = 1, **more: Resources | int) -> NodeState:
    steady = more.pop("steady_cpu_millis", 0)
    assert isinstance(steady, int)
    in_use = more.pop("in_use", Resources(pods=0))
    assert isinstance(in_use, Resources)
    return NodeState(name, node_class, Resources(1000 * cores, 8 * GIB, 110), in_use, steady)


def seconds(**by_class: float) -> dict[str, Expected]:
    return {name: Expected(each, each * 1.25) for name, each in by_class.items()}


def task(key: str, latest: float = NEVER, *, requests: Resources = ONE, cpu: int = 1000, **by_class: float) -> Waiting:
    return Waiting(key, requests, cpu, seconds(**by_class), latest)


def test_a_task_waits_for_the_fast_node_when_it_ends_sooner_that_way() -> None:
    made = plan(
        [task("a", fast=2, slow=20), task("b", fast=2, slow=20)],
        [],
        [node("f"), node("s", "slow")],
        now_seconds=100.0,
        lags=NO_LAGS,
    )
    a, b = made.assignments
    assert (a.node, a.open_seconds, a.finish_seconds, a.waits_for) == ("f", 100.0, 102.0, None)
    assert (b.node, b.open_seconds, b.finish_seconds, b.waits_for) == ("f", 102.0, 104.0, "a")
    assert made.due() == (a,)


def test_the_queue_of_the_fast_node_is_seen_and_the_slow_one_used_when_it_is_long() -> None:
    made = plan(
        [task(str(index), fast=2, slow=5) for index in range(4)],
        [],
        [node("f"), node("s", "slow")],
        now_seconds=0.0,
        lags=NO_LAGS,
    )
    assert [each.node for each in made.assignments] == ["f", "f", "s", "f"]


def test_the_slot_of_a_running_task_is_free_when_its_pod_has_ended_not_its_container() -> None:
    running = [Running("r", "f", ONE, 1000, 0.0, Expected(10.0, 10.0))]
    lags = {"fast": Lags(1.8, 0.05)}
    (made,) = plan([task("a", fast=3)], running, [node("f")], now_seconds=4.0, lags=lags).assignments
    assert made.waits_for == "r"
    assert made.open_seconds == pytest.approx(10.0 + 1.8)
    assert made.start_seconds == pytest.approx(10.0 + 1.8 + 0.05)
    assert made.finish_seconds == pytest.approx(10.0 + 1.8 + 0.05 + 3.0)


def test_a_small_task_fills_a_hole_only_if_no_promise_is_broken() -> None:
    two = Resources(2000, GIB)
    running = [Running("r", "f", ONE, 1000, 0.0, Expected(10.0, 10.0))]
    waiting = [
        task("wide", requests=two, cpu=2000, fast=5),
        task("long", fast=11),
        task("short", fast=9),
    ]
    wide, long, short = plan(waiting, running, [node("f", cores=2)], now_seconds=0.0, lags=NO_LAGS).assignments
    assert wide.open_seconds == pytest.approx(10.0)
    assert short.open_seconds == 0.0
    assert long.open_seconds == pytest.approx(15.0)


def test_equal_ends_go_to_the_node_with_less_committed_then_by_name() -> None:
    busy = node("a", cores=4, in_use=Resources(1000, 0, 1))
    made = plan(
        [task(str(index), fast=2) for index in range(3)],
        [],
        [node("c", cores=4), node("b", cores=4), busy],
        now_seconds=0.0,
        lags=NO_LAGS,
    )
    assert [each.node for each in made.assignments] == ["b", "c", "a"]


def test_tasks_that_would_share_cores_run_one_after_the_other() -> None:
    """By requests both fit at once; together both would take twice as long."""
    half = Resources(500, GIB)
    waiting = [task(key, requests=half, cpu=1000, fast=10) for key in "ab"]
    a, b = plan(waiting, [], [node("f")], now_seconds=0.0, lags=NO_LAGS).assignments
    assert (a.finish_seconds, b.open_seconds, b.finish_seconds) == (10.0, 10.0, 20.0)


def test_tasks_share_cores_where_that_ends_sooner_on_the_whole() -> None:
    """Limits of 2 on 3 cores: one after the other leaves a core idle."""
    waiting = [task(key, requests=Resources(1000, GIB), cpu=2000, fast=10) for key in "ab"]
    a, b = plan(waiting, [], [node("f", cores=3)], now_seconds=0.0, lags=NO_LAGS).assignments
    assert b.open_seconds == 0.0
    assert a.finish_seconds == pytest.approx(40 / 3)
    assert b.finish_seconds == pytest.approx(40 / 3)


def test_a_task_is_opened_by_its_bound_where_it_then_fits_best() -> None:
    running = [Running("r", "f", ONE, 1000, 0.0, Expected(10.0, 10.0))]
    nodes = [node("f"), node("s", "slow")]
    (made,) = plan([task("a", 5.0, fast=2, slow=60)], running, nodes, now_seconds=0.0, lags=NO_LAGS).assignments
    assert (made.node, made.open_seconds, made.reason) == ("s", 0.0, "")


def test_a_task_that_fits_nowhere_by_its_bound_is_opened_all_the_same() -> None:
    running = [Running("r", "f", ONE, 1000, 0.0, Expected(10.0, 10.0))]
    (made,) = plan([task("a", 5.0, fast=2)], running, [node("f")], now_seconds=0.0, lags=NO_LAGS).assignments
    assert (made.open_seconds, made.reason, made.node) == (5.0, WAIT_BOUND_REACHED, "f")
    assert made.start_seconds == pytest.approx(10.0)
    late = plan([task("a", 5.0, fast=2)], running, [node("f")], now_seconds=7.0, lags=NO_LAGS)
    assert late.due() == late.assignments


@pytest.mark.parametrize(
    ("waiting", "nodes", "reason", "opened"),
    [
        (task("a", 50.0, fast=2), [], NO_ELIGIBLE_NODE, 50.0),
        (task("a", 50.0, fast=2, requests=Resources(9000, GIB)), [node("f")], TOO_LARGE, 50.0),
        (
            task("a", 50.0, fast=2, requests=Resources(1, 1, 1, {"nvidia.com/gpu": 1})),
            [node("f")],
            TOO_LARGE,
            50.0,
        ),
        (task("a", 50.0, fast=2), [node("f", in_use=Resources(500, 0, 1))], NO_ROOM_FORESEEN, 50.0),
        (task("a", 50.0), [node("f", in_use=Resources(500, 0, 1))], NOT_PREDICTED, 0.0),
        (task("a", 50.0, requests=Resources(9000, GIB)), [node("f")], TOO_LARGE, 50.0),
    ],
)
def test_what_cannot_be_planned_says_why_and_is_opened_by_its_bound(
    waiting: Waiting, nodes: list[NodeState], reason: str, opened: float
) -> None:
    (made,) = plan([waiting], [], nodes, now_seconds=0.0, lags=NO_LAGS).assignments
    assert (made.reason, made.open_seconds, made.node) == (reason, opened, None)


def test_a_task_without_prediction_starts_now_on_the_node_with_least_committed_and_keeps_it() -> None:
    nodes = [node("f"), node("s", None)]
    first, second, third = plan(
        [task("known", fast=2), task("unknown"), task("later", fast=2)], [], nodes, now_seconds=0.0, lags=NO_LAGS
    ).assignments
    assert (first.node, second.node, second.reason) == ("f", "s", NOT_PREDICTED)
    assert (second.open_seconds, second.finish_seconds) == (0.0, None)
    assert (third.node, third.open_seconds) == ("f", 2.0)


def test_a_task_goes_only_to_nodes_of_its_group() -> None:
    waiting = Waiting("a", ONE, 1000, seconds(fast=2, slow=9), NEVER, "arm")
    nodes = [node("f"), node("f2"), node("s", "slow")]
    for names, expected in ((frozenset({"f2"}), "f2"), (frozenset({"s"}), "s"), (None, "f")):
        made = plan([waiting], [], nodes, now_seconds=0.0, groups={"arm": names}, lags=NO_LAGS)
        assert made.assignments[0].node == expected


def test_what_is_not_requested_keeps_no_task_away() -> None:
    """Memory is overcommitted by others; kube-scheduler would bind a Pod that requests none."""
    crowded = node("f", in_use=Resources(0, 9 * GIB, 1))
    made = plan([task("a", fast=2, requests=Resources(1000))], [], [crowded], now_seconds=0.0, lags=NO_LAGS)
    assert made.assignments[0].node == "f"
