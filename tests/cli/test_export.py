"""`foretide export`: what it reads of a cluster, and the document that it writes and reads again."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import msgspec
import pytest

from foretide.prediction import Interval, PodPrediction
from foretide_cli.export.command import explained
from foretide_cli.export.document import SCHEMA, Export, ExportError, Task, encode, read
from foretide_cli.export.gathering import gather
from foretide_kube.client import Object
from foretide_kube.kinds.workloadprofile import to_object
from tests.cli.small_cluster import Lister, published
from tests.extender.cluster_values import NOW_SECONDS
from tests.report import sample

BEGIN = round(NOW_SECONDS) * 1000
TIMES = {"created": 0, "bound": 4, "started": 5, "finished": 20}


def time(name: str) -> str:
    return f"2026-09-21T14:13:{20 + TIMES[name]:02d}Z"


def prediction(**fields: Any) -> PodPrediction:
    return PodPrediction(
        **{
            "node": "fast-1",
            "node_class": "fast",
            "inferences": 100,
            "work_milliseconds": Interval(lower=8_000, median=10_000, upper=12_000),
            "startup_milliseconds": 1_500,
            "memory_bytes": 1,
            "source": "Measured",
            "model_version": "",
            "bound_milliseconds": BEGIN + 4_500,
            **fields,
        }
    )


def report(**fields: Any) -> str:
    """What our runner says of itself: it worked from the 7th to the 19th second."""
    return msgspec.json.encode(
        {
            "schema": "foretide.dev/result/v1",
            "kind": "Run",
            "processStart": BEGIN + 5_500,
            "workBegin": BEGIN + 7_000,
            "workEnd": BEGIN + 19_000,
            "inferences": 100,
            "inferenceMedianMicroseconds": 118_000,
            "memoryPeakBytes": 10**8,
            "environment": {"threads": 1, "runtime": "onnxruntime 1.22.0"},
            **fields,
        }
    ).decode()


def pod(
    name: str = "resnet-a",
    *,
    told: PodPrediction | str | None = None,
    said: str | None = None,
    phase: str = "Succeeded",
) -> Object:
    """A task's Pod on the fastest node that has ended."""
    told = prediction() if told is None else told
    text = told if isinstance(told, str) else msgspec.json.encode(told).decode()
    terminated: Object = {"exitCode": 0, "startedAt": time("started"), "finishedAt": time("finished")}
    terminated["message"] = report() if said is None else said
    return {
        "metadata": {
            "name": name,
            "namespace": "team",
            "uid": f"uid-{name}",
            "creationTimestamp": time("created"),
            "labels": {"foretide.dev/workload": "resnet"},
            "annotations": {"foretide.dev/prediction": text, "foretide.dev/planned-node": "fast-1"} if text else {},
        },
        "spec": {
            "nodeName": "fast-1",
            "containers": [{"name": "main", "resources": {"limits": {"cpu": "1", "memory": "1Gi"}}}],
        },
        "status": {
            "phase": phase,
            "conditions": [{"type": "PodScheduled", "status": "True", "lastTransitionTime": time("bound")}],
            "containerStatuses": [{"name": "main", "state": {"terminated": terminated}}],
        },
    }


def taken(lister: Lister, namespaces: list[str] | None = None) -> Export:
    client: Any = lister
    return gather(
        client,
        namespaces,
        own="team",
        clock=lambda: NOW_SECONDS + 60,
        source="here",
        version="0.1.0",
        progress=lambda _words: None,
    )


def task(of: Object, **options: Any) -> Task:
    (found,) = taken(Lister(workloads=[published()], pods=[of], **options)).tasks
    return found


def test_an_ended_task_is_held_against_the_prediction_on_its_pod() -> None:
    found = task(pod())
    assert (found.ending, found.workload, found.node, found.node_class) == ("Paired", "resnet", "fast-1", "fast")
    assert found.planned_node == "fast-1"
    assert found.pairing is not None
    assert found.pairing.actual_work_milliseconds == 12_000
    assert found.pairing.actual_startup_milliseconds == 2_500
    assert found.pairing.turnaround_milliseconds == 19_000


