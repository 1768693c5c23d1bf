"""The probe's models are valid ONNX, written without the `onnx` package; a task gets its slice of time and no more."""

from __future__ import annotations

from collections.abc import Callable

import onnx
import pytest

from foretide_profiler.measuring import SECOND
from foretide_profiler.probe import mean_seconds
from foretide_profiler.probe.models import MODELS, Model, gemm


@pytest.mark.parametrize("build", [gemm, *MODELS.values()], ids=["gemm", *MODELS])
def test_the_written_models_are_valid_and_always_the_same(build: Callable[[], Model]) -> None:
    data, shape = build()
    model = onnx.load_model_from_string(data)
    onnx.checker.check_model(model, full_check=True)
    sizes = [size.dim_value for size in model.graph.input[0].type.tensor_type.shape.dim]
    assert tuple(sizes) == shape
    assert build() == (data, shape)


class _World:
    def __init__(self, duration: int) -> None:
        self.now, self.calls, self._duration = 0, 0, duration

    def clock(self) -> int:
        return self.now

    def task(self) -> None:
        self.calls += 1
        self.now += self._duration


@pytest.mark.parametrize(("duration", "calls"), [(SECOND // 100, 100), (SECOND // 2, 2), (5 * SECOND, 2)])
def test_a_task_is_repeated_for_its_slice(duration: int, calls: int) -> None:
    world = _World(duration)
    assert mean_seconds(world.task, SECOND, world.clock) == pytest.approx(duration / SECOND)
    assert world.calls == calls
