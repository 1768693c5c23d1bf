"""The two lanes of ``make test``, here of three small tests: what is told, what the status is, how both are ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TESTS = """
import pathlib, signal, time, pytest

@pytest.fixture
def made(request):
    place = pathlib.Path(request.node.name)
    place.touch()
    yield
    place.rename(f"{place}-put-away")

def as_devcluster_does_while_a_cluster_is_up(number, frame):
    raise SystemExit(143)

@pytest.mark.cluster
def test_first(made):
    signal.signal(signal.SIGTERM, as_devcluster_does_while_a_cluster_is_up)
    FIRST

def test_second(made):
    SECOND

def test_third(made):
    THIRD
"""
LANES = """
import sys
from tests.__main__ import main
options = ("-p", "no:cacheprovider", "-W", "ignore", "three.py")
pytest = (sys.executable, "-m", "pytest", *options)
sys.exit(main(((("-m", "cluster"),), (("-k", "second"), ("-k", "third"))), pytest))
"""


def start(folder: Path, first: str, second: str, third: str = "pass") -> subprocess.Popen[str]:
    """Begin both in ``folder``, of which nothing but these tests is known."""
    (folder / "three.py").write_text(
        TESTS.replace("FIRST", first).replace("SECOND", second).replace("THIRD", third), encoding="utf-8"
    )
    return subprocess.Popen(
        [sys.executable, "-c", LANES],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.parametrize("failing", [None, 0, 1, 2], ids=["none", "first", "second", "third"])
def test_each_run_is_told_and_any_fails_the_whole(failing: int | None, tmp_path: Path) -> None:
    statements = ["assert 0" if index == failing else "pass" for index in range(3)]
    with start(tmp_path, *statements) as lanes:
        told, _ = lanes.communicate()
    assert lanes.returncode == (0 if failing is None else 1), told
    first, _, beside = told.partition("==> what was tested beside")
    passed = [words.count("1 passed") for words in (first, beside)]
    assert passed == [int(failing != 0), 2 - (failing in {1, 2})], told


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_both_are_ended_and_put_away_what_they_made_and_nothing_follows(number: signal.Signals, tmp_path: Path) -> None:
    with start(tmp_path, "time.sleep(60)", "time.sleep(60)") as lanes:
        while not {"test_first", "test_second"} <= {each.name for each in tmp_path.iterdir()}:
            assert lanes.poll() is None
            time.sleep(0.05)
        if number == signal.SIGINT:
            os.killpg(lanes.pid, number)  # as a terminal does
        else:
            lanes.send_signal(number)
        told, _ = lanes.communicate()
    assert lanes.returncode == int(pytest.ExitCode.INTERRUPTED), told
    left = {each.name for each in tmp_path.iterdir() if each.name.startswith("test_")}
    assert left == {"test_first-put-away", "test_second-put-away"}
