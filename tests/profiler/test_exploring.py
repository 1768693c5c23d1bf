"""What is measured while time is left: other batch sizes, and beside a co-runner; none of it spoils what is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from foretide_profiler import co_runner, exploring
from foretide_profiler.exploring import Allowance, Findings, Own, interfere, sweep
from foretide_profiler.failures import ProfilerError
from foretide_profiler.measuring import SECOND

MILLISECOND = SECOND // 1000
OWN = Own(batch_size=2, mean_nanoseconds=20 * MILLISECOND, loaded_bytes=100, peak_bytes=140)
REFUSED = ProfilerError("InputRefused", "only batches of two", "batchSize")


class _World:
    """A clock that only inferences move, by ten milliseconds for each item of a batch."""

    def __init__(self) -> None:
        self.now = 0

    def at(self, size: int) -> Callable[[], object]:
        def infer() -> None:
            self.now += 10 * MILLISECOND * size

        return infer

    def allowance(self, seconds: float, memory_bytes: int | None = None) -> Allowance:
        return Allowance(lambda: self.now, self.now + int(seconds * SECOND), memory_bytes, is_throttled=False)


def test_each_batch_size_is_measured_for_its_part_of_the_time() -> None:
    world, findings = _World(), Findings()
    sweep(world.at, (1, 4, 8), OWN, world.allowance(30), findings)
    assert [(each.batch_size, each.mean, each.median) for each in findings.batches] == [
        (1, 10_000, 10_000),
        (4, 40_000, 40_000),
        (8, 80_000, 80_000),
    ]
    assert all(each.stable and each.samples >= exploring.SAMPLES for each in findings.batches)
    assert world.now < 10 * SECOND  # no longer than is enough


@pytest.mark.parametrize(("seconds", "measured"), [(0.05, []), (1.0, [1]), (8.0, [1, 64])])
def test_what_the_time_does_not_suffice_for_is_not_begun(seconds: float, measured: list[int]) -> None:
    world, findings = _World(), Findings()
    sweep(world.at, (1, 64), OWN, world.allowance(seconds), findings)
    assert [each.batch_size for each in findings.batches] == measured
    assert world.now <= max(seconds, 1.0) * SECOND + 64 * 10 * MILLISECOND


def test_a_batch_that_might_not_fit_into_memory_is_left_out_and_a_smaller_one_is_not() -> None:
    world, findings = _World(), Findings()
    sweep(world.at, (32, 4), OWN, world.allowance(30, memory_bytes=500), findings)
    assert [each.batch_size for each in findings.batches] == [4]


def test_a_batch_size_that_the_model_refuses_is_left_out() -> None:
    world, findings = _World(), Findings()

    def at(size: int) -> Callable[[], object]:
        if size == 4:
            raise REFUSED
        return world.at(size)

    sweep(at, (4, 8), OWN, world.allowance(30), findings)
    assert [each.batch_size for each in findings.batches] == [8]


def test_the_slowdown_is_the_mean_beside_the_co_runner_over_the_mean_alone() -> None:
    world, findings = _World(), Findings()
    interfere(world.at(3), OWN, world.allowance(30), findings, parts=1)
    assert findings.interference is not None
    assert findings.interference.slowdown_permille == 1500
    assert findings.interference.samples >= exploring.SAMPLES


@pytest.mark.parametrize(
    "allowance", [_World().allowance(0.01), replace(_World().allowance(30), memory_bytes=co_runner.MEMORY_BYTES)]
)
def test_without_time_or_memory_for_it_nothing_is_told_of_a_co_runner(allowance: Allowance) -> None:
    findings = Findings()
    interfere(_World().at(3), OWN, allowance, findings, parts=1)
    assert findings.interference is None


def test_an_inference_that_fails_beside_the_co_runner_spoils_nothing() -> None:
    def refuse() -> None:
        raise REFUSED

    findings = Findings()
    interfere(refuse, OWN, _World().allowance(30), findings, parts=1)
    assert findings.interference is None


def test_a_co_runner_without_room_leaves_no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(co_runner, "BLOCK_BYTES", 2**60)
    findings = Findings()
    interfere(_World().at(3), OWN, _World().allowance(30), findings, parts=1)
    assert findings.interference is None


def test_what_was_measured_while_something_else_had_the_cpus_is_not_to_be_relied_upon() -> None:
    world, findings = _World(), Findings()
    interfere(world.at(3), OWN, world.allowance(30), findings, parts=1)
    sweep(world.at, (1, 4), OWN, world.allowance(30), findings)
    is_measured = findings.interference is not None
    assert is_measured
    assert all(each.stable for each in findings.batches)
    findings.distrust()
    assert findings.interference is None
    assert [(each.batch_size, each.stable) for each in findings.batches] == [(1, False), (4, False)]


def test_the_co_runner_moves_memory_until_it_is_left() -> None:
    with co_runner.beside() as runner:
        while runner.moved_bytes == 0:
            pass
    moved = runner.moved_bytes
    assert moved % (2 * co_runner.BLOCK_BYTES) == 0
    assert runner.moved_bytes == moved
