"""What the demo ends with: measured times, each task, and all schedulers side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from demo.columns import DEFAULT, FORETIDE
from demo.console import table
from demo.figures import HITS, MEAN, P95, RATIOS, labels, ratio
from demo.task import Task
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


def accuracy(figures: Mapping[str, Any]) -> str:
    """How near the predictions came, in one line."""
    paired = f"  {figures['paired']} of {figures['tasks']} tasks paired"
    if figures["wape"] is None:
        return f"{paired}; no task carried a prediction"
    return (
        f"{paired}; work seconds: WAPE {100 * figures['wape']:.1f} %, bias {100 * figures['bias']:+.1f} %,"
        f" 90 % interval covers {100 * figures['coverage']:.0f} %"
    )


def comparison(figures: Mapping[str, Any], tasks: Mapping[str, Sequence[Task]]) -> str:
    """All columns side by side, and what the plan is worth in one line."""
    default, rows = figures[DEFAULT.label], []
    group = tasks[FORETIDE.label]
    with_deadline = sum(task.deadline_seconds is not None for task in group)
    for label in labels():
        own = figures[label]
        rows.append(
            [
                label,
                str(len(group)),
                f"{own[MEAN]:.1f}",
                f"{ratio(own, default, MEAN):.2f}",
                f"{own[P95]:.1f}",
                f"{ratio(own, default, P95):.2f}",
                f"{own[HITS]} of {with_deadline}",
            ]
        )
    header = ["scheduler", "tasks", "mean turnaround s", "to default", "p95 s", "to default", "deadlines met"]
    return table(header, rows) + "\n" + ratios(figures)


def ratios(figures: Mapping[str, Any]) -> str:
    """The plan against both others, and how fast it takes a freed slot."""
    ours, p95 = figures["mean_to_default"], figures["p95_to_default"]
    line = (
        f"  foretide: mean {ours:.2f} × default and {figures['mean_to_per_pod']:.2f} × per_pod, p95 {p95:.2f} × default"
    )
    waits = figures["slot_free_to_bound"]
    return "\n".join(
        [
            line,
            *_slots("a slot that came free was taken after", waits),
            *_slots("  by a task that had been told to wait for it, after", waits["as_told"]),
            *_slots("  by a task that had been told to wait elsewhere, after", waits["replanned"]),
            *_slots("  by a task that had only just come, after", waits["arriving"]),
        ]
    )


def _slots(what: str, waits: Mapping[str, Any]) -> list[str]:
    if waits["p50_seconds"] is None:
        return []
    middle, p95 = 1e3 * waits["p50_seconds"], 1e3 * waits["p95_seconds"]
    return [f"  {what} {middle:.0f} ms (p95 {p95:.0f} ms, {waits['tasks']} tasks)"]


def agreement(figures: Mapping[str, Any]) -> str:
    """What the simulator makes of the same tasks, beside what happened."""
    simulated = figures["simulated"]
    rows = [
        [
            label,
            f"{figures[label][MEAN]:.1f}",
            f"{own[MEAN]:.1f}",
            f"{100 * own['mean_error']:+.0f} %",
            f"{100 * own['share_error']:.0f} points",
        ]
        for label, own in simulated.items()
    ]
    return table(["scheduler", "mean turnaround s", "simulated", "off by", "share of a class off by"], rows)


def memory(rss_mib: Mapping[str, Mapping[str, float | None]]) -> str:
    """Resident memory of Foretide's processes."""
    rows = [
        [name, *("-" if own[key] is None else f"{own[key]:.0f}" for key in ("now", "peak"))]
        for name, own in rss_mib.items()
    ]
    return table(["process", "resident MiB", "at its peak"], rows)


def rounds(figures: Mapping[str, Any]) -> str:
    """Each of several rounds in a row, then their medians."""
    every = [*enumerate(figures["runs"], 1), ("median", figures)]
    rows = []
    for name, own in every:
        hits = [f"{own[label][HITS]:g}" for label in labels()]
        rows.append(
            [str(name)]
            + [f"{own[label][MEAN]:.1f} / {own[label][P95]:.1f}" for label in labels()]
            + [f"{own[key]:.2f}" for key in RATIOS]
            + [" ".join(hits)]
        )
    header = ["round", *labels(), *(key.replace("_", " ") for key in RATIOS), "deadline hits"]
    return table(header, rows) + "\n  mean / p95 turnaround in seconds; deadline hits in the order of the columns"
