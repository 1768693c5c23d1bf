"""Tasks that ran on a node beside another: they take its cores, caches and memory bandwidth.

Seen are tasks that exist when they are asked for; Pods that are gone already, or that carry no label of ours, are not.
Those of services are left out: they are always there, so that what they cost is part of what a task takes alone.
All times are by the node's clock, by which its kubelet tells of containers as well, in whole seconds: the middle of a
second is meant.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from foretide.contention import Presence
from foretide_kube.cache import Key
from foretide_kube.client import Object
from foretide_kube.names import LABEL_ROLE, ROLE_RUN
from foretide_kube.quantity import QuantityError, millis
from foretide_kube.times import epoch_milliseconds
from foretide_operator.services.targets import is_of_service

_HALF_SECOND_MILLISECONDS: Final = 500


@dataclass(frozen=True, slots=True)
class Company:
    """The cores of a node, and the tasks that were there beside one that is asked about."""

    allocatable_millis: int
    others: tuple[Presence, ...]


class Tenancy:
    """Which tasks were on which node, and when, grouped once to answer for many tasks; of these AIWorkloads."""

    def __init__(self, workload_pods: Iterable[Object], workloads: Mapping[Key, Object]) -> None:
        self._on: dict[str, dict[str, Presence]] = defaultdict(dict)
        for pod in workload_pods:
            presence = _presence(pod, workloads)
            if presence is not None:
                self._on[pod["spec"].get("nodeName") or ""][pod["metadata"]["uid"]] = presence

    def company_of(self, pod: Object, node: Object | None) -> Company | None:
        """Who was with a Pod on its node; None if the node is gone, or says nothing of its cores."""
        allocatable: Mapping[str, str] = {} if node is None else node.get("status", {}).get("allocatable", {})
        try:
            allocatable_millis = millis(allocatable["cpu"])
        except (KeyError, QuantityError):
            return None
        there = self._on.get(pod["spec"].get("nodeName") or "", {})
        uid = pod["metadata"]["uid"]
        return Company(allocatable_millis, tuple(each for other, each in there.items() if other != uid))


def co_runners(
    workload_pods: Iterable[Object],
    workloads: Mapping[Key, Object],
    measured: Object,
    *,
    begin_milliseconds: int,
    end_milliseconds: int,
) -> int:
    """How many task Pods, of these AIWorkloads, ran beside the Pod ``measured`` in that time."""
    node = measured["spec"].get("nodeName")
    found = (_presence(pod, workloads) for pod in workload_pods if pod["spec"].get("nodeName") == node)
    return sum(
        each is not None and each.begin_milliseconds < end_milliseconds and each.end_milliseconds > begin_milliseconds
        for each in found
    )


def _presence(pod: Object, workloads: Mapping[Key, Object]) -> Presence | None:
    """From the start of a task's first container to the end of its last; None for other Pods, and before it began."""
    is_run = pod["metadata"].get("labels", {}).get(LABEL_ROLE, ROLE_RUN) == ROLE_RUN
    if not is_run or is_of_service(pod, workloads):
        return None
    begins, ends = [], []
    for status in pod.get("status", {}).get("containerStatuses", []):
        state = status.get("state", {})
        life = state.get("running") or state.get("terminated") or {}
        begin, end = epoch_milliseconds(life.get("startedAt")), epoch_milliseconds(life.get("finishedAt"))
        if begin is not None:
            begins.append(begin + _HALF_SECOND_MILLISECONDS)
            ends.append(math.inf if end is None else end + _HALF_SECOND_MILLISECONDS)
    return Presence(min(begins), max(ends), _cpu_millis(pod)) if begins else None


def _cpu_millis(pod: Object) -> int:
    """The CPU that a Pod may use: of each container its limit, else its request, else nothing that is known."""
    total = 0
    for container in pod["spec"].get("containers", []):
        resources = container.get("resources", {})
        quantities = {**(resources.get("requests") or {}), **(resources.get("limits") or {})}
        try:
            total += max(millis(quantities["cpu"]), 0)
        except (KeyError, QuantityError):
            continue
    return total
