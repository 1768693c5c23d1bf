"""Where each workload is predicted to be fastest: workloads by classes, with intervals and where they are from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from foretide.placement.task import Task
from foretide.prediction import Prediction
from foretide_cli.export.document import Export
from foretide_cli.report.markup import Child, Markup, foreign, join, tag
from foretide_cli.report.picture import SOURCES, Log, bar, glyph, key, post
from foretide_cli.report.tables import absent, code, scrolling, section, titled
from foretide_cli.report.words import count, duration, span, times
from foretide_kube.kinds.aiworkload import AIWorkload
from foretide_kube.kinds.common import find_condition
from foretide_kube.published import predictions_of

MOST_WORKLOADS: Final = 200
"""Rows that are drawn, by namespace and name."""
SHADES: Final = (1.1, 1.5, 2.2, 4.0, 8.0)
"""Up to so many times what the fastest class takes a cell has its shade, from the strongest on; the last one beyond."""
_NOTHING: Final = join(tag("span", "–", aria_hidden="true"), tag("span", "not predicted", class_="heard"))


def fastest(export: Export) -> Markup:
    """The section."""
    predicted = [each for each in export.workloads if each.status.predictions]
    title = "Where each workload runs fastest"
    if not predicted:
        return section("fastest", title, _why_none(export))
    names = sorted({each.node_class for workload in predicted for each in workload.status.predictions})
    shown = sorted(predicted, key=_name)[:MOST_WORKLOADS]
    nodes = {each.metadata.name: each.status.nodes for each in export.node_classes}
    head = [
        tag(
            "th",
            foreign(name),
            tag("small", f"{found.summary} nodes ready" if (found := nodes.get(name)) else None),
            scope="col",
        )
        for name in names
    ]
    caption = "Predicted time of one task, or of one request to a service, on an idle node of each class"
    made = tag(
        "table",
        titled(caption),
        tag("thead", tag("tr", tag("th", "workload", scope="col"), head)),
        tag("tbody", [_row(each, names) for each in shown]),
        class_="heat",
    )
    return section("fastest", title, _how(), scrolling(made, caption), _notes(export, len(predicted) - len(shown)))


def _how() -> list[Markup]:
    shades = [f"up to {limit:g} ×" for limit in SHADES] + ["more"]
    scale = [tag("span", words, class_=f"shade s{number}") for number, words in enumerate(shades)]
    return [
        tag(
            "p",
            "From the binding to the last inference: the median, and under it the interval in which nine of ten tasks "
            "are expected. The line below shows both along the row. A frame marks the fastest class of each row, and "
            "the shade how many times as long the others take.",
        ),
        key(SOURCES),
        tag("p", scale, class_="key"),
    ]


def _row(workload: AIWorkload, names: Sequence[str]) -> Markup:
    by_class = {each.node_class: _seconds(workload, each) for each in workload.status.predictions}
    sources = {each.node_class: each for each in workload.status.predictions}
    least = min(middle for _, middle, _ in by_class.values())
    scale = Log.over([end for low, _, high in by_class.values() for end in (low, high)], duration)
    size = workload.spec.inferences
    what = "a request" if workload.spec.run.is_service else count(size, "inference")
    cells = [
        _cell(by_class[name], sources[name], least, scale)
        if name in by_class
        else tag(
            "td", tag("span", "–", aria_hidden="true"), tag("span", "not predicted", class_="heard"), class_="none"
        )
        for name in names
    ]
    return tag(
        "tr",
        tag(
            "th",
            foreign(workload.metadata.name),
            tag("small", foreign(workload.metadata.namespace), f", {what}"),
            scope="row",
        ),
        cells,
    )


def _cell(seconds: tuple[float, float, float], prediction: Prediction, least: float, scale: Log) -> Markup:
    lower, middle, upper = seconds
    ratio = middle / least
    shade = next((number for number, limit in enumerate(SHADES) if ratio <= limit), len(SHADES))
    is_best = middle == least
    picture = tag(
        "svg",
        bar(scale.at(lower), scale.at(upper), "interval"),
        post(scale.at(middle), "middle"),
        class_="range",
        aria_hidden="true",
    )
    compared: Child = tag("span", "fastest", class_="heard") if is_best else tag("span", times(ratio), class_="times")
    return tag(
        "td",
        tag("div", glyph(prediction.source), " ", tag("b", duration(middle)), compared, class_="told"),
        tag("small", span(lower, upper)),
        picture,
        class_=f"s{shade} best" if is_best else f"s{shade}",
    )


def _seconds(workload: AIWorkload, prediction: Prediction) -> tuple[float, float, float]:
    """Lower end, median and upper end of a task, or of a request, which starts nothing."""
    published = predictions_of(workload)
    mine = published.by_class[prediction.node_class]
    size = published.inferences_of(Task())
    return (
        max(mine.completion_seconds(size, bound="lower"), 1e-6),
        max(mine.completion_seconds(size), 1e-6),
        max(mine.completion_seconds(size, bound="upper"), 1e-6),
    )


def _notes(export: Export, hidden: int) -> list[Markup]:
    notes = []
    if hidden > 0:
        notes.append(tag("p", f"{count(hidden, 'workload')} more, later by name, are in the export and not drawn."))
    waiting: Mapping[str, str] = {
        _name(each): _problem(each) for each in export.workloads if not each.status.predictions
    }
    if waiting:
        items = [tag("li", foreign(name), ": ", foreign(why)) for name, why in sorted(waiting.items())[:MOST_WORKLOADS]]
        notes.append(
            tag("details", tag("summary", f"{count(len(waiting), 'workload')} without predictions"), tag("ul", items))
        )
    return notes


def _problem(workload: AIWorkload) -> str:
    for kind in ("Inspected", "Predicted"):
        found = find_condition(workload.status.conditions, kind)
        if found is not None and found.status != "True":
            return f"{found.reason}: {found.message}"
    return "the operator has not reconciled it yet"


def _why_none(export: Export) -> list[Markup]:
    if export.workloads:
        return [
            absent("Nothing is predicted yet.", "Predictions come once a workload is inspected."),
            *_notes(export, 0),
        ]
    if any("aiworkloads" in each for each in export.missing):
        return [absent("AIWorkloads could not be read.", "Missing rights are listed at the end.")]
    return [absent("There is no AIWorkload.", ["Apply one: ", code("kubectl apply -f workload.yaml"), "."])]


def _name(workload: AIWorkload) -> str:
    return f"{workload.metadata.namespace}/{workload.metadata.name}"
