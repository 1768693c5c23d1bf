"""A new version beside the one in use, from the training itself to what serves: the keeper on an API in memory.

The training runs in this process, by the code that the training process runs.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
import pytest

from foretide.model import artefact
from foretide.model.predictor import CompletionTimePredictor
from foretide.model.training import calibration
from foretide.observation import Observation, namespace_of
from foretide_kube.client import Object
from foretide_kube.names import COMPLETION_TIME_MODELS, CONFIG_MAPS, EVENTS
from foretide_kube.times import from_milliseconds, parse_time
from foretide_operator import train as train_module
from foretide_operator.metrics import Metrics
from foretide_operator.model_keeper import ModelKeeper
from foretide_operator.train import train
from foretide_operator.training.protocol import Reference, TrainingRequest
from foretide_operator.training.table import ObservationTable
from foretide_operator.training.trainer import Trained, Trainer
from tests.foretide.lies import LIES
from tests.model.fleet import observed
from tests.operator.cluster_objects import NOW, SETTINGS
from tests.operator.memory_api import MemoryApi

ROWS, DEVICES = observed(devices=4, namespaces=3, per_namespace=4, seed=3, share=0.9)


@pytest.fixture(autouse=True)
def _few_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without intervals, and with fewer folds for the errors: neither decides what serves."""
    monkeypatch.setattr(train_module, "COVERAGE_ROWS", 0)
    monkeypatch.setattr(train_module, "FOLDS", 2)
    monkeypatch.setattr(calibration, "MIN_ROWS", 10**6)


class InProcess(Trainer):
    """Trains at once, without a process."""

    def __init__(self) -> None:
        super().__init__(lambda: None)
        self.requests: list[TrainingRequest] = []

    def start(self, request: TrainingRequest, input_digest: str) -> None:
        self.requests.append(request)
        self._outcome = Trained(*train(request), input_digest)


class Kept:
    """A keeper on an API in memory; between any two trainings an hour goes by."""

    def __init__(self) -> None:
        self.now = NOW
        self.trainer = InProcess()
        self.table = ObservationTable()
        self.api = MemoryApi()
        self.restart()

    def restart(self) -> None:
        """The operator begins anew, on what is stored."""
        self.metrics = Metrics()
        self.keeper = ModelKeeper(
            self.api.client, self.api.world, SETTINGS, self.trainer, self.metrics, monotonic=self.seconds
        )
        self.look()

    def seconds(self) -> float:
        return (self.now - NOW).total_seconds()

    def look(self) -> None:
        self.keeper.look(self.table, DEVICES, None, self.now)

    def learn(self, rows: list[Observation]) -> None:
        """Rows come, as if they had been observed within the last half an hour, and are trained on."""
        self.now += timedelta(hours=1)
        self.table.extend(rows)
        self.look()
        self.now += timedelta(minutes=1)
        self.look()
        self.look()

    def lose(self, left: list[Observation]) -> None:
        """The stored table is damaged, and these rows are all that there is."""
        self.table = ObservationTable(left[:1])
        self.learn(left[1:])

    @property
    def status(self) -> Object:
        found: Object = self.api.all(COMPLETION_TIME_MODELS)[0]["status"]
        return found

    def states(self) -> list[tuple[str, str]]:
        return [(each["state"], each["reason"]) for each in self.status["versions"]]

    def condition(self, type_: str) -> tuple[str, str]:
        found = next(each for each in self.status["conditions"] if each["type"] == type_)
        return found["status"], found["reason"]

    def counted(self, outcome: str) -> float:
        return self.metrics.registry.get_sample_value("foretide_model_versions_total", {"outcome": outcome}) or 0.0

    def events(self) -> list[str]:
        return [each["reason"] for each in self.api.all(EVENTS)]


def at(rows: list[Observation], moment: datetime) -> list[Observation]:
    """The same, observed one after another from that moment on, as runs."""
    begin = round(moment.timestamp() * 1000)
    return [
        msgspec.structs.replace(row, observed_milliseconds=begin + number, origin="Run")
        for number, row in enumerate(rows)
    ]


