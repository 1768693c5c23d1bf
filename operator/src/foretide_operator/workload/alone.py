"""Whether a measurement has to wait for a node of its class without tasks, and for how long.

Until when it waits is published with the reason, so that who begins anew waits no longer. Meanwhile the planner empties
a node for it, where there is one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from foretide.prediction import Prediction
from foretide.profiling.turns import measuring_seconds
from foretide_kube.client import Object
from foretide_kube.constraints import UNSCHEDULABLE, Taint
from foretide_kube.kinds.aiworkload import ClassProfiling
from foretide_kube.kinds.common import to_time
from foretide_kube.names import ANNOTATION_PLANNED_NODE, ROLE_PROFILE, ROLE_RUN
from foretide_kube.published import measured_where
from foretide_kube.times import parse_time
from foretide_operator.fleet import ClassMembers, is_ready, node_fits
from foretide_operator.measuring_jobs import role_of
from foretide_operator.services.targets import is_of_service
from foretide_operator.spending import LONG_START_SECONDS, limits_of
from foretide_operator.workload.facts import Facts

PATIENCE_SECONDS: Final = 300.0
"""After so long a measurement begins beside tasks: they are always there."""
_LONGEST_SECONDS: Final = 86_400
_OVER: Final = frozenset({"Succeeded", "Failed"})


@dataclass(frozen=True, slots=True)
class Wait:
    """Until when a measurement waits for a node without tasks."""

    latest: datetime

    @property
    def latest_time(self) -> str:
        """The same for the status."""
        return to_time(self.latest)

    @property
    def message(self) -> str:
        """What is said of it."""
        return f"waiting for a node of the class without tasks, until {self.latest_time}"


def wait_for_a_node(facts: Facts, members: ClassMembers) -> Wait | None:
    """What a measurement that may begin has to wait for; None if it begins."""
    row = published(facts, members.name)
    latest = parse_time(None if row is None else row.latest_start_time)
    in_full = facts.now + timedelta(seconds=PATIENCE_SECONDS)
    latest = in_full if latest is None else min(latest, in_full)
    if facts.now >= latest or _has_free_node(facts, members):
        return None
    return Wait(latest)


def published(facts: Facts, name: str) -> ClassProfiling | None:
    """What the status says of the profiling of a class."""
    status = facts.workload.status
    rows = status.profiles.classes if status.profiles is not None and status.key == facts.key else ()
    return next((row for row in rows if row.node_class == name), None)


def node_seconds(facts: Facts, name: str, predictions: Sequence[Prediction]) -> int:
    """What a measurement is expected to take of a node: told once, and the same until it is over."""
    row = published(facts, name)
    if row is not None and row.node_seconds is not None:
        return row.node_seconds
    limits = limits_of(facts.settings)
    known = next((each for each in predictions if each.node_class == name), None)
    seconds = limits.max_seconds + LONG_START_SECONDS
    if known is not None:
        seconds = measuring_seconds(
            startup_seconds=known.startup_milliseconds / 1e3, inference_seconds=known.work_seconds(1), limits=limits
        )
    return min(max(math.ceil(seconds), 1), _LONGEST_SECONDS)


def _has_free_node(facts: Facts, members: ClassMembers) -> bool:
    """Whether a node that takes the Pod has neither tasks nor a measurement, and is planned for none that is opened."""
    constraints = measured_where(facts.workload)
    usable = {
        node["metadata"]["name"]
        for node in members.members
        if is_ready(node)
        and node_fits(node, facts.workload.spec.resources.limits)
        and constraints.allow(node["metadata"]["name"], node["metadata"].get("labels", {}), _taints(node))
    }
    return bool(usable) and bool(usable - _occupied(facts))


def _occupied(facts: Facts) -> set[str]:
    """The nodes with tasks or measurements; services are always there, and what they cost is part of every task."""
    found = set()
    for pod in facts.workload_pods:
        role = role_of(pod)
        if role not in {"", ROLE_RUN, ROLE_PROFILE} or pod.get("status", {}).get("phase") in _OVER:
            continue
        if role != ROLE_PROFILE and is_of_service(pod, facts.workloads):
            continue
        annotations = pod["metadata"].get("annotations", {})
        planned = "" if pod["spec"].get("schedulingGates") else annotations.get(ANNOTATION_PLANNED_NODE, "")
        found.add(pod["spec"].get("nodeName") or planned)
    return found


def _taints(node: Object) -> tuple[Taint, ...]:
    spec = node.get("spec", {})
    cordon = (Taint(UNSCHEDULABLE, "", "NoSchedule"),) if spec.get("unschedulable") else ()
    return (
        *(Taint(each["key"], each.get("value") or "", each["effect"]) for each in spec.get("taints") or ()),
        *cordon,
    )
