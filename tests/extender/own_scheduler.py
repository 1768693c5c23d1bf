"""The cluster's own scheduler as external mode has it, for tests: the stock one, on the machine of the tests."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import yaml

from devcluster import Cluster, binaries
from tests.chart.rendering import external_configuration, installation_notes
from tests.extender.authority import Authority

SCHEDULER = "stands-for-the-default"
"""What Pods call it: a name that keeps it off those of others."""


@contextmanager
def scheduler(
    control_plane: Cluster,
    directory: Path,
    port: int,
    authority: Authority,
    *,
    http_timeout: str,
    name: str = SCHEDULER,
) -> Iterator[None]:
    """The stock scheduler with what the chart's notes say, save where the extender is and how long it waits."""
    notes = installation_notes("scheduler.mode=external", "scheduler.external.tlsSecret=tls")
    configuration = external_configuration(notes)
    (asked,) = configuration["extenders"]
    certificate, key = authority.client()
    asked["urlPrefix"] = f"https://127.0.0.1:{port}"
    asked["tlsConfig"] |= {"certFile": str(certificate), "keyFile": str(key), "caFile": str(authority.certificate)}
    asked["httpTimeout"] = http_timeout
    file = directory / "scheduler.yaml"
    file.write_text(
        yaml.safe_dump(
            {
                **configuration,
                "leaderElection": {"leaderElect": False},
                "clientConnection": {"kubeconfig": str(control_plane.kubeconfig)},
                "profiles": [{"schedulerName": name}],
            }
        )
    )
    program = binaries.ensure(["kube-scheduler"], lambda _: None)["kube-scheduler"]
    with (directory / "scheduler.log").open("wb") as log:
        running = subprocess.Popen(
            [program, "--config", file, "--secure-port=0", "--v=5"], stdout=log, stderr=subprocess.STDOUT
        )
        try:
            yield
        finally:
            running.terminate()
            running.wait(15)
