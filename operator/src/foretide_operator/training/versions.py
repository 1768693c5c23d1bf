"""Which version of the model serves: a new one if it is not worse, the last proven one if the present one turned bad.

*Proven* is a version that was shown to be not worse than the proven one before it; the first is. The version in use may
be on probation: pairs did not suffice to show it. Each training judges three times, by `foretide.comparison`:

1. The version in use, on probation, against the proven one, on what was observed since. Worse: it is *rolled back*.
2. The new version against the one in use, on recent pairs held back. Worse: it is *rejected*.
3. The new version against the proven one: so many small steps for the worse are seen as what they are.

A tie goes to the new version, which knows more. What was rejected or rolled back does not serve again; nor does what
was trained on nearly the same rows as a version that was rolled back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Literal

import msgspec

from foretide_kube.kinds.common import to_time
from foretide_kube.kinds.completiontimemodel import MOST_TRIALS, MOST_VERSIONS, State, Trial, Version

Outcome = Literal["Served", "Rejected", "RolledBack"]

FEW_NEW_ROWS: Final = 4
NEW_SHARE: Final = 20
"""A table has changed materially when one row in so many is new, and `FEW_NEW_ROWS` at least."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """Something that became of a version, told once: with a reason and a message for a condition and an Event."""

    outcome: Outcome
    version: str
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class History:
    """Versions by the time of their training, oldest first, and which of them is in use; empty if none is.

    ``damaged`` are those whose artefact cannot be read.
    """

    versions: tuple[Version, ...]
    active: str
    damaged: frozenset[str] = frozenset()

    def named(self, name: str) -> Version | None:
        """The version of that name."""
        return next((version for version in self.versions if version.version == name), None)

    @property
    def usable(self) -> tuple[Version, ...]:
        """Those whose artefact is kept and sound, and that nothing was found against."""
        return tuple(
            version
            for version in self.versions
            if version.artefact is not None
            and version.version not in self.damaged
            and version.state in {"Serving", "Superseded"}
        )

    @property
    def proven(self) -> Version | None:
        """The newest usable version that was proven."""
        return next((version for version in reversed(self.usable) if version.proven_time is not None), None)

    def changed(self, name: str, **fields: object) -> History:
        """With one version changed."""
        versions = tuple(
            msgspec.structs.replace(version, **fields) if version.version == name else version
            for version in self.versions
        )
        return replace(self, versions=versions)

    def serving(self, name: str, now: datetime, *, reason: str, message: str) -> History:
        """With that version in use, and the one that was superseded, unless something was found against it."""
        after = self
        for version in self.versions:
            if version.version == name:
                after = after.changed(name, **_state("Serving", now, reason, message))
            elif version.state == "Serving":
                why = f"version {name} serves"
                after = after.changed(version.version, **_state("Superseded", now, "Superseded", why))
        return replace(after, active=name)


def after_training(
    history: History,
    candidate: Version,
    trials: tuple[Trial, ...],
    present_trial: Trial | None,
    *,
    rows_since: Callable[[Version], int],
    now: datetime,
) -> tuple[History, list[Judgement]]:
    """The history when a training has ended, and what became of versions.

    ``trials`` hold the candidate against others, ``present_trial`` the version in use against the proven one;
    ``rows_since`` counts the rows of the table that were observed after a version's training began.
    """
    judgements: list[Judgement] = []
    history, rolled_back = _watch(history, present_trial, now)
    if rolled_back is not None:
        judgements.append(rolled_back)
    known = history.named(candidate.version)
    if known is not None and known.state in {"Rejected", "RolledBack"}:
        return history, judgements
    against = _against(history, trials, rolled_back, rows_since)
    candidate = msgspec.structs.replace(
        candidate, trials=trials[:MOST_TRIALS], proven_time=known.proven_time if known is not None else None
    )
    others = tuple(version for version in history.versions if version.version != candidate.version)
    history = History((*others, candidate), history.active, history.damaged - {candidate.version})
    if against is not None:
        reason, message = against
        history = history.changed(candidate.version, **_state("Rejected", now, reason, message))
        history = history.changed(candidate.version, artefact=None)
        judgements.append(Judgement("Rejected", candidate.version, reason, message))
        return history, judgements
    is_proven = _is_proven(replace(history, versions=others), trials)
    message = "; ".join(map(_told, trials)) or "there was nothing to compare it with"
    history = history.serving(
        candidate.version, now, reason="NotWorse" if is_proven else "OnProbation", message=message
    )
    if is_proven:
        history = history.changed(candidate.version, proven_time=to_time(now))
    judgements.append(Judgement("Served", candidate.version, "NotWorse" if is_proven else "OnProbation", message))
    return history, judgements


def pruned(history: History, keep: int) -> History:
    """With at most `MOST_VERSIONS` versions, ``keep`` with artefact: that in use, the proven one, the newest."""
    proven = history.proven
    first = [history.active, *([proven.version] if proven is not None else [])]
    newest = [version.version for version in reversed(history.usable)]
    kept = list(dict.fromkeys([name for name in first if name] + newest))[:keep]
    versions = tuple(
        version if version.version in kept else msgspec.structs.replace(version, artefact=None)
        for version in history.versions
    )
    more = len(versions) - MOST_VERSIONS
    old = [version.version for version in versions if version.version not in kept][: max(more, 0)]
    return replace(history, versions=tuple(version for version in versions if version.version not in old))


def has_changed_materially(version: Version, rows: int, rows_since: int) -> bool:
    """Whether a table of so many rows, so many of them new, is more than what the version was trained on once more."""
    changed = max(rows_since, abs(rows - version.input_rows))
    return changed >= max(FEW_NEW_ROWS, version.input_rows // NEW_SHARE)


def _watch(history: History, trial: Trial | None, now: datetime) -> tuple[History, Judgement | None]:
    """The version in use judged by what was observed since its training began."""
    present, proven = history.named(history.active), history.proven
    if present is None or proven is None or trial is None or trial.against != proven.version or present == proven:
        return history, None
    trials = (*(each for each in present.trials if each.times != "Served"), trial)[-MOST_TRIALS:]
    history = history.changed(present.version, trials=trials)
    if trial.verdict == "NotWorse":
        return history.changed(present.version, proven_time=to_time(now)), None
    if trial.verdict == "Undecided":
        return history, None
    message = f"{_told(trial)}; version {proven.version} serves again"
    history = history.changed(
        present.version, **_state("RolledBack", now, "WorseThanPredecessor", message), artefact=None
    )
    why = f"version {present.version} was rolled back"
    history = history.serving(proven.version, now, reason="ServesAgain", message=why)
    return history, Judgement("RolledBack", present.version, "WorseThanPredecessor", message)


def _against(
    history: History,
    trials: tuple[Trial, ...],
    rolled_back: Judgement | None,
    rows_since: Callable[[Version], int],
) -> tuple[str, str] | None:
    """Why a candidate does not serve, with reason and message; None if it does."""
    proven = history.proven
    for name, reason in ((history.active, "WorseThanPresent"), (proven.version if proven else "", "WorseThanProven")):
        for trial in trials:
            if name and trial.against == name and trial.verdict == "Worse":
                return reason, f"{_told(trial)}; version {history.active} stays in use"
    if rolled_back is not None:
        like = history.named(rolled_back.version)
        if like is not None and not has_changed_materially(like, like.input_rows, rows_since(like)):
            message = f"it was trained on nearly the same rows as version {like.version}, which was rolled back"
            return "LikeRolledBack", f"{message}; version {history.active} stays in use"
    return None


def _is_proven(history: History, trials: tuple[Trial, ...]) -> bool:
    """Whether a new version is shown to be not worse than the proven one; where there is none yet, it is the first."""
    proven = history.proven
    if proven is None:
        return not history.usable or any(trial.verdict == "NotWorse" for trial in trials)
    return any(trial.against == proven.version and trial.verdict == "NotWorse" for trial in trials)


def _state(state: State, now: datetime, reason: str, message: str) -> dict[str, object]:
    return {"state": state, "state_time": to_time(now), "reason": reason, "message": message[:512]}


def _told(trial: Trial) -> str:
    where = "pairs held back" if trial.times == "HeldBack" else "pairs since its training"
    return (
        f"{trial.error_permille / 10:.1f} % median error on {trial.pairs} {where}, "
        f"version {trial.against} {trial.against_error_permille / 10:.1f} %"
    )
