"""Pictures in SVG whose places are per cents: they become as wide as there is room, and their words stay as large.

A *strip* is one line of a picture within a row of a table, under an axis in the table's head. A *plot* is a square with
axes below and beside it. Shapes tell the source of a prediction, with and without colour.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from foretide.prediction import SUREST_FIRST, Source
from foretide_cli.report.markup import Markup, tag

Tick = tuple[float, str]
_STEPS: Final = (1, 2, 5)
_MOST_TICKS: Final = 5


class Scale(Protocol):
    """From values to places along an axis."""

    def at(self, value: float) -> float:
        """The place in per cent, from 0 to 100."""
        ...

    def ticks(self) -> list[Tick]:
        """Some round values with their words."""
        ...


@dataclass(frozen=True, slots=True)
class Log:
    """A logarithmic axis from ``low`` to ``high``, both positive, ``high`` the larger; with given ticks, if any."""

    low: float
    high: float
    words: Callable[[float], str]
    marks: tuple[Tick, ...] = ()

    @classmethod
    def over(cls, values: Iterable[float], words: Callable[[float], str], *, least: float = 2.0) -> Log:
        """An axis with some room around ``values``, of which there is one at least; it spans a factor of ``least``."""
        found = list(values)
        low, high = min(found), max(found)
        room = max(1.08, math.sqrt(least * low / high)) if high > 0 else 1.08
        return cls(low / room, high * room, words)

    def at(self, value: float) -> float:
        """The place in per cent; values beyond the ends are drawn there."""
        span = math.log(self.high / self.low)
        return 100 * min(max(math.log(max(value, self.low) / self.low) / span, 0.0), 1.0)

    def ticks(self) -> list[Tick]:
        """Values of 1, 2 and 5 times powers of ten; powers of ten alone where these are too many."""
        if self.marks:
            return list(self.marks)
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        for steps, stride in ((_STEPS, 1), ((1,), 1), ((1,), 2), ((1,), 3)):
            values = [step * 10.0**power for power in range(first, last + 1, stride) for step in steps]
            inside = [value for value in values if self.low <= value <= self.high]
            if len(inside) <= _MOST_TICKS:
                break
        return [(value, self.words(value)) for value in inside]


@dataclass(frozen=True, slots=True)
class Linear:
    """An even axis from ``low`` to ``high`` with given ticks."""

    low: float
    high: float
    marks: tuple[Tick, ...]

    def at(self, value: float) -> float:
        """The place in per cent; values beyond the ends are drawn there."""
        return 100 * min(max((value - self.low) / (self.high - self.low), 0.0), 1.0)

    def ticks(self) -> list[Tick]:
        """Those that were given."""
        return list(self.marks)


def place(percent: float) -> str:
    """A place as SVG has it."""
    return f"{percent:.2f}%"


def strip(scale: Scale, *marks: Markup, label: str) -> Markup:
    """One line of marks over the ticks of ``scale``; ``label`` is what is heard in its place."""
    lines = [
        tag("line", class_="grid", x1=place(at), x2=place(at), y1="0", y2="100%")
        for at in (scale.at(value) for value, _ in scale.ticks())
    ]
    return tag("svg", lines, list(marks), class_="strip", role="img", aria_label=label)


def axis(scale: Scale) -> Markup:
    """The words of an axis that lies above strips or below a plot."""
    return tag(
        "svg", [_word(scale.at(value), words) for value, words in scale.ticks()], class_="axis", aria_hidden="true"
    )


def _word(at: float, words: str) -> Markup:
    anchor = "start" if at < 10 else "end" if at > 90 else "middle"
    return tag("text", words, x=place(at), y="12", text_anchor=anchor)


def bar(low: float, high: float, class_: str) -> Markup:
    """A line from ``low`` to ``high``, in per cent, in the middle of a strip."""
    return tag("line", class_=class_, x1=place(low), x2=place(max(high, low)), y1="50%", y2="50%")


def post(at: float, class_: str) -> Markup:
    """An upright line at ``at`` per cent of a strip."""
    return tag("line", class_=class_, x1=place(at), x2=place(at), y1="20%", y2="80%")


def dot(source: Source, x: float, y: float = 50.0) -> Markup:
    """The mark of a source: a disc if it was measured, a ring if it was learned, a cross if it is a guess."""
    where = {"x": place(x), "y": place(y), "overflow": "visible", "width": "1", "height": "1"}
    shape = {
        "Measured": tag("circle", r="3.5"),
        "Learned": tag("circle", r="3.2"),
        "Fallback": tag("path", d="M-3-3L3 3M-3 3L3-3"),
    }[source]
    return tag("svg", shape, class_=f"mark {source.lower()}", **where)


def glyph(source: Source) -> Markup:
    """The mark of a source within words, with its name for who does not see it."""
    mark = tag("svg", dot(source, 50.0), class_="glyph", aria_hidden="true")
    return tag("span", mark, tag("span", source, class_="heard"), class_="source")


def key(words: Sequence[tuple[Source, str]]) -> Markup:
    """What the marks mean."""
    return tag("p", [tag("span", glyph(source), " ", said, class_="entry") for source, said in words], class_="key")


SOURCES: Final[tuple[tuple[Source, str], ...]] = tuple(
    zip(SUREST_FIRST, ("measured on that class", "learned by the model", "a guess from probed speeds"), strict=True)
)


def plot(x: Scale, y: Scale, marks: Sequence[Markup], *, x_words: str, y_words: str, label: str) -> Markup:
    """A square of marks whose places are in per cent from the left and from the top, between two axes."""
    grid = [
        tag("line", class_="grid", x1=place(x.at(value)), x2=place(x.at(value)), y1="0", y2="100%")
        for value, _ in x.ticks()
    ]
    grid += [
        tag("line", class_="grid", y1=place(100 - y.at(value)), y2=place(100 - y.at(value)), x1="0", x2="100%")
        for value, _ in y.ticks()
    ]
    beside = [
        tag("text", words, x="100%", dx="-6", y=place(100 - y.at(value)), dy="4", text_anchor="end")
        for value, words in y.ticks()
    ]
    return tag(
        "div",
        tag("p", y_words, class_="above"),
        tag("svg", beside, class_="beside", aria_hidden="true"),
        tag("svg", grid, list(marks), class_="field", role="img", aria_label=label),
        axis(x),
        tag("p", x_words, class_="below"),
        class_="plot",
    )
