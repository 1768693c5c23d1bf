"""Calibration: whether as many tasks keep to the told quantiles as were said to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from foretide_cli.report.compared import LEVELS, Compared, Kept, inside, kept
from foretide_cli.report.errors import by_source
from foretide_cli.report.markup import Child, Markup, tag
from foretide_cli.report.picture import Linear, glyph, place, plot
from foretide_cli.report.tables import FIGURES, NAME, Columns, absent, section, table
from foretide_cli.report.words import count, percent

FEW: Final = 20
"""Fewer tasks say little of how often something happens."""
_SHARES: Final = Linear(0.0, 100.0, tuple((float(each), f"{each} %") for each in (5, 25, 50, 75, 95)))


def calibration(rows: Sequence[Compared]) -> Markup:
    """The section."""
    title = "Calibration"
    if not rows:
        how = "It needs tasks that were compared with a prediction, as above: twenty for an idea, a hundred to be sure."
        return section("calibration", title, absent("Nothing to judge yet.", how))
    return section(
        "calibration",
        title,
        tag(
            "p",
            "To a time that 90 % of tasks are predicted to keep to, 90 % should: then the points lie on the line. "
            "Where all lie above it, predicted times are too long; where all lie below it, too short. Points that rise "
            "more steeply than the line mean that intervals are too wide, less steeply that they are too narrow. "
            "Vertical lines show how far chance could move a point.",
        ),
        tag("p", tag("strong", _verdict(rows))),
        tag(
            "div",
            tag("figure", _diagram(rows), tag("figcaption", count(len(rows), "task"))),
            tag("div", _table(rows)),
            class_="beside-each-other",
        ),
    )


def _verdict(rows: Sequence[Compared]) -> str:
    found = inside(rows)
    said = f"{percent(found.share)} of {count(len(rows), 'task')} lie within their 90 % interval"
    if len(rows) < FEW:
        return f"{said}: too few to judge by."
    if found.is_as_told:
        return f"{said}: as predicted."
    return f"{said}: intervals are too {'narrow' if found.share < 0.9 else 'wide'}."


def _diagram(rows: Sequence[Compared]) -> Markup:
    marks = [tag("line", class_="identity", x1="0", y1="100%", x2="100%", y2="0")]
    for level in LEVELS:
        found = kept(rows, level)
        x = place(_SHARES.at(level))
        marks += [
            tag("line", class_="interval", x1=x, x2=x, y1=_down(found.upper), y2=_down(found.lower)),
            tag("circle", class_="level", cx=x, cy=_down(found.share), r="4.5"),
        ]
    said = "; ".join(f"predicted {level} %, kept {percent(kept(rows, level).share)}" for level in LEVELS)
    return plot(_SHARES, _SHARES, marks, x_words="predicted →", y_words="↑ kept to it", label=said)


def _down(share: float) -> str:
    return place(100 - _SHARES.at(100 * share))


def _table(rows: Sequence[Compared]) -> Markup:
    columns: Columns = [
        ("source", NAME),
        ("tasks", FIGURES),
        *((f"predicted {level}\u00a0%", FIGURES) for level in LEVELS),
        ("in 90 % interval", FIGURES),
    ]
    groups: list[tuple[Child, Sequence[Compared]]] = [
        ([glyph(source), tag("span", f" {source}", aria_hidden="true")], found) for source, found in by_source(rows)
    ]
    if len(groups) > 1:
        groups.append((tag("b", "all"), rows))
    made = [
        (name, f"{len(found):,}", *(_said(kept(found, level)) for level in LEVELS), _said(inside(found)))
        for name, found in groups
    ]
    caption = "Share of tasks that kept to the predicted time, by source; below it how far chance could move it"
    return table(caption, columns, made)


def _said(found: Kept) -> list[Child]:
    return [
        percent(found.share) if found.is_as_told else tag("strong", percent(found.share), " !"),
        tag("small", f" {100 * found.lower:.0f}–{percent(found.upper)}"),
    ]
