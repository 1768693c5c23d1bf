"""What the bench of the operator at scale makes, counts and concludes; a small run of it on a real control plane."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.operator_scale import __main__ as bench
from bench.operator_scale import fleet
from bench.operator_scale.running import RunningOperator
from bench.operator_scale.writes import WriteLog
from demo.marks import held
from demo.memory import Resident
from foretide_kube.kinds import aiworkload
from foretide_kube.names import AIWORKLOADS, NAMESPACES, NODE_CLASSES, NODES
from foretide_operator.nodeclass import discovery

US = "system:serviceaccount:foretide-system:foretide-operator"


class Client:
    """Keeps what is created."""

    def __init__(self, **items: list[dict[str, Any]]) -> None:
        self.items = items

    def create(self, resource: Any, body: dict[str, Any], _: str | None = None) -> None:
        self.items.setdefault(resource.plural, []).append(body)

    def list_objects(self, resource: Any) -> list[dict[str, Any]]:
        return self.items.get(resource.plural, [])


def test_the_nodes_are_those_of_the_classes_five_of_each() -> None:
    client: Any = Client()
    fleet.make_nodes(client, 3)
    nodes = client.list_objects(NODES)
    assert len({node["metadata"]["name"] for node in nodes}) == 15
    made = discovery.decide(nodes, set(), ()).actions
    assert sorted(each.body["metadata"]["name"] for each in made if hasattr(each, "body")) == fleet.class_names(3)
    assert [each["metadata"]["name"] for each in client.list_objects(NAMESPACES)] == ["bench"]


def test_the_workloads_are_valid_and_run_nothing_but_measurements() -> None:
    client: Any = Client()
    fleet.make_workloads(client, 4, policy="Always")
    found = [aiworkload.parse(item) for item in client.list_objects(AIWORKLOADS)]
    assert sorted(each.metadata.name for each in found) == ["w0", "w1", "w2", "w3"]
    assert {(each.spec.profiling.policy, each.spec.run.mode) for each in found} == {("Always", "None")}


def event(verb: str, resource: str, second: int, *, user: str = US, subresource: str = "") -> str:
    target = {"resource": resource, **({"subresource": subresource} if subresource else {})}
    moment = f"2026-06-01T12:00:{second:02d}.000000Z"
    return json.dumps(
        {"user": {"username": user}, "verb": verb, "objectRef": target, "requestReceivedTimestamp": moment}
    )


@pytest.fixture
def audit(tmp_path: Path) -> Path:
    path = tmp_path / "audit.log"
    path.touch()
    return path


def test_counted_is_what_the_operator_changes_and_nothing_else(audit: Path) -> None:
    lines = [
        event("create", "jobs", 1),
        event("patch", "aiworkloads", 2, subresource="status"),
        event("patch", "aiworkloads", 3, subresource="status"),
        event("get", "jobs", 4),
        event("create", "jobs", 5, user="system:admin"),
        event("update", "jobs", 6, user=f"{US}-of-another"),
    ]
    audit.write_text("\n".join(lines) + "\n")
    log = WriteLog(audit, US)
    assert log.read() == 3
    assert log.counts == {"create jobs": 1, "patch aiworkloads/status": 2}
    since = log.times[0] - 2.0
    assert (log.last_seconds(since), log.last_seconds(log.times[-1] + 0.5)) == (4.0, 0.0)


def test_a_log_is_read_on_where_it_was_left_and_a_line_only_when_it_is_whole(audit: Path) -> None:
    log, first, second = WriteLog(audit, US), event("create", "jobs", 1), event("delete", "jobs", 2)
    with audit.open("a") as file:
        file.write(f"{first}\n{second[:20]}")
    assert (log.read(), log.read()) == (1, 1)
    with audit.open("a") as file:
        file.write(f"{second[20:]}\n")
    assert log.read() == 2


def test_a_new_file_is_read_from_its_beginning_and_the_old_one_to_its_end(audit: Path) -> None:
    log = WriteLog(audit, US)
    audit.write_text(event("create", "jobs", 1) + "\n")
    assert log.read() == 1
    with audit.open("a") as file:
        file.write(event("create", "jobs", 2) + "\n")
    audit.rename(audit.with_name("audit-2026.log"))
    audit.write_text(event("create", "jobs", 3) + "\n")
    assert log.read() == 3


class Clock:
    """Stands in for the module `time`: whoever sleeps sets it forward, and what is planned happens then."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.plans: list[tuple[float, Callable[[], object]]] = []

    def monotonic(self) -> float:
        return self.seconds

    def time(self) -> float:
        return 1000.0 + self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        due = [plan for plan in self.plans if plan[0] <= self.seconds]
        self.plans = [plan for plan in self.plans if plan[0] > self.seconds]
        for _, happens in due:
            happens()

    def at(self, seconds: float, happens: Callable[[], object]) -> None:
        self.plans.append((seconds, happens))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(bench, "time", clock)
    return clock


