"""One round of a trial: the same tasks given to each scheduler, one after the other, and what the plan was worth."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from demo import install
from demo.columns import COLUMNS, DEFAULT, FORETIDE, HINDSIGHT, PER_POD, Column, rotated
from demo.console import Console
from demo.figures import agreement, summary
from demo.fleet import node_classes, node_states, room
from demo.pod_times import PodTimes
from demo.replay import Completions, Reckoned, replay, trace
from demo.scenario import Scenario
from demo.slots import SlotWaits, slot_waits
from demo.task import Task
from demo.task_job import task_job
from demo.waves import WaveRun
from foretide.placement.plan import Expected
from foretide.simulate import policies
from foretide.simulate.policies import Policy
from foretide.simulate.trace import Trace
from foretide_kube.client import KubeClient
from foretide_kube.kinds import aiworkload
from foretide_kube.kinds.aiworkload import AIWorkload
from foretide_kube.names import AIWORKLOADS

NAMESPACE = "default"
TIMEOUT_SECONDS = 900.0
_SIMULATED: Final[Mapping[str, tuple[str, Policy]]] = {
    DEFAULT.label: (DEFAULT.label, policies.DEFAULT),
    PER_POD.label: (PER_POD.label, policies.PER_POD),
    FORETIDE.label: (FORETIDE.label, policies.FORETIDE),
    HINDSIGHT: (FORETIDE.label, policies.ORACLE),
}
"""By what is reckoned: whose tasks, and by which policy."""


@dataclass(frozen=True, slots=True)
class Round:
    """The tasks of each column, what the simulator makes of them, and how long free slots waited for the planner.

    ``reckoned`` is by column, `demo.columns.HINDSIGHT` too; ``class_of`` is by node. ``traces`` are of each column.
    """

    tasks: Mapping[str, list[Task]]
    reckoned: Mapping[str, list[Reckoned]]
    waits: SlotWaits
    class_of: Mapping[str, str]
    traces: Mapping[str, Trace]

    def figures(self) -> dict[str, Any]:
        """As `demo.json` holds them."""
        found = summary(self.tasks, self.reckoned[HINDSIGHT], self.waits)
        found["simulated"] = {
            label: agreement(group, self.reckoned[label], self.class_of) for label, group in self.tasks.items()
        }
        return found


class Trial:
    """Gives a scenario's tasks to each scheduler in a cluster where the workloads ``names`` are profiled."""

    def __init__(self, client: KubeClient, scenario: Scenario, names: list[str], console: Console) -> None:
        self._client = client
        self._scenario = scenario
        self._names = names
        self._console = console
        self._classes = node_classes(client)
        self._runs: list[WaveRun] = []

    def round(self, number: int = 0) -> Round:
        """Run all columns, in an order that goes round with ``number`` (from 0)."""
        scenario, tasks, pods = self._scenario, dict[str, list[Task]](), list[PodTimes]()
        nodes, predicted = node_states(self._client), _predicted(self._forms())
        for column in rotated(COLUMNS, number):
            self._console.heading(f"{scenario.describe()}, placed by {column.label} ({column.scheduler_name})")
            run = self._run(column, number, self._forms())
            self._runs.append(run)
            began = time.monotonic()
            tasks[column.label] = run.run(
                scenario.arrivals(self._names),
                next_when_ended=scenario.next_wave_when_ended,
                timeout_seconds=TIMEOUT_SECONDS,
            )
            self._console.say(f"all {len(tasks[column.label])} tasks ended after {time.monotonic() - began:.0f} s")
            if column is FORETIDE:
                pods = run.pods
        by_column = {column.label: tasks[column.label] for column in COLUMNS}
        reckoned = {
            label: replay(
                by_column[ran],
                by_column.values(),
                nodes,
                policy,
                predicted=predicted,
                next_when_ended=scenario.next_wave_when_ended,
            )
            for label, (ran, policy) in _SIMULATED.items()
        }
        traces = {
            label: trace(f"{scenario.describe()}, {label}", group, by_column.values(), nodes, predicted)
            for label, group in by_column.items()
        }
        return Round(by_column, reckoned, slot_waits(pods, room(nodes)), self._classes, traces)

    def clear(self) -> None:
        """Take the Jobs of all rounds away, so that the next finds the cluster as the first did."""
        for run in self._runs:
            run.delete_jobs()
        self._runs.clear()

    def _run(self, column: Column, number: int, forms: Mapping[str, AIWorkload]) -> WaveRun:
        return WaveRun(
            self._client,
            name=column.slug if number == 0 else f"{column.slug}-{number + 1}",
            column=column,
            namespace=NAMESPACE,
            manifest=lambda workload, name: task_job(forms[workload], name, install.TASK_SETTINGS),
            deadlines_seconds={name: _deadline_seconds(form) for name, form in forms.items()},
            classes=self._classes,
            say=self._console.say,
        )

    def _forms(self) -> dict[str, AIWorkload]:
        return {name: aiworkload.parse(self._client.get(AIWORKLOADS, name, NAMESPACE)) for name in self._names}


def _deadline_seconds(workload: AIWorkload) -> float | None:
    milliseconds = workload.spec.objective.deadline_milliseconds
    return None if milliseconds is None else milliseconds / 1e3


def _predicted(forms: Mapping[str, AIWorkload]) -> Completions:
    return {
        name: {row.node_class: Expected.of(row, form.spec.inferences) for row in form.status.predictions}
        for name, form in forms.items()
    }
