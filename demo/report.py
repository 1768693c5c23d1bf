"""What the demo ends with: measured times, each task, and both schedulers side by side."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from demo.console import table
from demo.waves import Task
from foretide_kube.kinds.aiworkload import AIWorkload
from foretide_kube.kinds.workloadprofile import WorkloadProfile


def matrix(workloads: Sequence[AIWorkload], profiles: Sequence[WorkloadProfile], classes: Sequence[str]) -> str:
    """Milliseconds per inference: measured, and what is predicted now with its source."""
    measured = {(profile.spec.workload.name, profile.spec.node_class): profile.spec.measurement for profile in profiles}
    rows = []
    for workload in workloads:
        name = workload.metadata.name
        predictions = {row.node_class: row for row in workload.status.predictions}
        cells = [name]
        for node_class in classes:
            figures, predicted = measured.get((name, node_class)), predictions.get(node_class)
            if figures:
                cells.append(f"{'' if figures.stable else '~'}{figures.inference_microseconds.mean / 1e3:.1f}")
            else:
                cells.append("-")
            if predicted:
                work = predicted.work_microseconds_per_inference
                low, middle, high = (bound / 1e3 for bound in (work.lower, work.median, work.upper))
                cells.append(f"{middle:.1f} ({low:.1f}–{high:.1f}) {predicted.source[0]}")
                cells.append(f"{predicted.startup_milliseconds / 1e3:.1f}")
            else:
                cells += ["-", "-"]
        rows.append(cells)
    header = ["workload"]
    for node_class in classes:
        header += [node_class, "predicted (90 %)", "start-up s"]
    note = "milliseconds per inference; M measured, L learned, F fallback; ~ measured but not stable"
    return table(header, rows) + f"\n  {note}"


def task_table(tasks: Sequence[Task]) -> str:
    """Each task's node, prediction and actual."""
    rows = []
    for task in tasks:
        prediction = task.prediction
        predicted = prediction.work_milliseconds.median / 1e3 if prediction else None
        rows.append(
            [
                task.name,
                task.node,
                f"{predicted:.1f}" if predicted is not None else "-",
                f"{task.work_seconds:.1f}",
                f"{100 * (task.work_seconds / predicted - 1):+.0f} %" if predicted else "-",
                f"{task.turnaround_seconds:.1f}",
                "-" if task.deadline_seconds is None else ("met" if task.met_deadline else "missed"),
            ]
        )
    return table(["task", "node", "predicted s", "actual s", "error", "turnaround s", "deadline"], rows)


def summary(tasks: Mapping[str, Sequence[Task]]) -> dict[str, Any]:
    """The demo's figures, as `demo.json` holds them.

    WAPE is the sum of absolute errors of work seconds over the sum of actual work seconds; bias the signed sum over the
    same; coverage the share of actuals within the 90 % interval.
    """
    every = [task for group in tasks.values() for task in group]
    known = [task for task in every if task.prediction is not None]
    actual = sum(task.work_seconds for task in known)
    errors = [task.prediction.work_milliseconds.median / 1e3 - task.work_seconds for task in known if task.prediction]
    inside = [
        task.prediction.work_milliseconds.lower <= task.work_seconds * 1e3 <= task.prediction.work_milliseconds.upper
        for task in known
        if task.prediction
    ]
    figures: dict[str, Any] = {
        "tasks": len(every),
        "finished": sum(task.is_ended for task in every),
        "paired": sum(task.paired for task in every),
        "wape": round(sum(map(abs, errors)) / actual, 4) if actual else None,
        "bias": round(sum(errors) / actual, 4) if actual else None,
        "coverage": round(sum(inside) / len(inside), 4) if inside else None,
    }
    for label, group in tasks.items():
        turnarounds = [task.turnaround_seconds for task in group]
        figures[label] = {
            "mean_turnaround_seconds": round(statistics.fmean(turnarounds), 2),
            "p95_turnaround_seconds": round(percentile(turnarounds, 0.95), 2),
            "deadline_hits": sum(task.met_deadline for task in group if task.deadline_seconds is not None),
        }
    return figures


def accuracy(figures: Mapping[str, Any]) -> str:
    """How near the predictions came, in one line."""
    paired = f"  {figures['paired']} of {figures['tasks']} tasks paired"
    if figures["wape"] is None:
        return f"{paired}; no task carried a prediction"
    return (
        f"{paired}; work seconds: WAPE {100 * figures['wape']:.1f} %, bias {100 * figures['bias']:+.1f} %,"
        f" 90 % interval covers {100 * figures['coverage']:.0f} %"
    )


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which ``share`` of ``values`` lie, interpolated linearly; values must not be empty."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def comparison(figures: Mapping[str, Any], tasks: Mapping[str, Sequence[Task]]) -> str:
    """Both schedulers side by side."""
    rows = []
    for label, group in tasks.items():
        own = figures[label]
        with_deadline = sum(task.deadline_seconds is not None for task in group)
        rows.append(
            [
                label,
                str(len(group)),
                f"{own['mean_turnaround_seconds']:.1f}",
                f"{own['p95_turnaround_seconds']:.1f}",
                f"{own['deadline_hits']} of {with_deadline}",
            ]
        )
    return table(["scheduler", "tasks", "mean turnaround s", "p95 s", "deadlines met"], rows)
