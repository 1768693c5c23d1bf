"""Predicted against actual: each task as a point, the errors by class, and what the operator counted besides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from foretide.prediction import SUREST_FIRST, Source
from foretide_cli.export.document import Export
from foretide_cli.report.compared import Compared, Errors, grouped
from foretide_cli.report.counted import counted
from foretide_cli.report.markup import Child, Markup, foreign, tag
from foretide_cli.report.picture import SOURCES, Log, axis, bar, dot, key, place, plot, post, strip
from foretide_cli.report.tables import FIGURES, NAME, PICTURE, Columns, absent, behind, code, section, table
from foretide_cli.report.words import count, duration, moment_of, percent, signed, span, tick, times

MOST_POINTS: Final = 2_000
MOST_ROWS: Final = 300
_OTHERS: Final = " For tasks without Foretide's runner, completion is compared."
_FACTOR: Final = 2.0
_RATIOS: Final = Log(0.25, 4.0, times, marks=((0.5, "½ ×"), (1.0, "1 ×"), (2.0, "2 ×")))


def errors(export: Export, rows: Sequence[Compared]) -> Markup:
    """The section."""
    title = "Predicted against actual"
    if not rows:
        return section("errors", title, no_tasks(export), counted(export))
    drawn = thinned(rows, MOST_POINTS)
    return section(
        "errors",
        title,
        tag(
            "p",
            "Each point is one task that ended: the time predicted for its work when it was placed, and the time it "
            "took. On the line both are equal; above it tasks took longer. Dashed lines: twice as long, and half.",
            None if all(row.is_work for row in rows) else _OTHERS,
        ),
        tag(
            "div",
            tag("figure", _scatter(drawn), tag("figcaption", _drawn(len(drawn), len(rows)), key(SOURCES))),
            tag("div", _by_class(rows)),
            class_="beside-each-other",
        ),
        behind("The tasks as a table", _tasks(rows)),
        counted(export),
    )


def no_tasks(export: Export) -> Markup:
    """Words where no task was held against a prediction."""
    if any("pods" in each for each in export.missing):
        return absent("Pods could not be read.", "Ended tasks are Pods; missing rights are listed at the end.")
    failed = sum(task.ending == "Failed" for task in export.tasks)
    ended = f" {count(len(export.tasks), 'task')} ended, {failed:,} of them failed." if export.tasks else ""
    how: list[Child] = [
        f"{ended} Apply an AIWorkload with ",
        code("run: {mode: Job}"),
        ", or Pods of your own with the label ",
        code("foretide.dev/workload"),
        ". A report covers tasks whose Pods still exist: those of run Jobs stay for an hour.",
    ]
    return absent("No task that was predicted has ended.", how)


def thinned(rows: Sequence[Compared], most: int) -> Sequence[Compared]:
    """Every so many-th of ``rows``, of which there is one at least, so that ``most`` are left at the most."""
    return rows[:: -(-len(rows) // most)]


def _drawn(drawn: int, rows: int) -> str:
    return f"{count(rows, 'task')}" if drawn == rows else f"{drawn:,} of {count(rows, 'task')}, evenly picked"


def _scatter(rows: Sequence[Compared]) -> Markup:
    scale = Log.over([seconds for row in rows for seconds in (row.told, row.took)], tick, least=4.0)
    shift = scale.at(scale.low * _FACTOR)
    lines = [
        tag("line", class_="identity", x1="0", y1="100%", x2="100%", y2="0"),
        tag("line", class_="factor", x1="0", y1=place(100 - shift), x2=place(100 - shift), y2="0"),
        tag("line", class_="factor", x1=place(shift), y1="100%", x2="100%", y2=place(shift)),
    ]
    points = [dot(row.source, scale.at(row.told), 100 - scale.at(row.took)) for row in rows]
    told = f"{count(len(rows), 'task')}: predicted against actual seconds; the tables have the figures"
    return plot(scale, scale, [*lines, *points], x_words="predicted →", y_words="↑ actual", label=told)


def _by_class(rows: Sequence[Compared]) -> Markup:
    groups = grouped(rows, lambda row: row.task.node_class)
    columns: Columns = [
        ("class", NAME),
        ([tag("span", "actual over predicted", class_="heard"), axis(_RATIOS)], PICTURE),
        ("tasks", FIGURES),
        ("WAPE", FIGURES),
        ("bias", FIGURES),
        ("median error", FIGURES),
        ("within 10 %", FIGURES),
        ("in 90 % interval", FIGURES),
    ]
    made: list[Sequence[Child]] = [
        (foreign(name), _ratios(found), *_figures(Errors.of(found))) for name, found in sorted(groups.items())
    ]
    if len(groups) > 1:
        made.append((tag("b", "all"), _ratios(rows), *_figures(Errors.of(rows))))
    return tag(
        "div",
        table(
            "Errors by node class; the picture shows actual over predicted, the middle 90 % and the median",
            columns,
            made,
        ),
        tag(
            "p",
            "WAPE: the sum of all errors over the sum of what tasks took. Bias: how much more was predicted than "
            "they took, in total. Errors are shares of what a task took.",
            class_="aside",
        ),
    )


def _ratios(rows: Sequence[Compared]) -> Markup:
    found = sorted(row.ratio for row in rows)
    cut = int(0.05 * (len(found) - 1))
    low, high, middle = found[cut], found[-1 - cut], Errors.of(rows).middle_ratio
    label = f"actual over predicted: median {times(middle)}, nine of ten from {times(low)} to {times(high)}"
    marks = bar(_RATIOS.at(low), _RATIOS.at(high), "interval"), post(_RATIOS.at(middle), "middle")
    return strip(_RATIOS, *marks, label=label)


def _figures(found: Errors) -> tuple[str, ...]:
    return (
        f"{found.tasks:,}",
        percent(found.weighted),
        signed(found.bias),
        percent(found.middle),
        percent(found.near),
        percent(found.inside),
    )


def _tasks(rows: Sequence[Compared]) -> list[Markup]:
    latest = sorted(rows, key=lambda row: -(row.task.ended_milliseconds or 0))[:MOST_ROWS]
    columns: Columns = [
        ("Pod", NAME),
        ("class", NAME),
        ("source", NAME),
        ("predicted", FIGURES),
        ("90 % interval", FIGURES),
        ("actual", FIGURES),
        ("actual over predicted", FIGURES),
        ("ended", FIGURES),
    ]
    made = table(
        "Tasks, the latest first",
        columns,
        [
            (
                foreign(f"{row.task.namespace}/{row.task.pod}"),
                foreign(row.task.node_class),
                row.source,
                duration(row.told),
                span(row.lower, row.upper),
                duration(row.took),
                times(row.ratio),
                moment_of(row.task.ended_milliseconds),
            )
            for row in latest
        ],
    )
    hidden = len(rows) - len(latest)
    return [
        made,
        *([tag("p", f"{count(hidden, 'task')} more that ended earlier are in the export.")] if hidden else []),
    ]


def by_source(rows: Sequence[Compared]) -> list[tuple[Source, list[Compared]]]:
    """``rows`` by the source of what was told, the surest first."""
    groups = grouped(rows, lambda row: row.source)
    return [(source, groups[source]) for source in SUREST_FIRST if source in groups]
