"""One look at the CompletionTimeModel: whether to train, what to keep, which version is in use, and one status."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from foretide_kube.client import Object
from foretide_kube.kinds.common import find_condition, plain, set_condition, to_time
from foretide_kube.kinds.completiontimemodel import (
    MOST_CLASSES,
    MOST_EXCLUDED,
    Artefact,
    ClassErrors,
    CompletionTimeModelStatus,
    Errors,
    Excluded,
    Version,
)
from foretide_kube.names import API_VERSION, COMPLETION_TIME_MODELS, CONFIG_MAPS
from foretide_kube.times import from_milliseconds, seconds_left
from foretide_operator.actions import Action, Announce, Apply, Delete, WriteStatus
from foretide_operator.config_maps import COMPONENT_LABEL
from foretide_operator.training import artefacts, verdicts
from foretide_operator.training.facts import Facts
from foretide_operator.training.protocol import TrainingReport
from foretide_operator.training.trainer import Trained
from foretide_operator.training.versions import (
    History,
    Judgement,
    after_training,
    has_changed_materially,
    pruned,
)

SETTLE_SECONDS: Final = 3.0
"""Rows come in flocks: training waits until none has come for so long."""
RETRY_SECONDS: Final = 60.0
"""The pause after a training that failed, whatever rows come meanwhile; twice as long each time the same rows fail …"""
LONGEST_RETRY_SECONDS: Final = 3600.0
"""… up to this: what failed by the fault of the machine succeeds then, what is the fault of the rows never does."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do; ``train`` asks for a training, ``recheck_seconds`` for another look, ``judgements`` are news.

    ``removals`` come after all else, which stands whether they succeed or not: each look finds them again.
    """

    actions: tuple[Action, ...]
    status: CompletionTimeModelStatus
    train: bool = False
    recheck_seconds: float | None = None
    judgements: tuple[Judgement, ...] = ()
    removals: tuple[Action, ...] = ()


def decide(facts: Facts) -> Decision:
    """The whole decision; of an outcome its ConfigMap is written before the status names it."""
    before = facts.model.status
    history = History(before.versions, before.active_version, frozenset(facts.defects))
    actions: list[Action] = []
    judgements: list[Judgement] = []
    excluded = before.excluded
    config_maps = facts.config_maps
    if isinstance(facts.outcome, Trained):
        described, body = artefacts.to_config_map(
            facts.outcome.artefact, facts.outcome.report, facts.namespace, facts.owner
        )
        candidate = _version(facts, facts.outcome, described)
        history, judgements = after_training(
            history,
            candidate,
            facts.outcome.report.trials,
            facts.outcome.report.present_trial,
            rows_since=facts.rows_since,
            now=facts.now,
        )
        if history.active == candidate.version:
            config_maps = {**config_maps, body["metadata"]["name"]: body}
            stored = facts.config_maps.get(body["metadata"]["name"])
            if stored is None or stored.get("binaryData") != body["binaryData"]:
                actions.append(Apply(CONFIG_MAPS, body))
        excluded = _excluded(facts.outcome)
    history = _without_damage(history, facts)
    history = pruned(history, facts.model.spec.keep_versions)
    active = history.named(history.active)
    classes = before.classes
    is_new = isinstance(facts.outcome, Trained) or history.active != before.active_version
    if active is not None and active.artefact is not None and is_new:
        classes = _classes(artefacts.report_of(active.artefact, config_maps))
    has_sound = active is not None and active in history.usable
    train, wait_seconds = _should_train(facts, history, has_sound=has_sound)
    is_waited_for = wait_seconds is not None and not _have_failed(facts)
    is_settled = not (train or facts.is_training or is_waited_for)
    told = [
        verdicts.trained(facts, history),
        verdicts.accepted(facts, judgements),
        verdicts.artefact_valid(before.active_version, history.active, facts.defects, history.damaged),
        verdicts.vetted(facts),
    ]
    told.append(verdicts.ready(told))
    conditions = before.conditions
    for verdict in told:
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
        active_version=history.active,
        considered_time=_considered_time(facts) if is_settled else before.considered_time,
        versions=history.versions,
        excluded=excluded,
        classes=classes,
    )
    if status != before:
        metadata = facts.model.metadata
        actions.append(WriteStatus(COMPLETION_TIME_MODELS, "", metadata.name, metadata.uid, plain(status)))
    actions += _announced(facts, judgements, before, status)
    needed = {
        name for version in history.versions if version.artefact is not None for name in version.artefact.config_maps
    }
    return Decision(tuple(actions), status, train, wait_seconds, tuple(judgements), _unneeded(facts, needed))


def _version(facts: Facts, outcome: Trained, described: Artefact) -> Version:
    report = outcome.report
    return Version(
        version=artefacts.version_of(outcome.artefact),
        trained_time=to_time(facts.training_began),
        observations=report.observations,
        input_rows=report.input_rows,
        input_classes=report.input_classes,
        errors=Errors(
            median_absolute_permille=report.median_absolute_permille,
            mean_absolute_permille=report.mean_absolute_permille,
            coverage_permille=None if report.coverage_permille is None else min(1000, report.coverage_permille),
        ),
        input_sha256=outcome.input_digest,
        artefact=described,
    )


def _without_damage(history: History, facts: Facts) -> History:
    """With the newest sound version in use where the one in use is damaged."""
    if history.active not in history.damaged or not history.usable:
        return history
    why = f"version {history.active} cannot be read"
    return history.serving(history.usable[-1].version, facts.now, reason="StepsIn", message=why)


def _classes(report: TrainingReport) -> tuple[ClassErrors, ...]:
    return tuple(
        ClassErrors(
            node_class=each.node_class,
            observations=each.observations,
            error_permille=each.error_permille,
            coverage_permille=each.coverage_permille,
            contention=each.contention,
        )
        for each in report.classes[:MOST_CLASSES]
    )


def _excluded(outcome: Trained) -> tuple[Excluded, ...]:
    return tuple(
        Excluded(namespace=each.namespace, observations=each.observations, whole=each.whole, reason=each.reason)
        for each in verdicts.most_first(outcome.report.exclusions)[:MOST_EXCLUDED]
    )


def _should_train(facts: Facts, history: History, *, has_sound: bool) -> tuple[bool, float | None]:
    """Whether to train now, or else after how many seconds to ask again."""
    if facts.is_training or facts.rows < facts.model.spec.minimum_observations:
        return False, None
    latest = history.versions[-1] if history.versions else None
    if _have_failed(facts):
        pause_seconds = min(RETRY_SECONDS * 2.0 ** min(facts.failures - 1, 10), LONGEST_RETRY_SECONDS)
        wait_seconds = pause_seconds - facts.seconds_since_failure
        return (False, wait_seconds) if wait_seconds > 0 else (True, None)
    trained_digest = facts.outcome.input_digest if facts.outcome is not None else facts.trained_digest
    if has_sound:
        if facts.digest in {trained_digest, latest.input_sha256 if latest is not None else ""}:
            return False, None
        if latest is not None and latest.state in {"Rejected", "RolledBack"}:
            is_new = has_changed_materially(latest, facts.rows, facts.rows_since(latest))
            if not is_new and facts.classes <= latest.input_classes:
                return False, None
    waits = [SETTLE_SECONDS - facts.quiet_seconds, RETRY_SECONDS - facts.seconds_since_failure]
    if has_sound and latest is not None:
        ended_time = latest.state_time or latest.trained_time
        waits.append(seconds_left(facts.model.spec.retrain_after_seconds, ended_time, facts.now))
    wait_seconds = max(waits)
    return (False, wait_seconds) if wait_seconds > 0 else (True, None)


def _have_failed(facts: Facts) -> bool:
    """Whether the last training failed, and was from the rows that the next one would be from."""
    return facts.failures > 0 and facts.digest == facts.trained_digest


def _considered_time(facts: Facts) -> str | None:
    """When the newest measurement ended, where there is nothing to be trained for it and all before."""
    if facts.measured_milliseconds is None:
        return None
    return to_time(min(facts.now, from_milliseconds(facts.measured_milliseconds)))


def _announced(
    facts: Facts, judgements: Sequence[Judgement], before: CompletionTimeModelStatus, after: CompletionTimeModelStatus
) -> list[Action]:
    """Events on what somebody should know: a version that does not serve, namespaces newly left out."""
    metadata = facts.model.metadata
    about: Object = {
        "apiVersion": API_VERSION,
        "kind": COMPLETION_TIME_MODELS.kind,
        "metadata": {"name": metadata.name, "uid": metadata.uid},
    }
    actions: list[Action] = []
    for each in judgements:
        if each.outcome != "Served":
            reason = "VersionRejected" if each.outcome == "Rejected" else "VersionRolledBack"
            actions.append(Announce(about, "Warning", reason, f"version {each.version}: {each.message}"))
    if {each.namespace for each in after.excluded} - {each.namespace for each in before.excluded}:
        verdict = find_condition(after.conditions, "Vetted")
        if verdict is not None:
            actions.append(Announce(about, "Warning", verdict.reason, verdict.message))
    return actions


def _unneeded(facts: Facts, needed: Collection[str]) -> tuple[Action, ...]:
    """The end of ConfigMaps whose version is kept no longer."""
    return tuple(
        Delete(CONFIG_MAPS, facts.namespace, name)
        for name, item in sorted(facts.config_maps.items())
        if item["metadata"].get("labels", {}).get(COMPONENT_LABEL) == artefacts.COMPONENT and name not in needed
    )
