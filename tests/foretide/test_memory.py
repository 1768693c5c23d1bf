import math
import random

import msgspec
import pytest

from foretide.memory import (
    MAX_CLASS_BYTES,
    MEASURED_MARGIN,
    OTHER_CLASS_MARGIN,
    SLACK_BYTES,
    Memories,
)
from foretide.memory_fit import BELIEVED_FACTOR
from foretide.observation import Observation, Question
from foretide.signature import OperatorCost, Signature
from tests.foretide.workloads import SIGNATURE, observation, question

MB = 10**6


def signature(weights_mb: float, activations_mb: float) -> Signature:
    return msgspec.structs.replace(
        SIGNATURE, parameter_bytes=round(weights_mb * MB), peak_activation_bytes=round(activations_mb * MB), by_kind={}
    )


def truth(of: Signature, process_mb: float = 34.0) -> float:
    """Of a runtime that loads weights 1.7 times over, keeps them once, and activations 2.4 times."""
    weights, activations = of.parameter_bytes, of.peak_activation_bytes
    return process_mb * MB + max(1.7 * weights, 1.0 * weights + 2.4 * activations)


def fleet(
    workloads: int = 24, *, seed: int = 0, namespace: str = "team", classes: tuple[str, ...] = ("fast", "slow")
) -> list[Observation]:
    draw = random.Random(seed)
    rows = []
    for number in range(workloads):
        of = signature(10 ** draw.uniform(-0.5, 2), 10 ** draw.uniform(-1, 1.5))
        peak = truth(of) * math.exp(draw.gauss(0, 0.03))
        name = f"{namespace}/net-{number}/1"
        rows += [
            observation(workload=name, node_class=each, signature=of, memory_peak_bytes=round(peak)) for each in classes
        ]
    return rows


def asked(weights_mb: float = 20.0, activations_mb: float = 4.0, **changes: object) -> Question:
    return question(workload="asker/net/1", signature=signature(weights_mb, activations_mb), **changes)


def test_a_measured_peak_gets_a_margin_and_the_highest_of_several_counts() -> None:
    memories = Memories([observation(memory_peak_bytes=peak) for peak in (100_000_000, 120_000_000)])
    estimate = memories.estimate(question())
    assert estimate.source == "Measured"
    assert abs(estimate.peak_bytes - 120_000_000 * MEASURED_MARGIN - SLACK_BYTES) <= 1


def test_a_peak_on_another_class_gets_a_larger_margin() -> None:
    estimate = Memories([observation(memory_peak_bytes=60_000_000)]).estimate(question(node_class="slow"))
    assert estimate.source == "OtherClass"
    assert abs(estimate.peak_bytes - 60_000_000 * OTHER_CLASS_MARGIN - SLACK_BYTES) <= 1


@pytest.mark.parametrize(("weights_mb", "activations_mb"), [(1.0, 0.2), (20.0, 4.0), (80.0, 30.0), (2.0, 30.0)])
def test_what_was_measured_nowhere_is_foretold_from_what_others_held(weights_mb: float, activations_mb: float) -> None:
    subject = asked(weights_mb, activations_mb)
    estimate = Memories(fleet()).estimate(subject)
    assert estimate.source == "Counted"
    assert 1.0 < estimate.peak_bytes / truth(subject.signature) < 1.35


def test_more_measurements_leave_less_open() -> None:
    few, many = (Memories(fleet(number)).estimate(asked(80.0)).peak_bytes for number in (2, 40))
    assert few > 1.1 * many
    assert Memories([]).estimate(asked(80.0)).peak_bytes > few


def test_a_model_far_larger_than_any_measured_is_given_more_to_spare() -> None:
    rows = fleet(60)
    small = [row for row in rows if row.signature.parameter_bytes < 2 * MB]
    far, near = (Memories(known).estimate(asked(80.0)).peak_bytes for known in (small, rows))
    assert far > 1.2 * near


@pytest.mark.parametrize("runtime", ["onnx", "torch"])
@pytest.mark.parametrize("precision", ["fp32", "bf16", "int8"])
@pytest.mark.parametrize("rows", [0, 24])
def test_more_parameters_or_activations_never_need_less(runtime: str, precision: str, rows: int) -> None:
    memories = Memories(fleet(rows))
    needs = [
        [
            memories.estimate(asked(weights, activations, runtime=runtime, precision=precision)).peak_bytes
            for weights in (0.1, 1.0, 10.0, 100.0, 1000.0)
        ]
        for activations in (0.1, 1.0, 10.0, 100.0)
    ]
    assert all(row == sorted(row) for row in needs)
    assert all(list(column) == sorted(column) for column in zip(*needs, strict=True))


def test_weights_of_convolutions_need_more_than_others() -> None:
    dense = msgspec.structs.replace(
        signature(20.0, 1.0), by_kind={"denseConvolution": OperatorCost(macs=SIGNATURE.macs)}
    )
    memories = Memories([])
    assert memories.estimate(question(signature=dense)).peak_bytes > memories.estimate(asked(20.0, 1.0)).peak_bytes


