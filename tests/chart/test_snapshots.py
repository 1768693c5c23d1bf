"""What the chart renders is what was read and kept, by helm 3 and by helm 4."""

from __future__ import annotations

import pytest

from tests.chart.rendering import helm, render
from tests.chart.snapshot import CASES, COMMON_LABELS, SNAPSHOTS, file_of, snapshot


@pytest.mark.parametrize(("program", "version"), [("helm", "v3."), ("helm4", "v4.")])
def test_each_helm_is_the_one_that_it_is_taken_for(program: str, version: str) -> None:
    assert helm("version", "--template", "{{.Version}}", program=program).startswith(version)


@pytest.mark.parametrize("program", ["helm", "helm4"])
@pytest.mark.parametrize("name", CASES)
def test_what_is_rendered_is_what_was_kept(name: str, program: str) -> None:
    kept = file_of(name).read_text()
    assert snapshot(name, program) == kept, "if it is meant so: .venv/bin/python -m tests.chart.snapshot"


def test_every_snapshot_has_its_values() -> None:
    assert {path.name for path in SNAPSHOTS.iterdir()} == {file_of(name).name for name in CASES}


def test_every_object_has_the_labels_that_snapshots_leave_out() -> None:
    for values in CASES.values():
        for key, one in render(*values).objects.items():
            assert one["metadata"]["labels"].keys() >= COMMON_LABELS, key
