"""Several schedulers on a real control plane: one leads by the Lease that the chart names, with the rights it gives."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import yaml

from devcluster import Cluster, ClusterSpec, binaries
from foretide_kube.client import KubeClient
from foretide_kube.names import LEASES
from tests.audit import calls, rights
from tests.chart.rendering import CHART, NAMESPACE, render
from tests.chart.rights import SCHEDULER

pytestmark = pytest.mark.cluster
VALUES = "scheduler.replicas=2"
LEASE = "foretide-scheduler"


def until_renewed(client: KubeClient) -> None:
    """Wait until there is a Lease that its holder has renewed."""
    seen: set[str] = set()
    give_up = time.monotonic() + 120
    while len(seen) < 2:
        lease = client.find(LEASES, LEASE, NAMESPACE)
        seen |= {lease["spec"]["renewTime"]} if lease and lease["spec"].get("holderIdentity") else set()
        assert time.monotonic() < give_up, "nobody leads after two minutes"
        time.sleep(0.5)


def test_a_scheduler_leads_by_its_lease_and_makes_it_anew_with_the_rights_of_its_role_and_uses_them_all(
    tmp_path: Path,
) -> None:
    with Cluster.up(ClusterSpec(name="tests-leader", audit=True), replace=True) as cluster:
        cluster.helm("install", "foretide", str(CHART), "-n", NAMESPACE, "--create-namespace", "--set", VALUES)
        token = cluster.kubectl("create", "token", "foretide-scheduler", "-n", NAMESPACE).strip()
        cluster.write_kubeconfig(tmp_path / "kubeconfig", token)
        configuration = render(VALUES).scheduler_configuration()
        configuration["clientConnection"] = {"kubeconfig": str(tmp_path / "kubeconfig")}
        (tmp_path / "scheduler.yaml").write_text(yaml.safe_dump(configuration))
        program = binaries.ensure(["kube-scheduler"], lambda _line: None)["kube-scheduler"]
        client = KubeClient.connect(str(cluster.kubeconfig))
        words: list[str | Path] = [program, "--config", tmp_path / "scheduler.yaml", "--secure-port=0"]
        with cluster.running("leader", words):
            until_renewed(client)
            client.delete(LEASES, LEASE, NAMESPACE)
            until_renewed(client)
        made = calls(cluster.audit_log, {SCHEDULER})
    assert sorted(f"{call.right}: {call.refusal}" for call in made if call.is_forbidden) == []
    given = {right for right in rights(render(VALUES).objects.values(), {SCHEDULER}) if "leases" in right.resource}
    assert len(given) > 2
    assert sorted(str(right) for right in given if not any(call.uses(right) for call in made)) == []
