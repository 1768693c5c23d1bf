"""All that is known when an AIWorkload is looked at: gathered first, so that what follows is a function of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from foretide.profiling.turns import Candidate, Spent
from foretide.signature import Signature
from foretide_kube.cache import Key
from foretide_kube.client import Object
from foretide_kube.kinds.aiworkload import Actuals, AIWorkload, ServiceActuals, workload_key
from foretide_kube.kinds.workloadprofile import WorkloadProfile
from foretide_operator.attempts import Attempt
from foretide_operator.fleet import ClassMembers
from foretide_operator.outcome import Failed
from foretide_operator.pairing.watch import Watch
from foretide_operator.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known of one workload.

    ``classes`` are the node classes that the workload selects, by name; ``nodes`` every node of the cluster,
    ``workload_pods`` every Pod of any workload, ``workloads`` every AIWorkload by namespace and name.
    ``attempts`` are its inspect and profile Jobs, ``profiles`` its WorkloadProfiles of the present key, and
    ``superseded`` those of any key that another one has replaced. ``watches`` has, by class, what tasks said of the
    measurement there. ``measuring`` counts the unfinished measuring Jobs per class, of all workloads; ``refusals``
    are Jobs and Deployments, by name, that the API server would not take just now. ``spent`` is what a day's
    measurements took, and ``ahead`` has for each class the first of the other workloads that wait to be measured there.
    ``considered_time`` is until when measurements were learned from, or left; empty if no model is in use. While
    ``rest_seconds`` are left, its status is not written for small changes.
    """

    workload: AIWorkload
    classes: tuple[ClassMembers, ...]
    nodes: tuple[Object, ...]
    workload_pods: Collection[Object] = ()
    workloads: Mapping[Key, Object] = field(default_factory=dict)
    attempts: tuple[Attempt, ...] = ()
    profiles: tuple[WorkloadProfile, ...] = ()
    superseded: tuple[WorkloadProfile, ...] = ()
    watches: Mapping[str, Watch] = field(default_factory=dict)
    measuring: Mapping[str, int] = field(default_factory=dict)
    refusals: Mapping[str, Failed] = field(default_factory=dict)
    spent: Spent = field(default_factory=Spent)
    ahead: Mapping[str, Candidate] = field(default_factory=dict)
    considered_time: str = ""
    run_jobs: tuple[Object, ...] = ()
    deployments: tuple[Object, ...] = ()
    run_pods: tuple[Object, ...] = ()
    actuals: Actuals | None = None
    service: ServiceActuals | None = None
    settings: Settings
    now: datetime
    rest_seconds: float = 0.0

    @property
    def key(self) -> str:
        """The digest of what is immutable in the spec."""
        return workload_key(self.workload.spec)

    @property
    def known_signature(self) -> Signature | None:
        """The signature from an earlier look, if it is of the present key."""
        status = self.workload.status
        return status.signature if status.key == self.key else None
