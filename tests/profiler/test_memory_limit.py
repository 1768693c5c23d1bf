"""What the kernel makes of a reported peak as a limit; as root."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bench.memory.least_limit import task
from foretide.memory import SLACK_BYTES

MAKER = Path(__file__).parents[2] / "examples/models/make_onnx.py"

pytestmark = pytest.mark.cluster


def test_a_task_survives_its_reported_peak_and_no_much_smaller_limit(tmp_path: Path) -> None:
    subprocess.run([sys.executable, MAKER, tmp_path], check=True, capture_output=True)
    model = tmp_path / "edge-cnn.onnx"
    peak_bytes = task(model, None, 300).peak_bytes
    assert peak_bytes is not None
    assert task(model, peak_bytes + SLACK_BYTES, 300).peak_bytes is not None
    assert task(model, peak_bytes * 85 // 100, 300).peak_bytes is None