def test_a_version_that_learned_more_of_the_same_serves_and_is_proven() -> None:
    kept = Kept()
    kept.learn(at(ROWS[::2], NOW))
    first = kept.status["activeVersion"]
    kept.learn(at(ROWS[1::2], kept.now + timedelta(minutes=40)))
    assert kept.states() == [("Superseded", "Superseded"), ("Serving", "NotWorse")]
    newest = kept.status["versions"][-1]
    assert kept.status["activeVersion"] == newest["version"] != first
    (trial,) = newest["trials"]
    assert (trial["against"], trial["times"], trial["verdict"]) == (first, "HeldBack", "NotWorse")
    assert trial["pairs"] > 10
    assert (kept.counted("Served"), kept.counted("Rejected"), kept.events()) == (2.0, 0.0, [])
    assert kept.condition("Accepted") == ("True", "NotWorse")


def test_a_version_trained_on_what_is_left_of_a_table_is_rejected_and_not_tried_again_for_a_row() -> None:
    kept = Kept()
    kept.learn(at(ROWS, NOW))
    good = kept.status["activeVersion"]
    # nearly all that was known is lost, and what comes in meanwhile is honest
    kept.lose([*at(ROWS[:3], NOW), *at(ROWS, kept.now + timedelta(minutes=40))[::2]])
    assert kept.status["activeVersion"] == good
    assert kept.states() == [("Serving", "NotWorse"), ("Rejected", "WorseThanPresent")]
    rejected = kept.status["versions"][-1]
    assert kept.keeper.considered_time == rejected["trainedTime"], "no measurement waits for a training that has been"
    assert "artefact" not in rejected or rejected["artefact"] is None
    (trial,) = rejected["trials"]
    assert trial["errorPermille"] > trial["againstErrorPermille"]
    assert kept.condition("Accepted") == ("False", "WorseThanPresent")
    assert kept.condition("Ready") == ("True", "Ready")
    assert kept.counted("Rejected") == 1.0
    assert kept.events() == ["VersionRejected"]
    assert len(kept.api.all(CONFIG_MAPS)) == 1
    trainings = len(kept.trainer.requests)
    (run,) = at(ROWS[3:4], kept.now + timedelta(minutes=40))
    measured = msgspec.structs.replace(run, origin="Profile")
    kept.learn([measured])
    assert len(kept.trainer.requests) == trainings
    for _ in range(2):
        ended = parse_time(kept.keeper.considered_time)
        assert ended == from_milliseconds(measured.observed_milliseconds), "nor for one that will not be"
        kept.restart()
    kept.learn(at(ROWS, kept.now + timedelta(minutes=40)))
    assert len(kept.trainer.requests) == trainings + 1
    assert kept.status["activeVersion"] not in {good, rejected["version"]}


def test_a_version_that_tasks_prove_worse_is_rolled_back_by_itself() -> None:
    kept = Kept()
    kept.learn(at(ROWS, NOW))
    good, classes = kept.status["activeVersion"], kept.status["classes"]
    # most of the table is lost, and nothing is new that what is left could be tried on
    kept.lose(at(ROWS, NOW)[::12])
    bad = kept.status["activeVersion"]
    assert kept.states() == [("Superseded", "Superseded"), ("Serving", "OnProbation")]
    assert kept.status["classes"] != classes
    kept.learn(at(ROWS, kept.now + timedelta(minutes=40)))
    rolled_back = next(each for each in kept.status["versions"] if each["version"] == bad)
    assert (rolled_back["state"], rolled_back["reason"]) == ("RolledBack", "WorseThanPredecessor")
    trial = rolled_back["trials"][-1]
    assert (trial["times"], trial["against"], trial["verdict"]) == ("Served", good, "Worse")
    assert kept.condition("Accepted") == ("False", "WorseThanPredecessor")
    assert kept.condition("Ready") == ("True", "Ready")
    assert "VersionRolledBack" in kept.events()
    assert kept.counted("RolledBack") == 1.0
    assert kept.status["activeVersion"] != bad
    newest = kept.status["versions"][-1]
    kept.restart()
    assert kept.keeper.considered_time == newest["trainedTime"] > rolled_back["trainedTime"]


