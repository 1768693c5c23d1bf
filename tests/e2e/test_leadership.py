"""The Lease of the active planner on a real cluster."""

from __future__ import annotations

import pytest

from foretide_kube.names import LEASES
from tests.installed import SYSTEM_NAMESPACE, Installed

pytestmark = pytest.mark.cluster
LEASE = "foretide-planner"


def test_a_lease_that_somebody_deleted_is_made_anew_by_the_planner(installed: Installed) -> None:
    def holder() -> str:
        lease = installed.client.find(LEASES, LEASE, SYSTEM_NAMESPACE) or {"spec": {}}
        found: str = lease["spec"].get("holderIdentity") or ""
        return found

    before = installed.until("the planner leads", holder)
    installed.client.delete(LEASES, LEASE, SYSTEM_NAMESPACE)
    installed.until("it leads again", lambda: holder() == before)
