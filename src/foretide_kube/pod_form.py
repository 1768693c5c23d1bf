"""A Pod as the API's JSON gives it, cut down to the few fields that scheduling needs, out of many kilobytes.

The same form is decoded from kube-scheduler's requests and from the watch, so that extender and planner cannot read
one Pod in two ways.
"""

from __future__ import annotations

import msgspec

from foretide_kube.constraints import Constraints, Term, Toleration

Quantities = dict[str, str | int]


class PodMetadata(msgspec.Struct, rename="camel"):
    """The part of a Pod's metadata that is read."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None


class ContainerResources(msgspec.Struct):
    """Requests and limits of a container, or of the Pod as a whole."""

    requests: Quantities | None = None
    limits: Quantities | None = None


class Container(msgspec.Struct, rename="camel"):
    """A container, for its resources and image; an init container that is restarted always runs beside the others."""

    image: str | None = None
    resources: ContainerResources | None = None
    restart_policy: str | None = None


class ImageVolume(msgspec.Struct):
    """An image that is mounted."""

    reference: str | None = None


class Volume(msgspec.Struct):
    """A volume, for the image that it may be."""

    image: ImageVolume | None = None


class SchedulingGate(msgspec.Struct):
    """A gate that keeps a Pod from being scheduled."""

    name: str = ""


class RequiredNodeAffinity(msgspec.Struct, rename="camel"):
    """The node selector that must be met."""

    node_selector_terms: tuple[Term, ...] | None = None


class NodeAffinity(msgspec.Struct):
    """The part of a node affinity that keeps a Pod from nodes."""

    required: RequiredNodeAffinity | None = msgspec.field(
        default=None, name="requiredDuringSchedulingIgnoredDuringExecution"
    )


class Affinity(msgspec.Struct, rename="camel"):
    """The part of an affinity that is read."""

    node_affinity: NodeAffinity | None = None


class PodSpec(msgspec.Struct, rename="camel"):
    """The part of a Pod's spec that is read."""

    node_name: str | None = None
    containers: list[Container] | None = None
    init_containers: list[Container] | None = None
    overhead: Quantities | None = None
    resources: ContainerResources | None = None
    scheduling_gates: list[SchedulingGate] | None = None
    node_selector: dict[str, str] | None = None
    affinity: Affinity | None = None
    tolerations: tuple[Toleration, ...] | None = None
    priority: int | None = None
    volumes: list[Volume] | None = None

    def constraints(self) -> Constraints:
        """What the Pod asks of its node."""
        affinity = self.affinity.node_affinity if self.affinity is not None else None
        required = affinity.required if affinity is not None else None
        return Constraints(
            selector=tuple(sorted((self.node_selector or {}).items())),
            terms=None if required is None else required.node_selector_terms or (),
            tolerations=self.tolerations or (),
        )

    def images(self) -> list[str]:
        """What must be on the node before all containers run."""
        containers = [*(self.containers or ()), *(self.init_containers or ())]
        mounted = [each.image.reference for each in self.volumes or () if each.image is not None]
        return [text for text in (*(each.image for each in containers), *mounted) if text]


class PodCondition(msgspec.Struct, rename="camel"):
    """A condition, for the time of the binding."""

    type: str = ""
    status: str = ""
    last_transition_time: str | None = None


class RunningState(msgspec.Struct, rename="camel"):
    """A container that runs."""

    started_at: str | None = None


class TerminatedState(msgspec.Struct, rename="camel"):
    """How a container ended."""

    started_at: str | None = None
    finished_at: str | None = None
    message: str | None = None


class ContainerState(msgspec.Struct):
    """The state of a container, of which start and end are read."""

    running: RunningState | None = None
    terminated: TerminatedState | None = None


class ContainerStatus(msgspec.Struct):
    """A container, for its start and end."""

    state: ContainerState = msgspec.field(default_factory=ContainerState)


class PodStatus(msgspec.Struct, rename="camel"):
    """The part of a Pod's status that is read; ``start_time`` is when the kubelet took it, before it pulls anything."""

    phase: str = ""
    start_time: str | None = None
    conditions: list[PodCondition] | None = None
    container_statuses: list[ContainerStatus] | None = None


class PodForm(msgspec.Struct):
    """A Pod as the API's JSON gives it, everything else left out."""

    metadata: PodMetadata
    spec: PodSpec = msgspec.field(default_factory=PodSpec)
    status: PodStatus = msgspec.field(default_factory=PodStatus)
