"""Figures as people read them: two or three digits, always with their unit, from which no line break parts them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from foretide_kube.times import parse_time

_WITH: Final = "\u00a0"
_UNITS: Final = ((86_400.0, "d", 3.0), (3_600.0, "h", 3.0), (60.0, "min", 10.0), (1.0, "s", 1.0), (1e-3, "ms", 1.0))
"""Seconds of a unit, its name, and from how many of it on it is used."""


def duration(seconds: float) -> str:
    """A time, as ``6.2 s``."""
    unit, name = _unit(seconds)
    return f"{_figures(seconds / unit)}{_WITH}{name}"


def span(lower: float, upper: float) -> str:
    """Two times with one unit, as ``5.4–7.1 s``: that of the shorter, if the longer has no more than three digits."""
    unit, name = _unit(lower)
    if upper >= 999.5 * unit:
        unit, name = _unit(upper)
    return f"{_figures(lower / unit)}–{_figures(upper / unit)}{_WITH}{name}"


def _unit(seconds: float) -> tuple[float, str]:
    return next(((unit, name) for unit, name, least in _UNITS if abs(seconds) >= unit * least), (1e-6, "µs"))


def _figures(number: float) -> str:
    return f"{number:,.0f}" if abs(number) >= 99.95 else f"{number:.1f}"


def tick(seconds: float) -> str:
    """A round time, as on an axis: ``5 s``, ``100 ms``."""
    unit, name = next(((unit, name) for unit, name, _ in _UNITS[-2:] if seconds >= unit * 0.999), (1e-6, "µs"))
    return f"{seconds / unit:,.6g}{_WITH}{name}"


def percent(share: float) -> str:
    """A share, as ``8.2 %`` or ``91 %``."""
    return f"{100 * share:.1f}{_WITH}%" if abs(share) < 0.0995 else f"{100 * share:,.0f}{_WITH}%"


def signed(share: float) -> str:
    """A share with its sign, as ``+4.0 %``."""
    return ("+" if share >= 0 else "−") + percent(abs(share))


def permille(number: int | None) -> str:
    """Thousandths as a share; a dash where there are none."""
    return "–" if number is None else percent(number / 1000)


def times(ratio: float) -> str:
    """A ratio, as ``1.42 ×``."""
    digits = 2 if ratio < 1.995 else 1 if ratio < 9.95 else 0
    return f"{ratio:,.{digits}f}{_WITH}×"


def count(number: int, one: str, many: str = "") -> str:
    """So many of something, as ``1 task``, ``1,204 tasks``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def moment(time: str | None) -> str:
    """An RFC 3339 time to the minute, as ``2026-09-21 14:13 UTC``; a dash where there is none."""
    found = parse_time(time)
    return "–" if found is None else found.strftime("%Y-%m-%d %H:%M UTC")


def moment_of(milliseconds: int | None) -> str:
    """Milliseconds since the epoch, likewise."""
    if milliseconds is None:
        return "–"
    return datetime.fromtimestamp(milliseconds / 1000, tz=UTC).strftime("%Y-%m-%d %H:%M UTC")


def plainly(names: list[str], most: int = 5) -> str:
    """Some names and how many there are besides."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
