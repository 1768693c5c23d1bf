"""A cluster of real nodes with the chart installed, as suites that need the whole product use it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from demo.scenario import ROOT
from devcluster import Cluster, DevclusterError
from foretide_kube.client import KubeClient, Object
from foretide_kube.names import AIWORKLOADS, NAMESPACES, Resource

CHART = ROOT / "charts" / "foretide"
SYSTEM_NAMESPACE = "foretide-system"
VALUES = Path(__file__).with_name("installed-values.yaml")


@dataclass
class Installed:
    """A running cluster with Foretide in it."""

    cluster: Cluster
    client: KubeClient

    def namespace(self, name: str) -> str:
        """Make a namespace, ready for Pods."""
        self.client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        return name

    def until(
        self, what: str, look: Callable[[], Any], *, timeout_seconds: float = 180.0, every_seconds: float = 0.5
    ) -> Any:
        """What `look` returns once it is true; fails with `what` and the last workloads seen otherwise."""
        give_up = time.monotonic() + timeout_seconds
        while not (found := look()):
            if time.monotonic() > give_up:
                pytest.fail(f"after {timeout_seconds:.0f} s still not: {what}\n{self.describe()}")
            time.sleep(every_seconds)
        return found

    def condition(self, resource: Resource, name: str, kind: str, namespace: str | None = None) -> Object:
        """A condition of an object, or an empty one."""
        rows = self.client.get(resource, name, namespace).get("status", {}).get("conditions", [])
        return next((row for row in rows if row["type"] == kind), {"status": "Unknown", "reason": "", "message": ""})

    def wait_condition(
        self,
        name: str,
        kind: str,
        namespace: str,
        *,
        status: str,
        reason: str | None = None,
        timeout_seconds: float = 180.0,
    ) -> Object:
        """Wait until a workload's condition has the status, and the reason where one is given."""

        def look() -> Object | None:
            row = self.condition(AIWORKLOADS, name, kind, namespace)
            matches = row["status"] == status and (reason is None or row["reason"] == reason)
            return row if matches else None

        found: Object = self.until(f"{kind}={status} {reason or ''} on {name}", look, timeout_seconds=timeout_seconds)
        return found

    def describe(self) -> str:
        """What there is, for the message of a test that failed."""
        log = ["logs", "-n", SYSTEM_NAMESPACE, "deploy/foretide-operator", "--tail=40", "-c"]
        everything = ["get", "aiw,nclass,wprof,ctmodel,jobs,pods", "-A", "-o", "wide"]
        events = ["get", "events", "-A", "--sort-by=.lastTimestamp"]
        questions = (everything, events, [*log, "operator"], [*log, "planner"])
        return "\n".join("\n".join(self._told(words).splitlines()[-60:]) for words in questions)

    def _told(self, words: list[str]) -> str:
        try:
            return self.cluster.kubectl(*words)
        except DevclusterError as error:
            return str(error)


def install(cluster: Cluster, *words: str, chart: Path = CHART, program: str = "helm") -> Installed:
    """Install a chart as the tests do and return when all of it is available; ``words`` are said to helm besides."""
    arguments = ["install", "foretide", str(chart), "--namespace", SYSTEM_NAMESPACE, "--create-namespace", *words]
    wait = ("--values", str(VALUES), "--wait", "--timeout", "8m")
    cluster.helm(*arguments, *wait, program=program, timeout_seconds=500)
    return Installed(cluster, KubeClient.connect(str(cluster.kubeconfig)))


def say(line: str) -> None:
    """Tell of a step that takes a while, past pytest's capture."""
    sys.__stderr__.write(f"  {line}\n") if sys.__stderr__ else None
