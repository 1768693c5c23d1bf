"""All that `foretide doctor` looks at, as one value: what could not be read is None."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from foretide_cli.doctor.needed import Version
from foretide_kube.client import Object
from foretide_kube.kinds.aiworkload import AIWorkload
from foretide_kube.kinds.nodeclass import NodeClass
from foretide_kube.watched import watched_namespaces

Mode = Literal["secondary", "external", "none"]
"""`scheduler.mode` of the chart."""

OPERATOR: Final = "foretide-operator"
SCHEDULER: Final = "foretide-scheduler"
EXTENDER: Final = "foretide-extender"
"""Names of Deployments and of their accounts, which the chart fixes."""
CHART: Final = "charts/foretide"
LABEL_INSTANCE: Final = "app.kubernetes.io/instance"
LABEL_VERSION: Final = "app.kubernetes.io/version"
TAKES_SECONDS: Final = 60.0
"""So long things may take to come about before it is said that they did not."""

_VERSION: Final = re.compile(r"v?(\d+)\.(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Extender:
    """What a Pod with an extender says of itself at its port for observers.

    ``problem`` says why it cannot be asked. ``started_seconds`` since the epoch is when its container was started.
    ``is_ready`` is its own word, ``said`` the rest of it; ``metrics`` are values by name and labels.
    """

    pod: str
    problem: str = ""
    started_seconds: float | None = None
    is_ready: bool = True
    said: str = ""
    metrics: Mapping[str, Mapping[tuple[tuple[str, str], ...], float]] = field(default_factory=dict)

    def total(self, name: str, **labels: str) -> float:
        """The sum of a metric over all that have ``labels``."""
        wanted = labels.items()
        return sum(value for key, value in self.metrics.get(name, {}).items() if wanted <= dict(key).items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Lacking:
    """A right that an account does not have; ``resource`` as in `foretide_cli.doctor.needed.Rights`.

    ``namespace`` is empty where all are meant.
    """

    account: str
    verb: str
    resource: str
    namespace: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """The cluster as of one moment, in objects as the API gives them.

    ``namespace`` is where Foretide was found, or was to be; ``deployments`` are Foretide's, of all namespaces that may
    be read, and ``parts`` the Pods of these in ``namespace``. ``fields`` are, by plural of our kinds, those that this
    version knows and the cluster's definitions lack, None for a kind that is not defined. ``unreadable`` are
    objects of ours that are not of their kind's form, with the reason. ``tasks`` are Pods with the label of a workload,
    ``unbound`` those of all Pods without a node that are meant for us, ``unlabelled`` those of our scheduler without
    that label. ``gone`` are namespaces that Foretide
    watches and that are gone or going. ``lacking`` are rights of our accounts in all others,
    ``own_lacking`` of who asks. ``partly`` are kinds, by plural, that
    are known of the user's own namespace at most, and ``missing`` the rights for want of which the rest is not known.
    """

    now_seconds: float
    namespace: str
    cli_version: str = ""
    kubernetes_version: str = ""
    deployments: tuple[Object, ...] | None = None
    parts: tuple[Object, ...] | None = None
    has_service: bool | None = None
    has_policy: bool | None = None
    fields: Mapping[str, tuple[str, ...] | None] | None = None
    nodes: tuple[Object, ...] | None = None
    classes: tuple[NodeClass, ...] | None = None
    workloads: tuple[AIWorkload, ...] | None = None
    profiled_classes: frozenset[str] | None = None
    unreadable: tuple[tuple[str, str], ...] = ()
    tasks: tuple[Object, ...] | None = None
    unbound: tuple[Object, ...] | None = None
    unlabelled: tuple[Object, ...] | None = None
    gone: tuple[str, ...] = ()
    lacking: tuple[Lacking, ...] | None = None
    own_lacking: tuple[Lacking, ...] | None = None
    extenders: tuple[Extender, ...] | None = None
    cluster_schedulers: tuple[Object, ...] | None = None
    autoscalers: tuple[str, ...] | None = None
    partly: frozenset[str] = frozenset()
    missing: tuple[str, ...] = ()

    def deployment(self, name: str) -> Object | None:
        """A Deployment of the installation."""
        found = (each for each in self.deployments or () if each["metadata"]["name"] == name)
        return next((each for each in found if each["metadata"]["namespace"] == self.namespace), None)

    @property
    def mode(self) -> Mode | None:
        """The mode that Foretide is installed in; None where that is not known."""
        environment = self._environment()
        if environment is None:
            return None
        if environment.get("FORETIDE_EXTERNAL_SCHEDULER") == "true":
            return "external"
        return "secondary" if environment.get("FORETIDE_SCHEDULER_NAME") else "none"

    @property
    def watched(self) -> tuple[str, ...]:
        """The namespaces that Foretide watches; none where it watches all, or that is not known."""
        return watched_namespaces(self._environment() or {})

    def _environment(self) -> dict[str, str] | None:
        """The variables of the operator's Pod; None where its Deployment is not known."""
        operator = self.deployment(OPERATOR)
        if operator is None:
            return None
        return {
            each["name"]: each.get("value", "")
            for container in operator["spec"]["template"]["spec"]["containers"]
            for each in container.get("env") or ()
        }

    @property
    def kubernetes(self) -> Version | None:
        """The version of the API server."""
        return version_of(self.kubernetes_version)

    @property
    def installed_version(self) -> str:
        """The version that the operator was installed with; empty where that is not known."""
        return self._labels().get(LABEL_VERSION, "")

    @property
    def upgrade_command(self) -> str:
        """What puts back all that the chart makes."""
        release = self._labels().get(LABEL_INSTANCE, "foretide")
        return f"helm upgrade {release} {CHART} --namespace {self.namespace} --reset-then-reuse-values"

    def _labels(self) -> dict[str, str]:
        operator = self.deployment(OPERATOR)
        return {} if operator is None else operator["metadata"].get("labels") or {}

    def expected(self) -> tuple[str, ...]:
        """The Deployments that the mode asks for."""
        by_mode = {"secondary": (OPERATOR, SCHEDULER), "external": (OPERATOR, EXTENDER)}
        return by_mode.get(self.mode or "", (OPERATOR,))


def version_of(text: str) -> Version | None:
    """Major and minor out of a version or a tag, as ``v1.36.2``; None where there are none."""
    found = _VERSION.match(text)
    return (int(found[1]), int(found[2])) if found else None


def containers_of(pod_spec: Object) -> list[Object]:
    """The containers of a Pod's spec, those for its beginning included."""
    return [*(pod_spec.get("initContainers") or ()), *pod_spec["containers"]]


def statuses_of(pod: Object) -> list[Object]:
    """What is known of a Pod's containers."""
    status = pod.get("status") or {}
    return [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]


def condition_of(item: Object, kind: str) -> Object:
    """A condition of an object; an empty one where it has none."""
    conditions = (item.get("status") or {}).get("conditions") or ()
    return next((each for each in conditions if each["type"] == kind), {})
