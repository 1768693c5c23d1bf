"""Which Pods are asked what their requests took, and what those said that have ended."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from foretide.service_report import ReportError, ServiceReport, parse
from foretide_kube.cache import Key
from foretide_kube.client import Object
from foretide_kube.names import LABEL_ROLE, LABEL_WORKLOAD, ROLE_RUN
from foretide_operator.measuring import controller_of

MOST_ASKED: Final = 500
"""So many Pods are asked in a round; of more, those that were asked longest ago."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What the Pod of a service said of itself."""

    namespace: str
    name: str
    uid: str
    workload: str
    node: str
    created: str
    report: ServiceReport


def is_of_service(pod: Object, workloads: Mapping[Key, Object]) -> bool:
    """Whether a Pod is labelled as one of an AIWorkload that is a service."""
    metadata = pod["metadata"]
    workload = workloads.get((metadata["namespace"], metadata.get("labels", {}).get(LABEL_WORKLOAD, "")))
    return workload is not None and workload["spec"].get("run", {}).get("mode") == "Deployment"


def service_pods(pods: Iterable[Object], workloads: Mapping[Key, Object]) -> Iterator[Object]:
    """The Pods that a Deployment of ours keeps for an AIWorkload that is a service."""
    for pod in pods:
        is_run = pod["metadata"].get("labels", {}).get(LABEL_ROLE) == ROLE_RUN
        is_kept = (controller_of(pod) or {}).get("kind") == "ReplicaSet"
        if is_run and is_kept and is_of_service(pod, workloads):
            yield pod


def to_ask(pods: Iterable[Object], asked_seconds: Mapping[str, float]) -> list[tuple[Object, str]]:
    """The Pods to ask in this round with their addresses; ``asked_seconds`` is when each was asked last, by UID.

    A Pod that has its node's address is left out: what listens there need not be it.
    """
    found = []
    for pod in pods:
        status = pod.get("status", {})
        address = status.get("podIP", "")
        is_running = any(each.get("state", {}).get("running") for each in status.get("containerStatuses", []))
        if address and address != status.get("hostIP") and is_running:
            found.append((pod, address))
    found.sort(key=lambda item: asked_seconds.get(item[0]["metadata"]["uid"], 0.0))
    return found[:MOST_ASKED]


def reading_of(pod: Object, report: ServiceReport) -> Reading:
    """A report with what is known of the Pod that gave it."""
    metadata = pod["metadata"]
    return Reading(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        workload=metadata["labels"][LABEL_WORKLOAD],
        node=pod["spec"].get("nodeName") or "",
        created=metadata.get("creationTimestamp") or "",
        report=report,
    )


def last_words(pod: Object) -> Sequence[ServiceReport]:
    """The last reports of containers that have ended, the older first; what is no report is left out."""
    found = []
    for container in pod.get("status", {}).get("containerStatuses", []):
        for state in (container.get("lastState", {}), container.get("state", {})):
            message = (state.get("terminated") or {}).get("message", "")
            try:
                found.append(parse(message.encode()))
            except (ReportError, UnicodeEncodeError):
                continue
    return found
