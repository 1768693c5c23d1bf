"""`foretide import`: from what one operator measured to what another believes, on APIs in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from foretide_cli.export.document import Export, encode
from foretide_cli.export.gathering import gather
from foretide_cli.export.importing import import_profiles
from foretide_kube.client import ApiError, Object
from foretide_kube.kinds import workloadprofile
from foretide_kube.names import AIWORKLOADS, NODE_CLASSES, NODES, WORKLOAD_PROFILES, Resource
from tests.operator.cluster_objects import NOW_MILLISECONDS, node, workload_object
from tests.operator.memory_api import MemoryApi
from tests.operator.test_controller import Process, kubernetes
from tests.operator.test_drift import measured_cluster, profile_jobs, profiles

SAID = "team/cnn on fast"


class Api(MemoryApi):
    """An API that the command line can list as well, but for what it may not."""

    may_not: Resource | None = None

    def answered_seconds(self) -> float:
        return NOW_MILLISECONDS / 1e3

    def list_objects_with_version(
        self, resource: Resource, namespace: str | None = None, *, reduce: Callable[[Object], Object], **_: Any
    ) -> tuple[list[Object], str]:
        if resource == self.may_not:
            raise ApiError(403, "Forbidden", "no")
        return [reduce(item) for item in self.list_objects(resource, namespace)], "1"


@pytest.fixture(scope="module")
def measured() -> Export:
    """A cluster whose operator has measured `cnn` on the class fast."""
    api = Api()
    measured_cluster(api)
    export = gather(
        api.client,
        None,
        own="team",
        clock=lambda: 0.0,
        source="plant-1",
        version="0.1.0",
        progress=lambda _words: None,
    )
    return msgspec.json.decode(encode(export), type=Export)


def probed(*, workload: Object | None = None) -> tuple[Api, Process]:
    """Another cluster, whose operator has probed the class fast, and the AIWorkload has just been applied."""
    api = Api()
    api.put(NODES, node("f1", "fast", cpu="64"))
    process = Process(api)
    for _ in range(3):
        process.work()
        kubernetes(api)
    api.put(AIWORKLOADS, workload_object("cnn", profiling={"policy": "Always"}) if workload is None else workload)
    return api, process


def imported(export: Export, api: Api, **options: Any) -> tuple[int, list[str], list[str]]:
    said: list[str] = []
    complaints: list[str] = []
    status = import_profiles(
        export,
        api.client,
        **{"namespace": None, "trusts_names": False, "is_trial": False, "progress": lambda _words: None, **options},
        say=said.append,
        complain=complaints.append,
    )
    return status, said, complaints


def test_what_was_measured_elsewhere_is_believed_as_measured_here_and_not_measured_again(measured: Export) -> None:
    api, process = probed()
    told: list[str] = []
    assert imported(measured, api, progress=told.append) == (0, [f"{SAID} imported"], [])
    assert told[0] == "reading aiworkloads.foretide.dev in namespace team"
    assert told[-1] == f"importing 1 of 1: {SAID}"
    for _ in range(4):
        process.work()
        kubernetes(api)
    process.work()
    (row,) = api.get(AIWORKLOADS, "cnn", "team")["status"]["predictions"]
    assert (row["source"], row["nodeClass"]) == ("Measured", "fast")
    (theirs,) = measured.profiles
    assert row["measuredTime"] == theirs.spec.measured_time
    assert profile_jobs(api) == []


def test_an_imported_measurement_says_where_it_is_from_and_goes_with_its_workload_here(measured: Export) -> None:
    api, _ = probed()
    imported(measured, api)
    (profile,) = profiles(api)
    workload = api.get(AIWORKLOADS, "cnn", "team")
    assert profile["metadata"]["annotations"]["foretide.dev/imported-from"] == f"plant-1 {measured.taken_time}"
    assert [(each["kind"], each["uid"]) for each in profile["metadata"]["ownerReferences"]] == [
        ("AIWorkload", workload["metadata"]["uid"])
    ]
    assert workloadprofile.parse(profile).spec == measured.profiles[0].spec


def test_an_imported_measurement_is_made_again_where_the_container_is_given_something_else(measured: Export) -> None:
    run = {"template": {"env": [{"name": "A", "value": "1"}]}}
    api, process = probed(workload=workload_object("cnn", profiling={"policy": "Always"}, run=run))
    assert imported(measured, api)[1] == [f"{SAID} imported"]
    (theirs,) = profiles(api)
    for _ in range(4):
        process.work()
        kubernetes(api)
    process.work()
    (own,) = profiles(api)
    replaced = own["spec"]["replaced"]
    assert (replaced["name"], replaced["reason"]) == (theirs["metadata"]["name"], "ContainerChanged")


def test_it_is_imported_once(measured: Export) -> None:
    api, _ = probed()
    imported(measured, api)
    assert imported(measured, api) == (0, [f"{SAID} left out: it has already been measured there"], [])


def test_another_workload_of_the_same_work_that_is_measured_there_keeps_no_measurement_out(measured: Export) -> None:
    api, _ = probed()
    api.put(AIWORKLOADS, workload_object("twin"))
    (own,) = measured.profiles
    twin = msgspec.structs.replace(
        own,
        metadata=msgspec.structs.replace(own.metadata, name="twin-1"),
        spec=msgspec.structs.replace(own.spec, workload=msgspec.structs.replace(own.spec.workload, name="twin")),
    )
    assert imported(msgspec.structs.replace(measured, profiles=(twin,)), api)[1] == ["team/twin on fast imported"]
    assert imported(measured, api)[1] == [f"{SAID} imported"]


def test_a_trial_says_what_would_be_imported_and_imports_nothing(measured: Export) -> None:
    api, _ = probed()
    assert imported(measured, api, is_trial=True) == (0, [f"{SAID} would be imported"], [])
    assert profiles(api) == []


def test_without_its_workload_a_measurement_is_left_out(measured: Export) -> None:
    api, _ = probed(workload=workload_object("other"))
    assert imported(measured, api)[1] == [f"{SAID} left out: there is no AIWorkload of that name; apply it first"]


def test_a_measurement_of_other_work_is_left_out(measured: Export) -> None:
    api, _ = probed(workload=workload_object("cnn", precision="int8"))
    (said,) = imported(measured, api)[1]
    assert said.startswith(f"{SAID} left out: the AIWorkload of that name differs in model")
    assert profiles(api) == []


def test_a_measurement_on_a_class_that_is_not_there_is_left_out(measured: Export) -> None:
    api = Api()
    api.put(AIWORKLOADS, workload_object("cnn"))
    assert imported(measured, api)[1] == [f"{SAID} left out: there is no node class of that name"]


def test_a_class_of_the_same_name_that_is_other_hardware_gets_no_measurement_unless_it_is_trusted(
    measured: Export,
) -> None:
    api, _ = probed()
    item = api.get(NODE_CLASSES, "fast")
    item["status"]["probe"] |= {"modelMicroseconds": {"dense": 9_000}, "gemmFlopsPerSecond": 10**9}
    api.put(NODE_CLASSES, item)
    (said,) = imported(measured, api)[1]
    assert said.startswith(f"{SAID} left out: the class is different hardware there: the probe's tasks take ")
    assert profiles(api) == []
    assert imported(measured, api, trusts_names=True)[1] == [f"{SAID} imported"]


def test_a_class_that_was_not_probed_gets_no_measurement_unless_it_is_trusted(measured: Export) -> None:
    api, _ = probed()
    item = api.get(NODE_CLASSES, "fast")
    del item["status"]["probe"]
    api.put(NODE_CLASSES, item)
    (said,) = imported(measured, api)[1]
    assert said.startswith(f"{SAID} left out: the class was not probed there")
    assert imported(measured, api, trusts_names=True)[0] == 0
    assert len(profiles(api)) == 1


def test_a_measurement_older_than_a_change_of_the_hardware_is_left_out(measured: Export) -> None:
    api, _ = probed()
    item = api.get(NODE_CLASSES, "fast")
    item["status"]["hardwareChangedTime"] = "2026-06-01T11:59:00Z"
    api.put(NODE_CLASSES, item)
    said = f"{SAID} left out: the hardware of the class has changed there since, at 2026-06-01T11:59:00Z"
    assert imported(measured, api, trusts_names=True)[1] == [said]


def test_a_namespace_alone_is_imported_if_it_is_asked_for(measured: Export) -> None:
    api, _ = probed()
    assert imported(measured, api, namespace="others")[1] == [
        "the export holds no WorkloadProfiles of namespace others"
    ]


def test_who_may_not_read_what_it_takes_is_told_so(measured: Export) -> None:
    api, _ = probed()
    api.may_not = NODE_CLASSES
    assert imported(measured, api) == (1, [], ["the rights to list nodeclasses.foretide.dev are missing"])


def test_one_that_is_refused_is_complained_of(measured: Export) -> None:
    api, _ = probed()
    create = api.create

    def refused(resource: Resource, body: Object, namespace: str | None = None) -> Object:
        if resource == WORKLOAD_PROFILES:
            raise ApiError(403, "Forbidden", "workloadprofiles is forbidden")
        return create(resource, body, namespace)

    api.create = refused  # type: ignore[method-assign]
    assert imported(measured, api) == (1, [], [f"{SAID} was not imported: workloadprofiles is forbidden"])