def test_stored_versions_of_another_format_do_not_keep_a_new_one_from_being_trained(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    kept = Kept()
    kept.learn(at(ROWS[::2], NOW))
    kept.learn(at(ROWS[1::2], kept.now + timedelta(minutes=40)))
    old = [each["version"] for each in kept.status["versions"]]
    monkeypatch.setattr(artefact, "VERSION", artefact.VERSION + 1)
    kept.restart()
    assert kept.condition("Ready") == ("False", "ArtefactVersionUnknown")
    kept.learn([])
    request = kept.trainer.requests[-1]
    assert (request.present, request.proven) == (None, None)
    assert kept.status["activeVersion"] not in old
    assert kept.condition("Trained") == ("True", "Trained")
    assert kept.condition("Ready") == ("True", "Ready")
    assert kept.keeper.predictor is not None


def test_a_version_that_cannot_be_read_is_no_measure_and_refuses_no_fit() -> None:
    unreadable = Reference(version="old", trained_milliseconds=0, artefact=b"another format", contention={})
    report, model = train(
        TrainingRequest(observations=tuple(at(ROWS, NOW)), devices=DEVICES, present=unreadable, proven=unreadable)
    )
    assert (report.trials, report.present_trial) == ((), None)
    assert CompletionTimePredictor.load(model).save() == model


def test_who_reports_nonsense_is_named_and_the_others_are_learned_from() -> None:
    liar = namespace_of(ROWS[0].workload)
    kept = Kept()
    own = [row for row in ROWS if namespace_of(row.workload) == liar]
    kept.learn(at([row for row in ROWS if namespace_of(row.workload) != liar] + LIES["slow"](own), NOW))
    (excluded,) = kept.status["excluded"]
    assert (excluded["namespace"], excluded["whole"], excluded["reason"]) == (liar, True, "Implausible")
    assert kept.condition("Vetted") == ("False", "ObservationsExcluded")
    assert kept.condition("Ready") == ("True", "Ready")
    assert kept.events() == ["ObservationsExcluded"]
    labels = {"reason": "Implausible"}
    counted = kept.metrics.registry.get_sample_value("foretide_model_excluded_observations", labels)
    assert counted == excluded["observations"]
    kept.lose(at(ROWS, kept.now + timedelta(minutes=40)))
    assert kept.status["excluded"] == []
    assert kept.condition("Vetted") == ("True", "AllBelieved")


def test_with_a_namespace_and_a_class_left_out_a_rejected_version_is_not_tried_again_for_a_row_either() -> None:
    liar = namespace_of(ROWS[0].workload)
    lies = LIES["slow"]([row for row in ROWS if namespace_of(row.workload) == liar])
    lies += [msgspec.structs.replace(row, node_class="known to the liar alone") for row in lies[:2]]
    honest = [row for row in ROWS if namespace_of(row.workload) != liar]
    kept = Kept()
    kept.learn(at(ROWS, NOW))
    kept.lose([*at(honest[:9], NOW), *at([*lies, *honest[::2]], kept.now + timedelta(minutes=40))])
    assert kept.states()[-1][0] == "Rejected"
    assert kept.status["excluded"]
    rejected = kept.status["versions"][-1]
    assert rejected["inputRows"] > rejected["observations"] * 1.05
    trainings = len(kept.trainer.requests)
    kept.learn(at(honest[9:10], kept.now + timedelta(minutes=40)))
    assert len(kept.trainer.requests) == trainings
    new_class = [msgspec.structs.replace(honest[0], node_class="new to all")]
    kept.learn(at(new_class, kept.now + timedelta(minutes=40)))
    assert len(kept.trainer.requests) == trainings + 1
