import msgspec

from foretide.memory import (
    COUNTED_MARGIN,
    MAX_HELD_FACTOR,
    MEASURED_MARGIN,
    OTHER_CLASS_MARGIN,
    RUNTIME_BYTES,
    Memories,
)
from tests.foretide.workloads import SIGNATURE, observation, question


def test_a_measured_peak_gets_a_margin_and_the_highest_of_several_counts() -> None:
    memories = Memories([observation(memory_peak_bytes=peak) for peak in (100_000_000, 120_000_000)])
    estimate = memories.estimate(question())
    assert estimate.source == "Measured"
    assert abs(estimate.peak_bytes - 120_000_000 * MEASURED_MARGIN) <= 1


def test_a_peak_on_another_class_gets_a_larger_margin() -> None:
    estimate = Memories([observation(memory_peak_bytes=100_000_000)]).estimate(question(node_class="slow"))
    assert estimate.source == "OtherClass"
    assert abs(estimate.peak_bytes - 100_000_000 * OTHER_CLASS_MARGIN) <= 1


def test_without_any_peak_the_signature_is_counted() -> None:
    estimate = Memories([]).estimate(question(runtime="torch"))
    counted = COUNTED_MARGIN * (SIGNATURE.parameter_bytes + SIGNATURE.peak_activation_bytes)
    assert estimate.source == "Counted"
    assert abs(estimate.peak_bytes - RUNTIME_BYTES["torch"] - counted) <= 1


def test_what_a_runtime_holds_is_learned_upwards_from_other_workloads() -> None:
    rows = [
        observation(workload=f"team/other-{index}/1", memory_peak_bytes=peak)
        for index, peak in enumerate((200_000_000, 250_000_000, 260_000_000))
    ]
    learned = Memories(rows).estimate(question()).peak_bytes
    assert learned > Memories([]).estimate(question()).peak_bytes
    assert learned >= 260_000_000


def test_a_false_peak_of_one_workload_moves_others_only_so_far() -> None:
    honest = Memories([]).estimate(question()).peak_bytes
    bent = Memories([observation(workload="mallory/other/1", memory_peak_bytes=2**50)]).estimate(question()).peak_bytes
    assert bent - honest <= (MAX_HELD_FACTOR - 1) * RUNTIME_BYTES["onnx"]


def test_more_parameters_never_need_less() -> None:
    small, large = (
        question(signature=msgspec.structs.replace(SIGNATURE, parameter_bytes=size)) for size in (10**6, 9 * 10**8)
    )
    memories = Memories([])
    assert memories.estimate(large).peak_bytes > memories.estimate(small).peak_bytes
