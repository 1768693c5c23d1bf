"""The figures of one round, as `demo.json` holds them, and the medians of several."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from demo.columns import COLUMNS, DEFAULT, FORETIDE, HINDSIGHT, PER_POD
from demo.percentile import percentile
from demo.replay import Reckoned
from demo.slots import SlotWaits
from demo.task import Task

MEAN, P95, HITS = "mean_turnaround_seconds", "p95_turnaround_seconds", "deadline_hits"
RATIOS = ("mean_to_default", "p95_to_default", "mean_to_per_pod")
_COUNTS = ("tasks", "finished", "paired")


class Ended(Protocol):
    """A task that has ended, really or by reckoning."""

    @property
    def turnaround_seconds(self) -> float:
        """From creation to the end."""
        ...

    @property
    def deadline_seconds(self) -> float | None:
        """From creation; None if it has none."""
        ...

    @property
    def met_deadline(self) -> bool:
        """Whether it ended within it."""
        ...


def summary(tasks: Mapping[str, Sequence[Task]], reckoned: Sequence[Ended], waits: SlotWaits) -> dict[str, Any]:
    """All figures of a round: ``tasks`` by column, those of ``hindsight``, and how long free slots waited.

    WAPE is the sum of absolute errors of work seconds over the sum of actual work seconds; bias the signed sum over the
    same; coverage the share of actuals within the 90 % interval. The ratios are those of `foretide` to the others.
    """
    figures: dict[str, Any] = _predictions([task for group in tasks.values() for task in group])
    for label, group in tasks.items():
        figures[label] = turnarounds(group)
    figures[HINDSIGHT] = turnarounds(reckoned)
    ours, default, per_pod = figures[FORETIDE.label], figures[DEFAULT.label], figures[PER_POD.label]
    figures["mean_to_default"] = ratio(ours, default, MEAN)
    figures["p95_to_default"] = ratio(ours, default, P95)
    figures["mean_to_per_pod"] = ratio(ours, per_pod, MEAN)
    figures["deadline_hits_below_default"] = default[HITS] - ours[HITS]
    figures["slot_free_to_bound"] = waits.figures()
    return figures


def agreement(tasks: Sequence[Task], reckoned: Sequence[Reckoned], class_of: Mapping[str, str]) -> dict[str, Any]:
    """How near the simulator comes to what really happened under the same policy.

    ``mean_error`` is of the mean turnaround, as a share of the real one; ``share_error`` the largest difference, over
    node classes, between the shares of tasks that ran there.
    """
    real, simulated = turnarounds(tasks), turnarounds(reckoned)
    ran = Counter(task.node_class for task in tasks)
    would = Counter(class_of[each.node] for each in reckoned)
    return {
        **simulated,
        "mean_error": round(simulated[MEAN] / real[MEAN] - 1.0, 3),
        "share_error": round(max(abs(ran[name] - would[name]) for name in ran | would) / len(tasks), 3),
    }


def is_complete(figures: Mapping[str, Any]) -> bool:
    """Whether every task of every run ended and was paired."""
    return bool(figures["tasks"] == figures["finished"] == figures["paired"])


def medians(rounds: Sequence[Mapping[str, Any]], waits: SlotWaits) -> dict[str, Any]:
    """Figures in the same form: medians over ``rounds``, each round as it was under ``runs``.

    Tasks are summed; free slots are those of all rounds (``waits``).
    """
    found = _median(rounds)
    found |= {key: sum(each[key] for each in rounds) for key in _COUNTS}
    found["slot_free_to_bound"] = waits.figures()
    return {**found, "runs": list(rounds)}


def turnarounds(tasks: Sequence[Ended]) -> dict[str, Any]:
    """What one column says of its tasks."""
    seconds = [task.turnaround_seconds for task in tasks]
    return {
        MEAN: round(statistics.fmean(seconds), 2),
        P95: round(percentile(seconds, 0.95), 2),
        HITS: sum(task.met_deadline for task in tasks if task.deadline_seconds is not None),
    }


def ratio(ours: Mapping[str, float], theirs: Mapping[str, float], key: str) -> float:
    """How much of their time ours is."""
    return round(ours[key] / theirs[key], 3)


def labels() -> list[str]:
    """The labels of all four columns, in the order in which they are shown."""
    return [*(column.label for column in COLUMNS), HINDSIGHT]


def _predictions(tasks: Sequence[Task]) -> dict[str, Any]:
    known = [(task.prediction.work_milliseconds, task.work_seconds * 1e3) for task in tasks if task.prediction]
    actual = sum(took for _, took in known)
    errors = [expected.median - took for expected, took in known]
    inside = [expected.lower <= took <= expected.upper for expected, took in known]
    return {
        "tasks": len(tasks),
        "finished": sum(task.is_ended for task in tasks),
        "paired": sum(task.paired for task in tasks),
        "wape": round(sum(map(abs, errors)) / actual, 4) if actual else None,
        "bias": round(sum(errors) / actual, 4) if actual else None,
        "coverage": round(sum(inside) / len(inside), 4) if inside else None,
    }


def _median(rounds: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    rounds = list(rounds)
    found: dict[str, Any] = {}
    for key, value in rounds[0].items():
        if isinstance(value, Mapping):
            found[key] = _median(each[key] for each in rounds)
        else:
            known = [each[key] for each in rounds if each[key] is not None]
            found[key] = round(statistics.median(known), 4) if known else None
    return found
