"""The answer of the extender to ``GET /explain``: what it decided on a Pod, and what came of it.

Seconds count from the binding. Nodes that are told the same stand together.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from foretide.prediction import PodPrediction, Source
from foretide_kube.pod_plan import PodPlan

Status = Literal["Decided", "NotDecided", "Ended", "NotOurs", "NotFound"]
"""The last decision is told; or, as none is kept, what would be decided now, to who may list nodes; nothing, for the
Pod has ended; it carries no label of ours; there is no such Pod."""

AUDIENCE = "foretide-explain"
"""For whom a token must be made that is shown to the extender: it is good for nothing else."""

NOW = "now"
"""``as_of`` of what would be decided now."""


class Step(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An answer to kube-scheduler: what it rested on, or why it failed open, with all nodes let pass alike."""

    source: str = ""
    failed_open: str = ""


class Candidates(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Nodes that passed, of one score and with the same completion.

    ``completion_seconds`` is what the asked percentile of tasks keep to, and by which nodes are compared: the sum of
    alone, pull, contention and sharing. The median and the upper bound (95 %) are reckoned likewise. Start-up and work
    are told apart where they are predicted; else what it takes alone is guessed from other classes (``ClassSpeed``), or
    the median of all (``Unknown``). Where it would be slowed, what is there may use ``others_cpu_millis`` of
    ``allocatable_cpu_millis``, and ``others`` of it are tasks that are expected to end; both are told to who may list
    Pods of all namespaces. Without any prediction no time is told.
    """

    nodes: list[str]
    score: int | None = None
    is_planned: bool = False
    node_class: str | None = None
    source: Source | Literal["ClassSpeed", "Unknown"] = "Unknown"
    model_version: str = ""
    completion_seconds: float | None = None
    alone_seconds: float | None = None
    startup_seconds: float | None = None
    work_seconds: float | None = None
    pull_seconds: float | None = None
    contention_seconds: float | None = None
    sharing_seconds: float | None = None
    median_seconds: float | None = None
    upper_seconds: float | None = None
    others: int | None = None
    others_cpu_millis: int | None = None
    allocatable_cpu_millis: int | None = None


class RefusedNodes(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Nodes that were refused for the same reason, with the same figures."""

    reason: str
    message: str
    nodes: list[str]


class Placed(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Where the Pod went, and how much later it was expected to end there than on the best candidate.

    The seconds are None where nothing was predicted, or the node was no candidate.
    """

    node: str
    best_node: str | None = None
    completion_seconds: float | None = None
    best_seconds: float | None = None
    regret_seconds: float | None = None


class Planned(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What the planner wrote on the Pod."""

    node: str | None = None
    plan: PodPlan | None = None
    prediction: PodPrediction | None = None


class Explanation(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What is known of a Pod.

    ``as_of`` is the RFC 3339 time of the decision, or `NOW`; None where nothing was decided. ``filter`` and
    ``prioritize`` are None where kube-scheduler did not ask; it does not ask for scores where one node is left.
    ``overruled`` checks would have refused all nodes and were set aside. Candidates come best first.
    """

    namespace: str
    pod: str
    status: Status
    message: str
    as_of: str | None = None
    workload: str = ""
    inferences: int | None = None
    percentile: int | None = None
    cpu_millis: int | None = None
    filter: Step | None = None
    prioritize: Step | None = None
    candidates: list[Candidates] = []
    refused: list[RefusedNodes] = []
    overruled: list[str] = []
    placed: Placed | None = None
    planned: Planned | None = None
