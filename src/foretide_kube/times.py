"""The API's times (RFC 3339, whole seconds) as numbers."""

from __future__ import annotations

import math
from datetime import UTC, datetime


def parse_time(text: str | None) -> datetime | None:
    """A moment in UTC, or None for what is absent or unreadable."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):  # the latter where it lies before the year 1 or after 9999 in UTC
        return None


def epoch_seconds(text: str | None) -> float | None:
    """Seconds since the epoch, or None."""
    moment = parse_time(text)
    return None if moment is None else moment.timestamp()


def epoch_milliseconds(text: str | None) -> int | None:
    """Milliseconds since the epoch, or None."""
    moment = parse_time(text)
    return None if moment is None else round(moment.timestamp() * 1000)


def seconds_since(text: str | None, now: datetime) -> float:
    """Seconds from then to ``now``; 0 for what is absent or lies ahead."""
    moment = parse_time(text)
    return 0.0 if moment is None else max(0.0, (now - moment).total_seconds())


def seconds_left(wait_seconds: float, text: str | None, now: datetime) -> float:
    """Seconds that are left of a wait since then; 0 for what is absent.

    A time that is further ahead than the wait is long was told by a clock that has been put back: nothing is left.
    """
    moment = parse_time(text)
    passed_seconds = math.inf if moment is None else (now - moment).total_seconds()
    return max(0.0, wait_seconds - passed_seconds) if passed_seconds >= -wait_seconds else 0.0


def from_milliseconds(milliseconds: int) -> datetime:
    """The moment that lies this many milliseconds after the epoch."""
    return datetime.fromtimestamp(milliseconds / 1000, tz=UTC)
