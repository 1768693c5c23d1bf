"""`foretide predict` on a small cluster in values: which predictions hold, what is to be met now, what is missing."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from foretide.placement.order import Order
from foretide.placement.prospects import Prospect
from foretide_cli.manifests import read_workloads
from foretide_cli.now import by_node, told_plan
from foretide_cli.predict import predict
from foretide_kube.client import Object
from foretide_kube.kinds.aiworkload import parse, workload_key
from foretide_kube.reduced import facts_of, reduce_pod
from tests.cli.shown import Shown
from tests.cli.small_cluster import MANIFEST, Lister, published
from tests.extender.cluster_values import FACTORS, NODES, NOW_SECONDS, class_object, pod_object
from tests.planner.planner_values import gated_object, time_text

JOB: Final = MANIFEST + "  run: {mode: Job, completions: 6}\n"
OWN: Final = published("mine")


class Told:
    """What the command said of a manifest, in words and as a document, and how it ended."""

    def __init__(
        self, text: str = MANIFEST, *, order: Order = "Balanced", most_nodes: int | None = None, **seen: Any
    ) -> None:
        server_seconds, instead = seen.pop("server_seconds", None), seen.pop("instead", {})
        client: Any = Lister(**seen)
        client.clock_seconds = server_seconds
        client.items |= instead
        workloads = read_workloads(["-"], None, lambda: text)
        self.complaints: list[str] = []
        shown = Shown()
        self.status = predict(
            client,
            workloads,
            order=order,
            most_nodes=most_nodes,
            clock=lambda: NOW_SECONDS,
            show=shown,
            complain=self.complaints.append,
        )
        self.answers: list[dict[str, Any]] = shown.document
        self.words = shown.words

    @property
    def answer(self) -> dict[str, Any]:
        (one,) = self.answers
        return one

    @property
    def completions(self) -> dict[str, float | None]:
        return {each["nodeClass"]: each["completionSeconds"] for each in self.answer["classes"]}

    @property
    def nodes(self) -> dict[str, dict[str, Any]]:
        return {each["node"]: each for each in self.answer["now"]["nodes"]}


def bound(name: str, node: str, *, workload: str, **options: Any) -> Object:
    return pod_object(name, workload=workload, role="run", node=node, bound=time_text(NOW_SECONDS), **options)


def test_its_own_predictions_are_told_by_class_with_bounds_memory_and_source() -> None:
    told = Told(workloads=[OWN])
    assert told.status == 0
    assert told.answer["knowledge"] == "as published for it"
    fast, medium, slow = told.answer["classes"]
    assert (fast["nodeClass"], medium["nodeClass"], slow["nodeClass"]) == ("fast", "medium", "slow")
    assert (medium["source"], medium["nodes"], medium["readyNodes"]) == ("Measured", 2, 2)
    assert (medium["startupSeconds"], medium["workSeconds"]) == (0.5, 2.7)
    assert medium["workQuantileSeconds"] == pytest.approx(3.189, abs=0.001)
    assert medium["completionQuantileSeconds"] == pytest.approx(3.689, abs=0.001)
    assert medium["memoryBytes"] == 300 * 2**20
    assert told.completions == {"fast": 1.5, "medium": 3.2, "slow": 6.9}


def test_bounds_are_those_of_the_percentile_that_is_asked_for() -> None:
    told = Told(MANIFEST + "  objective: {percentile: 50}\n", workloads=[OWN])
    for each in told.answer["classes"]:
        assert each["completionQuantileSeconds"] == each["completionSeconds"]
    assert "50 %" in told.words
    assert "90 %" not in told.words


def test_the_number_of_inferences_is_that_of_the_manifest() -> None:
    told = Told(MANIFEST.replace("inferences: 100", "inferences: 1000"), workloads=[OWN])
    assert told.completions["fast"] == 10.5


def test_where_it_is_not_applied_the_same_work_under_another_name_tells_as_much() -> None:
    told = Told(workloads=[published(namespace="other"), published("third", spec={"precision": "fp16"})])
    assert told.completions == {"fast": 1.5, "medium": 3.2, "slow": 6.9}
    assert told.answer["knowledge"] == "as published for other/resnet, which does the same work"


def test_another_cpu_limit_is_scaled_as_for_a_pod_and_the_nearest_one_is_taken() -> None:
    limits = [{"resources": {"limits": {"cpu": cpu, "memory": "512Mi"}}} for cpu in ("2", "8")]
    others = [published(f"with-{number}", spec=each) for number, each in enumerate(limits)]
    told = Told(workloads=others)
    assert told.completions["fast"] == 3.0
    assert {each["source"] for each in told.answer["classes"]} == {"Fallback"}
    assert "for team/with-0" in told.answer["knowledge"]
    assert told.answer["knowledge"].endswith("with a CPU limit of 2 (scaled to 1)")


def test_predictions_of_work_that_was_something_else_then_are_not_taken() -> None:
    stale = published()
    stale["status"]["key"] = "of-before"
    assert Told(workloads=[stale]).status == 1


@pytest.mark.parametrize(
    ("workloads", "words"),
    [
        ([], "nothing is known of this work: no AIWorkload with its model, input, precision and batchSize; apply it"),
        ([published("mine", spec={"batchSize": 2})], "nothing is known of this work"),
        (
            [
                OWN
                | {
                    "status": {
                        "conditions": [
                            {
                                "type": "Inspected",
                                "status": "Unknown",
                                "reason": "Running",
                                "message": "the inspect Job runs",
                                "lastTransitionTime": "2026-09-21T14:13:20Z",
                            }
                        ]
                    }
                }
            ],
            "nothing is predicted yet (Running: the inspect Job runs)",
        ),
    ],
    ids=["no other", "other work", "not inspected"],
)
def test_what_is_not_known_is_said_with_the_way_out_and_class_speeds(workloads: list[Object], words: str) -> None:
    told = Told(workloads=workloads)
    assert told.status == 1
    assert told.answer["knowledge"].startswith(words)
    assert told.answer["now"] is None
    speeds = {each["nodeClass"]: round(each["speed"], 3) for each in told.answer["classes"]}
    assert speeds == {name: round(1 / factor, 3) for name, factor in FACTORS.items()}
    assert "speed" in told.words
    assert "memory" not in told.words


def test_a_name_that_is_taken_by_other_work_is_warned_of() -> None:
    told = Told(workloads=[published("mine", spec={"batchSize": 2, "precision": "fp16"}), published()])
    assert told.status == 0
    assert told.answer["warnings"] == told.complaints
    assert told.complaints == [
        (
            "AIWorkload team/mine exists with another spec.precision, spec.batchSize, which cannot change: "
            "give this one another name"
        )
    ]


def test_classes_that_it_does_not_select_are_left_out() -> None:
    selector = "  nodeClassSelector: {matchLabels: {site: north}}\n"
    told = Told(MANIFEST + selector, workloads=[OWN])
    assert told.answer["classes"] == []
    assert told.status == 1
    assert told.answer["knowledge"] == "nothing is predicted for the classes that it selects"
    assert told.complaints == ["spec.nodeClassSelector of mine selects no NodeClass; see kubectl get nclass"]


def test_on_an_empty_cluster_it_would_go_to_the_fastest_node_at_once() -> None:
    told = Told(workloads=[OWN])
    (task,) = told.answer["now"]["tasks"]
    assert (task["node"], task["waitSeconds"], round(task["endSeconds"], 2)) == ("fast-1", 0.0, 1.55)
    assert [(name, round(each["endSeconds"], 2)) for name, each in told.nodes.items()] == [
        ("fast-1", 1.55),
        ("medium-1", 3.25),
        ("medium-2", 3.25),
        ("slow-1", 6.95),
        ("slow-2", 6.95),
    ]
    assert "now, 0 tasks waiting already: it would start at once on fast-1 and end in 1.5 s (90 %: 1.7)" in told.words


def test_who_runs_there_is_waited_for_and_named() -> None:
    long = published("long", inferences=400)
    pods = [bound(f"there-{slot}", "fast-1", workload="long") for slot in range(2)]
    told = Told(workloads=[OWN, long], pods=pods)
    assert told.nodes["fast-1"]["waitSeconds"] == pytest.approx(6.3, abs=0.01)
    (task,) = told.answer["now"]["tasks"]
    assert (task["node"], task["waitSeconds"]) == ("medium-1", 0.0)
    selector = '  run: {template: {nodeSelector: {"foretide.dev/node-class": fast}}}\n'
    pinned = Told(MANIFEST + selector, workloads=[OWN, long], pods=pods)
    assert list(pinned.nodes) == ["fast-1"]
    assert pinned.answer["now"]["nodesLeftOut"] == 5
    assert "it would start in 6.3 s on fast-1, when team/there-0 has ended, and end in 7.8 s" in pinned.words


def test_those_that_wait_already_have_their_turn_as_the_planner_would_give_it() -> None:
    pods = [gated_object(f"waits-{number}", age_seconds=30.0 - number) for number in range(30)]
    told = Told(workloads=[OWN, published()], pods=pods, order="Arrival")
    assert told.answer["now"]["waiting"] == 30
    alone = Told(workloads=[OWN, published()])
    for name in ("fast-1", "medium-1", "slow-2"):
        assert told.nodes[name]["waitSeconds"] > alone.nodes[name]["waitSeconds"] == 0.0
    assert "now, 30 tasks waiting already: it would start in" in told.words


def test_all_tasks_of_a_job_are_planned_together() -> None:
    told = Told(JOB, workloads=[OWN])
    tasks = told.answer["now"]["tasks"]
    ends = [each["endSeconds"] for each in tasks]
    assert len(tasks) == 6
    assert ends == sorted(ends)
    assert sum(each["tasks"] for each in told.nodes.values()) == 6
    assert "now, 0 tasks waiting already, 6 tasks at once:\nthe first would start at once on fast-1" in told.words
    assert "planned here" in told.words


@pytest.mark.parametrize(
    ("deadline", "words"),
    [
        (60_000, "the deadline of 60.0 s is met with 90 % probability"),
        (1_700, "the deadline of 1.7 s is met if all goes as expected"),
        (900, "the deadline of 0.9 s is missed"),
    ],
)
def test_whether_the_deadline_would_be_kept_is_said(deadline: int, words: str) -> None:
    text = MANIFEST + f"  objective: {{deadlineMilliseconds: {deadline}}}\n"
    assert words in Told(text, workloads=[OWN]).words


def test_of_several_tasks_those_that_would_keep_the_deadline_are_counted() -> None:
    words = Told(JOB + "  objective: {deadlineMilliseconds: 3500}\n", workloads=[OWN]).words
    assert "the deadline of 3.5 s is met by 6 of 6, by 2 with 90 % probability" in words


def test_what_fits_on_no_node_is_said_with_what_to_do() -> None:
    text = MANIFEST.replace('cpu: "1", memory: 512Mi', 'cpu: "1", memory: 64Gi')
    told = Told(text, workloads=[OWN])
    assert told.status == 0
    assert "it has no place\nit asks for more than any node that may run it has; lower spec.resources" in told.words
    assert told.nodes == {}


def test_the_image_that_its_other_pods_run_is_pulled_where_it_is_missing() -> None:
    image = "registry.example/runner:1"
    with_image = {"names": [image], "sizeBytes": 400 * 2**20}
    other = {"names": ["registry.example/small:1"], "sizeBytes": 2**20}
    pod = bound("before", "medium-1", workload="mine", phase="Succeeded")
    pod["spec"]["containers"][0]["image"] = image
    images = {name: [other] if name == "fast-1" else [other, with_image] for name in NODES}
    told = Told(workloads=[OWN], pods=[pod], images=images)
    assert told.answer["now"]["images"] == [image]
    pulls = {name: each["pullSeconds"] for name, each in told.nodes.items()}
    assert pulls["fast-1"] == pytest.approx(20.0)
    assert {pulls[name] for name in pulls if name != "fast-1"} == {0.0}
    assert told.answer["now"]["tasks"][0]["node"] == "medium-1"


def test_without_a_pod_that_tells_the_image_pulls_are_said_to_be_left_out() -> None:
    note = "the image of its container is not known: pulling it is not counted"
    assert note in Told(workloads=[OWN]).words
    file = {"path": "x", "sha256": "a" * 64, "volume": {"image": {"reference": "r/m:1"}}}
    model = {"source": "ONNX", "file": file}
    text = MANIFEST.replace("{source: TorchVision, name: resnet18}", json.dumps(model))
    told = Told(text, workloads=[published("mine", spec={"model": model})])
    assert told.answer["now"]["images"] == ["docker.io/r/m:1"]
    assert note in told.words


def profile_object(name: str, namespace: str, item: Object) -> Object:
    """A measurement of ``item`` on the fast class, with its energy."""
    return {
        "metadata": {"name": "p", "namespace": namespace},
        "spec": {
            "workload": {"name": name, "uid": "u", "key": workload_key(parse(item).spec)},
            "nodeClass": "fast",
            "cpuMillis": 1000,
            "startupMilliseconds": 500,
            "measuredTime": "2026-09-21T14:13:20Z",
            "measurement": {
                "samples": 64,
                "inferenceMicroseconds": {"mean": 10_000, "median": 10_000, "interquartileRange": 100},
                "firstInferenceMicroseconds": 12_000,
                "warmupInferences": 4,
                "loadMilliseconds": 100,
                "stable": True,
                "memoryPeakBytes": 2**28,
                "memoryBaseBytes": 2**27,
                "energyMicrojoulesPerInference": 50_000,
                "environment": {"threads": 1, "runtime": "onnxruntime 1.20"},
            },
        },
    }


def test_energy_is_told_where_it_was_measured() -> None:
    told = Told(workloads=[OWN], profiles=[profile_object("mine", "team", OWN)])
    assert [each["energyJoules"] for each in told.answer["classes"]] == [5.0, None, None]
    assert "energy J" in told.words
    assert "energy J" not in Told(workloads=[OWN]).words


@pytest.mark.parametrize("kind", ["pods", "nodes", "nodeclasses", "aiworkloads"])
def test_a_right_that_is_missing_is_named_and_costs_no_more_than_what_needs_it(kind: str) -> None:
    told = Told(workloads=[OWN], refused=[kind])
    assert told.status == 0
    assert told.completions["fast"] == 1.5
    assert told.answer["now"] is None
    (complaint,) = told.complaints
    assert complaint.startswith("what tasks would meet now is left out; missing rights: list ")
    assert kind in complaint
    assert "foretide-predict" in complaint


def test_without_any_right_nothing_is_known_and_each_right_is_named() -> None:
    everything = ["aiworkloads", "nodeclasses", "nodes", "pods", "workloadprofiles"]
    told = Told(workloads=[OWN], refused=everything, everywhere=True)
    assert told.status == 1
    assert "list aiworkloads.foretide.dev in namespace team" in told.complaints[0]
    assert all(kind in told.complaints[0] for kind in everything)


def test_of_many_nodes_the_table_shows_the_best_and_says_so() -> None:
    told = Told(workloads=[OWN], most_nodes=2)
    assert "medium-1" in told.words
    assert "slow-1" not in told.words
    assert "(3 more, see --nodes all)" in told.words
    assert len(told.nodes) == 5


def test_several_workloads_are_answered_in_order_each_as_if_it_came_alone() -> None:
    told = Told(MANIFEST + "---" + MANIFEST.replace("name: mine", "name: second"), workloads=[OWN])
    assert [each["name"] for each in told.answers] == ["mine", "second"]
    first, second = (each["now"]["nodes"] for each in told.answers)
    assert first == second


def test_of_a_service_every_replica_is_told_and_none_waits_for_its_turn_behind_those_with_a_gate() -> None:
    pods = [gated_object(f"waits-{number}", age_seconds=30.0 - number) for number in range(30)]
    told = Told(
        MANIFEST + "  run: {mode: Deployment, replicas: 3}\n", workloads=[OWN, published()], pods=pods, order="Arrival"
    )
    tasks = told.answer["now"]["tasks"]
    assert [each["waitSeconds"] for each in tasks] == [0.0, 0.0, 0.0]
    assert [each["node"] for each in tasks] == ["fast-1", "fast-1", "medium-1"]
    assert told.answer["now"]["waiting"] == 30


def test_of_a_service_requests_are_told_and_where_they_keep_to_the_latency() -> None:
    text = MANIFEST + "  run: {mode: Deployment, replicas: 3}\n  objective: {latencyMilliseconds: 30}\n"
    told = Told(text, workloads=[OWN])
    assert (told.answer["inferences"], told.answer["isService"], told.answer["latencySeconds"]) == (1, True, 0.03)
    assert "requests of one inference" in told.words
    assert "request ms" in told.words
    assert "completion s" not in told.words
    assert "now its Pods would go to fast-1 (2), medium-1" in told.words
    assert "the latency of 30 ms is met with 90 % probability on idle nodes of fast" in told.words
    assert "met with 90 % probability nowhere" in Told(text.replace("30}", "3}"), workloads=[OWN]).words


@pytest.mark.parametrize(
    ("run", "warning"),
    [
        ("suspend: true", "spec.suspend is true: no task starts; shown is what they would meet if it were false"),
        (
            "run: {mode: Deployment, replicas: 0}",
            "spec.run.replicas is 0: no Pod starts; shown is what one would meet",
        ),
    ],
)
def test_where_no_task_would_start_that_is_warned_of(run: str, warning: str) -> None:
    told = Told(MANIFEST + f"  {run}\n", workloads=[OWN])
    assert told.complaints == told.answer["warnings"] == [warning]
    assert len(told.answer["now"]["tasks"]) == 1


@pytest.mark.parametrize(
    ("completions", "parallelism", "planned", "words"),
    [
        (3, 10, 3, "3 tasks at once:"),
        (1, 6, 1, "it would start at once"),
        (1000, 2, 2, "2 of 1000 tasks planned, the others come later:"),
        (1000, 1000, 500, "500 of 1000 tasks planned, the others come later:"),
    ],
)
def test_as_many_tasks_are_told_as_are_at_work_at_once_and_how_many_come_later(
    completions: int, parallelism: int, planned: int, words: str
) -> None:
    run = f"  run: {{mode: Job, completions: {completions}, parallelism: {parallelism}}}\n"
    told = Told(MANIFEST + run, workloads=[OWN])
    assert (len(told.answer["now"]["tasks"]), told.answer["now"]["tasksInAll"]) == (planned, completions)
    assert words in told.words
    assert ("the last of these would" in told.words) == (1 < planned < completions)


def test_tasks_of_the_same_job_that_are_there_are_told_and_no_others() -> None:
    item = published("mine", spec={"run": {"mode": "Job", "completions": 6}})
    pods = [gated_object(f"there-{number}", workload="mine") for number in range(5)]
    told = Told(JOB, workloads=[item], pods=[*pods, bound("runs", "fast-1", workload="mine")])
    assert len(told.answer["now"]["tasks"]) == 5
    assert told.answer["now"]["waiting"] == 0
    assert "its Job exists: shown is what its 5 tasks that wait would meet; 1 more running or about to" in told.words


@pytest.mark.parametrize(
    "text", [JOB + "  objective: {percentile: 99}\n", JOB.replace("Job, completions", "Deployment, replicas")]
)
def test_tasks_of_that_name_that_are_there_and_others_are_noted(text: str) -> None:
    item = published("mine", spec={"run": {"mode": "Job", "completions": 6}})
    told = Told(text, workloads=[item], pods=[gated_object("there", workload="mine")])
    assert len(told.answer["now"]["tasks"]) == 6
    assert "mine has 1 task already: shown is what more of this manifest would meet" in told.words


def test_of_ones_own_pods_it_is_said_that_they_are_taken_to_have_a_gate() -> None:
    words = "shown is a Pod of your own behind the gate foretide.dev/plan; one without it is placed at once"
    assert words in Told(workloads=[OWN]).words
    assert words not in Told(JOB, workloads=[OWN]).words


def test_where_only_a_node_of_another_class_may_run_it_no_times_are_told() -> None:
    told = Told(MANIFEST.replace("memory: 512Mi", "memory: 16Mi"), workloads=[OWN])
    (task,) = told.answer["now"]["tasks"]
    assert (task["node"], task["endSeconds"]) == ("bare", None)
    assert "it would go to bare at once; how long it takes there is not predicted" in told.words
    assert "no class that it is predicted for has a node that may run it" in told.words
    assert told.complaints == [
        "measured need is 300 MiB with margin, the limit 16 MiB; raise spec.resources.limits.memory"
    ]


def test_its_priority_is_the_default_ones_as_the_lowest_of_several_and_without_the_right_zero_with_a_note() -> None:
    long = published("long", inferences=3000)
    pods = [gated_object(f"w-{n}", workload="long", age_seconds=3.0, spec={"priority": 5}) for n in range(24)]

    def wait_seconds(*values: int, **options: Any) -> float:
        classes = [{"metadata": {"name": str(value)}, "value": value, "globalDefault": True} for value in values]
        classes.append({"metadata": {"name": "other"}, "value": 1000})
        told = Told(JOB, workloads=[OWN, long], pods=pods, priority_classes=classes, **options)
        note = "the priority of its Pods is taken to be 0: no right to read the default (priorityclasses)"
        assert (note in told.words) == ("refused" in options)
        assert ("list priorityclasses.scheduling.k8s.io" in "".join(told.complaints)) == ("refused" in options)
        waits: list[float] = [each["waitSeconds"] for each in told.answer["now"]["tasks"]]
        return sum(waits)

    assert wait_seconds(10) < wait_seconds()
    assert wait_seconds(3, 10) == wait_seconds() == wait_seconds(10, refused=["priorityclasses"])
    pods.append(gated_object("mine-before", workload="mine", gates=(), phase="Succeeded", spec={"priority": 10}))
    assert wait_seconds() < 1.0, "its own latest Pod tells"


@pytest.mark.parametrize(
    ("server_seconds", "wait_seconds", "complaint"),
    [
        (None, 6.3, ""),
        (NOW_SECONDS - 0.9, 6.3, ""),
        (NOW_SECONDS + 2.0, 4.3, ""),
        (NOW_SECONDS + 4.0, 2.39, "this machine's clock is 4 s behind the API server's, which is used"),
        (NOW_SECONDS - 31.0, 6.3, "this machine's clock is 30 s ahead of the API server's, which is used"),
    ],
)
def test_the_api_servers_clock_is_gone_by(server_seconds: float | None, wait_seconds: float, complaint: str) -> None:
    pods = [bound(f"there-{slot}", "fast-1", workload="long") for slot in range(2)]
    selector = '  run: {template: {nodeSelector: {"foretide.dev/node-class": fast}}}\n'
    told = Told(
        MANIFEST + selector,
        workloads=[OWN, published("long", inferences=400)],
        pods=pods,
        server_seconds=server_seconds,
    )
    assert told.complaints == [complaint][: bool(complaint)]
    (task,) = told.answer["now"]["tasks"]
    assert task["waitSeconds"] == pytest.approx(wait_seconds, abs=0.01)


def test_no_node_at_all_is_no_missing_right() -> None:
    told = Told(workloads=[OWN], instead={"nodes": []})
    assert {each["nodes"] for each in told.answer["classes"]} == {0}
    assert {each["nodes"] for each in Told(workloads=[OWN], refused=["nodes"]).answer["classes"]} == {None}
    assert "no node may run it" in told.words


def test_no_class_at_all_is_no_missing_right() -> None:
    told = Told(workloads=[OWN], instead={"nodeclasses": []})
    assert told.status == 1
    assert told.complaints == [
        "there is no NodeClass: label nodes with foretide.dev/node-class=CLASS (docs/install.md)"
    ]


def test_of_nodes_that_are_as_good_those_come_first_where_tasks_are_planned() -> None:
    def on(node: str, end_seconds: float) -> Prospect:
        return Prospect(node, "fast", 0.0, end_seconds, end_seconds, 90, 0.0, 1.0)

    here = [on("e", 1.5), on("f", 1.5000001), on("f", 3.0)]
    found = by_node(here, [on("sooner", 1.0), *(on(node, 1.4999999) for node in "abef")])
    assert [(each.node, tasks) for each, tasks in found] == [("sooner", 0), ("f", 2), ("e", 1), ("a", 0), ("b", 0)]


def test_energy_is_told_of_work_of_another_namespace_too() -> None:
    other = published("theirs", namespace="other")
    told = Told(workloads=[other], profiles=[profile_object("theirs", "other", other)])
    assert [each["energyJoules"] for each in told.answer["classes"]] == [5.0, None, None]


def test_the_completions_of_a_job_that_is_there_cannot_change() -> None:
    item = published("mine", spec={"run": {"mode": "Job", "completions": 6}})
    told = Told(MANIFEST + "  run: {mode: Job, completions: 3}\n", workloads=[item])
    assert "exists with another spec.run.completions, which cannot change" in told.complaints[0]


def test_classes_come_fastest_first() -> None:
    item = published("mine")
    fast, _, slow = item["status"]["predictions"]
    fast["nodeClass"], slow["nodeClass"] = slow["nodeClass"], fast["nodeClass"]
    told = Told(workloads=[item])
    assert [each["nodeClass"] for each in told.answer["classes"]] == ["slow", "medium", "fast"]


def test_classes_without_predictions_come_by_their_speed() -> None:
    classes = [class_object(name) for name in FACTORS]
    fast, _, slow = classes
    fast["status"], slow["status"] = slow["status"], fast["status"]
    told = Told(instead={"nodeclasses": classes})
    assert [each["nodeClass"] for each in told.answer["classes"]] == ["slow", "medium", "fast"]


@pytest.mark.parametrize("percentile", [60, 99])
def test_bounds_now_are_of_the_percentile_too_and_on_an_idle_node_the_classes_own(percentile: int) -> None:
    told = Told(MANIFEST + f"  objective: {{percentile: {percentile}}}\n", workloads=[OWN])
    of_class = {each["nodeClass"]: each["completionQuantileSeconds"] for each in told.answer["classes"]}
    for each in told.answer["now"]["nodes"]:
        bound_seconds = of_class[each["nodeClass"]] + 0.05
        assert each["quantileSeconds"] == pytest.approx(bound_seconds, abs=0.001), "and the lag of the binding"


def test_the_plan_goes_on_from_what_pods_were_told_that_wait() -> None:
    items = [gated_object("told"), gated_object("opened", gates=()), gated_object("new")]
    plan = {"node": "slow-1", "expectedStartTime": time_text(NOW_SECONDS + 7.0)}
    for item in items[:2]:
        item["metadata"]["annotations"] = {"foretide.dev/plan": json.dumps(plan)}
    (known,) = told_plan([facts_of(reduce_pod(item)) for item in items], NOW_SECONDS).assignments
    assert (known.key, known.node, known.open_seconds) == ("uid-told", "slow-1", NOW_SECONDS + 7.0)
