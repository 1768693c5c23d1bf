"""A short run with faults of every sort that ends soon, on real nodes; ``make chaos`` is the long one."""

from __future__ import annotations

from pathlib import Path

import pytest

from devcluster import leftovers
from examples.models import make_onnx
from tests.chaos.arena import arena
from tests.chaos.kinds import KINDS, short
from tests.chaos.running import run
from tests.installed import say

CLUSTER = "tests-chaos"
FAULTS = 12
SEED = 20
LONGEST_SECONDS = 20.0


@pytest.mark.cluster
def test_after_faults_of_many_kinds_nothing_is_lost_done_twice_or_left_behind(tmp_path: Path) -> None:
    model = make_onnx.build(tmp_path)["edge-cnn"].read_bytes()
    with arena(CLUSTER, SEED) as found:
        kinds = short(KINDS, LONGEST_SECONDS)
        outcome = run(found, model, kinds=kinds, faults=FAULTS, seed=SEED, say=say)
        assert not any(outcome.wrong.values()), f"{outcome.wrong}\n{found.installed.describe()}"
    assert outcome.faults == FAULTS
    assert len(outcome.by_kind) >= FAULTS - 2
    assert outcome.tasks > 0
    assert leftovers.of(CLUSTER) == []
