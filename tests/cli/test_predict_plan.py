"""What `foretide predict` tells of tasks is what the planner plans of them once they are there, over the same Pods."""

from __future__ import annotations

import copy
import json
import random
from typing import Any, Final

import pytest

from foretide.placement.order import Order
from foretide.placement.plan import Assignment, Plan
from foretide.placement.pulls import PullTimes
from foretide.placement.task import WorkloadPredictions
from foretide.placement.together import plan_together
from foretide_cli.cluster import Seen, see
from foretide_cli.manifests import read_workloads
from foretide_cli.predict import predict
from foretide_kube.client import Object
from foretide_kube.floor import read_floor
from foretide_kube.kinds.aiworkload import parse
from foretide_kube.published import predictions_of
from foretide_kube.task_pods import TaskPod
from foretide_operator.jobs import run_deployment, run_job
from foretide_operator.settings import Settings
from tests.cli.shown import Shown
from tests.cli.small_cluster import MANIFEST, Lister, published
from tests.extender.cluster_values import NODES, NOW_SECONDS
from tests.planner.planner_values import gated_object, time_text

SETTINGS: Final = Settings(
    namespace="foretide-system", scheduler_name="foretide-scheduler", image_onnx="r/onnx:1", image_torch="r/torch:1"
)
ORDERS: Final[tuple[Order, ...]] = ("Balanced", "Arrival", "ShortestFirst", "FairShare")
NEW: Final = "new-"
Told = list[tuple[str | None, float]]


class Case:
    """A cluster at random, and a workload whose tasks are to come there."""

    def __init__(self, seed: int) -> None:
        chance = self.chance = random.Random(seed)
        self.order = chance.choice(ORDERS)
        self.priority = chance.choice([0, 100])
        self.told: list[Assignment] = []
        mode = chance.choice(["Job", "Job", "Deployment"])
        self.count = chance.randint(1, 8)
        run: Object = {"mode": mode, "template": {"tolerations": [{"key": "edge", "operator": "Exists"}]}}
        if chance.random() < 0.3:
            del run["template"]
        if mode == "Deployment":
            run["replicas"] = self.count
        else:
            run |= {"completions": self.count, "parallelism": chance.randint(1, 10)}
            self.count = min(self.count, run["parallelism"])
        self.manifest = MANIFEST + f"  run: {json.dumps(run)}\n"
        self.own = published("mine", spec={"inferences": 100, "run": run})
        body = (run_job if mode == "Job" else run_deployment)(parse(self.own), SETTINGS)
        self.template = body["spec"]["template"]
        long = published("long", inferences=chance.choice([100, 400, 1000]))
        service = published("serves", spec={"run": {"mode": "Deployment"}})
        self.workloads = [self.own, long, service, published()]
        self.pods = [*self._others(), self._before()]
        image = {"names": ["docker.io/r/torch:1"], "sizeBytes": 50 * 2**20}
        other = {"names": ["docker.io/other:1"], "sizeBytes": 1}
        self.images = {name: [other, *([image] if chance.random() < 0.5 else [])] for name in NODES}
        self.tainted = {name for name in NODES if chance.random() < 0.3}

    def _others(self) -> list[Object]:
        """Pods that wait, some of which were told where; that are opened; and that run."""
        chance, found = self.chance, []
        for number in range(chance.randint(0, 12)):
            options: Object = {"age_seconds": float(chance.randint(1, 20))}
            options["workload"] = chance.choice(["resnet", "long"])
            name, spec = f"waits-{number}", {"priority": chance.choice([0, 100])}
            if chance.random() < 0.6:
                node, start = chance.choice(list(NODES)), NOW_SECONDS + chance.randint(0, 9)
                self.told.append(Assignment(f"uid-{name}", start, node, start))
                plan = json.dumps({"node": node, "expectedStartTime": time_text(start)})
                options["annotations"] = {"foretide.dev/plan": plan}
            found.append(gated_object(name, spec=spec, **options))
        opened = [f"opened-{number}" for number in range(chance.randint(0, 3))]
        found += [gated_object(name, gates=(), workload="long") for name in opened]
        for number in range(chance.randint(0, 5)):
            where = {"node": chance.choice(list(NODES)), "bound": time_text(NOW_SECONDS - chance.randint(0, 5))}
            workload = chance.choice(["long", "long", "serves"])
            found.append(gated_object(f"runs-{number}", gates=(), workload=workload, **where))
        ended = [(f"ended-{number}", chance.randint(1, 55)) for number in range(chance.choice([0, 0, 20, 40]))]
        found += [gated_object(name, gates=(), phase="Succeeded", age_seconds=float(age)) for name, age in ended]
        for item in found:
            item["spec"]["containers"][0]["image"] = SETTINGS.image_torch
        return found

    def _before(self) -> Object:
        """A task that has ended, of the same workload or of another, which tells the runner."""
        item = self._of_template("before", NOW_SECONDS - 40.0)
        item["metadata"]["labels"]["foretide.dev/workload"] = self.chance.choice(["mine", "resnet"])
        item["spec"] |= {"nodeName": "fast-1", "schedulingGates": []}
        item["status"] = {"phase": "Succeeded"}
        return item

    def _of_template(self, name: str, created_seconds: float) -> Object:
        metadata = {"name": name, "namespace": "team", "uid": f"{NEW}{name}", "resourceVersion": "1"}
        metadata |= {"creationTimestamp": time_text(created_seconds), **copy.deepcopy(self.template["metadata"])}
        spec = {**copy.deepcopy(self.template["spec"]), "priority": self.priority}
        return {"metadata": metadata, "spec": spec, "status": {"phase": "Pending"}}

    def with_tasks(self) -> list[Object]:
        """All Pods once the tasks are there."""
        return [*self.pods, *(self._of_template(f"mine-{number}", NOW_SECONDS) for number in range(self.count))]

    def client(self, pods: list[Object]) -> Any:
        classes = [{"metadata": {"name": "usual"}, "value": self.priority, "globalDefault": True}]
        found = Lister(workloads=self.workloads, pods=pods, images=self.images, priority_classes=classes)
        for item in found.items["nodes"]:
            if item["metadata"]["name"] in self.tainted:
                item["spec"] = {"taints": [{"key": "edge", "effect": "NoSchedule"}]}
        return found


