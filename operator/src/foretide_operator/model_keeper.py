"""Keeps what is learned: has it trained, loads the version in use, and finds out when a stored version was altered."""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

import msgspec

from foretide.contention import Coefficients, coefficients_of
from foretide.model.artefact import ArtefactError
from foretide.model.predictor import CompletionTimePredictor
from foretide.observation import DeviceFeatures, of_present_hardware
from foretide.observation_table import thin
from foretide_kube.client import KubeClient, Object
from foretide_kube.kinds import completiontimemodel
from foretide_kube.kinds.common import Metadata
from foretide_kube.kinds.completiontimemodel import (
    NAME,
    ClassErrors,
    CompletionTimeModel,
    CompletionTimeModelStatus,
    Version,
)
from foretide_kube.names import COMPLETION_TIME_MODELS
from foretide_kube.times import parse_time
from foretide_operator.actions import Action, Create
from foretide_operator.apply import apply_actions
from foretide_operator.metrics import Metrics
from foretide_operator.settings import Settings
from foretide_operator.training import artefacts
from foretide_operator.training.facts import Facts
from foretide_operator.training.protocol import Reference, TrainingRequest
from foretide_operator.training.reconcile import Decision, decide
from foretide_operator.training.table import ObservationTable
from foretide_operator.training.trainer import NotTrained, Outcome, Trained, Trainer
from foretide_operator.training.versions import History
from foretide_operator.world import World

log = logging.getLogger(__name__)

MAX_TRAINING_ROWS = 5_000
"""More rows than these cost minutes on a small node and teach little: `foretide.observation_table.thin` chooses."""