def test_a_task_that_is_not_our_runners_has_its_completion_alone() -> None:
    pairing = task(pod(said="done\n")).pairing
    assert pairing is not None
    assert (pairing.actual_work_milliseconds, pairing.actual_completion_milliseconds) == (None, 15_500)


def test_of_several_containers_the_first_that_its_owner_wrote_is_the_task() -> None:
    item = pod()
    item["spec"]["containers"].append({"name": "a-proxy"})
    proxy = {"name": "a-proxy", "state": {"terminated": {"exitCode": 0, "finishedAt": time("bound")}}}
    item["status"]["containerStatuses"].insert(0, proxy)  # kubelets tell of them by name
    assert task(item) == task(pod())


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ("no json", "it cannot be read"),
        (prediction(node="medium-1"), "it is for node medium-1"),
        (prediction(node_class="slow"), "it is for node class slow"),
        (prediction(bound_milliseconds=BEGIN - 3_600_000), "its time of binding is not"),
    ],
)
def test_a_prediction_that_does_not_fit_its_pod_is_not_believed(told: PodPrediction | str, why: str) -> None:
    found = task(pod(told=told))
    assert (found.ending, found.pairing) == ("PredictionRefused", None)
    assert found.reason.startswith(why)


def test_what_failed_says_why_and_what_was_not_predicted_is_told_as_such() -> None:
    failed = pod(phase="Failed")
    failed["status"]["containerStatuses"][0]["state"]["terminated"]["reason"] = "OOMKilled"
    assert (task(failed).ending, task(failed).reason) == ("Failed", "OOMKilled")
    assert task(pod(told="")).ending == "Unpredicted"


def test_a_pod_that_runs_measures_or_is_nobodys_is_no_task_that_ended() -> None:
    running, measuring, foreign = pod("a"), pod("b"), pod("c")
    running["status"]["phase"] = "Running"
    measuring["metadata"]["labels"]["foretide.dev/role"] = "profile"
    foreign["metadata"]["labels"] = {"app": "web"}
    assert taken(Lister(pods=[running, measuring, foreign])).tasks == ()


def test_without_the_right_to_list_nodes_the_annotations_class_counts() -> None:
    found = taken(Lister(workloads=[published()], pods=[pod()], refused=["nodes"]))
    assert [(each.ending, each.node_class) for each in found.tasks] == [("Paired", "fast")]
    assert found.missing == ("list nodes",)


def test_what_may_not_be_read_everywhere_is_read_in_ones_own_namespace() -> None:
    elsewhere = pod("other")
    elsewhere["metadata"]["namespace"] = "others"
    both = [pod(), elsewhere]
    assert len(taken(Lister(pods=both)).tasks) == 2
    found = taken(Lister(pods=both, refused=["pods"]))
    assert [each.namespace for each in found.tasks] == ["team"]
    assert found.missing == ("list pods in all namespaces",)


def test_a_namespace_alone_is_read_if_it_is_asked_for() -> None:
    elsewhere = published("other", namespace="others")
    found = taken(Lister(workloads=[published(), elsewhere]), ["others"])
    assert [each.metadata.name for each in found.workloads] == ["other"]
    assert found.namespaces == ("others",)


def test_an_object_that_cannot_be_read_is_left_out_and_the_rest_told() -> None:
    broken = copy.deepcopy(published("broken"))
    broken["spec"]["inferences"] = "many"
    found = taken(Lister(workloads=[broken, published()]))
    assert [each.metadata.name for each in found.workloads] == ["resnet"]


def test_nothing_that_others_wrote_beside_our_kinds_is_kept() -> None:
    item = published()
    item["metadata"] |= {
        "annotations": {"secret": "s3cret"},
        "managedFields": [{"manager": "m"}],
        "resourceVersion": "7",
    }
    kept = encode(taken(Lister(workloads=[item])))
    assert b"s3cret" not in kept
    assert b"manager" not in kept
    assert b"resourceVersion" not in kept


