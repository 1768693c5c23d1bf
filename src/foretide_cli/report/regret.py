"""Decision regret: what tasks took on each class, which of them predictions prefer, and what that loses."""

from __future__ import annotations

from collections.abc import Sequence

from foretide_cli.export.document import Export
from foretide_cli.report.choices import Choice, choices, mean_lost
from foretide_cli.report.compared import Compared
from foretide_cli.report.markup import Child, Markup, foreign, tag
from foretide_cli.report.picture import Log, axis, place, strip
from foretide_cli.report.tables import FIGURES, NAME, PICTURE, Columns, absent, behind, section, table
from foretide_cli.report.words import count, duration, percent, tick


def regret(export: Export, rows: Sequence[Compared]) -> Markup:
    """The section."""
    title = "Decision regret"
    found = choices(export.workloads, rows)
    if not found:
        how = (
            "It needs a workload whose tasks ended on two node classes or more: where all ran on one class, what the "
            "others would have taken is not known."
        )
        return section("regret", title, absent("Nothing to compare yet.", how))
    seconds, share = mean_lost(found)
    said = "Predictions prefer the best class everywhere"
    if seconds > 0.0:
        said = f"A task loses {duration(seconds)} on average, {percent(share)} of what it takes on its best class"
    return section(
        "regret",
        title,
        tag(
            "p",
            "What a task loses on the class that predictions prefer, against the class where similar tasks took the "
            "least, by the medians of what tasks took. Each mark is a class: the disc is the best, the ring the "
            "preferred one; where they agree they coincide. Waiting for a busy node is not included.",
        ),
        tag("p", tag("strong", said), f": {count(len(found), 'workload')} with tasks on several classes."),
        _summary(found),
        behind("By class, as a table", _by_class(found)),
    )


def _summary(found: Sequence[Choice]) -> Markup:
    scale = Log.over([seconds for each in found for seconds in each.actual.values()], tick, least=4.0)
    columns: Columns = [
        ("workload", NAME),
        ([tag("span", "time of a task by class", class_="heard"), axis(scale)], PICTURE),
        ("tasks", FIGURES),
        ("preferred", NAME),
        ("best", NAME),
        ("lost by a task", FIGURES),
        ("of its time", FIGURES),
    ]
    made: list[Sequence[Child]] = [
        (
            foreign(f"{each.namespace}/{each.name}"),
            strip(scale, *_marks(each, scale), label=_heard(each)),
            f"{each.task_count:,}",
            foreign(each.preferred),
            foreign(each.best),
            "none" if each.best == each.preferred else duration(each.lost_seconds),
            "–" if each.best == each.preferred else percent(each.lost_seconds / each.actual[each.best]),
        )
        for each in found
    ]
    return table("Regret by workload", columns, made)


def _marks(choice: Choice, scale: Log) -> list[Markup]:
    marks = []
    for name, seconds in choice.actual.items():
        x = place(scale.at(seconds))
        marks.append(tag("line", class_="other", x1=x, x2=x, y1="30%", y2="70%"))
        if name == choice.best:
            marks.append(tag("circle", class_="level", cx=x, cy="50%", r="3.5"))
        if name == choice.preferred:
            marks.append(tag("circle", class_="ring", cx=x, cy="50%", r="6.5"))
    return marks


def _heard(choice: Choice) -> str:
    return "; ".join(f"{name} {duration(seconds)}" for name, seconds in sorted(choice.actual.items()))


def _by_class(found: Sequence[Choice]) -> Markup:
    columns: Columns = [
        ("workload", NAME),
        ("class", NAME),
        ("tasks", FIGURES),
        ("a task takes", FIGURES),
        ("", NAME),
    ]
    made: list[Sequence[Child]] = []
    for each in found:
        for name, seconds in sorted(each.actual.items(), key=lambda pair: pair[1]):
            roles = ["best"] * (name == each.best) + ["preferred"] * (name == each.preferred)
            made.append(
                (
                    foreign(f"{each.namespace}/{each.name}"),
                    foreign(name),
                    f"{each.tasks[name]:,}",
                    duration(seconds),
                    ", ".join(roles),
                )
            )
    return table("What a task takes on each class, by the medians of those that ended there", columns, made)
