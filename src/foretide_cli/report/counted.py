"""What the operator counted of each workload's tasks and requests, those included whose Pods are gone."""

from __future__ import annotations

from collections.abc import Sequence

from foretide_cli.export.document import Export
from foretide_cli.report.markup import Child, Markup, foreign
from foretide_cli.report.tables import FIGURES, NAME, Columns, behind, table
from foretide_cli.report.words import count, duration, times
from foretide_kube.kinds.aiworkload import AIWorkload


def counted(export: Export) -> Markup | None:
    """A table behind a line; None where nothing was counted."""
    made = [row for workload in export.workloads for row in _rows(workload)]
    if not made:
        return None
    columns: Columns = [
        ("workload", NAME),
        ("counted", FIGURES),
        ("mean completion", FIGURES),
        ("actual over predicted", FIGURES),
    ]
    caption = "Counted by the operator since each workload was created, including tasks whose Pods are gone"
    return behind("Counted since each workload was created", table(caption, columns, made))


def _rows(workload: AIWorkload) -> list[Sequence[Child]]:
    name = foreign(f"{workload.metadata.namespace}/{workload.metadata.name}")
    actuals, service = workload.status.actuals, workload.status.service
    rows: list[Sequence[Child]] = []
    if actuals is not None and actuals.count:
        seconds = actuals.mean_completion_milliseconds / 1e3
        rows.append(
            (name, count(actuals.count, "task"), duration(seconds), _ratio(actuals.actual_to_predicted_permille))
        )
    if service is not None and service.minutes:
        what = f"{count(service.requests, 'request')} in {count(service.minutes, 'minute')}"
        latest = f"{duration(service.observed_latency_microseconds / 1e6)} a request, latest minute"
        rows.append((name, what, latest, _ratio(service.observed_to_predicted_permille)))
    return rows


def _ratio(permille: int | None) -> str:
    return "–" if permille is None else times(permille / 1000)
