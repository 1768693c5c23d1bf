"""The training process by itself: what it says when no model comes out of it."""

from __future__ import annotations

import subprocess
import sys

import msgspec

from foretide.observation import Observation
from foretide_operator.training.protocol import TrainingRequest
from tests.operator.cluster_objects import NOW_MILLISECONDS, SIGNATURE

SMALL_ARTEFACTS = """
import sys
from foretide.model import artefact
artefact.MAX_ARTEFACT_BYTES = 500
from foretide_operator.train import main
sys.exit(main())
"""


def row(number: int) -> Observation:
    return Observation(
        workload=f"team/w{number % 2}/k",
        node_class=f"class-{number // 2}",
        signature=SIGNATURE,
        precision="fp32",
        cpu_millis=1000,
        inference_microseconds=5_000 * (1 + number),
        startup_milliseconds=1_500,
        memory_peak_bytes=120_000_000,
        runtime="onnx",
        origin="Profile",
        observed_milliseconds=NOW_MILLISECONDS,
    )


def test_a_model_that_is_too_large_to_store_is_told_in_one_line_with_its_reason() -> None:
    request = TrainingRequest(observations=tuple(row(number) for number in range(4)), devices={})
    done = subprocess.run(
        [sys.executable, "-c", SMALL_ARTEFACTS],
        input=msgspec.json.encode(request),
        capture_output=True,
        timeout=100,
        check=False,
    )
    errors = done.stderr.decode()
    assert (done.returncode, done.stdout) == (1, b""), errors
    (line,) = errors.splitlines()
    assert line.startswith("ArtefactTooLarge: the model has ")
