"""Tasks that ran on a node while something was measured there: they take its cores, caches and memory bandwidth."""

from __future__ import annotations

from collections.abc import Iterable

from foretide_kube.client import Object
from foretide_kube.names import LABEL_ROLE, ROLE_RUN
from foretide_operator.times import epoch_milliseconds


def co_runners(
    workload_pods: Iterable[Object], measured: Object, *, begin_milliseconds: int, end_milliseconds: int
) -> int:
    """How many task Pods ran beside the Pod ``measured`` in that time; those that are gone already are not seen.

    The time is since the epoch by the node's clock, by which its kubelet tells of containers as well.
    """
    node = measured["spec"].get("nodeName")
    return sum(
        pod["spec"].get("nodeName") == node
        and pod["metadata"].get("labels", {}).get(LABEL_ROLE, ROLE_RUN) == ROLE_RUN
        and _ran(pod, begin_milliseconds, end_milliseconds)
        for pod in workload_pods
    )


def _ran(pod: Object, begin: int, end: int) -> bool:
    for status in pod.get("status", {}).get("containerStatuses", []):
        state = status.get("state", {})
        life = state.get("running") or state.get("terminated") or {}
        started, ended = epoch_milliseconds(life.get("startedAt")), epoch_milliseconds(life.get("finishedAt"))
        if started is not None and started < end and (ended is None or ended > begin):
            return True
    return False
