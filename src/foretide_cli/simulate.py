"""`foretide simulate`: what policies would make of a scenario or a recorded trace, without a cluster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from foretide.simulate.parts import ScenarioError
from foretide.simulate.policies import foretide, kubernetes
from foretide.simulate.scenario import Scenario
from foretide.simulate.summary import Summary, compare
from foretide.simulate.trace import Trace

HEADER = ("policy", "mean s", "to first", "median s", "p95 s", "deadlines missed", "restarts", "regret")


def simulate(
    path: Path, names: Sequence[str], *, as_json: bool, say: Callable[[str], None], complain: Callable[[str], int]
) -> int:
    """Print each policy's figures as a table or as JSON; 0, or what ``complain`` gives for a scenario that is none."""
    known = {policy.name: policy for policy in (*kubernetes(), *foretide())}
    unknown = sorted(set(names) - set(known))
    if unknown:
        return complain(f"policy {unknown[0]!r} is not known; there are {', '.join(known)}")
    try:
        scenario = Trace.read(path) if path.suffix == ".json" else Scenario.read(path)
        found = compare(scenario, [known[name] for name in names or known])
    except (ScenarioError, OSError, ValueError) as error:
        return complain(str(error))
    if as_json:
        say(msgspec.json.encode(found).decode())
    else:
        say(
            f"{scenario.name}: {scenario.task_count} tasks, {scenario.tasks_per_second:.2f} a second\n\n{_table(found)}"
        )
    return 0


def _table(found: dict[str, Summary]) -> str:
    first = next(iter(found.values())).mean_turnaround_seconds
    rows = [HEADER]
    for name, each in found.items():
        rows.append(
            (
                name,
                f"{each.mean_turnaround_seconds:.1f}",
                f"{each.mean_turnaround_seconds / first:.2f}",
                f"{each.median_turnaround_seconds:.1f}",
                f"{each.p95_turnaround_seconds:.1f}",
                _percent(each.deadline_miss_share),
                str(each.restarts or "-"),
                _percent(each.regret),
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEADER))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share * 100:.1f} %"
