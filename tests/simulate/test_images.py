import pytest

from foretide.placement.resources import Resources
from foretide.placement.timeline import Lags
from foretide.simulate.cluster import SimTask
from foretide.simulate.engine import simulate
from foretide.simulate.failures import Failures, Loss
from foretide.simulate.images import Image, NodeImages
from foretide.simulate.policies import kubernetes
from foretide.simulate.world import ClassTruth, World
from tests.simulate.test_engine import node

MEBI = 2**20
VISION, SPEECH = Image("vision", 100 * MEBI), Image("speech", 50 * MEBI)


def task(key: str, image: Image | None, at: float = 0.0) -> SimTask:
    return SimTask(key, "w", at, Resources(1000, 1, 1), 1000, {"fast": 10.0}, {}, image=image)


def ends(*tasks: SimTask, held: frozenset[str] = frozenset(), losses: tuple[Loss, ...] = ()) -> list[float]:
    """On one node of four slots, which pulls 10 MiB a second."""
    world = World({"fast": ClassTruth(0.0, 10.0 * MEBI, held)}, Failures(losses=losses))
    lags = {"fast": Lags(0.0, 0.0)}
    found = simulate(tasks, [node("n", "fast", cpus=4)], kubernetes()[0], lags=lags, world=world)
    return [each.finish_seconds for each in found]


def test_the_first_task_waits_for_its_image_and_who_comes_meanwhile_for_the_same_pull() -> None:
    found = ends(task("first", VISION), task("meanwhile", VISION, at=4.0), task("later", VISION, at=15.0))
    assert found == pytest.approx([20.0, 20.0, 25.0])


def test_an_image_that_is_there_is_not_pulled() -> None:
    assert ends(task("a", VISION), task("b", None), held=frozenset({"vision"})) == [10.0, 10.0]


def test_one_image_is_pulled_after_the_other() -> None:
    assert ends(task("a", VISION), task("b", SPEECH)) == pytest.approx([20.0, 25.0])


def test_a_pull_that_a_loss_cut_short_begins_anew_and_one_that_was_done_does_not() -> None:
    lost = (Loss("n", at_seconds=12.0, repair_seconds=8.0),)
    assert ends(task("a", VISION), task("b", SPEECH), losses=lost) == pytest.approx([30.0, 35.0])


def test_a_fast_node_pulls_at_once() -> None:
    assert NodeImages((), float("inf")).ready_seconds(VISION, 3.0) == 3.0
