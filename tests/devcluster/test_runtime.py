"""The runtime that slows containers has its tests beside it, in Go; they are run here with the rest."""

from __future__ import annotations

import pytest

from devcluster import golang
from devcluster.command import run
from devcluster.paths import PACKAGE


@pytest.mark.cluster  # fetches Go where the machine has none
def test_the_runtimes_own_tests_pass() -> None:
    module = PACKAGE / "build" / "node"
    told = run(
        [golang.program(module, print), "test", "-count=1", "-run", "Test", "-v", "./..."],
        directory=module,
        environment={"CGO_ENABLED": "0"},
    )
    assert "--- PASS" in told
