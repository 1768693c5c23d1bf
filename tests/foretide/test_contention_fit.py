"""Coefficients of contention from made-up runs: found where they are there, left out where they are not."""

from collections.abc import Iterable
from typing import Any

import msgspec
import numpy as np
import pytest

from foretide.contention import MAX_COEFFICIENT, Contention, WorkloadKind
from foretide.contention_fit import OCCASION_MILLISECONDS, learn
from foretide.observation import Observation
from tests.foretide.workloads import SIGNATURE, observation

SIGNATURES: dict[WorkloadKind, Any] = {
    "ComputeBound": msgspec.structs.replace(SIGNATURE, macs=3_000_000_000),
    "MemoryBound": msgspec.structs.replace(SIGNATURE, macs=30_000_000),
}


def runs(
    seed: int,
    *,
    memory_bound: float = 0.0,
    compute_bound: float = 0.0,
    namespaces: Iterable[str] = ("a", "b"),
    workloads: int = 4,
    occasions: int = 16,
    noise: float = 0.05,
    drift: float = 0.0,
    node_class: str = "fast",
) -> list[Observation]:
    """Runs of some workloads of each namespace, half of each kind, once an occasion; on some of these more is going on.

    One in thirty takes much longer for a reason of its own; ``drift`` is by how much whole occasions are slower.
    """
    random = np.random.default_rng(seed)
    coefficients: dict[WorkloadKind, float] = {"ComputeBound": compute_bound, "MemoryBound": memory_bound}
    rows = []
    nets = [(f"{name}/net-{number}/k", number % 2) for name in namespaces for number in range(workloads)]
    alone = {net: 0.02 * np.exp(random.normal(0.0, 1.0)) for net, _ in nets}
    for occasion in range(occasions):
        busy, slow = random.uniform(0.0, 0.75), random.normal(0.0, drift)
        for place, (net, is_second) in enumerate(nets):
            kind: WorkloadKind = "MemoryBound" if is_second else "ComputeBound"
            exposed = float(np.clip(busy + random.normal(0.0, 0.1), 0.0, 0.9))
            off = slow + random.normal(0.0, noise) + (random.random() < 1 / 30) * abs(random.normal(0.0, 0.5))
            seconds = alone[net] * (1 + coefficients[kind] * exposed) * np.exp(off)
            rows.append(
                observation(
                    workload=net,
                    node_class=node_class,
                    signature=SIGNATURES[kind],
                    inference_microseconds=max(1, round(1e6 * seconds)),
                    origin="Run",
                    observed_milliseconds=OCCASION_MILLISECONDS * (28_000_000 + occasion) + place,
                    exposure_permille=round(1000 * exposed),
                )
            )
    return rows


def learned(rows: Iterable[Observation], node_class: str = "fast") -> dict[str, Contention]:
    return {each.kind: each for each in learn(rows)[node_class]}


@pytest.mark.parametrize("seed", range(4))
def test_what_tasks_do_to_each_other_is_found_for_each_kind_and_switched_on(seed: int) -> None:
    found = learned(runs(seed, memory_bound=0.8, compute_bound=0.4))
    for kind, truth in (("MemoryBound", 800), ("ComputeBound", 400)):
        contention = found[kind]
        assert contention.reason == "BetterThanNone"
        assert contention.coefficient_permille == pytest.approx(truth, abs=150)
        assert contention.error_permille is not None
        assert contention.error_without_permille is not None
        assert contention.error_permille < 0.7 * contention.error_without_permille
        assert contention.pairs == 64


def test_where_tasks_do_nothing_to_each_other_no_coefficient_is_used_but_by_rare_chance() -> None:
    cases: list[dict[str, Any]] = [{}, {"drift": 0.1}, {"drift": 0.2}, {"occasions": 6}, {"noise": 0.2}]
    found = [each for seed in range(15) for case in cases for each in learned(runs(seed, **case)).values()]
    used = [each for each in found if each.coefficient_permille]
    assert len(found) == 150
    assert {each.reason for each in found} <= {"BetterThanNone", "NotBetter"}
    assert len(used) <= 5


def test_a_kind_that_suffers_nothing_is_left_alone_beside_one_that_does() -> None:
    found = learned(runs(1, memory_bound=1.0))
    assert found["MemoryBound"].coefficient_permille > 800
    assert (found["ComputeBound"].coefficient_permille, found["ComputeBound"].reason) == (0, "NotBetter")


def test_classes_are_learned_apart() -> None:
    found = learn([*runs(1, memory_bound=0.8), *runs(2, node_class="slow")])
    used = {name: [each.kind for each in kinds if each.coefficient_permille] for name, kinds in found.items()}
    assert used == {"fast": ["MemoryBound"], "slow": []}


@pytest.mark.parametrize("changes", [{"exposure_permille": None}, {"origin": "Profile"}])
def test_what_tells_nothing_of_company_is_no_pair(changes: dict[str, Any]) -> None:
    rows = [msgspec.structs.replace(row, **changes) for row in runs(1, memory_bound=0.8)]
    for contention in learned(rows).values():
        assert (contention.coefficient_permille, contention.pairs, contention.reason) == (0, 0, "TooFewPairs")


@pytest.mark.parametrize("case", [{"occasions": 4, "workloads": 40}, {"workloads": 2, "occasions": 8}])
def test_few_pairs_or_few_occasions_decide_nothing(case: dict[str, Any]) -> None:
    for contention in learned(runs(1, memory_bound=2.0, compute_bound=2.0, **case)).values():
        assert (contention.coefficient_permille, contention.reason) == (0, "TooFewPairs")
        assert contention.error_permille is None


@pytest.mark.parametrize("honest", [1, 2, 4])
@pytest.mark.parametrize("nets", [4, 40])
def test_nonsense_of_one_namespace_switches_nothing_on_for_others(honest: int, nets: int) -> None:
    nonsense = runs(7, memory_bound=3.0, compute_bound=3.0, namespaces=["mallory"], workloads=nets, noise=0.01)
    for seed in range(4):
        rows = runs(seed, namespaces=[f"team-{number}" for number in range(honest)])
        for contention in learned([*rows, *nonsense]).values():
            assert contention.coefficient_permille == 0, (seed, contention)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("claimed", [0.0, 3.0])
def test_nonsense_of_one_namespace_neither_takes_nor_bends_far_what_others_have(seed: int, claimed: float) -> None:
    rows = runs(seed, memory_bound=0.6, compute_bound=0.6, namespaces="abc")
    nonsense = runs(7, memory_bound=claimed, compute_bound=claimed, namespaces=["mallory"], workloads=40, noise=0.01)
    for contention in learned([*rows, *nonsense]).values():
        assert 300 <= contention.coefficient_permille <= 1200


def test_the_order_of_rows_does_not_matter_and_absurd_ones_do_no_harm() -> None:
    rows = runs(3, memory_bound=0.8, compute_bound=0.4)
    assert learned(rows) == learned(reversed(rows))
    absurd = [
        msgspec.structs.replace(rows[0], workload="x/y/z", inference_microseconds=micros, exposure_permille=exposed)
        for micros in (1, 10**15)
        for exposed in (-5, 0, 10**6)
    ]
    for contention in learned([*rows, *absurd]).values():
        assert 0 <= contention.coefficient_permille <= 1000 * MAX_COEFFICIENT


def test_nothing_is_learned_from_nothing() -> None:
    assert learn([]) == {}
