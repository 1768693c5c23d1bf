import math
import statistics
from collections import Counter
from pathlib import Path

import pytest

from foretide.placement.plan import Expected, NodeState
from foretide.placement.resources import Resources
from foretide.simulate.cluster import SimTask
from foretide.simulate.failures import Failures, Loss, Wear
from foretide.simulate.images import Image
from foretide.simulate.parts import ScenarioError
from foretide.simulate.prediction_errors import LogNormal, Residuals
from foretide.simulate.recorded import arrival_seconds, log_residuals
from foretide.simulate.scenario import Scenario
from foretide.simulate.trace import record
from foretide.simulate.world import ClassTruth

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
        ("load: 0.5\n", "", "load is missing"),
        ("tasks: 2000\n", "", "tasks is missing"),
        ("name: heavy", "name: light", "a name occurs twice"),
        ("{process: Poisson}", "{process: Replay}", "either seconds"),
        ("{process: Poisson}", "{process: Replay, seconds: [1], file: a.json}", "either seconds"),
        ("{process: Poisson}", "{process: Replay, seconds: [1, 2]}", "tasks is 2000, but 2 arrivals are recorded"),
        ("{process: Poisson}", "{process: Replay, seconds: [1, -2]}", "nothing arrives at -2"),
        ("{process: Poisson}", "{process: Replay, file: none.json}", "none.json cannot be read"),
        ("{name: light,", "{name: light, startupSeconds: {board: 1},", "light: startupSeconds lacks class server"),
        ("{name: light,", "{name: light, image: {name: i, mebibytes: 9},", "class board neither hold image i "),
        ("tasks:", "predictionResiduals: [0.1, 10.5]\ntasks:", "10.5 is not a log"),
        ("tasks:", "predictionResiduals: [.nan]\ntasks:", "nan is not a log"),
        ("tasks:", "predictionResiduals: []\ntasks:", "predictionResiduals"),
        ("tasks:", "predictionResiduals: {file: none.yaml}\ntasks:", "none.yaml cannot be read"),
        ("tasks:", "nodeLoss: {losses: [{node: board-9, atSeconds: 1}]}\ntasks:", "no node board-9; .* board-0000"),
        ("count: 4,", "count: 4, failing: {meanSeconds: 5},", "repairSeconds"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, old: str, new: str, why: str) -> None:
    with pytest.raises(ScenarioError, match=why):
        read(tmp_path, TEXT.replace(old, new))


def test_the_same_file_gives_the_same_tasks(tmp_path: Path) -> None:
    assert read(tmp_path).sim_tasks() == read(tmp_path).sim_tasks()
    assert read(tmp_path).sim_tasks() != read(tmp_path, TEXT + "seed: 1\n").sim_tasks()


def test_recorded_arrivals_come_when_they_did_and_all_of_them(tmp_path: Path) -> None:
    text = TEXT.replace("{process: Poisson}\nload: 0.5\ntasks: 2000", "{process: Replay, file: times.json}")
    (tmp_path / "times.json").write_text("[3, 0.5, 12]")
    scenario = read(tmp_path, text)
    assert [task.arrival_seconds for task in scenario.sim_tasks()] == [0.5, 3.0, 12.0]
    assert scenario.task_count == 3
    assert scenario.tasks_per_second == pytest.approx(3 / 11.5)
    first = read(tmp_path, text + "tasks: 2\n").sim_tasks()
    assert [task.arrival_seconds for task in first] == [0.5, 3.0]
    with pytest.raises(ScenarioError, match="tasks is 4, but 3 arrivals"):
        read(tmp_path, text + "tasks: 4\n")


def test_recorded_arrivals_are_stretched_to_a_load(tmp_path: Path) -> None:
    arrivals = "{process: Replay, seconds: [0, 10, 40, 100]}"
    recorded = read(tmp_path, TEXT.replace("{process: Poisson}\nload: 0.5\ntasks: 2000", arrivals))
    loaded = read(tmp_path, TEXT.replace("{process: Poisson}\nload: 0.5\ntasks: 2000", f"{arrivals}\nload: 0.25"))
    stretch = recorded.tasks_per_second / loaded.tasks_per_second
    assert loaded.tasks_per_second == pytest.approx(read(tmp_path).tasks_per_second / 2)
    found = [task.arrival_seconds for task in loaded.sim_tasks()]
    assert found == pytest.approx([0.0, 10 * stretch, 40 * stretch, 100 * stretch])


