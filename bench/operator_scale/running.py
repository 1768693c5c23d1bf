"""kwok and the operator as processes beside a control plane, the operator with the rights that the chart gives it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from bench.parts import Samples, cpu_seconds, scrape, total
from demo.memory import Resident, resident
from demo.scenario import ROOT
from devcluster import Cluster, binaries

SYSTEM: Final = "foretide-system"
ACCOUNT: Final = f"system:serviceaccount:{SYSTEM}:foretide-operator"
STAGES: Final = Path(__file__).with_name("stages.yaml")
_PORT: Final = 8080
_RIGHTS: Final = ("operator/serviceaccount.yaml", "operator/rbac.yaml", "operator/admission.yaml")


class RunningOperator:
    """The operator's process, and what it tells of itself."""

    def __init__(self, process: subprocess.Popen[bytes], url: str) -> None:
        self._process = process
        self._url = url

    def metrics(self) -> Samples:
        """What it exposes now; OSError while it does not answer."""
        return scrape(self._url)

    def looks(self, kind: str) -> float:
        """How many looks at objects of a kind it has finished."""
        return total(self.metrics(), "foretide_reconciles_total", f'kind="{kind}"', 'outcome="done"')

    def cpu_seconds(self) -> float:
        """Its own CPU time, training not included."""
        return cpu_seconds(self._process.pid)

    def memory(self) -> Resident:
        """Its resident memory."""
        return resident(self._process.pid)

    def together_mib(self) -> float:
        """Resident memory of it and what it started, in MiB; pages of several processes count in each by its share."""
        total_mib = 0.0
        for process in (self._process.pid, *self.children()):
            with suppress(OSError):  # it has ended meanwhile
                total_mib += proportional_mib(process)
        return round(total_mib, 1)

    def children(self) -> list[int]:
        """The processes that it started: training, if it trains."""
        found: list[int] = []
        for told in Path(f"/proc/{self._process.pid}/task").glob("*/children"):
            with suppress(OSError):  # the thread has ended meanwhile
                found += map(int, told.read_text().split())
        return found

    def check(self) -> None:
        """Nothing if it runs; RuntimeError if it has ended."""
        if self._process.poll() is not None:
            raise RuntimeError(f"the operator has ended with status {self._process.returncode}; see its log")

    def kill(self) -> None:
        """End it as a crash would."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(30)


def proportional_mib(process: int) -> float:
    """Resident memory of a process in MiB, of each page its share among those that have it; OSError if it is gone."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def prepare(cluster: Cluster) -> None:
    """Our kinds, and the operator's account with its rights."""
    cluster.kubectl("apply", "--server-side", "-f", str(ROOT / "crds"))
    cluster.kubectl("wait", "--for=condition=Established", "--timeout=60s", "crd", "--all")
    cluster.kubectl("create", "namespace", SYSTEM)
    chart = [str(ROOT / "charts" / "foretide"), "--namespace", SYSTEM, "--kube-version", cluster.spec.kubernetes]
    shown = [word for name in _RIGHTS for word in ("--show-only", f"templates/{name}")]
    cluster.kubectl("apply", "-f", "-", stdin=cluster.helm("template", "foretide", *chart, *shown))


@contextmanager
def kwok(cluster: Cluster, directory: Path) -> Iterator[None]:
    """Have kwok play the kubelets while the block lasts."""
    program = binaries.ensure(["kwok"], print)["kwok"]
    kubeconfig = directory / "kwok.kubeconfig"
    cluster.write_kubeconfig(kubeconfig)
    arguments = [str(program), f"--kubeconfig={kubeconfig}", f"--config={STAGES}"]
    with (directory / "kwok.log").open("wb") as log:
        process = subprocess.Popen(cluster.exec_argv(*arguments), stdout=log, stderr=subprocess.STDOUT)
        try:
            yield
        finally:
            process.terminate()
            process.wait(30)


@contextmanager
def operator(cluster: Cluster, directory: Path, settings: Mapping[str, str]) -> Iterator[RunningOperator]:
    """Run the operator while the block lasts, inside the cluster's network; its log goes on in ``directory``."""
    token = cluster.kubectl("create", "token", "foretide-operator", "-n", SYSTEM, "--duration=24h").strip()
    kubeconfig = directory / "operator.kubeconfig"
    cluster.write_kubeconfig(kubeconfig, token)
    variables = {
        **os.environ,
        "KUBECONFIG": str(kubeconfig),
        "PYTHONSAFEPATH": "1",
        "MALLOC_ARENA_MAX": "2",  # as in the operator's image
        "FORETIDE_NAMESPACE": SYSTEM,
        "FORETIDE_PROFILER_IMAGE_ONNX": "bench/profiler:onnx",
        "FORETIDE_PROFILER_IMAGE_TORCH": "bench/profiler:torch",
        **settings,
    }
    path = directory / "operator.log"
    with path.open("ab") as log, cluster.forward("127.0.0.1", _PORT) as port:
        argv = cluster.exec_argv(sys.executable, "-m", "foretide_operator")
        process = subprocess.Popen(argv, env=variables, stdout=log, stderr=subprocess.STDOUT)
        try:
            yield RunningOperator(process, f"http://127.0.0.1:{port}")
        finally:
            process.kill()
            process.wait(30)
