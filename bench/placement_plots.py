"""Pictures of `bench.placement`: PNG files, and one page that contains them all."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import matplotlib as mpl
import numpy as np

from foretide.simulate.summary import Summary
from foretide.simulate.trace import Trace, TracedTask

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

Found = Mapping[str, Mapping[str, Summary]]
"""scenario → policy → figures."""
Gantt = Mapping[str, Trace]
"""scheduler → what was recorded of the same tasks."""

SHOWN: Final = ("default", "most allocated", "fastest class first", "XGBoost raw", "per-pod", "foretide", "oracle")


def draw(folder: Path, found: Found, sensitivity: Mapping[str, Mapping[float, float]], gantt: Gantt) -> Iterator[Path]:
    """Draw what there is into ``folder``; the paths, the page last.

    ``sensitivity`` is regret by fleet and deviation of predictions.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pictures: list[Path] = []
    for name, scenarios in _by_fleet(found).items():
        pictures.append(_distributions(folder / f"turnaround-{_slug(name)}.png", name, scenarios))
        pictures.append(_deadlines(folder / f"deadlines-{_slug(name)}.png", name, scenarios))
    if sensitivity:
        pictures.append(_sensitivity(folder / "regret.png", sensitivity))
    if gantt:
        pictures.append(_gantt(folder / "burst.png", gantt))
    yield from pictures
    page = folder / "index.html"
    page.write_text(_page(pictures), encoding="utf-8")
    yield page


def _by_fleet(found: Found) -> dict[str, dict[str, Mapping[str, Summary]]]:
    fleets: dict[str, dict[str, Mapping[str, Summary]]] = {}
    for name, summaries in found.items():
        fleet, rest = name.split(", load ", maxsplit=1)
        fleets.setdefault(fleet, {})[f"load {rest}"] = summaries
    return fleets


def _distributions(path: Path, fleet: str, scenarios: Mapping[str, Mapping[str, Summary]]) -> Path:
    columns = (len(scenarios) + 1) // 2
    figure, grid = plt.subplots(
        2, columns, figsize=(4.2 * columns, 7), layout="constrained", squeeze=False, sharey=True
    )
    for axes, (name, summaries) in zip(grid.T.flat, scenarios.items(), strict=False):
        for policy in SHOWN:
            if policy in summaries:
                percentiles = summaries[policy].turnaround_percentiles
                style = {"foretide": "-", "oracle": ":"}.get(policy, "--")
                axes.plot(percentiles, np.linspace(0, 100, len(percentiles)), style, label=policy)
        axes.set(xscale="log", title=name, xlabel="turnaround, s")
    grid[0][0].set_ylabel("per cent of tasks")
    grid[0][0].legend(fontsize="small")
    figure.suptitle(f"Turnaround: {fleet}")
    return _saved(figure, path)


def _deadlines(path: Path, fleet: str, scenarios: Mapping[str, Mapping[str, Summary]]) -> Path:
    ways = sorted({name.split(", ", maxsplit=1)[1] for name in scenarios})
    figure, grid = plt.subplots(
        1, len(ways), figsize=(5 * len(ways), 4), layout="constrained", squeeze=False, sharey=True
    )
    for axes, way in zip(grid[0], ways, strict=True):
        loads = {float(name.split()[1].rstrip(",")): each for name, each in scenarios.items() if name.endswith(way)}
        for policy in SHOWN:
            points = [(load, each[policy]) for load, each in sorted(loads.items()) if policy in each]
            met = [100.0 * (1.0 - (summary.deadline_miss_share or 0.0)) for _, summary in points]
            axes.plot([load for load, _ in points], met, "o-", label=policy)
        axes.set(title=way, xlabel="load")
    grid[0][0].set_ylabel("per cent of deadlines met")
    grid[0][0].legend(fontsize="small")
    figure.suptitle(f"Deadlines of three times the best class: {fleet}")
    return _saved(figure, path)


def _sensitivity(path: Path, sensitivity: Mapping[str, Mapping[float, float]]) -> Path:
    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    for fleet, by_error in sensitivity.items():
        axes.plot(
            [100 * error for error in by_error], [100 * regret for regret in by_error.values()], "o-", label=fleet
        )
    axes.set(xlabel="standard deviation of predictions, per cent", ylabel="regret, per cent")
    axes.set_title("Mean turnaround lost to wrong predictions (bursts of 100, load 1)")
    axes.legend()
    return _saved(figure, path)


def _gantt(path: Path, gantt: Gantt) -> Path:
    ran = {label: [task for task in trace.traced if task.node] for label, trace in gantt.items()}
    nodes = sorted({task.node for tasks in ran.values() for task in tasks})
    workloads = sorted({task.workload for tasks in ran.values() for task in tasks})
    figure, grid = plt.subplots(
        len(ran), 1, figsize=(11, 3.2 * len(ran)), layout="constrained", sharex=True, squeeze=False
    )
    for (axes,), (label, tasks) in zip(grid, ran.items(), strict=True):
        _lanes(axes, tasks, nodes, workloads)
        axes.set_title(label)
    grid[-1][0].set_xlabel("seconds since the first task was created")
    handles = [Rectangle((0, 0), 1, 1, color=f"C{number}") for number in range(len(workloads))]
    grid[0][0].legend(handles, workloads, fontsize="small", loc="upper right")
    figure.suptitle("A burst on real nodes")
    return _saved(figure, path)


def _lanes(axes: Axes, tasks: Sequence[TracedTask], nodes: Sequence[str], workloads: Sequence[str]) -> None:
    """A lane for each of the two slots of a node; a task lies in the first that is free."""
    for row, node in enumerate(nodes):
        free: list[float] = []
        times = sorted(
            (each.bound_seconds or 0.0, each.finish_seconds or 0.0, each.workload)
            for each in tasks
            if each.node == node
        )
        for begin, end, workload in times:
            lane = next((number for number, until in enumerate(free) if until <= begin), len(free))
            free[lane : lane + 1] = [end]
            axes.barh(
                row + 0.4 * (lane - 0.5), end - begin, left=begin, height=0.36, color=f"C{workloads.index(workload)}"
            )
    axes.set_yticks(range(len(nodes)), nodes)
    axes.invert_yaxis()


def _saved(figure: Figure, path: Path) -> Path:
    figure.savefig(path, dpi=120)
    plt.close(figure)
    return path


def _page(pictures: Sequence[Path]) -> str:
    images = "\n".join(
        f'<h2>{html.escape(path.stem)}</h2>\n<img alt="{html.escape(path.stem)}" '
        f'src="data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}">'
        for path in pictures
    )
    style = "body{font:16px/1.5 sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem}img{max-width:100%}"
    return (
        f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>Foretide: placement</title>\n'
        f"<style>{style}</style>\n<h1>Policies side by side</h1>\n{images}\n</html>\n"
    )


def _slug(name: str) -> str:
    return "-".join(name.replace(",", "").split())
