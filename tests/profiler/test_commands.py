"""Failures of an inference, as the workload's fields that are at fault; the model is played by a stand-in."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from foretide_profiler import __main__, runtimes, stopping
from foretide_profiler.cgroups import Limits
from foretide_profiler.commands import Process, profile, run
from foretide_profiler.failures import ProfilerError
from foretide_profiler.requests import ModelRequest, ProfileCall, RunCall


@pytest.fixture(autouse=True)
def signals_as_they_were() -> Iterator[None]:
    """What is carried out in this process ends by ignoring signals, which whoever it starts later would inherit."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


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
    ("granted", "left"),
    [
        (Limits(None, None, 4), Limits(None, None, 3)),
        (Limits(2000, None, 4), Limits(1000, None, 3)),
        (Limits(2900, None, 4), Limits(1000, None, 3)),
        (Limits(1900, None, 4), None),
        (Limits(None, None, 1), None),
    ],
)
def test_a_co_runner_takes_a_cpu_from_the_model_or_the_call_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], granted: Limits, left: Limits | None
) -> None:
    seen: list[Limits] = []

    def load(_request: ModelRequest, limits: Limits) -> Broken:
        seen.append(limits)
        return Broken(WRONG_SHAPE)

    monkeypatch.setattr(__main__, "read_limits", lambda: granted)
    monkeypatch.setattr(runtimes, "load", load)
    monkeypatch.setattr(stopping, "end_with", lambda _report: None)
    monkeypatch.setattr(os, "environ", dict(os.environ))
    status = __main__.main(["profile", "--source", "ONNX", "--file", "/m", "--co-runner"])
    document = json.loads(capsys.readouterr().out)
    if left is None:
        assert (status, document["reason"], document["field"]) == (2, "InvalidArgument", "resources.limits.cpu")
        assert "grant 2 or more" in document["message"]
    assert seen == ([left] if left is not None else [])


class Grows:
    """A model that runs at its own batch size, and of whose larger batches there is no room for the input."""

    runtime = "torch 2.9.0 CPU AVX2"
    accelerator = accelerator_uuid = sha256 = None

    def infer(self) -> object:
        return None

    def feed(self, batch_size: int) -> None:
        message = f"DefaultCPUAllocator: can't allocate memory: you tried to allocate {batch_size} bytes"
        raise MemoryError if batch_size == 2 else RuntimeError(message)

    def accelerator_memory_peak_bytes(self) -> int | None:
        return None


def test_a_batch_that_cannot_be_made_spoils_nothing_that_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtimes, "load", lambda _request, _limits: Grows())
    request = ModelRequest("TorchVision", "vit_b_16", None, None, (3, 224, 224), "float32", 1, "fp32")
    call = ProfileCall(request, max_seconds=2, min_samples=3, min_seconds=0.01, batch_sizes=(2, 4))
    result = profile(call, Process(1_700_000_000_000, time.monotonic_ns(), Limits(1000, None, 1)))
    assert result.inference.samples >= 3
    assert result.batches == ()


def test_what_a_stop_is_reported_with_is_there_before_a_stop_can_come() -> None:
    script = "import sys, foretide_profiler.__main__; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert {"foretide.results", "foretide.termination_message", "foretide_profiler.output"} <= set(done.stdout.split())
    assert "numpy" not in done.stdout.split()  # its threads are not told of yet


def test_a_report_that_fails_ends_the_process_all_the_same() -> None:
    script = "import os, signal; from foretide_profiler import stopping; stopping.end_with(lambda: 1 // 0);"
    done = subprocess.run([sys.executable, "-c", script + "os.kill(os.getpid(), signal.SIGTERM)"], check=False)
    assert done.returncode == 1


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
        run(RunCall(request, inferences=1), Process(0, 0, Limits(1000, 2**30, 1)))
    assert (raised.value.reason, raised.value.field) == (reason, field)


def test_the_word_to_stop_is_heard_whichever_thread_is_interrupted_and_kept_until_who_waits_comes() -> None:
    script = """
import signal, threading
from foretide_profiler import stopping
word = stopping.Word()
other = threading.Thread(target=threading.Event().wait, daemon=True)
other.start()
later = threading.Timer(0.2, signal.pthread_kill, (other.ident, signal.SIGTERM))
later.start()
word.wait()
later.join()
for _ in range(100_000):
    signal.raise_signal(signal.SIGINT)
word.wait()
"""
    assert subprocess.run([sys.executable, "-c", script], check=False, timeout=60).returncode == 0
