"""`foretide predict`: what a task takes on each node class, and when it would end on each node if it came now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from foretide.placement.order import Order
from foretide.placement.plan import (
    NO_ELIGIBLE_NODE,
    NO_ROOM_FORESEEN,
    NOT_PREDICTED,
    TOO_LARGE,
    WAIT_BOUND_REACHED,
)
from foretide_cli.cluster import Seen, see
from foretide_cli.forecast import Forecast, OfClass, forecast
from foretide_cli.now import Now, Planned
from foretide_cli.tables import Doubtful, Part, Table, Wrong
from foretide_cli.terminal import Show
from foretide_kube.client import KubeClient
from foretide_kube.kinds.aiworkload import AIWorkload

REASONS: Final = {
    NO_ELIGIBLE_NODE: "no node may run it: taints, its node selector, or there are no nodes",
    TOO_LARGE: "it asks for more than any node that may run it has; lower spec.resources.limits",
    NO_ROOM_FORESEEN: "what occupies the nodes that may run it is not expected to end",
    NOT_PREDICTED: "no class that it is predicted for has a node that may run it",
    WAIT_BOUND_REACHED: "no room within its wait bound: its gate opens earlier, and it is Pending until then",
}
MOST_AHEAD_SECONDS: Final = 2.0
"""Where this machine's clock is further off the API server's, that is said."""
_UNKNOWN: Final = "-"
_SHOWN_IN_MEBIBYTES: Final = 2**20


def predict(
    client: KubeClient,
    workloads: Sequence[AIWorkload],
    *,
    order: Order,
    most_nodes: int | None,
    clock: Callable[[], float],
    show: Show,
    complain: Callable[[str], object],
) -> int:
    """Print what is expected of each of ``workloads``; 1 if nothing is of one of them.

    ``most_nodes`` is how many nodes a table shows, None for all; documents have all. ``clock`` gives seconds since the
    epoch. ApiError where the cluster says nothing.
    """
    seen = see(client, {each.metadata.namespace for each in workloads}, clock)
    found = [forecast(each, seen, order=order) for each in workloads]
    show(found, [part for each in found for part in _parts(each, most_nodes)])
    for each in found:
        for warning in each.warnings:
            complain(warning)
    _complain_of_rights(seen, complain)
    if abs(seen.ahead_seconds) > MOST_AHEAD_SECONDS:
        off = f"{abs(seen.ahead_seconds):.0f} s {'ahead of' if seen.ahead_seconds > 0.0 else 'behind'}"
        complain(f"this machine's clock is {off} the API server's, which is used")
    return 0 if all(each.is_predicted for each in found) else 1


def _complain_of_rights(seen: Seen, complain: Callable[[str], object]) -> None:
    if seen.missing:
        lost = "" if seen.is_whole else "what tasks would meet now is left out; "
        complain(f"{lost}missing rights: {', '.join(seen.missing)} (ClusterRole foretide-predict gives them)")


def _parts(found: Forecast, most_nodes: int | None) -> list[Part]:
    what = "requests of one inference" if found.is_service else f"tasks of {found.inferences} inferences"
    parts: list[Part] = [f"{found.namespace}/{found.name}, {what}: {found.knowledge}"]
    if found.classes:
        parts.append(_classes(found.classes, found.percentile, is_service=found.is_service))
    if found.now is not None and found.is_service:
        parts.append(_of_service(found, found.now))
    elif found.now is not None:
        parts += [_summary(found, found.now), *_nodes(found.now, most_nodes, percentile=found.percentile)]
    return parts


def _of_service(found: Forecast, now: Now) -> tuple[str, ...]:
    """Where the Pods of a service would go, and where requests keep to what is asked for."""
    places = Counter(each.node for each in now.tasks if each.node is not None)
    told = ", ".join(f"{node} ({count})" if count > 1 else node for node, count in places.items())
    lines = [f"now its Pods would go to {told}" if told else Wrong("now there is no room for its Pods")]
    if found.latency_seconds is not None:
        kept = [
            each.node_class
            for each in found.classes
            if each.work_quantile_seconds is not None and each.work_quantile_seconds <= found.latency_seconds
        ]
        head = f"the latency of {1e3 * found.latency_seconds:.0f} ms is met with {found.percentile} % probability"
        lines.append(f"{head} on idle nodes of {', '.join(kept)}" if kept else Wrong(f"{head} nowhere"))
    return (*lines, *now.notes)


def _classes(classes: Sequence[OfClass], percentile: int, *, is_service: bool) -> Table:
    """The table of classes; columns in which nothing is known are left out."""
    columns: list[tuple[str, Callable[[OfClass], str]]] = [
        ("class", lambda row: row.node_class),
        ("predicted", lambda row: row.source or _UNKNOWN),
        ("nodes ready", lambda row: _UNKNOWN if row.nodes is None else f"{row.ready_nodes}/{row.nodes}"),
        ("start-up s", lambda row: _seconds(row.startup_seconds)),
        ("work s", lambda row: _seconds(row.work_seconds)),
        (f"{percentile} %", lambda row: _seconds(row.work_quantile_seconds)),
        ("completion s", lambda row: _seconds(row.completion_seconds)),
        (f"{percentile} %", lambda row: _seconds(row.completion_quantile_seconds)),
        ("memory MiB", lambda row: _mebibytes(row.memory_bytes)),
        ("energy J", lambda row: _seconds(row.energy_joules)),
        ("speed", lambda row: _UNKNOWN if row.speed is None else f"{row.speed:.2f}"),
    ]
    if is_service:
        columns[4:8] = [
            ("request ms", lambda row: _milliseconds(row.work_seconds)),
            (f"{percentile} %", lambda row: _milliseconds(row.work_quantile_seconds)),
        ]
    if all(row.completion_seconds is not None for row in classes):
        columns.pop()
    cells = [(title, [shown(row) for row in classes]) for title, shown in columns]
    kept = [(title, column) for title, column in cells if any(cell != _UNKNOWN for cell in column)]
    return Table([[title for title, _ in kept], *zip(*(column for _, column in kept), strict=True)], left=2)


def _summary(found: Forecast, now: Now) -> tuple[str, ...]:
    """What the plan says of the tasks, in some lines."""
    percentile, count, in_all = found.percentile, len(now.tasks), now.tasks_in_all
    placed = [each for each in now.tasks if each.node is not None]
    head = f"now, {now.waiting} task{'' if now.waiting == 1 else 's'} waiting already"
    if in_all == 1:
        lines = [f"{head}: it {_told(placed[0], percentile)}" if placed else f"{head}: it has no place"]
    else:
        later = in_all > count
        many = f"{count} of {in_all} tasks planned, the others come later" if later else f"{count} tasks at once"
        lines = [f"{head}, {many}:"]
        if placed:
            lines.append(f"the first {_told(placed[0], percentile)}")
        if len(placed) > 1:
            lines.append(f"the last{' of these' if later else ''} {_told(placed[-1], percentile)}")
    for reason, times in Counter(each.reason for each in now.tasks if each.reason).items():
        lines.append(Doubtful(f"{'' if count == 1 else f'{times} of {count}: '}{REASONS.get(reason, reason)}"))
    if found.deadline_seconds is not None and any(each.end_seconds is not None for each in placed):
        lines.append(_deadline(found.deadline_seconds, now.tasks, percentile))
    return (*lines, *now.notes)


def _told(task: Planned, percentile: int) -> str:
    wait = _seconds(task.wait_seconds or 0.0)
    when = "at once" if wait == "0.0" else f"in {wait} s"
    if task.end_seconds is None:
        return f"would go to {task.node} {when}; how long it takes there is not predicted"
    start = f"would start {when}"
    after = f", when {task.waits_for} has ended," if task.waits_for else ""
    end = f"{_seconds(task.end_seconds)} s ({percentile} %: {_seconds(task.quantile_seconds)})"
    return f"{start} on {task.node}{after} and end in {end}"


def _deadline(deadline_seconds: float, tasks: Sequence[Planned], percentile: int) -> str:
    likely = sum(each.end_seconds is not None and each.end_seconds <= deadline_seconds for each in tasks)
    sure = sum(each.quantile_seconds is not None and each.quantile_seconds <= deadline_seconds for each in tasks)
    head = f"the deadline of {deadline_seconds:.1f} s"
    if len(tasks) > 1:
        tone = str if sure == len(tasks) else Doubtful if likely == len(tasks) else Wrong
        return tone(f"{head} is met by {likely} of {len(tasks)}, by {sure} with {percentile} % probability")
    if sure:
        return f"{head} is met with {percentile} % probability"
    return Doubtful(f"{head} is met if all goes as expected") if likely else Wrong(f"{head} is missed")


def _nodes(now: Now, most: int | None, *, percentile: int) -> list[Table]:
    """The table of nodes, and what it leaves out."""
    if not now.nodes:
        return []
    shown = now.nodes[:most]
    many = len(now.tasks) > 1
    planned = ["planned here"] if many else []
    rows = [["node", "class", *planned, "wait s", "pull s", "slow-down", "end s", f"{percentile} %"]]
    rows += [
        [
            each.node,
            each.node_class,
            *([str(each.tasks)] if many else []),
            _seconds(each.wait_seconds),
            _seconds(each.pull_seconds),
            f"{each.slowdown:.2f}",
            _seconds(each.end_seconds),
            _seconds(each.quantile_seconds),
        ]
        for each in shown
    ]
    left = []
    if len(now.nodes) > len(shown):
        left.append(f"{len(now.nodes) - len(shown)} more, see --nodes all")
    if now.nodes_left_out:
        left.append(f"{now.nodes_left_out} left out: cannot run it, no room in sight, or of a class without prediction")
    return [Table(rows, left=2, notes=[f"({words})" for words in left])]


def _seconds(value: float | None) -> str:
    return _UNKNOWN if value is None else f"{value:.1f}"


def _milliseconds(seconds: float | None) -> str:
    return _UNKNOWN if seconds is None else f"{1e3 * seconds:.1f}"


def _mebibytes(value: int | None) -> str:
    return _UNKNOWN if value is None else f"{value / _SHOWN_IN_MEBIBYTES:.0f}"
