import json
import math
from pathlib import Path

import pytest

from foretide.simulate.outcome import Outcome
from foretide.simulate.policies import foretide, kubernetes
from foretide.simulate.scenario import Scenario
from foretide.simulate.summary import compare, summarise
from foretide_cli.__main__ import main
from tests.simulate.test_engine import task

EXAMPLE = Path("examples/simulation/rack-of-boards.yaml")


def test_figures_are_of_turnarounds_and_of_tasks_with_a_deadline() -> None:
    tasks = [task(f"t{index}", 1.0, 1.0) for index in range(5)]
    outcomes = [Outcome(each.key, "n", 10.0, 11.0, 10.0 + index + 1) for index, each in enumerate(tasks)]
    found = summarise(tasks, outcomes, {"n": "fast", "other": "slow"})
    assert (found.mean_turnaround_seconds, found.median_turnaround_seconds) == (3.0, 3.0)
    assert found.p95_turnaround_seconds == pytest.approx(4.8)
    assert found.deadline_miss_share is None
    assert found.share_by_class == {"fast": 1.0, "slow": 0.0}


def test_on_the_example_the_plan_beats_what_knows_less_and_the_oracle_nearly_nobody() -> None:
    found = compare(Scenario.read(EXAMPLE), [*kubernetes(), *foretide()])
    default = found["default"].mean_turnaround_seconds
    assert found["foretide"].mean_turnaround_seconds < 0.8 * default
    assert found["oracle"].regret == 0.0
    assert min(each.regret for each in found.values() if each.regret is not None) > -0.05
    assert math.isclose(sum(found["default"].share_by_class.values()), 1.0)


def test_pods_that_were_made_anew_are_counted_and_told(capsys: pytest.CaptureFixture[str]) -> None:
    rough = EXAMPLE.with_name("rough-day.yaml")
    assert main(["simulate", str(rough), "--policy", "default", "-o", "json"]) == 0
    restarts = json.loads(capsys.readouterr().out)["default"]["restarts"]
    assert restarts > 0
    assert main(["simulate", str(rough), "--policy", "default"]) == 0
    header, row = capsys.readouterr().out.splitlines()[2:]
    assert "restarts" in header
    assert str(restarts) in row.split()


def test_the_command_prints_a_table_and_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", str(EXAMPLE), "--policy", "default", "--policy", "per-pod"]) == 0
    assert "per-pod" in capsys.readouterr().out
    assert main(["simulate", str(EXAMPLE), "--policy", "default", "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["default"]["p95_turnaround_seconds"] > 0


def test_the_policy_that_is_named_is_audited(capsys: pytest.CaptureFixture[str]) -> None:
    audits = []
    for named in ([], ["--policy", "foretide"], ["--policy", "Arrival"]):
        assert main(["simulate", str(EXAMPLE), "--audit", "-o", "json", *named]) == 0
        audits.append(json.loads(capsys.readouterr().out))
    usual, again, other = audits
    assert usual == again != other


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["missing.yaml"], "missing.yaml"),
        ([str(EXAMPLE), "--policy", "best"], "'best'"),
        ([str(EXAMPLE), "--audit", "--policy", "best"], "'best'"),
        ([str(EXAMPLE), "--audit", "--policy", "default"], "'default' makes no plan"),
        ([str(EXAMPLE), "--audit", "--policy", "oracle", "--policy", "foretide"], "one of oracle, foretide"),
    ],
)
def test_the_command_names_what_is_wrong(capsys: pytest.CaptureFixture[str], arguments: list[str], why: str) -> None:
    assert main(["simulate", *arguments]) == 2
    assert why in capsys.readouterr().err
