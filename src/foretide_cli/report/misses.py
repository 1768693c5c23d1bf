"""The worst misses, each with what is known of why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from foretide_cli.export.document import Export
from foretide_cli.report.causes import Causes
from foretide_cli.report.compared import Compared, worst
from foretide_cli.report.markup import Markup, foreign, join, tag
from foretide_cli.report.picture import Log, axis, bar, post, strip
from foretide_cli.report.tables import absent, behind, code, section
from foretide_cli.report.words import count, duration, moment_of, span, tick, times

MOST_MISSES: Final = 10


def misses(export: Export, rows: Sequence[Compared]) -> Markup:
    """The section."""
    title = "Worst misses"
    if not rows:
        how = "It needs tasks that were compared with a prediction, as above."
        return section("misses", title, absent("Nothing to show yet.", how))
    found = worst(rows, MOST_MISSES)
    beyond = sum(row.outcome != "inside" for row in rows)
    if not found:
        said = f"All of {count(len(rows), 'task')} lie within their 90 % interval."
        return section("misses", title, tag("p", tag("strong", said)), _failed(export))
    causes = Causes(export, rows)
    is_explained = any(row.task.explanation is not None for row in found)
    asked = [
        " It does not include the decisions that the extender keeps: for these use ",
        code("--explain"),
        ", or for one Pod ",
        code("foretide explain pod"),
        ".",
    ]
    return section(
        "misses",
        title,
        tag(
            "p",
            f"{count(beyond, 'task')} of {len(rows):,} ended outside the interval in which nine of ten were expected. "
            "Shown are those farthest off as a factor, the worst of each workload on a class, and what is known of "
            "each; what is shown beside a miss need not be its cause.",
            None if is_explained else asked,
        ),
        tag("ol", [_miss(row, causes.of(row)) for row in found], class_="misses"),
        _failed(export),
    )


def _miss(row: Compared, why: Sequence[str]) -> Markup:
    task = row.task
    scale = Log.over([row.lower, row.upper, row.took], tick, least=4.0)
    label = f"predicted {span(row.lower, row.upper)}, took {duration(row.took)}"
    picture = strip(
        scale,
        bar(scale.at(row.lower), scale.at(row.upper), "interval"),
        post(scale.at(row.told), "middle"),
        tag("circle", class_="took", cx=f"{scale.at(row.took):.2f}%", cy="50%", r="4.5"),
        label=label,
    )
    quantity = "of work" if row.is_work else "until its end"
    return tag(
        "li",
        tag("h3", foreign(f"{task.namespace}/{task.pod}")),
        tag(
            "p",
            join(tag("b", times(row.ratio)), " the prediction: "),
            f"{duration(row.took)} {quantity}, predicted {duration(row.told)} ({span(row.lower, row.upper)}). ",
            join(foreign(task.workload), " on ", foreign(task.node), ", class ", foreign(task.node_class), ", "),
            f"{row.source}, ended {moment_of(task.ended_milliseconds)}.",
        ),
        tag("div", axis(scale), picture, class_="alone"),
        tag("ul", [tag("li", foreign(said)) for said in why]),
    )


def _failed(export: Export) -> Markup | None:
    """Tasks that failed, or whose prediction was not believed: these are held against nothing."""
    odd = [task for task in export.tasks if task.ending in {"Failed", "PredictionRefused"}]
    if not odd:
        return None
    items = [
        tag(
            "li",
            foreign(f"{task.namespace}/{task.pod}"),
            " failed: " if task.ending == "Failed" else ": its prediction is not believed, ",
            foreign(task.reason),
        )
        for task in sorted(odd, key=lambda each: -(each.ended_milliseconds or 0))[:50]
    ]
    return behind(f"{count(len(odd), 'task')} that failed, or whose prediction is not believed", tag("ul", items))