def test_profiles_classes_and_the_model_are_kept() -> None:
    profile = sample.profile(sample.workload("vision/resnet18"))
    model = msgspec.to_builtins(sample.model())
    found = taken(Lister(profiles=[to_object(profile)], models=[model]))
    assert [each.spec for each in found.profiles] == [profile.spec]
    assert {each.metadata.name for each in found.node_classes} == {"fast", "medium", "slow"}
    assert found.model is not None
    assert found.model.status.active_version == "14-3f9a61"


def test_what_was_written_is_what_is_read_again(tmp_path: Path) -> None:
    whole = sample.export(each=3)
    file = tmp_path / "export.json"
    file.write_bytes(encode(whole))
    assert read(file) == whole


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("no json", "not a JSON document"),
        ("{}", f"it names no schema; this version reads {SCHEMA}"),
        ('{"schema": "foretide.dev/export/v9"}', "its schema is 'foretide.dev/export/v9'; this version reads"),
        (f'{{"schema": "{SCHEMA}", "version": "1"}}', "missing required field `takenTime`"),
        (
            f'{{"schema": "{SCHEMA}", "version": "1", "takenTime": "x", "tasks": [{{"pod": 1}}]}}',
            "tasks[0].pod: Expected",
        ),
    ],
)
def test_a_file_that_is_no_export_is_refused_in_one_line(text: str, why: str, tmp_path: Path) -> None:
    file = tmp_path / "export.json"
    file.write_text(text)
    with pytest.raises(ExportError) as refused:
        read(file)
    assert why in str(refused.value)
    assert str(refused.value).startswith(f"{file}: ")
    assert "\n" not in str(refused.value)


class Extender:
    """An API server behind which an extender explains every Pod, or refuses."""

    def __init__(self, *, is_ready: bool = True) -> None:
        self.is_ready = is_ready
        self.asked: list[str] = []

    def list_objects(self, *_: Any, **__: Any) -> list[Object]:
        container = {"name": "extender", "ports": [{"name": "metrics", "containerPort": 8082}]}
        state = {"containerStatuses": [{"name": "extender", "ready": self.is_ready}]}
        return [{"metadata": {"name": "scheduler-1"}, "spec": {"containers": [container]}, "status": state}]

    def raw(self, *_: Any, **__: Any) -> Object:
        return {"status": {"token": "for-explain"}}

    def get(self, _client: Any, _port: Any, path: str, headers: Any) -> tuple[int, bytes]:
        assert headers == {"Authorization": "Bearer for-explain"}
        self.asked.append(path)
        return 200, msgspec.json.encode(
            {"namespace": "team", "pod": "resnet-a", "status": "Decided", "message": "this is the last decision"}
        )


def slow() -> Export:
    """An export with one task that missed its prediction, and one that did not."""
    late = pod("late", told=prediction(work_milliseconds=Interval(lower=1_000, median=1_100, upper=1_200)))
    return taken(Lister(workloads=[published()], pods=[late, pod()]))


def test_the_extender_is_asked_about_misses_and_what_it_says_is_kept() -> None:
    extender: Any = Extender()
    told: list[str] = []
    found = explained(
        slow(), extender, system_namespace="s", get=extender.get, progress=told.append, complain=pytest.fail
    )
    assert extender.asked == ["/explain?namespace=team&pod=late"]
    assert told == ["asking the extender about team/late"]
    kept = {each.pod: each.explanation for each in found.tasks}
    assert kept["resnet-a"] is None
    assert kept["late"] is not None


def test_where_the_extender_cannot_be_asked_the_export_stays_and_it_is_said() -> None:
    extender: Any = Extender(is_ready=False)
    complaints: list[str] = []
    found = explained(
        slow(),
        extender,
        system_namespace="s",
        get=extender.get,
        progress=pytest.fail,
        complain=complaints.append,
    )
    assert found == slow()
    assert complaints[0].startswith("no extender is ready in namespace s")
