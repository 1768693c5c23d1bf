"""What a Pod requests of its node, reckoned as kube-scheduler does.

Containers and init containers that are restarted always run together; before them each other init container runs
beside those restarted ones that came before it. The larger of both counts, and the overhead on top; requests of the
Pod as a whole stand in place of the sum.
Source: https://kubernetes.io/docs/concepts/workloads/pods/init-containers/#resource-sharing-within-containers
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from foretide.placement.resources import Resources
from foretide_kube.names import RESOURCE_TASK
from foretide_kube.pod_form import ContainerResources, PodSpec, Quantities
from foretide_kube.quantity import QuantityError, millis, whole

CPU, MEMORY, PODS = "cpu", "memory", "pods"
_NOT_EXTENDED = frozenset({CPU, MEMORY, PODS, RESOURCE_TASK})

_Amounts = dict[str, int]
_NOTHING: Mapping[str, int] = {}


def requests_of(spec: PodSpec) -> Resources:
    """What a Pod requests; a quantity that cannot be read counts as nothing."""
    total = _sum(_requested(item.resources) for item in spec.containers or ())
    if spec.init_containers:
        beside, peak = _NOTHING, _NOTHING
        for container in spec.init_containers:
            own = _sum((beside, _requested(container.resources)))
            if container.restart_policy == "Always":
                beside = own
            peak = _larger(peak, own)
        total = _larger(_sum((total, beside)), peak)
    return _resources(_sum((total | _requested(spec.resources), _amounts(spec.overhead))), pods=1)


def allocatable_of(quantities: Quantities) -> Resources:
    """What a node has to give; a quantity that cannot be read counts as nothing."""
    amounts = _amounts(quantities)
    return _resources(amounts, pods=amounts.pop(PODS, 0))


def _resources(amounts: Mapping[str, int], *, pods: int) -> Resources:
    """Amounts by resource name (CPU in thousandths) as `Resources`; what marks a task takes nothing of a node."""
    cpu_millis, memory_bytes = amounts.get(CPU, 0), amounts.get(MEMORY, 0)
    extended = {name: amount for name, amount in amounts.items() if name not in _NOT_EXTENDED and amount > 0}
    return (
        Resources(cpu_millis, memory_bytes, pods, extended) if extended else Resources(cpu_millis, memory_bytes, pods)
    )


def _sum(parts: Iterable[Mapping[str, int]]) -> _Amounts:
    total: _Amounts = {}
    for part in parts:
        for name, amount in part.items():
            total[name] = total.get(name, 0) + amount
    return total


def _larger(one: Mapping[str, int], other: Mapping[str, int]) -> _Amounts:
    """Of each resource the larger amount."""
    return {name: max(one.get(name, 0), other.get(name, 0)) for name in one.keys() | other.keys()}


def _requested(resources: ContainerResources | None) -> _Amounts:
    """Requests; a limit stands for a request that is not there, as the API server has it."""
    if resources is None:
        return {}
    return _amounts({**(resources.limits or {}), **(resources.requests or {})})


def _amounts(quantities: Quantities | None) -> _Amounts:
    amounts: _Amounts = {}
    for name, quantity in (quantities or {}).items():
        try:
            amounts[name] = max(millis(quantity) if name == CPU else whole(quantity), 0)
        except QuantityError:
            continue
    return amounts
