"""The conditions of the CompletionTimeModel: one function for each."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from foretide.vetting import Exclusion
from foretide_kube.kinds.common import find_condition
from foretide_operator.actions import Verdict
from foretide_operator.training.facts import Facts
from foretide_operator.training.trainer import NotTrained, Trained
from foretide_operator.training.versions import History, Judgement

MOST_TOLD: Final = 8
"""Namespaces that a message names."""


def most_first(exclusions: Collection[Exclusion]) -> list[Exclusion]:
    """Those with most observations first."""
    return sorted(exclusions, key=lambda each: (-each.observations, each.namespace))


def trained(facts: Facts, history: History) -> Verdict:
    """Whether the newest training gave a version."""
    active = history.active
    if isinstance(facts.outcome, NotTrained):
        kept = f"; version {active} stays in use" if active else ""
        return Verdict("Trained", "False", "TrainingFailed", facts.outcome.message + kept)
    old = find_condition(facts.model.status.conditions, "Trained")
    if facts.outcome is None and old is not None and old.reason == "TrainingFailed":
        return Verdict("Trained", old.status, old.reason, old.message)
    version = history.named(active)
    if version is None:
        needed = facts.model.spec.minimum_observations
        return Verdict("Trained", "Unknown", "TooFewObservations", f"{facts.rows} of {needed} observations")
    error = version.errors.median_absolute_permille
    held_out = "" if error is None else f", {error / 10:.1f} % median error on pairs held out"
    message = f"version {version.version} from {version.observations} observations{held_out}"
    return Verdict("Trained", "True", "Trained", message)


def accepted(facts: Facts, judgements: Sequence[Judgement]) -> Verdict:
    """Whether the newest training gave a version that serves, and none was rolled back at it."""
    if not isinstance(facts.outcome, Trained):
        return _as_before(facts, "Accepted")
    against = [each for each in judgements if each.outcome != "Served"]
    told = "; ".join(f"version {each.version}: {each.message}" for each in against or judgements)
    if against:
        return Verdict("Accepted", "False", against[0].reason, told)
    if judgements:
        return Verdict("Accepted", "True", judgements[0].reason, told)
    message = "the newest training gave a version that was rejected before"
    return Verdict("Accepted", "False", "KnownAsWorse", message)


def vetted(facts: Facts) -> Verdict:
    """Whether all observations taught the newest version."""
    if not isinstance(facts.outcome, Trained):
        return _as_before(facts, "Vetted")
    exclusions = facts.outcome.report.exclusions
    if not exclusions:
        return Verdict("Vetted", "True", "AllBelieved", "no observation contradicts those of others")
    rows = sum(each.observations for each in exclusions)
    told = [
        f"{each.namespace} ({'all ' if each.whole else ''}{each.observations}, {each.reason})"
        for each in most_first(exclusions)[:MOST_TOLD]
    ]
    more = f" and {len(exclusions) - MOST_TOLD} more" if len(exclusions) > MOST_TOLD else ""
    message = (
        f"{rows} observations of {len(exclusions)} namespaces contradict those of others or the probes and are used "
        f"for their own workloads only: {', '.join(told)}{more}"
    )
    return Verdict("Vetted", "False", "ObservationsExcluded", message)


def artefact_valid(
    before: str, active: str, defects: Mapping[str, tuple[str, str]], damaged: Collection[str]
) -> Verdict:
    """Whether the version in use is what was stored, and the one that was in use before this look."""
    if active in damaged:
        reason, message = defects[active]
        return Verdict("ArtefactValid", "False", reason, f"{message}; it is not used, and trained again")
    if not active:
        return Verdict("ArtefactValid", "Unknown", "NoVersion", "there is no version yet")
    if before in damaged:
        reason, message = defects[before]
        return Verdict("ArtefactValid", "False", reason, f"{message}; version {active} is used, and trained again")
    return Verdict("ArtefactValid", "True", "ChecksumMatches", f"version {active} is loaded")


def ready(verdicts: Collection[Verdict]) -> Verdict:
    """Whether a model is in use."""
    by_type = {verdict.type: verdict for verdict in verdicts}
    artefact = by_type["ArtefactValid"]
    if artefact.status == "True":
        return Verdict("Ready", "True", "Ready", artefact.message)
    trained = by_type["Trained"]
    cause = artefact if artefact.status == "False" else trained
    return Verdict("Ready", "False", cause.reason, f"{cause.type}: {cause.message}")


def _as_before(facts: Facts, type_: str) -> Verdict:
    """What the last training said stands until the next."""
    old = find_condition(facts.model.status.conditions, type_)
    if old is None:
        return Verdict(type_, "Unknown", "NoVersion", "there is no version yet")
    return Verdict(type_, old.status, old.reason, old.message)
