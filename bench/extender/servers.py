"""The extenders that are compared, each a process of its own, and what the kernel and they themselves count.

Foretide's is started as its image starts it, with the chart's settings (which are its defaults) but for the size of a
body where whole Nodes are sent. It watches an API server of `bench.extender.api_server`.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.parts import Samples, cpu_seconds, free_port, scrape, total, wait_ready
from demo.memory import Resident, resident
from demo.scenario import ROOT
from devcluster import golang

LARGEST_BODY_BYTES: Final = 64 * 2**20
"""Five thousand whole Nodes are 25 MB, which the default refuses."""
_REASON: Final = re.compile(r'reason="(\w+)"')
_MODULE: Final = ROOT / "bench" / "zero_extender"
_BUILT: Final = ROOT / "build"
_ENDS_WITHIN_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Server:
    """An extender that runs."""

    name: str
    pid: int
    port: int

    def cpu_seconds(self) -> float:
        """The CPU time that it has had."""
        return cpu_seconds(self.pid)

    def resident(self) -> Resident:
        """Its resident memory in MiB."""
        return resident(self.pid)


@dataclass(frozen=True, slots=True)
class Foretide(Server):
    """Foretide's extender, which also counts for itself."""

    observe_url: str

    def answers(self) -> Answers:
        """What it counted until now."""
        return Answers.read(scrape(self.observe_url))


@dataclass(frozen=True, slots=True)
class Answers:
    """What Foretide's extender counted: its answers, and those that no decision stands behind by their reasons."""

    count: float
    failed_open: Mapping[str, float]

    @classmethod
    def read(cls, samples: Samples) -> Answers:
        """Read its metrics."""
        failed_open: Counter[str] = Counter()
        for series, value in samples.items():
            if series.startswith("foretide_extender_fail_open_total{"):
                [reason] = _REASON.findall(series)
                failed_open[reason] += int(value)
        return cls(total(samples, "foretide_extender_decisions_total"), failed_open)

    def since(self, before: Answers) -> Answers:
        """What was counted since."""
        return Answers(
            self.count - before.count,
            {reason: count - before.failed_open.get(reason, 0) for reason, count in self.failed_open.items()},
        )

    @property
    def failed_open_share(self) -> float:
        """The share of the answers that no decision stands behind."""
        return sum(self.failed_open.values()) / self.count if self.count else 0.0


@contextmanager
def fleet_api(nodes: int, pods: int, events_per_second: float, directory: Path) -> Iterator[Path]:
    """An API server of a fleet; the kubeconfig that leads to it."""
    words = ["-m", "bench.extender.api_server", f"--nodes={nodes}", f"--pods={pods}"]
    argv = [sys.executable, *words, f"--events-per-second={events_per_second}"]
    with _saying_its_port(argv) as (_, port):
        kubeconfig = directory / "kubeconfig"
        cluster = {"name": "fleet", "cluster": {"server": f"http://127.0.0.1:{port}"}}
        context = {"name": "fleet", "context": {"cluster": "fleet", "user": "nobody"}}
        kubeconfig.write_text(
            json.dumps(
                {
                    "clusters": [cluster],
                    "contexts": [context],
                    "users": [{"name": "nobody", "user": {}}],
                    "current-context": "fleet",
                }
            )
        )
        yield kubeconfig


@contextmanager
def foretide(kubeconfig: Path, directory: Path, *, max_body_bytes: int = LARGEST_BODY_BYTES) -> Iterator[Foretide]:
    """Foretide's extender, ready; its log goes to ``directory``."""
    port, observe = free_port(), free_port()
    log = directory / "extender.log"
    environment = {
        **os.environ,
        "KUBECONFIG": str(kubeconfig),
        "PYTHONSAFEPATH": "1",
        "FORETIDE_SCHEDULER_LISTEN": f"127.0.0.1:{port}",
        "FORETIDE_OBSERVE_LISTEN": f"127.0.0.1:{observe}",
        "FORETIDE_MAX_BODY_BYTES": str(max_body_bytes),
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "foretide_extender"], env=environment, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            wait_ready(f"http://127.0.0.1:{observe}/readyz", process, log)
            yield Foretide("foretide", process.pid, port, f"http://127.0.0.1:{observe}")
        finally:
            process.terminate()
            process.wait(_ENDS_WITHIN_SECONDS)


@contextmanager
def go_zero() -> Iterator[Server]:
    """The extender in Go that knows nothing, built where it is not yet."""
    golang.build(_MODULE, {"zero-extender": "."}, _BUILT, tags="", linker_flags="-s -w", progress=lambda _line: None)
    with _saying_its_port([str(_BUILT / "zero-extender")]) as (pid, port):
        yield Server("go_zero", pid, port)


@contextmanager
def _saying_its_port(argv: Sequence[str]) -> Iterator[tuple[int, int]]:
    """A process that says its port on standard output and ends when standard input does: its pid and the port."""
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None  # noqa: S101 - it is a pipe
        assert process.stdout is not None  # noqa: S101 - as above
        try:
            yield process.pid, int(process.stdout.readline())
        finally:
            process.stdin.close()
            process.wait(_ENDS_WITHIN_SECONDS)
