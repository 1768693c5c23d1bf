import math

import pytest

from foretide.placement.plan import Expected
from foretide.placement.resources import Resources
from foretide.placement.timeline import Lags
from foretide.simulate.cluster import SimTask
from foretide.simulate.engine import simulate
from foretide.simulate.learning import Learning
from foretide.simulate.outcome import Outcome
from foretide.simulate.policies import FORETIDE, ORACLE, PER_POD, Policy
from foretide.simulate.world import World
from tests.simulate.test_engine import node

WRONG = {"fast": Expected(10.0, 15.0), "slow": Expected(20.0, 30.0)}


def task(number: int, expected: dict[str, Expected], workload: str = "w", true_seconds: float = 40.0) -> SimTask:
    true = {"fast": true_seconds, "slow": 20.0}
    return SimTask(f"t{number}", workload, 100.0 * number, Resources(1000, 1, 1), 1000, true, expected)


def test_what_has_ended_counts_from_the_next_update_on_and_the_first_prediction_as_one_more() -> None:
    learning, one = Learning(), task(0, WRONG)
    for _ in range(3):
        learning.saw(one, "fast", 160.0)
    assert learning.foresee(one) == WRONG
    learning.update()
    found = learning.foresee(one)
    assert found["fast"].median_seconds == pytest.approx(10.0 * 16.0**0.75)
    assert found["fast"].upper_seconds == pytest.approx(15.0 * 16.0**0.75)
    assert found["slow"] == WRONG["slow"]


def test_other_workloads_learn_nothing_and_tasks_of_other_size_their_share() -> None:
    learning = Learning()
    twice = {name: Expected(2.0 * each.median_seconds, 2.0 * each.upper_seconds) for name, each in WRONG.items()}
    small, large, other = task(0, WRONG), task(1, twice), task(2, WRONG, "other")
    learning.saw(small, "fast", 40.0)
    learning.update()
    assert learning.foresee(large)["fast"].median_seconds == pytest.approx(40.0)
    assert learning.foresee(other) == WRONG


def test_only_the_latest_count() -> None:
    learning, one = Learning(), task(0, WRONG)
    for seconds in [1e6] * 20 + [20.0] * 16:
        learning.saw(one, "fast", seconds)
    learning.update()
    assert learning.foresee(one)["fast"].median_seconds == pytest.approx(10.0 * 2.0 ** (16 / 17))


def run(policy: Policy, update_seconds: float) -> list[Outcome]:
    """Six tasks, one at a time, that are wrongly expected to be twice as fast on the fast node."""
    tasks = [task(number, WRONG) for number in range(6)]
    nodes = [node("fast", "fast"), node("slow", "slow")]
    world = World(update_seconds=update_seconds)
    return simulate(tasks, nodes, policy, lags={"fast": Lags(), "slow": Lags()}, world=world)


@pytest.mark.parametrize("policy", [PER_POD, FORETIDE], ids=lambda each: each.name)
def test_a_policy_that_predicts_leaves_the_wrong_node_after_an_update(policy: Policy) -> None:
    assert {each.node for each in run(policy, math.inf)} == {"fast"}
    assert [each.node for each in run(policy, 150.0)] == ["fast", "fast", "slow", "slow", "slow", "slow"]


def test_the_oracle_is_not_touched() -> None:
    assert run(ORACLE, 150.0) == run(ORACLE, math.inf)
