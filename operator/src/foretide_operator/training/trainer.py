"""Runs the training process, one at a time, and hands its outcome over when it is there."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec

from foretide_operator.training.protocol import TrainingReport, TrainingRequest

log = logging.getLogger(__name__)

TIMEOUT_SECONDS: Final = 600.0
MAX_OUTPUT_BYTES: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Trained:
    """A model came out: its report and the artefact's bytes, and the digest of what it was made from."""

    report: TrainingReport
    artefact: bytes
    input_digest: str


@dataclass(frozen=True, slots=True)
class NotTrained:
    """No model came out, for this reason."""

    message: str
    input_digest: str


Outcome = Trained | NotTrained


class Trainer:
    """Starts `python -m foretide_operator.train`; ``when_ended`` is called from another thread."""

    def __init__(self, when_ended: Callable[[], None], *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        self._when_ended = when_ended
        self._timeout_seconds = timeout_seconds
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._outcome: Outcome | None = None

    @property
    def is_running(self) -> bool:
        """Whether a training is under way: not once its outcome is there."""
        thread = self._thread
        return thread is not None and thread.is_alive()

    def start(self, request: TrainingRequest, input_digest: str) -> None:
        """Begin; RuntimeError if one is under way."""
        if self.is_running:
            raise RuntimeError("a training is under way")
        self._thread = threading.Thread(target=self._run, args=(request, input_digest), name="training", daemon=True)
        self._thread.start()

    def take(self) -> Outcome | None:
        """The outcome of a training that ended since the last call."""
        with self._lock:
            outcome, self._outcome = self._outcome, None
            return outcome

    def stop(self) -> None:
        """End a training under way."""
        process = self._process
        if process is not None and process.poll() is None:
            process.kill()

    def _run(self, request: TrainingRequest, input_digest: str) -> None:
        try:
            outcome = self._train(request, input_digest)
        except Exception as error:
            log.exception("training")
            outcome = NotTrained(f"{type(error).__name__}: {error}", input_digest)
        with self._lock:
            self._outcome = outcome
            self._thread = None
        self._when_ended()

    def _train(self, request: TrainingRequest, input_digest: str) -> Outcome:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        with subprocess.Popen(
            [sys.executable, "-m", "foretide_operator.train"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
        ) as process:
            self._process = process
            is_late = threading.Event()

            def end() -> None:
                is_late.set()
                process.kill()

            timer = threading.Timer(self._timeout_seconds, end)
            timer.daemon = True
            timer.start()
            try:
                output, errors = process.communicate(msgspec.json.encode(request))
            finally:
                timer.cancel()
        if is_late.is_set():
            return NotTrained(f"stopped after {self._timeout_seconds:.0f} s", input_digest)
        if process.returncode != 0:
            last = errors.decode(errors="replace").strip().splitlines()[-1:] or ["no output"]
            return NotTrained(f"exit status {process.returncode}: {last[0][:400]}", input_digest)
        first, _, artefact = output.partition(b"\n")
        if not artefact or len(output) > MAX_OUTPUT_BYTES:
            return NotTrained(f"the training process wrote {len(output)} bytes and no model", input_digest)
        return Trained(msgspec.json.decode(first, type=TrainingReport), artefact, input_digest)
