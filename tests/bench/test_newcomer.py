"""The bench of a newcomer's wait: it applies what the README does, and counts informed placements."""

from __future__ import annotations

import msgspec
import pytest
import yaml

from bench.newcomer import NAMESPACE, TASKS, WORKLOAD, figures, informed_placement, lines
from demo.scenario import ROOT
from demo.task_job import task_job
from foretide_kube.client import Object
from foretide_kube.kinds import aiworkload


def test_what_is_applied_is_the_workload_of_the_readme() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    documents = [yaml.safe_load(block.partition("```")[0]) for block in text.split("```yaml\n")[1:]]
    (readme,) = [each for each in documents if each.get("kind") == "AIWorkload"]
    assert WORKLOAD | {"metadata": readme["metadata"] | {"namespace": NAMESPACE}} == WORKLOAD
    assert readme["spec"] == WORKLOAD["spec"]


def test_the_further_task_is_planned() -> None:
    stored = WORKLOAD | {"metadata": WORKLOAD["metadata"] | {"uid": "u", "creationTimestamp": "2026-01-01T00:00:00Z"}}
    pod = task_job(aiworkload.parse(stored), "one-more", TASKS)["spec"]["template"]["spec"]
    assert pod["schedulerName"] == "foretide-scheduler"
    assert pod["schedulingGates"]


def pod(source: str | None, *, node: str | None = "n") -> Object:
    annotations = (
        {} if source is None else {"foretide.dev/prediction": msgspec.json.encode({"source": source}).decode()}
    )
    return {"metadata": {"annotations": annotations}, "spec": {} if node is None else {"nodeName": node}}


@pytest.mark.parametrize(
    ("pods", "source"),
    [
        ([], None),
        ([pod(None)], None),
        ([pod("Fallback")], None),
        ([pod("Measured", node=None)], None),
        ([pod("Fallback"), pod("Learned")], "Learned"),
    ],
)
def test_placed_is_a_task_with_a_node_and_a_prediction_that_says_more_than_what_was_counted(
    pods: list[Object], source: str | None
) -> None:
    assert informed_placement(pods) == source


def test_the_worst_run_counts() -> None:
    runs = [
        {"installed_seconds": 10.0, "informed_seconds": 20.0, "placed_seconds": 21.0, "source": "Measured"},
        {"installed_seconds": 12.0, "informed_seconds": 18.0, "placed_seconds": 19.0, "source": "Learned"},
    ]
    found = figures(runs)
    assert (found["installed"]["worst_seconds"], found["placed"]["worst_seconds"]) == (12.0, 21.0)
    assert "Learned" in lines(runs)
