"""Whatever is predicted, every task is scheduled, gated or not, and the extender's metrics say what it made of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from foretide_kube.client import Object
from foretide_kube.names import AIWORKLOADS, ANNOTATION_INFERENCES
from tests.faults.crowd import TASKS, crowd
from tests.faults.readings import of_extender
from tests.faults.stage import Stage

pytestmark = pytest.mark.cluster

MAXIMUM = 10**18
"""The largest figure that the kind lets stand in a prediction."""

Predictions = list[Object]


def figures(rows: Predictions, *, work: tuple[int, int, int], startup: int, memory: int) -> Predictions:
    """Predictions that say the same of every class, as if it had been measured."""
    lower, median, upper = work
    said = {
        "workMicrosecondsPerInference": {"lower": lower, "median": median, "upper": upper},
        "startupMilliseconds": startup,
        "memoryBytes": memory,
        "source": "Measured",
    }
    return [row | said for row in rows]


def missing(_rows: Predictions) -> Predictions:
    """No prediction at all."""
    return []


def for_nobody(rows: Predictions) -> Predictions:
    """Predictions for classes that no node has."""
    return [row | {"nodeClass": f"gone-{row['nodeClass']}"} for row in rows]


def stale(rows: Predictions) -> Predictions:
    """Predictions of long ago, by a model that is gone."""
    told = {"source": "Measured", "measuredTime": "2001-01-01T00:00:00Z", "modelVersion": "gone"}
    return [row | told for row in rows]


def instant(rows: Predictions) -> Predictions:
    """Predictions that everything takes no time and no memory."""
    return figures(rows, work=(0, 0, 0), startup=0, memory=0)


def endless(rows: Predictions) -> Predictions:
    """Predictions that no node can meet the deadline, by as much as can be said."""
    return figures(rows, work=(MAXIMUM, MAXIMUM, MAXIMUM), startup=MAXIMUM, memory=0)


def upside_down(rows: Predictions) -> Predictions:
    """Predictions whose lower end lies above the upper."""
    return figures(rows, work=(MAXIMUM, 1, 0), startup=0, memory=0)


def too_large(rows: Predictions) -> Predictions:
    """Predictions that no node has the memory."""
    return figures(rows, work=(1, 1, 1), startup=1, memory=MAXIMUM)


DECISIONS = "foretide_extender_decisions_total"
OVERRULED = "foretide_extender_overruled_total"
FAIL_OPEN = "foretide_extender_fail_open_total"


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (missing, [(DECISIONS, {"source": "ClassSpeed"})]),
        (for_nobody, [(DECISIONS, {"source": "ClassSpeed"})]),
        (stale, [(DECISIONS, {"source": "Measured"})]),
        (instant, [(DECISIONS, {"source": "Measured"})]),
        (upside_down, [(DECISIONS, {"source": "Measured"})]),
        (endless, [(OVERRULED, {"reason": "DeadlineUnreachable"})]),
        (too_large, [(OVERRULED, {"reason": "PredictedOutOfMemory"}), (OVERRULED, {"reason": "NodeMemoryTooSmall"})]),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_every_task_is_bound_whatever_is_predicted(
    stage: Stage,
    crowd_workload: str,
    spoil: Callable[[Predictions], Predictions],
    told: list[tuple[str, dict[str, str]]],
) -> None:
    client, namespace = stage.installed.client, stage.namespace

    def predictions() -> Predictions:
        rows: Predictions = client.get(AIWORKLOADS, crowd_workload, namespace)["status"]["predictions"]
        return rows

    spoilt = spoil(predictions())
    restarts_before, before = stage.restarts(), of_extender(stage)
    with crowd(stage, spoil.__name__.replace("_", "-")) as pods:
        with stage.hung("operator"):
            status: Object = {"status": {"predictions": spoilt}}
            client.patch(AIWORKLOADS, crowd_workload, status, namespace, subresource="status")
            pods.give(crowd_workload, of_each=2, sorts=TASKS)
            pods.give(crowd_workload, of_each=1, sorts=TASKS, annotations={ANNOTATION_INFERENCES: str(10**9)})
            pods.wait_bound()
        after = of_extender(stage)
        for name, labels in told:
            assert after.total(name, **labels) > before.total(name, **labels)
        assert after.total(FAIL_OPEN, reason="InternalError") == before.total(FAIL_OPEN, reason="InternalError")
        assert stage.restarts() == restarts_before
        stage.installed.until("sound predictions again", lambda: predictions() not in (spoilt, []))
