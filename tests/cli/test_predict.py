"""`foretide predict` on a small cluster in values: which predictions hold, what is to be met now, what is missing."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from foretide.placement.order import Order
from foretide_cli.manifests import read_workloads
from foretide_cli.now import told_plan
from foretide_cli.predict import predict
from foretide_kube.client import Object
from foretide_kube.kinds.aiworkload import parse, workload_key
from foretide_kube.reduced import facts_of, reduce_pod
from tests.cli.small_cluster import MANIFEST, Lister, published
from tests.extender.cluster_values import FACTORS, NODES, NOW_SECONDS, pod_object
from tests.planner.planner_values import gated_object, time_text

JOB: Final = MANIFEST + "  run: {mode: Job, completions: 6}\n"
OWN: Final = published("mine")


class Told:
    """What the command said of a manifest, as words and as JSON, and how it ended."""

    def __init__(
        self, text: str = MANIFEST, *, order: Order = "Balanced", most_nodes: int | None = None, **seen: Any
    ) -> None:
        client: Any = Lister(**seen)
        workloads = read_workloads(["-"], None, lambda: text)
        said: list[str] = []
        for as_json in (True, False):
            self.complaints: list[str] = []
            self.status = predict(
                client,
                workloads,
                order=order,
                most_nodes=most_nodes,
                as_json=as_json,
                now_seconds=NOW_SECONDS,
                say=said.append,
                complain=self.complaints.append,
            )
        self.answers: list[dict[str, Any]] = json.loads(said[0])
        self.words = said[1]

    @property
    def answer(self) -> dict[str, Any]:
        (one,) = self.answers
        return one

    @property
    def completions(self) -> dict[str, float | None]:
        return {each["node_class"]: each["completion_seconds"] for each in self.answer["classes"]}

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
    assert (fast["node_class"], medium["node_class"], slow["node_class"]) == ("fast", "medium", "slow")
    assert (medium["source"], medium["nodes"], medium["ready_nodes"]) == ("Measured", 2, 2)
    assert (medium["startup_seconds"], medium["work_seconds"]) == (0.5, 2.7)
    assert medium["work_quantile_seconds"] == pytest.approx(3.189, abs=0.001)
    assert medium["completion_quantile_seconds"] == pytest.approx(3.689, abs=0.001)
    assert medium["memory_bytes"] == 300 * 2**20
    assert told.completions == {"fast": 1.5, "medium": 3.2, "slow": 6.9}


def test_bounds_are_those_of_the_percentile_that_is_asked_for() -> None:
    told = Told(MANIFEST + "  objective: {percentile: 50}\n", workloads=[OWN])
    for each in told.answer["classes"]:
        assert each["completion_quantile_seconds"] == each["completion_seconds"]
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
    speeds = {each["node_class"]: round(each["speed"], 3) for each in told.answer["classes"]}
    assert speeds == {name: round(1 / factor, 3) for name, factor in FACTORS.items()}
    assert "speed" in told.words
    assert "memory" not in told.words


def test_a_name_that_is_taken_by_other_work_is_warned_of() -> None:
    told = Told(workloads=[published("mine", spec={"batchSize": 2, "precision": "fp16"}), published()])
    assert told.status == 0
    assert told.answer["warnings"] == told.complaints
    assert told.complaints == [
        (
            "AIWorkload team/mine is there with another spec.precision, spec.batchSize, which cannot change: "
            "give this one another name"
        )
    ]


def test_classes_that_it_does_not_select_are_left_out() -> None:
    selector = "  nodeClassSelector: {matchLabels: {site: north}}\n"
    told = Told(MANIFEST + selector, workloads=[OWN])
    assert told.answer["classes"] == []
    assert told.complaints == ["spec.nodeClassSelector of mine selects no NodeClass; see kubectl get nclass"]


def test_on_an_empty_cluster_it_would_go_to_the_fastest_node_at_once() -> None:
    told = Told(workloads=[OWN])
    (task,) = told.answer["now"]["tasks"]
    assert (task["node"], task["wait_seconds"], round(task["end_seconds"], 2)) == ("fast-1", 0.0, 1.55)
    assert [(name, round(each["end_seconds"], 2)) for name, each in told.nodes.items()] == [
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
    assert told.nodes["fast-1"]["wait_seconds"] == pytest.approx(6.3, abs=0.01)
    (task,) = told.answer["now"]["tasks"]
    assert (task["node"], task["wait_seconds"]) == ("medium-1", 0.0)
    selector = '  run: {template: {nodeSelector: {"foretide.dev/node-class": fast}}}\n'
    pinned = Told(MANIFEST + selector, workloads=[OWN, long], pods=pods)
    assert list(pinned.nodes) == ["fast-1"]
    assert pinned.answer["now"]["nodes_left_out"] == 5
    assert "it would start in 6.3 s on fast-1, when there-0 has ended, and end in 7.8 s" in pinned.words


def test_those_that_wait_already_have_their_turn_as_the_planner_would_give_it() -> None:
    pods = [gated_object(f"waits-{number}", age_seconds=30.0 - number) for number in range(30)]
    told = Told(workloads=[OWN, published()], pods=pods, order="Arrival")
    assert told.answer["now"]["waiting"] == 30
    alone = Told(workloads=[OWN, published()])
    for name in ("fast-1", "medium-1", "slow-2"):
        assert told.nodes[name]["wait_seconds"] > alone.nodes[name]["wait_seconds"] == 0.0
    assert "now, 30 tasks waiting already: it would start in" in told.words


def test_all_tasks_of_a_job_are_planned_together() -> None:
    told = Told(JOB, workloads=[OWN])
    tasks = told.answer["now"]["tasks"]
    ends = [each["end_seconds"] for each in tasks]
    assert len(tasks) == 6
    assert ends == sorted(ends)
    assert sum(each["tasks"] for each in told.nodes.values()) == 6
    assert "now, 0 tasks waiting already, 6 tasks at once:\nthe first would start at once on fast-1" in told.words
    assert "planned here" in told.words


@pytest.mark.parametrize(
    ("deadline", "words"),
    [
        (60_000, "the deadline of 60.0 s is kept with 90 %"),
        (1_700, "the deadline of 1.7 s is kept if all goes as expected"),
        (900, "the deadline of 0.9 s is missed"),
    ],
)
def test_whether_the_deadline_would_be_kept_is_said(deadline: int, words: str) -> None:
    text = MANIFEST + f"  objective: {{deadlineMilliseconds: {deadline}}}\n"
    assert words in Told(text, workloads=[OWN]).words


def test_of_several_tasks_those_that_would_keep_the_deadline_are_counted() -> None:
    words = Told(JOB + "  objective: {deadlineMilliseconds: 3500}\n", workloads=[OWN]).words
    assert "the deadline of 3.5 s is kept by 6 of 6, by 2 with 90 %" in words


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
    pulls = {name: each["pull_seconds"] for name, each in told.nodes.items()}
    assert pulls["fast-1"] == pytest.approx(20.0)
    assert {pulls[name] for name in pulls if name != "fast-1"} == {0.0}
    assert told.answer["now"]["tasks"][0]["node"] == "medium-1"


def test_without_a_pod_that_tells_the_image_pulls_are_said_to_be_left_out() -> None:
    assert "which image it needs is not known: pulls are not counted" in Told(workloads=[OWN]).words


def test_energy_is_told_where_it_was_measured() -> None:
    profile = {
        "metadata": {"name": "p", "namespace": "team"},
        "spec": {
            "workload": {"name": "mine", "uid": "u", "key": workload_key(parse(OWN).spec)},
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
    told = Told(workloads=[OWN], profiles=[profile])
    assert [each["energy_joules"] for each in told.answer["classes"]] == [5.0, None, None]
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


def test_a_service_is_answered_for_one_round_of_its_task() -> None:
    told = Told(MANIFEST + "  run: {mode: Deployment, replicas: 3}\n", workloads=[OWN])
    assert len(told.answer["now"]["tasks"]) == 1
    assert told.answer["now"]["tasks"][0]["node"] == "fast-1"


def test_the_plan_goes_on_from_what_pods_were_told_that_wait() -> None:
    items = [gated_object("told"), gated_object("opened", gates=()), gated_object("new")]
    plan = {"node": "slow-1", "expectedStartTime": time_text(NOW_SECONDS + 7.0)}
    for item in items[:2]:
        item["metadata"]["annotations"] = {"foretide.dev/plan": json.dumps(plan)}
    (known,) = told_plan([facts_of(reduce_pod(item)) for item in items], NOW_SECONDS).assignments
    assert (known.key, known.node, known.open_seconds) == ("uid-told", "slow-1", NOW_SECONDS + 7.0)
