"""The two halves of ``make test``, here of two small tests: what is told, what the status is, how both are ended."""

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
"""
HALVES = """
import sys
from tests.__main__ import main
sys.exit(main((sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-W", "ignore", "two.py")))
"""


def start(folder: Path, first: str, second: str) -> subprocess.Popen[str]:
    """Begin both in ``folder``, of which nothing but these tests is known."""
    (folder / "two.py").write_text(TESTS.replace("FIRST", first).replace("SECOND", second))
    return subprocess.Popen(
        [sys.executable, "-c", HALVES],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.mark.parametrize(
    ("first", "second", "status"),
    [("pass", "pass", 0), ("assert 0", "pass", 1), ("pass", "assert 0", 1)],
    ids=["both pass", "the first fails", "the second fails"],
)
def test_both_halves_are_told_and_either_fails_the_whole(first: str, second: str, status: int, tmp_path: Path) -> None:
    with start(tmp_path, first, second) as halves:
        told, _ = halves.communicate()
    assert halves.returncode == status, told
    of_first, _, of_second = told.partition("==> the tests without a cluster")
    for words, statement in ((of_first, first), (of_second, second)):
        assert ("1 passed" if statement == "pass" else "1 failed") in words


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_both_are_ended_and_put_away_what_they_made(number: signal.Signals, tmp_path: Path) -> None:
    with start(tmp_path, "time.sleep(60)", "time.sleep(60)") as halves:
        while not {"test_first", "test_second"} <= {each.name for each in tmp_path.iterdir()}:
            assert halves.poll() is None
            time.sleep(0.05)
        if number == signal.SIGINT:
            os.killpg(halves.pid, number)  # as a terminal does
        else:
            halves.send_signal(number)
        told, _ = halves.communicate()
    assert halves.returncode == int(pytest.ExitCode.INTERRUPTED), told
    left = {each.name for each in tmp_path.iterdir() if each.name.startswith("test_")}
    assert left == {"test_first-put-away", "test_second-put-away"}
