"""What a failed inference says, and what it leaves behind: on an accelerator possibly nothing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from foretide_profiler.cgroups import Limits
from foretide_profiler.commands import Process
from foretide_profiler.requests import ModelRequest, ServeCall
from foretide_profiler.runtimes import ModelInput
from foretide_profiler.serving.protocol import BYTES, RequestError
from foretide_profiler.serving.service import Service

GOOD = np.zeros((1, 4), np.int64)
BAD = np.full((1, 4), 10**9)


class Model:
    """Fails on tokens that it has not, and afterwards, where it stands for a device that is lost by that, on all."""

    runtime = "torch"
    accelerator_uuid = None
    sha256 = None
    input = ModelInput("input", (1, 4), "int64")

    def __init__(self, accelerator: str | None, *, is_lost_by_failure: bool, error: Exception) -> None:
        self.accelerator = accelerator
        self._is_lost_by_failure = is_lost_by_failure
        self._error = error
        self._is_lost = False

    def infer(self) -> object:
        if self._is_lost:
            raise self._error
        return None

    def answer(self, batch: npt.NDArray[np.generic]) -> Sequence[tuple[str, Any]]:
        if self._is_lost or batch.max() > 100:
            self._is_lost = self._is_lost_by_failure
            raise self._error
        return [("output", np.zeros((1, 2), np.float32))]

    def feed(self, batch_size: int) -> None: ...

    def accelerator_memory_peak_bytes(self) -> int | None:
        return None


def opened(model: Model) -> Service:
    service = Service(ServeCall(ModelRequest("TorchExport", "", Path("m.pt2"), None, (4,), "int64", 1, "fp32"), 0, 2))
    service.open(model, Process(0, 0, Limits(1000, None, 1)))
    return service


def failure_of(service: Service, batch: npt.NDArray[np.int64]) -> RequestError:
    with pytest.raises(RequestError) as failed:
        service.infer(batch.tobytes(), BYTES)
    return failed.value


ASSERTED = RuntimeError("CUDA error: device-side assert triggered")


def test_a_device_that_answers_nothing_any_more_after_a_bad_token_has_the_service_started_anew() -> None:
    service = opened(Model("H100", is_lost_by_failure=True, error=ASSERTED))
    assert service.read("/healthz")[1] == b"ok\n"
    assert failure_of(service, BAD).reason == "InferenceFailed"
    for path in ("/healthz", "/readyz"):
        with pytest.raises(RequestError) as refused:
            service.read(path)
        assert (refused.value.status, refused.value.reason) == (503, "AcceleratorLost")
    assert failure_of(service, GOOD).reason == "AcceleratorLost"


@pytest.mark.parametrize("accelerator", ["H100", None])
def test_a_bad_token_that_leaves_the_device_well_fails_alone(accelerator: str | None) -> None:
    service = opened(Model(accelerator, is_lost_by_failure=False, error=ASSERTED))
    assert failure_of(service, BAD).reason == "InferenceFailed"
    assert service.read("/healthz")[1] == b"ok\n"
    assert service.infer(GOOD.tobytes(), BYTES)


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("std::bad_alloc"), RuntimeError("CUDA out of memory")])
def test_an_inference_that_does_not_fit_says_what_to_raise(error: Exception) -> None:
    failed = failure_of(opened(Model(None, is_lost_by_failure=False, error=error)), BAD)
    assert (failed.status, failed.reason) == (500, "OutOfMemory")
    assert "spec.resources.limits.memory" in failed.message