def test_int8_is_counted_from_the_floats_that_were_there_first() -> None:
    """A fourth of their bytes is left, of which the quantiser held many times as much."""
    memories = Memories([])
    assert memories.estimate(asked(25.0, precision="int8")).peak_bytes > memories.estimate(asked(100.0)).peak_bytes


def test_the_order_of_rows_does_not_matter() -> None:
    rows = fleet(40)
    shuffled = random.Random(3).sample(rows, len(rows))
    assert Memories(rows).estimate(asked()) == Memories(shuffled).estimate(asked())


def test_what_all_tasks_of_a_class_hold_beside_the_model_is_the_classs_own() -> None:
    """As a GPU's driver is: it counts there, for measured and unmeasured workloads alike, and nowhere else."""
    rows = fleet(8, classes=("fast",))
    driver = 900 * MB
    on_gpu = [
        msgspec.structs.replace(row, node_class="gpu", memory_peak_bytes=(row.memory_peak_bytes or 0) + driver)
        for row in rows[:3]
    ]
    memories, without = Memories(rows + on_gpu), Memories(rows)
    fast, gpu = (memories.estimate(asked(node_class=name)).peak_bytes for name in ("fast", "gpu"))
    assert fast == pytest.approx(without.estimate(asked(node_class="fast")).peak_bytes, rel=0.1)
    assert gpu - fast == pytest.approx(driver, rel=0.1)
    known = question(workload=rows[5].workload, signature=rows[5].signature, node_class="gpu")
    assert memories.estimate(known).source == "OtherClass"
    assert memories.estimate(known).peak_bytes > (rows[5].memory_peak_bytes or 0) + 0.9 * driver
    back = question(workload="team/net-0/1", signature=rows[0].signature, node_class="slow")
    assert memories.estimate(back).peak_bytes < 0.5 * driver


@pytest.mark.parametrize("honest_namespaces", [1, 2, 4])
@pytest.mark.parametrize("classes", [("fast",), ("fast", "slow")])
@pytest.mark.parametrize("factor", [2 * BELIEVED_FACTOR, 1000.0, 0.5 / BELIEVED_FACTOR, 0.001])
def test_nonsense_of_one_namespace_changes_nothing_for_others(
    factor: float, classes: tuple[str, ...], honest_namespaces: int
) -> None:
    honest = [row for seed in range(honest_namespaces) for row in fleet(12, seed=seed, namespace=f"team-{seed}")]
    lies = [
        msgspec.structs.replace(row, memory_peak_bytes=max(round((row.memory_peak_bytes or 0) * factor), 1))
        for row in fleet(60, seed=9, namespace="mallory", classes=classes)
    ]
    for node_class in ("fast", "slow"):
        subject = asked(node_class=node_class)
        alone, beside = (Memories(rows).estimate(subject).peak_bytes for rows in (honest, honest + lies))
        assert beside == pytest.approx(alone, rel=0.01)


@pytest.mark.parametrize("claimed", [1, 2**40])
def test_nonsense_of_one_namespace_does_not_bend_what_a_class_itself_holds(claimed: int) -> None:
    honest = [
        msgspec.structs.replace(row, node_class="gpu", memory_peak_bytes=(row.memory_peak_bytes or 0) + 900 * MB)
        for seed in range(3)
        for row in fleet(12, seed=seed, namespace=f"team-{seed}", classes=("fast",))
    ]
    rows = [*fleet(12, seed=5), *honest]
    lie = observation(workload="mallory/net/1", node_class="gpu", memory_peak_bytes=claimed)
    subject = asked(node_class="gpu")
    alone, beside = (Memories(known).estimate(subject).peak_bytes for known in (rows, [*rows, lie]))
    assert alone > 900 * MB
    assert beside == pytest.approx(alone, rel=0.05)


def test_a_plausible_lie_bends_others_a_little() -> None:
    honest = [row for seed in range(4) for row in fleet(12, seed=seed, namespace=f"team-{seed}")]
    lies = [
        msgspec.structs.replace(row, memory_peak_bytes=round((row.memory_peak_bytes or 0) * 1.5))
        for row in fleet(12, seed=9, namespace="mallory")
    ]
    alone, beside = (Memories(rows).estimate(asked()).peak_bytes for rows in (honest, honest + lies))
    assert alone < beside < 1.25 * alone


def test_a_false_peak_on_a_class_that_nobody_else_knows_is_bounded() -> None:
    lie = observation(workload="mallory/other/1", node_class="new", memory_peak_bytes=2**50)
    honest, bent = (Memories([*fleet(), *lies]).estimate(asked(node_class="new")).peak_bytes for lies in ([], [lie]))
    assert bent - honest <= MAX_CLASS_BYTES
