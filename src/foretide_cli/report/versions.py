"""The model's versions over time: when each was trained, how long it served, how well it does, and why it went."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from foretide_cli.export.document import Export
from foretide_cli.report.markup import Child, Markup, foreign, tag
from foretide_cli.report.picture import Linear, axis, bar, place, strip
from foretide_cli.report.tables import FIGURES, NAME, PICTURE, WORDS, Columns, absent, behind, code, section, table
from foretide_cli.report.words import moment, permille
from foretide_kube.kinds.common import find_condition
from foretide_kube.kinds.completiontimemodel import CompletionTimeModel, Trial, Version
from foretide_kube.times import parse_time

_MINUTE, _HOUR, _DAY = 60.0, 3_600.0, 86_400.0
_STEPS: Final = (
    *(_MINUTE * each for each in (1, 5, 15, 30)),
    *(_HOUR * each for each in (1, 3, 6, 12)),
    *(_DAY * each for each in (1, 2, 7, 14, 30, 90, 365)),
)
_MOST_TICKS: Final = 3
_LATEST_SECONDS: Final = 9_999_999_999.0
"""As late as the moments of an export can be."""


def versions(export: Export) -> Markup:
    """The section."""
    title = "Versions of the model"
    model = export.model
    if model is None:
        if any("completiontimemodels" in each for each in export.missing):
            words = "The right to list completiontimemodels.foretide.dev is missing; a ClusterRole gives it."
            return section("versions", title, absent("The model could not be read.", words))
        how = ["The operator makes it: see ", code("kubectl get ctmodel"), "."]
        return section("versions", title, absent("There is no CompletionTimeModel.", how))
    if not model.status.versions:
        return section("versions", title, absent("Nothing was trained yet.", _why_none(model)))
    newest = sorted(model.status.versions, key=lambda each: each.trained_time, reverse=True)
    return section(
        "versions",
        title,
        tag(
            "p",
            "A bar is the time from a version's training until it was replaced, a cross a version that was rejected or "
            "rolled back. Errors are on data held out of its training.",
        ),
        _timeline(newest, export.taken_time),
        _classes(model),
        _excluded(model),
    )


def _why_none(model: CompletionTimeModel) -> str:
    found = find_condition(model.status.conditions, "Trained")
    least = model.spec.minimum_observations
    said = f"{found.reason}: {found.message}. " if found is not None and found.message else ""
    return f"{said}The first version needs {least} observations: measurements, and tasks that ended."


def _timeline(newest: Sequence[Version], taken_time: str) -> Markup:
    moments = [each for version in newest for each in (_seconds(version.trained_time), _end(version, taken_time))]
    low, high = min(moments), max(*moments, _seconds(taken_time))
    room = max((high - low) * 0.04, 30.0)
    scale = Linear(low - room, high + room, _ticks(low - room, high + room))
    columns: Columns = [
        ("version", NAME),
        ([tag("span", "when it served", class_="heard"), axis(scale)], PICTURE),
        ("state", NAME),
        ("trained", NAME),
        ("observations", FIGURES),
        ("median error", FIGURES),
        ("in 90 % interval", FIGURES),
        ("why", WORDS),
    ]
    made: list[Sequence[Child]] = [
        (
            each.version,
            strip(scale, *_marks(each, scale, taken_time), label=_heard(each)),
            _state(each),
            moment(each.trained_time),
            f"{each.observations:,}",
            permille(each.errors.median_absolute_permille),
            permille(each.errors.coverage_permille),
            _why(each),
        )
        for each in newest
    ]
    return table("Versions of the model, the newest first; times are UTC", columns, made)


def _marks(version: Version, scale: Linear, taken_time: str) -> list[Markup]:
    begin, end = scale.at(_seconds(version.trained_time)), scale.at(_end(version, taken_time))
    marks = []
    if version.state != "Rejected":
        marks.append(bar(begin, max(end, begin + 0.8), "serving" if version.state == "Serving" else "served"))
    if version.state in {"Rejected", "RolledBack"}:
        cross = tag("path", d="M-4-4L4 4M-4 4L4-4")
        at = begin if version.state == "Rejected" else end
        marks.append(tag("svg", cross, class_="cross", x=place(at), y="50%", width="1", height="1", overflow="visible"))
    return marks


def _end(version: Version, taken_time: str) -> float:
    """When it ceased to serve; the moment of the report for the one that serves."""
    if version.state == "Serving":
        return _seconds(taken_time)
    return max(_seconds(version.state_time or version.trained_time), _seconds(version.trained_time))


def _state(version: Version) -> str:
    words = {"Serving": "serving", "Superseded": "superseded", "Rejected": "rejected", "RolledBack": "rolled back"}
    proven = version.state in {"Serving", "Superseded"} and version.proven_time
    return words[version.state] + (", proven" if proven else "")


def _heard(version: Version) -> str:
    return f"trained {moment(version.trained_time)}, {_state(version)} since {moment(version.state_time)}"


def _why(version: Version) -> list[Child]:
    said: list[Child] = [tag("span", f"{version.reason}: " if version.reason else "", foreign(version.message))]
    return [*said, [tag("small", _trial(each)) for each in version.trials]]


def _trial(trial: Trial) -> str:
    of = "tasks since" if trial.times == "Served" else "pairs held back"
    errors = f"{permille(trial.error_permille)} against {permille(trial.against_error_permille)} of {trial.against}"
    verdict = {"Worse": "worse", "Undecided": "undecided", "NotWorse": "not worse"}[trial.verdict]
    return f"On {trial.pairs:,} {of}: {errors}, {verdict}."


def _classes(model: CompletionTimeModel) -> Markup | None:
    if not model.status.classes:
        return None
    columns: Columns = [
        ("class", NAME),
        ("observations", FIGURES),
        ("median error", FIGURES),
        ("in 90 % interval", FIGURES),
        ("contention", NAME),
    ]
    rows = [
        (
            foreign(each.node_class),
            f"{each.observations:,}",
            permille(each.error_permille),
            permille(each.coverage_permille),
            ", ".join(f"{found.kind} {found.coefficient_permille / 1000:.2f}" for found in each.contention) or "–",
        )
        for each in model.status.classes
    ]
    return behind("The version in use, by class", table("The version in use, by node class", columns, rows))


def _excluded(model: CompletionTimeModel) -> Markup | None:
    if not model.status.excluded:
        return None
    columns: Columns = [("namespace", NAME), ("observations", FIGURES), ("reason", NAME)]
    rows = [
        (foreign(each.namespace), f"{each.observations:,}{' (all)' if each.whole else ''}", each.reason)
        for each in model.status.excluded
    ]
    return behind("Observations that were left out", table("Observations that were left out", columns, rows))


def _seconds(time: str) -> float:
    """Since the epoch, within what the picture's margins can go beyond and still be dates."""
    found = parse_time(time)
    return 0.0 if found is None else min(max(found.timestamp(), 0.0), _LATEST_SECONDS)


def _ticks(low: float, high: float) -> tuple[tuple[float, str], ...]:
    """A few round moments."""
    step = next((each for each in _STEPS if (high - low) / each <= _MOST_TICKS), (high - low) / _MOST_TICKS)
    first = datetime.fromtimestamp(low, tz=UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    form = "%b %d" if step >= _DAY else "%H:%M" if high - low <= _DAY else "%b %d %H:%M"
    count = int((high - first.timestamp()) / step) + 1
    first_count = max(int((low - first.timestamp()) / step) - 1, 0)
    moments = [first + timedelta(seconds=step * number) for number in range(first_count, count + 1)]
    return tuple((each.timestamp(), each.strftime(form)) for each in moments if low <= each.timestamp() <= high)
