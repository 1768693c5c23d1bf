"""The one model between table and training process: how often it is trained, and what a look costs."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from foretide.model import CompletionTimeModel
from foretide.observation import Observation, to_columns
from foretide.observation_table import thin
from foretide_kube.client import ApiError
from foretide_kube.kinds.completiontimemodel import Trial
from foretide_kube.names import COMPLETION_TIME_MODELS, CONFIG_MAPS, EVENTS, Resource
from foretide_operator import model_keeper
from foretide_operator.metrics import Metrics
from foretide_operator.model_keeper import ModelKeeper
from foretide_operator.training import artefacts
from foretide_operator.training.table import ObservationTable
from foretide_operator.training.trainer import NotTrained, Outcome, Trainer
from tests.operator.cluster_objects import NOW, SETTINGS
from tests.operator.memory_api import MemoryApi
from tests.operator.test_training import row, rows, trained


class Told(Trainer):
    """Trains nothing, and has at once what it is told to have: that it failed."""

    def __init__(self) -> None:
        super().__init__(lambda: None)
        self.started = 0
        self.outcome: Outcome = NotTrained("exit status 1: MemoryError", "")

    def start(self, _: Any, input_digest: str) -> None:
        self.started += 1
        self._outcome = replace(self.outcome, input_digest=input_digest)


class Kept:
    """A keeper with its table, on an API in memory, and a clock that stands until it is moved."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.trainer = Told()
        self.table = ObservationTable(rows(9))
        self.api = MemoryApi()
        self.metrics = Metrics()
        self.keeper = ModelKeeper(
            self.api.client, self.api.world, SETTINGS, self.trainer, self.metrics, monotonic=lambda: self.seconds
        )
        self.look()
        self.seconds += 10.0

    def look(self) -> float | None:
        now = NOW + timedelta(seconds=self.seconds - 1000.0)
        return self.keeper.look(self.table, {}, None, now)

    @property
    def status(self) -> Any:
        return self.api.all(COMPLETION_TIME_MODELS)[0]["status"]


def test_a_training_that_fails_is_not_begun_again_within_a_minute_whatever_comes() -> None:
    kept = Kept()
    for second in range(61):
        kept.table.extend([row(f"t/w{second // 10}/k")])
        kept.look()
        kept.look()
        kept.seconds += 1.0
    assert {c["type"]: c["reason"] for c in kept.status["conditions"]}["Trained"] == "TrainingFailed"
    assert kept.trainer.started == 1
    for _ in range(10):
        kept.seconds += 1.0
        kept.look()
    assert kept.trainer.started == 2


def test_what_is_observed_while_a_training_runs_is_new_to_the_version_that_comes_of_it() -> None:
    kept = Kept()
    kept.trainer.outcome = trained()
    kept.look()
    kept.seconds += 10.0
    kept.look()  # rows have settled, and the training begins
    kept.seconds += 300.0
    kept.look()
    (version,) = kept.status["versions"]
    assert version["trainedTime"] == "2026-06-01T12:00:20Z"


@pytest.mark.parametrize(("refused", "events"), [(EVENTS, []), (CONFIG_MAPS, ["VersionRejected"])])
def test_what_became_of_a_version_is_told_once_though_its_event_or_a_removal_is_refused(
    refused: Resource, events: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(resource: Resource, *_: Any, **__: Any) -> Any:
        assert resource == refused
        raise ApiError(429, "TooManyRequests", "later")

    kept = Kept()
    kept.trainer.outcome = trained(artefact=b"one")
    kept.look()
    kept.seconds += 10.0
    kept.look()
    worse = Trial(
        times="HeldBack",
        against=artefacts.version_of(b"one"),
        pairs=9,
        error_permille=9,
        against_error_permille=1,
        verdict="Worse",
    )
    second = trained(artefact=b"two")
    kept.trainer.outcome = replace(second, report=msgspec.structs.replace(second.report, trials=(worse,)))
    kept.look()
    kept.look()  # the first cannot be loaded, so that the next is trained at once
    kept.trainer.outcome = NotTrained("", "")
    kept.api.put(CONFIG_MAPS, artefacts.to_config_map(b"old", second.report, "foretide-system", None)[1])
    monkeypatch.setattr(kept.api, "create" if refused == EVENTS else "delete", refuse)
    with suppress(ApiError):
        kept.look()
    monkeypatch.undo()
    kept.look()
    told = {row["type"]: row["reason"] for row in kept.status["conditions"]}
    assert told["Accepted"] == "WorseThanPresent"
    counted = kept.metrics.registry.get_sample_value("foretide_model_versions_total", {"outcome": "Rejected"})
    assert counted == 1.0
    assert [each["reason"] for each in kept.api.all(EVENTS)] == events
    assert len(kept.api.all(CONFIG_MAPS)) == 1, "what is kept no longer goes at last"


def test_a_version_that_was_altered_where_it_is_stored_predicts_no_more() -> None:
    kept = Kept()
    model = CompletionTimeModel(calibrate=False).fit(*to_columns(rows(9), {}))
    kept.trainer.outcome = trained(artefact=model.predictor_.save())
    kept.look()
    kept.seconds += 10.0
    kept.look()
    kept.look()
    assert kept.keeper.version == kept.status["activeVersion"] != ""
    kept.trainer.outcome = NotTrained("", "")
    (stored,) = kept.api.all(CONFIG_MAPS)
    kept.api.put(CONFIG_MAPS, {**stored, "binaryData": {"artefact": "YWx0ZXJlZA=="}})
    kept.look()
    told = {row["type"]: (row["status"], row["message"]) for row in kept.status["conditions"]}["ArtefactValid"]
    assert told[0] == "False"
    assert "it is not used" in told[1]
    assert (kept.keeper.version, kept.keeper.predictor, kept.keeper.considered_time) == ("", None, "")
    kept.api.put(CONFIG_MAPS, stored)
    kept.look()
    assert kept.keeper.version == kept.status["activeVersion"], "it is what was stored again"
    assert kept.keeper.predictor is not None


def test_what_a_training_is_made_from_is_put_together_once_per_change(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Kept()
    times = 0

    def counted(observations: Iterable[Observation], limit: int) -> list[Observation]:
        nonlocal times
        times += 1
        return thin(observations, limit)

    monkeypatch.setattr(model_keeper, "thin", counted)
    for number in range(3):
        kept.table.extend([row(f"t/w{number}/k")])
        for _ in range(5):
            kept.look()
    assert times == 3
