"""`foretide profile` as a process: what the profiler measures here of a manifest, and how it fails."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from examples.models import make_onnx
from foretide_cli.profile import profile
from tests.cli.shown import Shown

EXAMPLES = Path(__file__).parents[2] / "examples"
MANIFEST = EXAMPLES / "demo" / "sensor-mixer.yaml"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    make_onnx.build(folder)
    return folder


def run(*words: str) -> tuple[int, str, str]:
    environment = {**os.environ, "KUBECONFIG": "/nowhere", "PYTHONSAFEPATH": "1"}
    command = [sys.executable, "-m", "foretide_cli", "profile", "--max-seconds", "2", *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def test_a_workload_is_measured_here_without_a_cluster(models: Path) -> None:
    status, said, told = run("-f", str(MANIFEST), "--models", str(models))
    assert (status, told) == (0, "")
    header, row, _, here, *_ = said.splitlines()
    assert header.split()[:3] == ["workload", "mean", "ms"]
    assert row.split()[0] == "sensor-mixer"
    assert "onnxruntime" in here


def test_programs_get_the_whole_measurement(models: Path) -> None:
    status, said, _ = run("-f", str(MANIFEST), "--models", str(models), "-o", "json")
    (found,) = json.loads(said)
    assert (status, found["name"]) == (0, "sensor-mixer")
    measured = found["measurement"]
    assert measured["inference"]["samples"] >= 3
    assert measured["modelSha256"] in MANIFEST.read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_whoever_ends_it_ends_the_profiler_as_well(models: Path, number: signal.Signals) -> None:
    words = ["profile", "--max-seconds", "60", "-f", str(MANIFEST), "--models", str(models)]
    heard = ["env", "--default-signal"]  # what runs in the background ignores SIGINT, and so do its children
    process = subprocess.Popen(
        [*heard, sys.executable, "-P", "-m", "foretide_cli", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    child = None
    while child is None and process.poll() is None:
        time.sleep(0.05)
        started = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        child = next((int(each) for each in started if is_profiler(int(each))), None)
    assert child is not None
    process.send_signal(number)
    said, told = process.communicate(timeout=30)
    assert (process.returncode, said, told) == (130, b"", b"")
    ends = time.monotonic() + 10
    while is_profiler(child) and time.monotonic() < ends:
        time.sleep(0.05)
    assert not is_profiler(child)


def is_profiler(pid: int) -> bool:
    try:
        return b"foretide_profiler" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return False


def test_a_file_that_is_another_is_not_measured_and_the_others_are(models: Path, tmp_path: Path) -> None:
    for name, of in (("sensor-mixer", "sensor-mixer"), ("edge-cnn", "sensor-mixer")):
        (tmp_path / f"{name}.onnx").write_bytes((models / f"{of}.onnx").read_bytes())
    manifests = ("-f", str(EXAMPLES / "demo" / "edge-cnn.yaml"), "-f", str(MANIFEST))
    status, said, told = run(*manifests, "--models", str(tmp_path))
    assert status == 1
    assert [line.split()[0] for line in said.splitlines()[:2]] == ["workload", "sensor-mixer"]
    assert told.startswith("foretide: edge-cnn: ModelDigestMismatch: ")
    assert told.count("\n") == 1


def test_a_manifest_that_is_none_is_a_wrong_call(tmp_path: Path) -> None:
    (tmp_path / "pod.yaml").write_text("{apiVersion: v1, kind: Pod}")
    status, said, told = run("-f", str(tmp_path / "pod.yaml"))
    assert (status, said) == (2, "")
    assert told.startswith("foretide: ")
    assert told.count("\n") == 1


def test_where_the_profiler_is_not_installed_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("foretide_cli.profile.find_spec", lambda _name: None)
    complaints: list[str] = []
    shown = Shown()
    status = profile(
        [], models=Path(), max_seconds=1.0, show=shown, progress=complaints.append, complain=complaints.append
    )
    assert status == 2
    assert len(complaints) == 1
    assert "pip install" in complaints[0]
