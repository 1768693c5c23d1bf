"""`foretide simulate`: what policies would make of a scenario or a recorded trace, without a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from foretide.simulate.audit import audited
from foretide.simulate.parts import ScenarioError
from foretide.simulate.policies import FORETIDE, Policy, foretide, kubernetes, orders
from foretide.simulate.scenario import Scenario
from foretide.simulate.summary import Summary, compare
from foretide.simulate.trace import Trace
from foretide_cli.tables import Table
from foretide_cli.terminal import Show

AUDIT_WORDS: Final[Mapping[str, str]] = {
    "EndsSoonerElsewhere": "ends sooner elsewhere",
    "KeptForAnother": "would delay another that is due there",
    "Unexplained": "(the plan does not say why)",
}
HEADER = ("policy", "mean s", "to first", "median s", "p95 s", "deadlines missed", "restarts", "regret")


def simulate(
    path: Path,
    names: Sequence[str],
    *,
    show: Show,
    progress: Callable[[str], None],
    complain: Callable[[str], int],
) -> int:
    """Print each policy's figures; 0, or what ``complain`` gives for a scenario that is none."""
    try:
        policies = _named(names) or [*kubernetes(), *foretide()]
        scenario = _read(path)
        found = compare(scenario, _each(policies, progress))
    except ValueError as error:
        return complain(str(error))
    head = f"{scenario.name}: {scenario.task_count} tasks, {scenario.tasks_per_second:.2f} a second"
    show(found, [head, _compared(found)])
    return 0


def audit(
    path: Path,
    names: Sequence[str],
    *,
    show: Show,
    progress: Callable[[str], None],
    complain: Callable[[str], int],
) -> int:
    """Print why the plan of one policy left nodes idle while tasks waited, and how often the reasons came true.

    Without a name it is Foretide's usual one.
    """
    if len(names) > 1:
        return complain(f"one policy is audited at a time; choose one of {', '.join(names)}")
    try:
        scenario = _read(path)
        (policy,) = _each(_named(names) or [FORETIDE], progress)
        found = audited(scenario, policy)
    except ValueError as error:
        return complain(str(error))
    rows = [("a node was left idle since the task", "times", "came true")]
    rows += [
        (AUDIT_WORDS[reason], str(count), _percent(found.came_true.get(reason, 0) / count))
        for reason, count in found.idle.items()
    ]
    show(found, [Table(rows), f"gates kept beyond their bound: {len(found.kept_beyond_bound)}"])
    return 0


def _named(names: Sequence[str]) -> list[Policy]:
    """The policies of these names; ValueError names one that is not known."""
    known = {policy.name: policy for policy in (*kubernetes(), *foretide(), *orders())}
    unknown = sorted(set(names) - set(known))
    if unknown:
        raise ValueError(f"policy {unknown[0]!r} is not known; known are {', '.join(known)}")
    return [known[name] for name in names]


def _each(policies: Sequence[Policy], progress: Callable[[str], None]) -> Iterator[Policy]:
    """The policies, each said as its turn comes."""
    for number, policy in enumerate(policies, 1):
        progress(f"simulating policy {number} of {len(policies)}: {policy.name}")
        yield policy


def _read(path: Path) -> Scenario | Trace:
    try:
        return Trace.read(path) if path.suffix == ".json" else Scenario.read(path)
    except OSError as error:
        raise ScenarioError(f"{path}: {error.strerror}") from error


def _compared(found: dict[str, Summary]) -> Table:
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
    return Table(rows)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share * 100:.1f} %"