class ModelKeeper:
    """The predictor in use, and what it takes to keep one in use."""

    def __init__(
        self,
        client: KubeClient,
        world: World,
        settings: Settings,
        trainer: Trainer,
        metrics: Metrics,
        *,
        monotonic: Callable[[], float],
    ) -> None:
        self._client = client
        self._world = world
        self._settings = settings
        self._trainer = trainer
        self._metrics = metrics
        self._monotonic = monotonic
        self._version = ""
        self._considered_time = ""
        self._predictor: CompletionTimePredictor | None = None
        self._classes: tuple[ClassErrors, ...] = ()
        self._coefficients: Coefficients = {}
        self._revision = -1
        self._changed_seconds = monotonic()
        self._trained_digest = ""
        self._training_began: datetime | None = None
        self._failures = 0
        self._failed_seconds = -math.inf
        self._request_made_of: object = None
        self._request_made = TrainingRequest(observations=(), devices={})
        self._digest = ""
        self._observed_milliseconds: list[int] = []
        self._measured_milliseconds: int | None = None
        self._outcome: Outcome | None = None

    @property
    def version(self) -> str:
        """The version in use; empty if none is."""
        return self._version

    @property
    def considered_time(self) -> str:
        """Until when measurements were learned from, or left, whatever serves; empty if no version is in use."""
        return self._considered_time

    @property
    def predictor(self) -> CompletionTimePredictor | None:
        """The model in use."""
        return self._predictor

    @property
    def coefficients(self) -> Coefficients:
        """The coefficients of contention in use."""
        return self._coefficients

    def look(
        self, table: ObservationTable, devices: Mapping[str, DeviceFeatures], owner: Object | None, now: datetime
    ) -> float | None:
        """Take the next step; gives after how many seconds to look again."""
        item = self._world.models.get(NAME)
        if item is None:
            body = completiontimemodel.to_object(CompletionTimeModel(metadata=Metadata(name=NAME)))
            body.pop("status", None)
            self._apply([Create(COMPLETION_TIME_MODELS, body)], now)
            return 1.0
        model = completiontimemodel.parse(item)
        if table.revision != self._revision:
            self._revision, self._changed_seconds = table.revision, self._monotonic()
        request, digest = self._request(table, devices)
        outcome = self._outcome = self._new_outcome() or self._outcome
        decision = decide(
            Facts(
                model=model,
                rows=len(request.observations),
                digest=digest,
                observed_milliseconds=self._observed_milliseconds,
                measured_milliseconds=self._measured_milliseconds,
                classes=len({row.node_class for row in request.observations}),
                quiet_seconds=self._monotonic() - self._changed_seconds,
                trained_digest=self._trained_digest,
                failures=self._failures,
                seconds_since_failure=self._monotonic() - self._failed_seconds,
                is_training=self._trainer.is_running,
                outcome=outcome,
                training_began=self._training_began or now,
                defects=self._defects(model.status),
                config_maps=self._config_maps(),
                namespace=self._settings.namespace,
                owner=owner,
                now=now,
            )
        )
        self._apply(decision.actions, now)
        self._outcome = None
        self._count(decision, outcome)
        self._use(decision.status.active_version, decision.status.versions)
        self._considered_time = ""
        if self._version and decision.status.versions:
            trained_time = decision.status.versions[-1].trained_time
            self._considered_time = max(trained_time, decision.status.considered_time or "")
        self._use_classes(decision.status.classes)
        if decision.train and not self._trainer.is_running:
            log.info("training on %d observations", len(request.observations))
            self._training_began = now
            self._trainer.start(self._with_references(request, decision.status), digest)
        self._apply(decision.removals, now)
        return decision.recheck_seconds

    def _new_outcome(self) -> Outcome | None:
        outcome = self._trainer.take()
        if outcome is not None:
            has_failed, before = isinstance(outcome, NotTrained), self._trained_digest
            self._trained_digest = outcome.input_digest
            self._failures = has_failed * (1 + self._failures * (before == outcome.input_digest))
            self._failed_seconds = self._monotonic() if has_failed else -math.inf
            self._metrics.training.labels("trained" if isinstance(outcome, Trained) else "failed").inc()
        return outcome

    def _count(self, decision: Decision, outcome: Outcome | None) -> None:
        for judgement in decision.judgements:
            log.info("version %s: %s: %s", judgement.version, judgement.reason, judgement.message)
            self._metrics.versions.labels(judgement.outcome).inc()
        if isinstance(outcome, Trained):
            self._metrics.tell_excluded(outcome.report.exclusions)

    def _with_references(self, request: TrainingRequest, status: CompletionTimeModelStatus) -> TrainingRequest:
        """With what the new version is to be held against."""
        history = History(status.versions, status.active_version, frozenset(self._defects(status)))
        present, proven = history.named(history.active), history.proven
        if present is not None and present.version in history.damaged:
            present = None
        return msgspec.structs.replace(
            request,
            present=self._reference(present),
            proven=self._reference(proven) if proven != present else None,
        )

    def _reference(self, version: Version | None) -> Reference | None:
        """A version with its artefact; None where there is none, or it cannot be read."""
        trained = parse_time(version.trained_time) if version is not None else None
        if version is None or version.artefact is None or trained is None:
            return None
        config_maps = self._config_maps()
        try:
            artefact = artefacts.read(version.artefact, config_maps)
        except ArtefactError:
            return None
        report = artefacts.report_of(version.artefact, config_maps)
        return Reference(
            version=version.version,
            trained_milliseconds=round(trained.timestamp() * 1000),
            artefact=artefact,
            contention={each.node_class: each.contention for each in report.classes},
        )

    def _request(self, table: ObservationTable, devices: Mapping[str, DeviceFeatures]) -> tuple[TrainingRequest, str]:
        """What a training would be made from, and its digest; made anew only when something of it changed."""
        made_of = (table.revision, devices)
        if self._request_made_of != made_of:
            rows = tuple(thin(of_present_hardware(table.rows, devices), MAX_TRAINING_ROWS))
            self._request_made = TrainingRequest(observations=rows, devices=dict(devices))
            text = msgspec.json.encode(self._request_made, order="deterministic")
            self._digest = hashlib.sha256(text).hexdigest()
            self._observed_milliseconds = sorted(row.observed_milliseconds for row in rows)
            measured = (row.observed_milliseconds for row in table.rows if row.origin == "Profile")
            self._measured_milliseconds = max(measured, default=None)
            self._request_made_of = made_of
        return self._request_made, self._digest

    def _defects(self, status: CompletionTimeModelStatus) -> dict[str, tuple[str, str]]:
        """Versions that cannot be loaded as they are stored now.

        Looked at are the one in use and the proven one, and the others if the former cannot.
        """
        defects: dict[str, tuple[str, str]] = {}
        active = status.active_version
        proven = History(status.versions, active).proven
        watched = {active, proven.version if proven is not None else ""}
        for version in sorted(status.versions, key=lambda item: item.version not in watched):
            if version.artefact is None:
                continue
            if version.version not in watched and active not in defects:
                break
            try:
                artefacts.load(version.artefact, self._config_maps())
            except ArtefactError as error:
                defects[version.version] = (error.reason, str(error))
        return defects

    def _use(self, active: str, versions: tuple[Version, ...]) -> None:
        """Load the version in use where another is loaded; where none is, or it is not what was stored, have none."""
        version = next((item for item in versions if item.version == active), None)
        if version is None or version.artefact is None:
            self._have_in_use("", None)
            return
        try:
            artefact = artefacts.read(version.artefact, self._config_maps())
            if active == self._version:
                return
            predictor = CompletionTimePredictor.load(artefact)
        except ArtefactError as error:
            log.warning("version %s is not used: %s", active, error)
            self._have_in_use("", None)
            return
        self._have_in_use(active, predictor)
        trained = parse_time(version.trained_time)
        if trained is not None:
            self._metrics.model_trained.set(trained.timestamp())
        log.info("version %s, from %d observations, is in use", active, version.observations)

    def _have_in_use(self, version: str, predictor: CompletionTimePredictor | None) -> None:
        self._version, self._predictor = version, predictor
        self._metrics.model_info.info({"version": version})

    def _use_classes(self, classes: tuple[ClassErrors, ...]) -> None:
        if classes == self._classes:
            return
        self._classes = classes
        learned = [(each.node_class, each.contention) for each in classes]
        self._coefficients = coefficients_of(learned)
        self._metrics.tell_contention(learned)

    def _config_maps(self) -> dict[str, Object]:
        return {name: item for (_, name), item in self._world.config_maps.snapshot().items()}

    def _apply(self, actions: Iterable[Action], now: datetime) -> None:
        apply_actions(actions, self._client, self._world, own_namespace=self._settings.namespace, now=now)
