"""One look at the CompletionTimeModel: whether to train, what to keep, which version is in use, and one status."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from foretide_kube.client import Object
from foretide_kube.kinds.common import plain, set_condition, to_time
from foretide_kube.kinds.completiontimemodel import (
    MOST_CLASSES,
    ClassErrors,
    CompletionTimeModel,
    CompletionTimeModelStatus,
    Errors,
    Version,
)
from foretide_kube.names import COMPLETION_TIME_MODELS, CONFIG_MAPS
from foretide_operator.actions import Action, Apply, Delete, Verdict, WriteStatus
from foretide_operator.config_maps import COMPONENT_LABEL
from foretide_operator.times import seconds_since
from foretide_operator.training import artefacts
from foretide_operator.training.trainer import NotTrained, Outcome, Trained

SETTLE_SECONDS: Final = 3.0
"""Rows come in flocks: training waits until none has come for so long."""
RETRY_SECONDS: Final = 60.0
"""The pause after a training that failed, whatever rows come meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known about the model.

    ``rows`` and ``digest`` describe the training table; ``quiet_seconds`` is how long it has not changed.
    ``trained_digest`` is the digest that the last training of this process was made from, empty if there was none;
    ``seconds_since_failure`` is how long ago that training failed, infinite if it did not.
    ``outcome`` is a training that ended since the last look. ``defects`` are versions that could not be loaded, with
    reason and message. ``config_maps`` are the operator's own, by name.
    """

    model: CompletionTimeModel
    rows: int
    digest: str
    quiet_seconds: float
    trained_digest: str
    seconds_since_failure: float
    is_training: bool
    outcome: Outcome | None
    defects: Mapping[str, tuple[str, str]]
    config_maps: Mapping[str, Object]
    namespace: str
    owner: Object | None
    now: datetime


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do; ``train`` asks for a training, ``recheck_seconds`` for another look."""

    actions: tuple[Action, ...]
    status: CompletionTimeModelStatus
    train: bool = False
    recheck_seconds: float | None = None


def decide(facts: Facts) -> Decision:
    """The whole decision; of an outcome its ConfigMap is written before the status names it."""
    before = facts.model.status
    versions, classes, active = before.versions, before.classes, before.active_version
    actions: list[Action] = []
    if isinstance(facts.outcome, Trained):
        version, body = _version(facts, facts.outcome)
        if body is not None:
            actions.append(Apply(CONFIG_MAPS, body))
        versions = (*(old for old in versions if old.version != version.version), version)
        classes = tuple(
            ClassErrors(
                node_class=report.node_class,
                observations=report.observations,
                error_permille=report.error_permille,
                coverage_permille=report.coverage_permille,
                contention=report.contention,
            )
            for report in facts.outcome.report.classes
        )[:MOST_CLASSES]
        active = version.version
    versions = versions[-facts.model.spec.keep_versions :]
    defects = {name: why for name, why in facts.defects.items() if not _is_fresh(facts, name)}
    if active in defects:
        sound = [version.version for version in versions if version.version not in defects]
        active = sound[-1] if sound else active
    train, wait_seconds = _should_train(facts, versions, has_sound=bool(active) and active not in defects)
    verdicts = [_trained(facts, versions, active), _artefact_valid(before.active_version, active, defects)]
    verdicts.append(_ready(verdicts))
    conditions = before.conditions
    for verdict in verdicts:
        conditions = set_condition(
            conditions,
            verdict.type,
            verdict.status,
            verdict.reason,
            verdict.message,
            observed_generation=facts.model.metadata.generation,
            now=facts.now,
        )
    status = CompletionTimeModelStatus(
        observed_generation=facts.model.metadata.generation,
        conditions=conditions,
        active_version=active,
        versions=versions,
        classes=classes,
    )
    if status != before:
        metadata = facts.model.metadata
        actions.append(WriteStatus(COMPLETION_TIME_MODELS, "", metadata.name, metadata.uid, plain(status)))
    actions += _prune(facts, {name for version in versions for name in version.artefact.config_maps})
    return Decision(tuple(actions), status, train, wait_seconds)


