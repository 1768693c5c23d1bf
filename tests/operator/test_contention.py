"""Contention in the operator: who was beside an ended task, and what is learned of it until it is published."""

from __future__ import annotations

import time
from typing import Any

import msgspec
import pytest

from foretide.contention import alone, coefficients_of
from foretide.observation import Observation
from foretide_kube.kinds.completiontimemodel import MOST_CLASSES
from foretide_kube.names import AIWORKLOADS, COMPLETION_TIME_MODELS, CONFIG_MAPS, PODS
from foretide_operator.actions import Apply
from foretide_operator.co_runners import Tenancy
from foretide_operator.jobs import run_job
from foretide_operator.pairing.ended import read_ended
from foretide_operator.train import learn_contention
from foretide_operator.training import table as tables
from foretide_operator.training.table import ObservationTable
from foretide_operator.training.trainer import Trainer
from tests.foretide.test_contention_fit import runs
from tests.operator.cluster_objects import (
    SETTINGS,
    SIGNATURE,
    Object,
    ago,
    as_stored,
    node,
    pod_of,
    run_result,
    workload,
    workload_object,
)
from tests.operator.memory_api import MemoryApi
from tests.operator.test_controller import Process, cluster, kubernetes, run_pod

WORKLOAD = workload(run={"mode": "Job"})
TEN_SECONDS = run_result(work_milliseconds=10_000)
"""Work from 50 s ago until 40 s ago."""


def beside(
    *,
    began: float | None = 60,
    ended: float | None = None,
    on: str = "n1",
    role: str = "run",
    resources: Any = None,
    namesake: str = "cnn",
) -> Object:
    """A Pod whose container ran from so many whole seconds ago until so many, or still runs, or never began."""
    pod = pod_of(as_stored(run_job(workload(namesake), SETTINGS)), phase="Running", node_name=on)
    life = {} if began is None else {"startedAt": ago(began)}
    state: Object = {"running": life} if began is not None else {"waiting": {"reason": "ContainerCreating"}}
    if ended is not None:
        state = {"terminated": {**life, "finishedAt": ago(ended)}}
    pod["status"]["containerStatuses"][0]["state"] = state
    pod["metadata"]["labels"]["foretide.dev/role"] = role
    if resources is not None:
        pod["spec"]["containers"][0]["resources"] = resources
    return pod


def exposure_of(others: list[Object], *, cpu: str = "2") -> int | None:
    """What is stored of a task of one CPU on a node of two, of which kubelet tells in whole seconds."""
    pod = pod_of(as_stored(run_job(WORKLOAD, SETTINGS)), message=TEN_SECONDS)
    tenancy = Tenancy([pod, *others], {("team", "served"): workload_object("served", run={"mode": "Deployment"})})
    ended = read_ended(pod, WORKLOAD, "fast", SIGNATURE, tenancy.company_of(pod, node("n1", "fast", cpu=cpu)))
    assert ended.row is not None
    return ended.row.exposure_permille


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        ([], 0),
        ([beside()], 500),  # still running
        ([beside(ended=35)], 500),
        ([beside(began=45)], 225),  # from half a second after it on: 4.5 s of 10 s
        ([beside(ended=45)], 275),
        ([beside(began=46, ended=44)], 100),
        ([beside(ended=46), beside(began=44)], 400),  # 4.5 s and 3.5 s, one after the other
        ([beside(ended=52), beside(began=40)], 0),  # before and after
        ([beside(began=None)], 0),
        ([beside(on="n2"), beside(role="profile"), beside(namesake="served")], 0),
        ([beside(resources={"requests": {"cpu": "500m"}})], 250),
        ([beside(resources={}), beside(resources={"limits": {"cpu": "much"}})], 0),
        ([beside(), beside()], None),  # three CPUs of two
        ([beside(), beside(began=41)], None),  # … for half a second of ten, which is a twentieth, half as slow
    ],
)
def test_the_exposure_of_an_ended_task_is_told_from_the_pods_beside_it(
    others: list[Object], expected: int | None
) -> None:
    assert exposure_of(others) == expected


@pytest.mark.parametrize("cpu", ["", "many"])
def test_without_the_cores_of_its_node_a_task_has_no_exposure(cpu: str) -> None:
    assert exposure_of([beside()], cpu=cpu) is None
    pod = beside(ended=40)
    assert Tenancy([pod], {}).company_of(pod, None) is None