def predicted(case: Case, pods: list[Object]) -> Told:
    shown = Shown()
    predict(
        case.client(pods),
        read_workloads(["-"], None, lambda: case.manifest),
        order=case.order,
        most_nodes=None,
        clock=lambda: NOW_SECONDS,
        show=shown,
        complain=lambda _: None,
    )
    (answer,) = shown.document
    return _sorted([(each["node"], each.get("endSeconds")) for each in answer["now"]["tasks"]])


def planned(case: Case) -> Told:
    """What the planner plans, as `foretide_operator.planner.dispatcher` does."""
    seen: Seen = see(case.client(case.with_tasks()), {"team"}, lambda: NOW_SECONDS)

    def workload_of(pod: TaskPod) -> WorkloadPredictions | None:
        found = seen.workloads.get((pod.namespace, pod.workload))
        return None if found is None else predictions_of(found)

    floor = read_floor(seen.pods, seen.nodes, workload_of, now_seconds=NOW_SECONDS)
    made = plan_together(
        floor.waiting,
        floor.running,
        floor.nodes,
        now_seconds=NOW_SECONDS,
        pending=floor.pending,
        groups=floor.groups,
        pull_times=PullTimes(floor.image_bytes),
        coming=floor.coming,
        previous=Plan(tuple(case.told), NOW_SECONDS),
        order=case.order,
    )
    found = [each for each in (*made.assignments, *made.pending) if each.key.startswith(f"{NEW}mine-")]
    ends = [None if each.finish_seconds is None else each.finish_seconds - NOW_SECONDS for each in found]
    return _sorted([(each.node, end) for each, end in zip(found, ends, strict=True)])


def _sorted(told: list[tuple[str | None, float | None]]) -> Told:
    return sorted((node or "", -1.0 if end is None else round(end, 2)) for node, end in told)


@pytest.mark.parametrize("seed", range(60))
def test_before_they_are_there_tasks_are_told_what_the_planner_plans_of_them_then(seed: int) -> None:
    case = Case(seed)
    assert predicted(case, case.pods) == planned(case)


@pytest.mark.parametrize("seed", range(10))
def test_tasks_of_its_job_that_wait_are_told_themselves_and_not_once_more(seed: int) -> None:
    case = next(each for each in map(Case, range(100 + 10 * seed, 1000)) if "Deployment" not in each.manifest)
    assert predicted(case, case.with_tasks()) == planned(case)
