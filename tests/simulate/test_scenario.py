import math
import statistics
from collections import Counter
from pathlib import Path

import pytest

from foretide.simulate.scenario import Scenario, ScenarioError

TEXT = """
name: two classes
nodes:
  - {nodeClass: board, count: 4, cpuMillis: 2000, memoryMebibytes: 2048}
  - {nodeClass: server, count: 1, cpuMillis: 4000, memoryMebibytes: 8192}
workloads:
  - {name: heavy, seconds: {board: 40, server: 8}, deadlineFactor: 3}
  - {name: light, seconds: {board: 5, server: 2}, weight: 3}
arrivals: {process: Poisson}
load: 0.5
tasks: 2000
"""


def read(tmp_path: Path, text: str = TEXT) -> Scenario:
    path = tmp_path / "scenario.yaml"
    path.write_text(text)
    return Scenario.read(path)


def test_load_one_is_what_all_slots_can_do_of_the_mix(tmp_path: Path) -> None:
    """Boards have two slots each, the server four; a slot takes the mean of the mix, and 1.8 s to be released."""
    board, server = 0.25 * 40 + 0.75 * 5 + 1.8, 0.25 * 8 + 0.75 * 2 + 1.8
    assert read(tmp_path).tasks_per_second == pytest.approx(0.5 * (8 / board + 4 / server))


def test_tasks_come_at_the_rate_and_in_the_mix_that_is_said(tmp_path: Path) -> None:
    scenario = read(tmp_path)
    tasks = scenario.sim_tasks()
    assert len(tasks) == 2000
    assert 2000 / tasks[-1].arrival_seconds == pytest.approx(scenario.tasks_per_second, rel=0.1)
    counts = Counter(task.workload for task in tasks)
    assert counts["light"] / counts["heavy"] == pytest.approx(3.0, rel=0.15)
    assert [task.arrival_seconds for task in tasks] == sorted(task.arrival_seconds for task in tasks)


def test_tasks_scatter_about_their_workload_and_predictions_are_off_by_what_is_said(tmp_path: Path) -> None:
    text = TEXT + "timeDeviation: 0.2\npredictionDeviation: 0.3\n"
    off = []
    for seed in range(60):
        for task in read(tmp_path, text + f"seed: {seed}\n").sim_tasks()[:1]:
            seconds = {"heavy": 40.0, "light": 5.0}[task.workload]
            off.append(math.log(task.expected["board"].median_seconds / seconds))
    assert statistics.pstdev(off) == pytest.approx(0.3, rel=0.3)
    heavy = [task.true_seconds["board"] for task in read(tmp_path, text).sim_tasks() if task.workload == "heavy"]
    assert statistics.median(heavy) == pytest.approx(40.0, rel=0.05)
    assert statistics.pstdev(heavy) / 40.0 == pytest.approx(0.2, rel=0.2)


def test_a_prediction_that_is_given_is_taken(tmp_path: Path) -> None:
    text = TEXT.replace("{name: heavy,", "{name: heavy, predicted: {board: 33, server: 9},")
    heavy = next(task for task in read(tmp_path, text).sim_tasks() if task.workload == "heavy")
    assert heavy.expected["board"].median_seconds == 33.0
    assert heavy.expected["board"].upper_seconds > 33.0
    assert heavy.deadline_seconds == 24.0


def test_bursts_come_together(tmp_path: Path) -> None:
    tasks = read(tmp_path, TEXT.replace("{process: Poisson}", "{process: Bursts, size: 50}")).sim_tasks()
    assert set(Counter(task.arrival_seconds for task in tasks).values()) == {50}


def test_by_day_more_come_than_by_night(tmp_path: Path) -> None:
    text = TEXT.replace("{process: Poisson}", "{process: Diurnal, periodSeconds: 1000, swing: 1.0}")
    tasks = read(tmp_path, text).sim_tasks()
    day = sum(task.arrival_seconds % 1000 < 500 for task in tasks)
    assert day > 3 * (len(tasks) - day)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("load: 0.5", "load: 0", "load"),
        ("tasks: 2000", "task: 2000", "task"),
        ("server: 8}", "gpu: 8}", "heavy: seconds lacks class server"),
        ("{process: Poisson}", "{process: Weekly}", "Weekly"),
        ("{name: light,", "{name: light, cpuMillis: 9000,", "light: 9000 m CPU"),
        ("nodeClass: server", "nodeClass: board", "twice"),
        ("load: 0.5", "load: [", "scenario.yaml"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, old: str, new: str, why: str) -> None:
    with pytest.raises(ScenarioError, match=why):
        read(tmp_path, TEXT.replace(old, new))


def test_the_same_file_gives_the_same_tasks(tmp_path: Path) -> None:
    assert read(tmp_path).sim_tasks() == read(tmp_path).sim_tasks()
    assert read(tmp_path).sim_tasks() != read(tmp_path, TEXT + "seed: 1\n").sim_tasks()