class Log:
    """A log of writes that are made when the test says."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.times: list[float] = []
        self.counts: Counter[str] = Counter()

    def write(self) -> None:
        self.times.append(self._clock.time())
        self.counts["create jobs"] += 1

    def read(self) -> int:
        return len(self.times)

    def last_seconds(self, since: float) -> float:
        return max((moment - since for moment in self.times if moment >= since), default=0.0)


class Running:
    """An operator that takes what the test says."""

    looked = 0.0
    cpu = 0.0
    mib = 100.0

    def check(self) -> None:
        """It runs."""

    def children(self) -> list[int]:
        return []

    def looks(self, _: str) -> float:
        return self.looked

    def cpu_seconds(self) -> float:
        return self.cpu

    def together_mib(self) -> float:
        return self.mib

    def memory(self) -> Resident:
        return Resident(now=90.0, peak=120.0)


@pytest.fixture
def running() -> Any:
    return Running()


@pytest.fixture
def log(clock: Clock) -> Any:
    return Log(clock)


def test_quiet_is_when_nothing_was_written_for_a_while_and_the_most_memory_is_told(
    running: Any, log: Any, clock: Clock
) -> None:
    clock.at(10.0, log.write)
    clock.at(15.0, lambda: setattr(running, "mib", 300.0))
    clock.at(25.0, log.write)
    clock.at(26.0, lambda: setattr(running, "mib", 110.0))
    peaks = bench.quiet(running, log)
    assert (clock.seconds, peaks.together, peaks.training) == (45.0, 300.0, 0.0)


def test_quiet_waits_for_what_must_be_done_but_not_for_ever(running: Any, log: Any, clock: Clock) -> None:
    bench.quiet(running, log, lambda: clock.seconds >= 100.0)
    assert clock.seconds == 100.0
    with pytest.raises(TimeoutError, match="not settled"):
        bench.quiet(running, log, lambda: False)


def workload(measured: int, ready: str) -> dict[str, Any]:
    return {"status": {"profiles": {"measured": measured}, "conditions": [{"type": "Ready", "status": ready}]}}


def test_the_cluster_says_what_is_measured_ready_and_probed() -> None:
    probed = {"metadata": {"name": "fast"}, "status": {"probe": {"gemm": 1}}}
    client: Any = Client(
        aiworkloads=[workload(3, "True"), workload(2, "False"), {}],
        nodeclasses=[probed, {"metadata": {"name": "slow"}, "status": {}}, {"metadata": {"name": "new"}}],
    )
    assert bench.standing(client) == (5, 1)
    assert bench.probed(client) == ["fast"]
    assert client.list_objects(NODE_CLASSES)


def measured_figures(running: Any, log: Any, clock: Clock) -> dict[str, Any]:
    client: Any = Client()
    options = argparse.Namespace(workloads=2, classes=3)
    log.write()  # before: of no pair
    for second in range(1, 13):
        clock.at(second, log.write)
    clock.at(30.0, lambda: client.items.update(aiworkloads=[workload(3, "True"), workload(3, "True")]))
    clock.at(61.0, lambda: setattr(running, "cpu", 6.0))
    figures = bench.settled(running, log, client, options, "Always") | bench.idle(running, log)
    clock.at(clock.seconds + 5.0, lambda: setattr(running, "looked", 2.0))
    clock.at(clock.seconds + 7.0, log.write)
    return figures | bench.restarted(running, log, 2)


def test_figures_count_from_the_first_workload_to_the_last_write(running: Any, log: Any, clock: Clock) -> None:
    found = measured_figures(running, log, clock)
    assert (found["settle_seconds"], found["writes_per_pair"], found["measured_pairs"]) == (12.0, 2.0, 6)
    assert (found["ready_workloads"], found["settled_peak_mib"], found["together_mib"]) == (2, 120.0, 100.0)
    assert (found["idle_cores"], found["idle_writes"]) == (0.1, 0)


def test_a_restart_is_over_after_a_look_at_each_workload_and_the_last_write(
    running: Any, log: Any, clock: Clock
) -> None:
    found = measured_figures(running, log, clock)
    assert found["restart_seconds"] == pytest.approx(7.0, abs=0.2)
    assert (found["restart_writes"], found["restart_peak_mib"]) == (1, 120.0)


def test_each_mark_names_a_figure(running: Any, log: Any, clock: Clock) -> None:
    found = measured_figures(running, log, clock) | {"rss_mib": 120.0}
    marks = held(found, bench.MARKS)
    assert {name: mark["met"] for name, mark in marks.items()} == dict.fromkeys(bench.MARKS, True)
    told = bench.lines(found).splitlines()
    assert any(line.split() == ["writes", "per", "pair", "2"] for line in told)
    assert any(line.split() == ["create", "jobs", "13"] for line in told)


CHILD = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"])
print(child.pid, flush=True)
sys.stdin.read()
"""


def test_memory_is_that_of_the_operator_and_of_what_it_started() -> None:
    with subprocess.Popen([sys.executable, "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            running = RunningOperator(process, "http://127.0.0.1:1")
            assert process.stdout is not None
            child = int(process.stdout.readline())
            assert running.children() == [child]
            running.check()
            assert 0.0 < running.memory().now <= running.memory().peak
            assert running.together_mib() > 0.0
        finally:
            running.kill()
    assert running.together_mib() == 0.0
    with pytest.raises(RuntimeError, match="ended with status -9"):
        running.check()
