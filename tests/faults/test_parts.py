"""Each part of Foretide, and the API server, is lost or hangs in the middle of a burst: no task is, and none waits."""

from __future__ import annotations

import signal
import time

import pytest

from tests.faults.burst import Burst, is_gated
from tests.faults.parts import PARTS
from tests.faults.readings import failed_probes, reading_extender, scrape
from tests.faults.stage import Stage

pytestmark = pytest.mark.cluster

HUNG_SECONDS = 15.0
AWAY_SECONDS = 60.0


@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_is_killed_comes_back_and_every_task_is_done_and_paired_once(stage: Stage, part: str) -> None:
    restarts = stage.container(part)["restartCount"]
    with Burst(stage) as burst:
        burst.give_own()
        burst.give_run()
        burst.wait_under_way()
        stage.kill(part)
        burst.wait_complete()
        burst.check()
        given_up = {event["involvedObject"]["uid"] for event in burst.events("GateOpenedWithoutPlan")}
        assert not given_up & {pod["metadata"]["uid"] for pod in burst.pods()}, "the plan was not thrown away"

    def is_back() -> bool:
        status = stage.container(part)
        return bool(status["restartCount"] > restarts and status["ready"])

    stage.installed.until(f"{part} ready again", is_back)
    status = stage.container(part)
    assert status["restartCount"] == restarts + 1
    assert status["lastState"]["terminated"]["exitCode"] == 128 + signal.SIGKILL


@pytest.mark.parametrize("part", sorted(PARTS.keys() - {"planner"}))
def test_a_part_that_hangs_delays_tasks_and_loses_none(stage: Stage, part: str) -> None:
    with Burst(stage) as burst:
        burst.give_own()
        burst.give_run()
        burst.wait_under_way()
        with stage.hung(part):
            time.sleep(HUNG_SECONDS)
        burst.wait_complete()
        burst.check()


def test_while_the_planner_is_silent_the_operator_opens_the_gates_and_says_so(stage: Stage) -> None:
    with Burst(stage) as burst:
        burst.give_own()
        burst.give_run()
        burst.wait_under_way()
        with stage.hung("planner"):
            waiting = [pod["metadata"]["uid"] for pod in burst.present() if is_gated(pod)]
            burst.until("all gates open", lambda: not any(map(is_gated, burst.present())))
        burst.wait_complete()
        burst.check(all_predicted=False)
        told = {event["involvedObject"]["uid"]: event for event in burst.events("GateOpenedWithoutPlan")}
        opened = told.keys() & set(waiting)
        assert opened
        assert all("planner" in told[uid]["message"] for uid in opened)


def test_tasks_go_on_and_are_paired_after_the_api_server_was_away(stage: Stage) -> None:
    restarts, unready = stage.restarts()["extender"], failed_probes(stage, "Readiness")
    with Burst(stage) as burst, reading_extender(stage) as port:
        burst.give_own()
        burst.give_run()
        burst.wait_under_way()
        with stage.installed.cluster.without("kube-apiserver"):
            time.sleep(AWAY_SECONDS)
            silent_seconds = scrape(port).values("foretide_extender_watch_age_seconds")
        burst.wait_complete()
        burst.check(all_predicted=False)
    assert min(silent_seconds) > AWAY_SECONDS / 2
    assert (stage.restarts()["extender"], failed_probes(stage, "Readiness")) == (restarts, unready)