def _version(facts: Facts, outcome: Trained) -> tuple[Version, Object | None]:
    described, body = artefacts.to_config_map(outcome.artefact, facts.namespace, facts.owner)
    report = outcome.report
    version = Version(
        version=artefacts.version_of(outcome.artefact),
        trained_time=to_time(facts.now),
        observations=report.observations,
        artefact=described,
        errors=Errors(
            median_absolute_permille=report.median_absolute_permille,
            mean_absolute_permille=report.mean_absolute_permille,
            coverage_permille=None if report.coverage_permille is None else min(1000, report.coverage_permille),
        ),
    )
    stored = facts.config_maps.get(described.config_maps[0])
    return version, None if stored is not None and stored.get("binaryData") == body["binaryData"] else body


def _is_fresh(facts: Facts, version: str) -> bool:
    return isinstance(facts.outcome, Trained) and artefacts.version_of(facts.outcome.artefact) == version


def _should_train(facts: Facts, versions: tuple[Version, ...], *, has_sound: bool) -> tuple[bool, float | None]:
    """Whether to train now, or else after how many seconds to ask again."""
    if facts.is_training or facts.rows < facts.model.spec.minimum_observations:
        return False, None
    latest = versions[-1] if versions else None
    trained_digest = facts.outcome.input_digest if facts.outcome is not None else facts.trained_digest
    if has_sound:
        if trained_digest == facts.digest:
            return False, None
        if not trained_digest and latest is not None and latest.observations == facts.rows:
            return False, None
    waits = [SETTLE_SECONDS - facts.quiet_seconds, RETRY_SECONDS - facts.seconds_since_failure]
    if has_sound and latest is not None:
        waits.append(facts.model.spec.retrain_after_seconds - seconds_since(latest.trained_time, facts.now))
    wait_seconds = max(waits)
    return (False, wait_seconds) if wait_seconds > 0 else (True, None)


def _trained(facts: Facts, versions: tuple[Version, ...], active: str) -> Verdict:
    if isinstance(facts.outcome, NotTrained):
        kept = f"; version {active} stays in use" if active else ""
        return Verdict("Trained", "False", "TrainingFailed", facts.outcome.message + kept)
    old = next((c for c in facts.model.status.conditions if c.type == "Trained"), None)
    if facts.outcome is None and old is not None and old.reason == "TrainingFailed":
        return Verdict("Trained", old.status, old.reason, old.message)
    version = next((version for version in versions if version.version == active), None)
    if version is None:
        needed = facts.model.spec.minimum_observations
        return Verdict("Trained", "Unknown", "TooFewObservations", f"{facts.rows} of {needed} observations")
    error = version.errors.median_absolute_permille
    held_out = "" if error is None else f", {error / 10:.1f} % median error on pairs held out"
    message = f"version {version.version} from {version.observations} observations{held_out}"
    return Verdict("Trained", "True", "Trained", message)


def _artefact_valid(before: str, active: str, defects: Mapping[str, tuple[str, str]]) -> Verdict:
    if active in defects:
        reason, message = defects[active]
        return Verdict("ArtefactValid", "False", reason, f"{message}; it is not used, and trained again")
    if not active:
        return Verdict("ArtefactValid", "Unknown", "NoVersion", "there is no version yet")
    if before in defects:
        reason, message = defects[before]
        return Verdict("ArtefactValid", "False", reason, f"{message}; version {active} is used, and trained again")
    return Verdict("ArtefactValid", "True", "ChecksumMatches", f"version {active} is loaded")


def _ready(verdicts: Collection[Verdict]) -> Verdict:
    by_type = {verdict.type: verdict for verdict in verdicts}
    artefact = by_type["ArtefactValid"]
    if artefact.status == "True":
        return Verdict("Ready", "True", "Ready", artefact.message)
    trained = by_type["Trained"]
    cause = artefact if artefact.status == "False" else trained
    return Verdict("Ready", "False", cause.reason, f"{cause.type}: {cause.message}")


def _prune(facts: Facts, needed: Collection[str]) -> list[Action]:
    return [
        Delete(CONFIG_MAPS, facts.namespace, name)
        for name, item in sorted(facts.config_maps.items())
        if item["metadata"].get("labels", {}).get(COMPONENT_LABEL) == artefacts.COMPONENT and name not in needed
    ]