def test_a_pod_that_ended_beside_others_is_stored_with_its_exposure() -> None:
    api = MemoryApi()
    cluster(api)
    process = Process(api)
    process.work()
    kubernetes(api)
    process.work()
    job = as_stored(run_job(workload("cnn", run={"mode": "Job"}), SETTINGS))
    api.put(AIWORKLOADS, workload_object("served", run={"mode": "Deployment"}))
    api.put(PODS, beside(on="f1"))
    api.put(PODS, beside(on="f1", namesake="served"))
    api.put(PODS, run_pod(job))
    process.work()
    table, _ = tables.load(api.all(CONFIG_MAPS))
    assert [row.exposure_permille for row in table.rows if row.origin == "Run"] == [500]


def trained(rows: list[Observation]) -> tuple[MemoryApi, Process]:
    """A cluster whose table had these rows when the operator began, after a training in a process of its own."""
    api = MemoryApi()
    cluster(api)
    for action in tables.store(ObservationTable(rows), [], SETTINGS.namespace, None):
        assert isinstance(action, Apply)
        api.put(CONFIG_MAPS, action.body)
    trainer = Trainer(lambda: None)
    process = Process(api, trainer)
    for _ in range(3):
        process.work()
        kubernetes(api)
    give_up = time.monotonic() + 100.0
    while trainer.is_running and time.monotonic() < give_up:
        time.sleep(0.05)
    process.work()
    trainer.stop()
    return api, process


def contention_of(api: MemoryApi, node_class: str) -> dict[str, Object]:
    """What the model's status says of contention on a class, by kind."""
    (model,) = api.all(COMPLETION_TIME_MODELS)
    (found,) = [each for each in model["status"]["classes"] if each["nodeClass"] == node_class]
    return {each["kind"]: each for each in found["contention"]}


def published(api: MemoryApi) -> dict[str, int | None]:
    """The contention of each prediction of the workload, which is compute-bound, by class."""
    (item,) = api.all(AIWORKLOADS)
    return {each["nodeClass"]: each.get("contentionPermille") for each in item["status"]["predictions"]}


def test_contention_is_published_where_it_is_better_than_none_and_the_status_says_why_it_is_on_or_off() -> None:
    api, process = trained(runs(1, compute_bound=0.8, workloads=2, noise=0.02))
    on, off = contention_of(api, "fast")["ComputeBound"], contention_of(api, "fast")["MemoryBound"]
    assert (on["reason"], on["pairs"]) == ("BetterThanNone", 32)
    assert on["coefficientPermille"] == pytest.approx(800, abs=150)
    assert on["errorPermille"] < on["errorWithoutPermille"]
    assert (off["reason"], off["coefficientPermille"], off["pairs"]) == ("NotBetter", 0, 32)
    value = process.metrics.registry.get_sample_value
    shown = [
        value("foretide_contention_coefficient", {"node_class": "fast", "workload_kind": kind})
        for kind in ("ComputeBound", "MemoryBound")
    ]
    assert shown == [on["coefficientPermille"] / 1000, 0.0]
    assert published(api) == {"fast": on["coefficientPermille"], "slow": None}
    Process(api).work()
    assert published(api)["fast"] == on["coefficientPermille"], "after a restart"


def test_what_is_trained_on_are_times_without_company_where_it_is_known_what_that_costs() -> None:
    rows = tuple(runs(1, compute_bound=1.0, workloads=2, noise=0.02))
    learned = learn_contention(rows)
    factor = learned["fast"][0].coefficient_permille / 1000
    assert factor == pytest.approx(1.0, abs=0.15)
    for before, after in zip(rows, alone(rows, coefficients_of(learned.items())), strict=True):
        longer = 1 + factor * (before.exposure_permille or 0) / 1000 if before.workload.endswith("0/k") else 1.0
        assert after.inference_microseconds == pytest.approx(before.inference_microseconds / longer, abs=1)


def test_of_classes_that_are_not_published_nothing_is_taken_out_of_times() -> None:
    rows = runs(1, compute_bound=1.0, workloads=2, noise=0.02)
    others = [msgspec.structs.replace(rows[0], node_class=f"a-{number:02d}") for number in range(MOST_CLASSES)]
    learned = learn_contention((*rows, *others))
    assert "fast" not in learned
    assert tuple(alone(rows, coefficients_of(learned.items()))) == tuple(rows)