def test_arrivals_and_residuals_of_a_recorded_trace_are_taken(tmp_path: Path) -> None:
    """Of each workload and class the middle residual: tasks took 2, 4 and 16 times what was predicted."""
    nodes = [NodeState("n", "board", Resources(1000, 1, 110))]
    tasks = [
        SimTask(f"t{at}", "net", at, Resources(1, 1, 1), 1, {"board": 1.0}, {"board": Expected(3.0, 5.0)})
        for at in (7.0, 9.0, 12.0)
    ]
    ran = {"t7.0": ("n", 7.0, 13.0), "t9.0": ("n", 13.0, 25.0), "t12.0": ("n", 25.0, 73.0)}
    record("three", tasks, nodes, {}, ran).write(tmp_path / "trace.json")
    assert arrival_seconds(tmp_path / "trace.json") == [0.0, 2.0, 5.0]
    assert log_residuals(tmp_path / "trace.json") == pytest.approx([math.log(4.0)])
    record("none", tasks, nodes, {}, {}).write(tmp_path / "trace.json")
    with pytest.raises(ScenarioError, match="no task in it ended"):
        log_residuals(tmp_path / "trace.json")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (f"{TEXT}load: 0.9\n", r"scenario\.yaml: line 12: 'load' occurs twice"),
        (f"{TEXT}---{TEXT}", r"scenario\.yaml: there are 2 YAML documents in it"),
        ("", r"scenario\.yaml: there are 0 YAML documents"),
        (f"{TEXT}seed: 2026-13-32\n", r"scenario\.yaml: this is not YAML: month must be in 1\.\.12"),
    ],
)
def test_what_would_be_passed_over_or_cannot_be_is_told_of_the_file(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(ScenarioError, match=why):
        read(tmp_path, text)


def test_numbers_in_a_file_may_be_yaml_and_nothing_else_will_do(tmp_path: Path) -> None:
    path = tmp_path / "numbers.yaml"
    path.write_text("- 0.1\n- -0.2\n")
    assert log_residuals(path) == [0.1, -0.2]
    for text, why in (
        ("seven", "neither a list"),
        ("[]", "empty"),
        ("[a]", "neither a list"),
        ("[" * 9000, "too deep"),
    ):
        path.write_text(text)
        with pytest.raises(ScenarioError, match=why):
            log_residuals(path)


def test_predictions_are_off_by_the_residuals_that_are_given(tmp_path: Path) -> None:
    text = TEXT + f"timeDeviation: 0\npredictionResiduals: [{math.log(2)}, {math.log(4)}]\n"
    seen = Counter(
        round(seconds / task.expected[name].median_seconds)
        for seed in range(20)
        for task in read(tmp_path, text + f"seed: {seed}\n").sim_tasks()[:1]
        for name, seconds in {"heavy": {"board": 40, "server": 8}, "light": {"board": 5, "server": 2}}[
            task.workload
        ].items()
    )
    assert set(seen) == {2, 4}
    assert min(seen.values()) > 8


def test_the_upper_bound_follows_the_residuals_quantile_and_the_scatter_of_tasks() -> None:
    residuals = Residuals([math.log(1.0 + number / 100) for number in range(101)])
    assert residuals.upper(0.0) == pytest.approx(1.95, rel=0.01)
    assert Residuals([0.0]).upper(0.2) == pytest.approx(LogNormal(0.0).upper(0.2), rel=0.01)
    assert Residuals([-1.0]).upper(0.1) == 1.0


def test_residuals_leave_tasks_as_they_are(tmp_path: Path) -> None:
    """They are drawn apart, so that policies are compared on the same tasks whatever is predicted."""
    one, other = (read(tmp_path, TEXT + f"predictionResiduals: [{each}]\n").sim_tasks() for each in (0.1, 0.9))
    assert [task.true_seconds for task in one] == [task.true_seconds for task in other]
    assert one[0].expected != other[0].expected


def test_start_up_comes_before_the_work_and_is_known(tmp_path: Path) -> None:
    text = TEXT.replace("{name: heavy,", "{name: heavy, startupSeconds: {board: 100, server: 50},")
    text += "timeDeviation: 0\n"
    heavy = next(task for task in read(tmp_path, text).sim_tasks() if task.workload == "heavy")
    plain = next(task for task in read(tmp_path, TEXT + "timeDeviation: 0\n").sim_tasks() if task.workload == "heavy")
    assert heavy.true_seconds == {"board": 140.0, "server": 58.0}
    for name, seconds in {"board": 100.0, "server": 50.0}.items():
        expected, without = heavy.expected[name], plain.expected[name]
        assert expected.median_seconds == pytest.approx(without.median_seconds + seconds)
        assert expected.upper_seconds == pytest.approx(without.upper_seconds + seconds)
    assert heavy.deadline_seconds == 3 * 58.0
    assert read(tmp_path, text).tasks_per_second < read(tmp_path).tasks_per_second


def test_what_befalls_nodes_is_read(tmp_path: Path) -> None:
    text = TEXT.replace(
        "count: 4,",
        "count: 4, interference: 0.5, pullMebibytesPerSecond: 10, failing: {meanSeconds: 60, repairSeconds: 5},",
    ).replace("count: 1,", "count: 1, images: [net],")
    text = text.replace("{name: light,", "{name: light, image: {name: net, mebibytes: 30},")
    text += "modelUpdateSeconds: 30\n"
    text += "nodeLoss: {losses: [{node: server-0000, atSeconds: 7}], noticeSeconds: 1, evictionSeconds: 2}\n"
    scenario = read(tmp_path, text)
    world = scenario.world()
    assert world.classes == {
        "board": ClassTruth(0.5, 10.0 * 2**20),
        "server": ClassTruth(images=frozenset({"net"})),
    }
    assert world.failures == Failures({"board": Wear(60.0, 5.0)}, [Loss("server-0000", 7.0)], 1.0, 2.0)
    assert world.update_seconds == 30.0
    images = {task.workload: task.image for task in scenario.sim_tasks()}
    assert images == {"heavy": None, "light": Image("net", 30 * 2**20)}


def test_an_image_has_one_size(tmp_path: Path) -> None:
    text = TEXT.replace("memoryMebibytes", "pullMebibytesPerSecond: 1, memoryMebibytes")
    text = text.replace("{name: light,", "{name: light, image: {name: net, mebibytes: 30},")
    with pytest.raises(ScenarioError, match="image net has another size"):
        read(tmp_path, text.replace("{name: heavy,", "{name: heavy, image: {name: net, mebibytes: 31},"))
