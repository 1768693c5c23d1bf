"""What a Pod requests of its node, reckoned as kube-scheduler does.

Containers and init containers that are restarted always run together; before them each other init container runs
beside those restarted ones that came before it. The larger of both counts, and the overhead on top; requests of the
Pod as a whole stand in place of the sum.
Source: https://kubernetes.io/docs/concepts/workloads/pods/init-containers/#resource-sharing-within-containers
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from foretide.placement.resources import Resources
from foretide_kube.names import RESOURCE_TASK
from foretide_kube.pod_form import ContainerResources, PodSpec, Quantities
from foretide_kube.quantity import QuantityError, millis, whole

CPU, MEMORY, PODS = "cpu", "memory", "pods"
_NOT_EXTENDED = frozenset({CPU, MEMORY, PODS, RESOURCE_TASK})


def requests_of(spec: PodSpec) -> Resources:
    """What a Pod requests; a quantity that cannot be read counts as nothing."""
    together = _sum(item.resources for item in spec.containers or ())
    peak: Counter[str] = Counter()
    beside: Counter[str] = Counter()
    for container in spec.init_containers or ():
        own = _requested(container.resources)
        if container.restart_policy == "Always":
            beside += own
            peak |= beside
        else:
            peak |= beside + own
    total = (together + beside) | peak
    for name, amount in _requested(spec.resources).items():
        total[name] = amount
    return resources_of(total + _amounts(spec.overhead), pods=1)


def allocatable_of(quantities: Quantities) -> Resources:
    """What a node has to give; a quantity that cannot be read counts as nothing."""
    amounts = _amounts(quantities)
    return resources_of(amounts, pods=amounts.pop(PODS, 0))


def resources_of(amounts: Counter[str], *, pods: int) -> Resources:
    """Amounts by resource name (CPU in thousandths) as `Resources`; what marks a task takes nothing of a node."""
    extended = {name: amount for name, amount in amounts.items() if name not in _NOT_EXTENDED and amount > 0}
    return (
        Resources(amounts[CPU], amounts[MEMORY], pods, extended)
        if extended
        else Resources(amounts[CPU], amounts[MEMORY], pods)
    )


def _sum(parts: Iterable[ContainerResources | None]) -> Counter[str]:
    total: Counter[str] = Counter()
    for part in parts:
        total += _requested(part)
    return total


def _requested(resources: ContainerResources | None) -> Counter[str]:
    """Requests; a limit stands for a request that is not there, as the API server has it."""
    if resources is None:
        return Counter()
    return _amounts({**(resources.limits or {}), **(resources.requests or {})})


def _amounts(quantities: Quantities | None) -> Counter[str]:
    amounts: Counter[str] = Counter()
    for name, quantity in (quantities or {}).items():
        try:
            amounts[name] = max(millis(quantity) if name == CPU else whole(quantity), 0)
        except QuantityError:
            continue
    return amounts
