"""Failures of an inference, as the workload's fields that are at fault; the model is played by a stand-in."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from foretide_profiler import runtimes
from foretide_profiler.cgroups import Limits
from foretide_profiler.commands import Process, run
from foretide_profiler.failures import ProfilerError
from foretide_profiler.requests import ModelRequest, RunCall

NO_KERNEL = NotImplementedError("\"convolution\" not implemented for 'Half'")
WRONG_SHAPE = RuntimeError("expected 3 channels, got 4")


@dataclass
class Broken:
    """A model none of whose inferences succeed."""

    error: Exception
    runtime = "torch 2.9.0 CPU AVX2"
    accelerator: str | None = None
    accelerator_uuid: str | None = None
    sha256: str | None = None

    def infer(self) -> object:
        raise self.error

    def feed(self, batch_size: int) -> None:
        raise NotImplementedError(batch_size)

    def accelerator_memory_peak_bytes(self) -> int | None:
        return None


@pytest.mark.parametrize(
    ("precision", "error", "reason", "field"),
    [
        ("fp16", NO_KERNEL, "PrecisionUnsupported", "precision"),
        ("fp16", WRONG_SHAPE, "InputRefused", "input.shape"),
        ("fp32", WRONG_SHAPE, "InputRefused", "input.shape"),
        ("bf16", MemoryError(), "OutOfMemory", "resources.limits.memory"),
    ],
)
def test_a_failed_inference_names_the_field_at_fault(
    monkeypatch: pytest.MonkeyPatch, precision: str, error: Exception, reason: str, field: str
) -> None:
    monkeypatch.setattr(runtimes, "load", lambda _request, _limits: Broken(error))
    request = ModelRequest("TorchVision", "vit_b_16", None, None, (3, 224, 224), "float32", 1, precision)
    with pytest.raises(ProfilerError) as raised:
        run(RunCall(request, inferences=1, repeat=False), Process(0, 0, Limits(1000, 2**30, 1)))
    assert (raised.value.reason, raised.value.field) == (reason, field)
