"""Faults are drawn from a seed alone, all kinds about as often."""

from __future__ import annotations

from collections import Counter
from itertools import islice

from tests.chaos.drawing import GAP_SECONDS, draw
from tests.chaos.kinds import KINDS

MANY = 200


def test_a_seed_draws_the_same_faults_again_and_another_seed_others() -> None:
    first, again, other = (list(islice(draw(KINDS, seed), MANY)) for seed in (7, 7, 8))
    assert first == again
    assert first != other


def test_every_kind_comes_at_least_five_times_in_two_hundred() -> None:
    times = Counter(fault.kind.name for fault in islice(draw(KINDS, 1), MANY))
    assert times.keys() == {kind.name for kind in KINDS}
    assert min(times.values()) >= 5


def test_a_fault_keeps_to_the_bounds_of_its_kind() -> None:
    for fault in islice(draw(KINDS, 2), MANY):
        assert fault.target in fault.kind.targets
        assert fault.kind.seconds[0] <= fault.seconds <= fault.kind.seconds[1]
        assert 0 <= fault.size <= 1
        assert GAP_SECONDS[0] <= fault.gap_seconds <= GAP_SECONDS[1]


def test_the_power_cut_of_the_node_of_all_parts_excludes_faults_of_each() -> None:
    held = {
        name: fault.holds
        for fault in islice(draw(KINDS, 3), MANY)
        if fault.target == "system" and (name := fault.kind.name).startswith("Node")
    }
    assert all(holds >= {"system", "operator", "planner", "extender", "scheduler"} for holds in held.values())
    assert held
