"""The guardian on a real API server: its clock is turned by hand, everything else is as in a cluster."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from prometheus_client import CollectorRegistry, Counter

from devcluster import Cluster
from foretide.placement.task import WorkloadPredictions
from foretide_kube.client import ApiError, KubeClient, Object
from foretide_kube.names import EVENTS, LEASES, NAMESPACES, PODS
from foretide_operator.gates.guardian import OPENED_PER_TURN, Guardian
from foretide_operator.gates.vigil import GRACE_SECONDS, SILENT_SECONDS
from foretide_operator.planner.leadership import LEASE_NAME

pytestmark = pytest.mark.cluster
NAMESPACE = "gates"
PLAN, THEIRS = "foretide.dev/plan", "example.com/theirs"


class Watch:
    """A guardian whose clock the test turns, in step with the planner where there is one."""

    def __init__(self, client: KubeClient) -> None:
        self.client = client
        self.seconds = 0.0
        self.workloads: dict[str, WorkloadPredictions] = {}
        self.registry = CollectorRegistry()
        opened = Counter("opened", "By why.", ["reason"], registry=self.registry)
        self.guardian = Guardian(
            client,
            lambda _, name: self.workloads.get(name),
            opened,
            namespace=NAMESPACE,
            clock=lambda: self.seconds,
            now_seconds=time.time,
        )
        self.guardian.pods.start()
        assert self.guardian.pods.wait_synced(10.0)

    def pass_time(self, seconds: float, *, is_planner_alive: bool) -> None:
        until = self.seconds + seconds
        while self.seconds < until:
            self.seconds += 2.0
            if is_planner_alive:
                self.renew()
            self.guardian.turn()

    def renew(self) -> None:
        spec = {"holderIdentity": "a", "renewTime": f"2026-06-01T12:00:00.{round(self.seconds):06d}Z"}
        self.client.patch(LEASES, LEASE_NAME, {"spec": spec}, NAMESPACE)

    def gates(self, name: str) -> list[str]:
        spec = self.client.get(PODS, name, NAMESPACE)["spec"]
        return [gate["name"] for gate in spec.get("schedulingGates", [])]

    def add(self, name: str, *gates: str, workload: str = "cnn", **metadata: object) -> None:
        body: Object = {
            "metadata": {"name": name, "labels": {"foretide.dev/workload": workload}, **metadata},
            "spec": {
                "schedulingGates": [{"name": gate} for gate in gates],
                "containers": [{"name": "main", "image": "registry.example/a:1"}],
            },
        }
        self.client.create(PODS, body, NAMESPACE)
        eventually(lambda: self.guardian.pods.get(name, NAMESPACE))

    def count(self, reason: str) -> float:
        return self.registry.get_sample_value("opened_total", {"reason": reason}) or 0.0


def eventually(is_so: Callable[[], object]) -> None:
    give_up = time.monotonic() + 10.0
    while not is_so():
        assert time.monotonic() < give_up
        time.sleep(0.05)


@pytest.fixture
def watch(control_plane: Cluster) -> Iterator[Watch]:
    client = KubeClient.connect(str(control_plane.kubeconfig))
    if client.find(NAMESPACES, NAMESPACE) is None:
        client.create(NAMESPACES, {"metadata": {"name": NAMESPACE}})
        client.create(LEASES, {"metadata": {"name": LEASE_NAME}, "spec": {}}, NAMESPACE)
    path = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/default"
    eventually(lambda: is_there(client, path))
    yield Watch(client)
    for pod in client.list_objects(PODS, NAMESPACE):
        client.raw("DELETE", f"/api/v1/namespaces/{NAMESPACE}/pods/{pod['metadata']['name']}?gracePeriodSeconds=0")


def is_there(client: KubeClient, path: str) -> bool:
    try:
        client.raw("GET", path)
    except ApiError:
        return False
    return True


def test_gates_open_while_the_planner_is_silent_and_stay_shut_once_it_lives_again(watch: Watch) -> None:
    watch.add("waits", PLAN)
    watch.pass_time(GRACE_SECONDS + 20, is_planner_alive=True)
    assert watch.gates("waits") == [PLAN]
    watch.pass_time(SILENT_SECONDS - 2, is_planner_alive=False)
    assert watch.gates("waits") == [PLAN]
    watch.pass_time(2, is_planner_alive=False)
    assert watch.gates("waits") == []
    watch.pass_time(2, is_planner_alive=True)
    watch.add("later", PLAN)
    watch.pass_time(10, is_planner_alive=True)
    assert watch.gates("later") == [PLAN]
    assert watch.count("PlannerSilent") == 1


def test_the_pod_is_told_why_and_gates_of_others_stay(watch: Watch) -> None:
    watch.add("shared", THEIRS, PLAN)
    watch.add("unlabelled", PLAN, labels={})
    watch.pass_time(GRACE_SECONDS + SILENT_SECONDS, is_planner_alive=False)
    assert watch.gates("shared") == [THEIRS]
    assert watch.gates("unlabelled") == [], "our gate is ours whoever put it there"
    (event,) = watch.client.list_objects(EVENTS, NAMESPACE, field_selector="involvedObject.name=shared")
    assert (event["type"], event["reason"]) == ("Warning", "GateOpenedWithoutPlan")
    assert "planner has been silent" in event["message"]


def test_a_living_planner_keeps_no_task_beyond_its_bound_of_any_workload_or_none(watch: Watch) -> None:
    def bounded(seconds: float) -> WorkloadPredictions:
        return WorkloadPredictions(1, 1000, None, {}, max_wait_seconds=seconds)

    watch.workloads = {"long": bounded(600), "short": bounded(10)}
    for name in ("long", "short", "gone"):
        watch.add(name, PLAN, workload=name)
    watch.pass_time(GRACE_SECONDS, is_planner_alive=True)
    assert [watch.gates(name) for name in ("long", "short", "gone")] == [[PLAN], [], [PLAN]]
    watch.pass_time(50, is_planner_alive=True)
    assert [watch.gates(name) for name in ("long", "gone")] == [[PLAN], []]
    assert watch.count("WaitedTooLong") == 2


def test_a_burst_of_openings_is_bounded_and_comes_to_its_end(watch: Watch) -> None:
    count = OPENED_PER_TURN + 5
    for number in range(count):
        watch.add(f"task-{number}", PLAN)
    watch.pass_time(GRACE_SECONDS, is_planner_alive=False)
    assert watch.count("PlannerSilent") == OPENED_PER_TURN
    watch.pass_time(2, is_planner_alive=False)
    assert watch.count("PlannerSilent") == count
    watch.pass_time(20, is_planner_alive=False)
    assert watch.count("PlannerSilent") == count


def test_a_pod_that_is_being_deleted_is_left_alone(watch: Watch) -> None:
    watch.add("going", PLAN, finalizers=["example.com/theirs"])
    watch.client.delete(PODS, "going", NAMESPACE)
    watch.pass_time(GRACE_SECONDS + SILENT_SECONDS, is_planner_alive=False)
    assert watch.gates("going") == [PLAN]
    watch.client.patch(PODS, "going", {"metadata": {"finalizers": None}}, NAMESPACE)
