"""All that is known when a NodeClass is looked at."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from foretide_kube.cache import Key
from foretide_kube.client import Object
from foretide_operator.attempts import Attempt
from foretide_operator.fleet import ClassMembers
from foretide_operator.outcome import Failed
from foretide_operator.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of one node class; ``measuring`` counts the unfinished measuring Jobs on it.

    ``workload_pods`` are the Pods of all ``workloads``, AIWorkloads by namespace and name. ``owner`` refers to the
    operator's Deployment; None where it runs outside a cluster. ``refusals`` are Jobs, by name, that the API server
    would not take just now.
    """

    members: ClassMembers
    attempts: tuple[Attempt, ...] = ()
    measuring: int = 0
    workload_pods: Collection[Object] = ()
    workloads: Mapping[Key, Object] = field(default_factory=dict)
    owner: Object | None = None
    refusals: Mapping[str, Failed] = field(default_factory=dict)
    settings: Settings
    now: datetime
