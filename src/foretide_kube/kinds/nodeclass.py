"""NodeClass: a set of nodes that run inference equally fast, and how they behave."""

from __future__ import annotations

import re
from typing import Annotated, Final

import msgspec

from foretide.results import Environment, Microseconds
from foretide_kube.kinds.common import (
    DNS_SUBDOMAIN,
    Conditions,
    Count,
    LabelSelector,
    Limits,
    Metadata,
    Object,
    SmallCount,
    Time,
    Toleration,
    check_limits,
    convert,
    plain,
)
from foretide_kube.names import API_VERSION, LABEL_NODE_CLASS

KIND: Final = "NodeClass"
MAX_NAME: Final = 63
"""A NodeClass's name is also a label's value; otherwise it is a name like that of any object."""
MAX_CONFLICTING_NODES: Final = 16

_NAME: Final = re.compile(DNS_SUBDOMAIN)


class ProbeResources(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Limits of the probe's container, extended resources included; requests are equal."""

    limits: Limits = msgspec.field(default_factory=dict)


class ProbeSpec(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What the class's own probe Job gets, and no other Job."""

    resources: ProbeResources = ProbeResources()
    tolerations: Annotated[tuple[Toleration, ...], msgspec.Meta(max_length=16)] = ()


class NodeClassSpec(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Which nodes form the class; the higher priority wins where two classes select one node."""

    selector: LabelSelector
    priority: Annotated[int, msgspec.Meta(ge=-1_000_000, le=1_000_000)] = 0
    probe: ProbeSpec = ProbeSpec()


class NodeCounts(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Nodes of the class, and those of them that are Ready."""

    total: SmallCount
    ready: SmallCount
    summary: Annotated[str, msgspec.Meta(max_length=32)]

    @classmethod
    def of(cls, *, total: int, ready: int) -> NodeCounts:
        """The counts with their summary for printing."""
        return cls(total=total, ready=ready, summary=f"{ready}/{total}")


class Probe(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The last probe: the figures of `foretide.results.ProbeResult`, and when, where and with which image.

    ``node_fingerprint`` digests what the node said of itself; a class whose nodes no longer have it is probed again,
    and so is one whose probe was made with another ``image`` than the operator uses now.
    """

    probed_time: Time
    node: Annotated[str, msgspec.Meta(max_length=253)]
    node_fingerprint: Annotated[str, msgspec.Meta(max_length=64)]
    image: Annotated[str, msgspec.Meta(max_length=512)] = ""
    startup_milliseconds: Count
    gemm_flops_per_second: Count
    memory_bandwidth_bytes_per_second: Count
    model_microseconds: Annotated[dict[str, Microseconds], msgspec.Meta(max_length=16)] = msgspec.field(
        default_factory=dict
    )
    environment: Environment


class NodeClassStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What Foretide found out.

    ``hardware_changed_time`` is when a probe last differed from the one before by more than probes do: measurements
    that ended before are of other hardware. None where none did.
    """

    observed_generation: Annotated[int, msgspec.Meta(ge=0)] | None = None
    conditions: Conditions = ()
    nodes: NodeCounts | None = None
    conflicting_nodes: Annotated[
        tuple[Annotated[str, msgspec.Meta(max_length=253)], ...], msgspec.Meta(max_length=MAX_CONFLICTING_NODES)
    ] = ()
    probe: Probe | None = None
    hardware_changed_time: Time | None = None


class NodeClass(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One class of nodes of the cluster."""

    metadata: Metadata
    spec: NodeClassSpec
    status: NodeClassStatus = NodeClassStatus()


def parse(obj: Object) -> NodeClass:
    """A NodeClass out of a plain object; KindError names the field and the value that do not fit."""
    node_class = convert(obj, NodeClass, KIND)
    check_limits(node_class.spec.probe.resources.limits, KIND, node_class.metadata.name, "spec.probe.resources.limits")
    return node_class


def to_object(node_class: NodeClass) -> Object:
    """A plain object that the API server takes."""
    return {"apiVersion": API_VERSION, "kind": KIND, **plain(node_class)}


def is_name(text: str) -> bool:
    """Whether a NodeClass can have this name."""
    return len(text) <= MAX_NAME and _NAME.fullmatch(text) is not None


def made_for_label(value: str) -> NodeClass:
    """The NodeClass that nodes labelled ``foretide.dev/node-class=value`` get made for them."""
    return NodeClass(
        metadata=Metadata(name=value),
        spec=NodeClassSpec(selector=LabelSelector(match_labels={LABEL_NODE_CLASS: value})),
    )
