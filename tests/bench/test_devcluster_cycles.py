"""Cycles of a cluster: what runs in one, and when it counts as clean."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.devcluster_cycles import Cycle, jobs, result_file, summary
from bench.machine_load import loaded
from devcluster import ClusterSpec
from devcluster.paths import PACKAGE
from foretide_kube.names import SCHEDULER_NAME
from foretide_kube.reduced import facts_of, reduce_pod


def test_a_burst_of_tasks_behind_foretides_gate_comes_beside_one_job_per_node() -> None:
    spec = ClusterSpec.load(PACKAGE / "clusters" / "demo.yaml")
    made = jobs(spec, 3)
    assert len({job["metadata"]["name"] for job in made}) == len(spec.nodes) + 3
    pods = [job["spec"]["template"] for job in made]
    bound = [pod["spec"].get("nodeSelector") for pod in pods]
    assert bound == [{"kubernetes.io/hostname": node.name} for node in spec.nodes] + [None] * 3
    tasks = [facts_of(reduce_pod(pod)) for pod in pods]
    assert [(task.is_task, task.is_gated) for task in tasks] == [(False, False)] * len(spec.nodes) + [(True, True)] * 3
    assert {pod["spec"]["schedulerName"] for pod in pods[len(spec.nodes) :]} == {SCHEDULER_NAME}


def test_a_cycle_that_left_something_or_ended_early_is_not_clean() -> None:
    cycles = [
        Cycle(1, 1, 1, 1, []),
        Cycle(1, 1, 1, 1, ["mount /x"]),
        Cycle(1, 1, 1, 1, [], "CommandFailed: no answer"),
    ]
    figures = summary(cycles, 6, burst=20, is_loaded=True)
    assert (figures["clean"], figures["cycles"], figures["jobs"], figures["loaded"]) == (1, 3, 78, True)


def test_figures_with_and_without_a_burst_are_kept_apart() -> None:
    assert result_file(0) != result_file(20)


def test_the_load_is_there_within_the_block_and_gone_after_it() -> None:
    before = children()
    with loaded(2):
        assert len(children() - before) == 2
    assert children() == before


def test_the_load_ends_with_whom_it_was_started_by() -> None:
    starter = (
        "import time; from bench.machine_load import loaded\nwith loaded(1): print('there', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", starter], cwd=PACKAGE.parent, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        [worker] = children(process.pid)
        process.kill()
    give_up = time.monotonic() + 30
    while is_running(worker):
        if time.monotonic() > give_up:
            pytest.fail(f"process {worker} outlived its parent")
        time.sleep(0.05)


def children(pid: int | None = None) -> set[str]:
    pid = pid or os.getpid()
    return set(Path(f"/proc/{pid}/task/{pid}/children").read_text().split())


def is_running(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
