"""Planner, extender and our kube-scheduler as processes beside a control plane, and what they count of themselves.

The scheduler's configuration is the chart's, but for where API server and extender are; the extender has the chart's
settings, which are its defaults.
"""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from demo.memory import resident
from demo.scenario import ROOT
from devcluster import Cluster, binaries
from foretide_kube.names import SCHEDULER_NAME

READY_SECONDS = 120.0
Samples = Mapping[str, float]
"""What a process exposes: the name of a series with its labels → its value."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What has been counted since the parts were started."""

    plans: float
    planning_seconds: float
    planner_cpu_seconds: float
    gates_opened: float
    extender_calls: float
    attempts: Mapping[str, float]
    """The scheduler's attempts to place a Pod, by result."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts while they run."""

    planner: int
    extender: int
    planner_url: str
    extender_url: str
    scheduler_url: str

    def counts(self) -> Counts:
        """What is counted now."""
        planner, extender, scheduler = map(scrape, (self.planner_url, self.extender_url, self.scheduler_url))
        return Counts(
            plans=total(planner, "foretide_planner_plan_duration_seconds_count"),
            planning_seconds=total(planner, "foretide_planner_plan_duration_seconds_sum"),
            planner_cpu_seconds=cpu_seconds(self.planner),
            gates_opened=total(planner, "foretide_planner_gates_opened_total"),
            extender_calls=total(extender, "foretide_extender_request_duration_seconds_count")
            + total(extender, "foretide_extender_errors_total"),
            attempts={
                result: total(
                    scheduler, "scheduler_schedule_attempts_total", f'profile="{SCHEDULER_NAME}"', f'"{result}"'
                )
                for result in ("scheduled", "unschedulable", "error")
            },
        )

    def memory(self) -> dict[str, dict[str, float]]:
        """Resident memory in MiB of planner and extender."""
        return {"planner": resident(self.planner)._asdict(), "extender": resident(self.extender)._asdict()}


@contextmanager
def parts(cluster: Cluster, namespace: str, directory: Path) -> Iterator[Parts]:
    """Run the parts with the administrator's rights while the block lasts; their logs go to ``directory``."""
    answers = free_port()
    planner, extender, scheduler = (f"127.0.0.1:{free_port()}" for _ in range(3))
    configuration = directory / "scheduler.yaml"
    configuration.write_text(yaml.safe_dump(scheduler_configuration(cluster, answers)))
    everywhere = {"KUBECONFIG": str(cluster.kubeconfig), "PYTHONSAFEPATH": "1", "FORETIDE_LOG_LEVEL": "WARNING"}
    with ExitStack() as stack:

        def start(name: str, url: str, argv: Sequence[str | Path], **environment: str) -> int:
            path = directory / f"{name}.log"
            log = stack.enter_context(path.open("wb"))
            variables = {**os.environ, **everywhere, **environment}
            process = subprocess.Popen(argv, env=variables, stdout=log, stderr=subprocess.STDOUT)
            stack.callback(_end, process)
            wait_ready(f"{url}/readyz", process, path)
            return process.pid

        extender_pid = start(
            "extender",
            f"http://{extender}",
            [sys.executable, "-m", "foretide_extender"],
            FORETIDE_SCHEDULER_LISTEN=f"127.0.0.1:{answers}",
            FORETIDE_OBSERVE_LISTEN=extender,
        )
        host, _, port = scheduler.partition(":")
        serving = [f"--bind-address={host}", f"--secure-port={port}"]
        anybody = "--authorization-always-allow-paths=/readyz,/metrics"
        program = binaries.ensure(["kube-scheduler"], lambda _line: None)["kube-scheduler"]
        start("scheduler", f"https://{scheduler}", [program, f"--config={configuration}", *serving, anybody])
        planner_pid = start(
            "planner",
            f"http://{planner}",
            [sys.executable, "-m", "foretide_operator.planner"],
            FORETIDE_NAMESPACE=namespace,
            FORETIDE_PLANNER_PORT=planner.partition(":")[2],
        )
        yield Parts(planner_pid, extender_pid, f"http://{planner}", f"http://{extender}", f"https://{scheduler}")


def scheduler_configuration(cluster: Cluster, extender_port: int) -> dict[str, Any]:
    """The configuration that the chart gives to kube-scheduler, for processes of this machine."""
    chart = [str(ROOT / "charts" / "foretide"), "--kube-version", cluster.spec.kubernetes]
    rendered = cluster.helm("template", "foretide", *chart, "--show-only", "templates/scheduler/configmap.yaml")
    configuration: dict[str, Any] = yaml.safe_load(yaml.safe_load(rendered)["data"]["scheduler.yaml"])
    configuration["clientConnection"] = {"kubeconfig": str(cluster.kubeconfig)}
    [extender] = configuration["extenders"]
    extender["urlPrefix"] = f"http://127.0.0.1:{extender_port}"
    return configuration


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def scrape(url: str) -> Samples:
    """What a process exposes."""
    lines = _get(f"{url}/metrics").splitlines()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line[:1] != "#")}


def total(samples: Samples, name: str, *labels: str) -> float:
    """The sum of all series of a name whose labels hold these texts."""
    return sum(
        value
        for series, value in samples.items()
        if series.partition("{")[0] == name and all(label in series for label in labels)
    )


def cpu_seconds(process: int) -> float:
    """The CPU time that all threads of a process have had, ended ones included, from the kernel."""
    return time.clock_gettime(~process << 3 | 2)  # Linux' number for the clock of a process


def wait_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until a process says that it is ready; RuntimeError with its log if it ends or never is."""
    end = time.monotonic() + READY_SECONDS
    while True:
        try:
            _get(url)
        except OSError as error:
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{url}: {error}\n{log.read_text()[-2000:]}") from error
            time.sleep(0.2)
        else:
            return


def _get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=30, context=_unverified(url)) as response:  # noqa: S310 - our own ports
        text: str = response.read().decode()
        return text


def _unverified(url: str) -> ssl.SSLContext | None:
    """The scheduler signs its certificate itself."""
    if not url.startswith("https:"):
        return None
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(30)
