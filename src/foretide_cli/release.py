"""`foretide release`: opens the planner's gate on Pods by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from foretide_kube.client import ApiError, KubeClient
from foretide_kube.gate import MAY_BE_GATED, opening_patch
from foretide_kube.names import GATE_PLAN, PODS
from foretide_kube.reduced import facts_of, reduce_pod
from foretide_kube.task_pods import TaskPod
from foretide_kube.watched import is_leaving


def release(
    client: KubeClient,
    namespace: str | None,
    names: Sequence[str],
    *,
    is_trial: bool,
    say: Callable[[str], None],
    complain: Callable[[str], object],
) -> int:
    """Open our gate on the Pods of a namespace (None: of all), or on those ``names`` alone; 1 if one stayed shut.

    ``is_trial`` opens none and says which. Pods that are being deleted, or went meanwhile, are left. A Pod that is
    refused (by a policy, a webhook, or the rights in its namespace) keeps no other from being opened. In a namespace
    that is gone, or going, there is nothing to open. ApiError where Pods cannot be read, or the API server is gone or
    does not know this user any more.
    """
    if namespace is not None and is_leaving(client, namespace):
        say(f"there is no namespace {namespace}, or it is being deleted: no gates to open there")
        return 1 if names else 0
    pods, missing = _named(client, namespace or "", names) if names else (_waiting(client, namespace), [])
    for name in missing:
        complain(f"there is no Pod {namespace}/{name}")
    failed = len(missing)
    for pod in pods:
        where = f"{pod.namespace}/{pod.name}"
        if not pod.is_gated or pod.is_deleting:
            say(f"{where} does not wait behind {GATE_PLAN}")
        elif is_trial:
            say(f"{where} would be released{_others(pod)}")
        else:
            problem = _open(client, pod)
            if problem:
                complain(f"{where} was not released: {problem}")
                failed += 1
            else:
                say(f"{where} released{_others(pod)}")
    if not pods and not missing:
        say(f"no Pod waits behind {GATE_PLAN}" + ("" if namespace is None else f" in namespace {namespace}"))
    return 1 if failed else 0


def _waiting(client: KubeClient, namespace: str | None) -> list[TaskPod]:
    """The Pods behind our gate, by namespace and name."""
    items, _ = client.list_objects_with_version(PODS, namespace, field_selector=MAY_BE_GATED, reduce=reduce_pod)
    waiting: Iterable[TaskPod] = (facts_of(item) for item in items)
    return sorted(
        (pod for pod in waiting if pod.is_gated and not pod.is_deleting), key=lambda pod: (pod.namespace, pod.name)
    )


def _named(client: KubeClient, namespace: str, names: Sequence[str]) -> tuple[list[TaskPod], list[str]]:
    """The Pods of these names, and the names that no Pod has."""
    found = {name: client.find(PODS, name, namespace) for name in dict.fromkeys(names)}
    pods: list[TaskPod] = [facts_of(reduce_pod(item)) for item in found.values() if item is not None]
    return pods, [name for name, item in found.items() if item is None]


def _open(client: KubeClient, pod: TaskPod) -> str:
    """Open the gate; why not, or nothing. ApiError where no other Pod would fare better."""
    try:
        client.patch(PODS, pod.name, opening_patch(pod.uid, pod.gates), pod.namespace)
    except ApiError as error:
        if error.is_not_found:
            return ""
        if error.status in {0, 401}:
            raise
        return error.message or error.reason
    return ""


def _others(pod: TaskPod) -> str:
    """What still keeps a released Pod."""
    others = [gate for gate in pod.gates if gate != GATE_PLAN]
    return f"; it still waits behind {', '.join(others)}" if others else ""
