"""What a decision may do to the cluster, as values: decided purely, carried out by `foretide_operator.apply`."""

from __future__ import annotations

from dataclasses import dataclass

from foretide_kube.client import Object
from foretide_kube.kinds.common import ConditionStatus
from foretide_kube.names import Resource


@dataclass(frozen=True, slots=True)
class Create:
    """Make an object; one of the same name and key that is there already is taken as ours."""

    resource: Resource
    body: Object


@dataclass(frozen=True, slots=True)
class Apply:
    """Make an object or bring it to ``body`` by server-side apply."""

    resource: Resource
    body: Object


@dataclass(frozen=True, slots=True)
class Patch:
    """Merge ``body`` into an object."""

    resource: Resource
    namespace: str
    name: str
    body: Object


@dataclass(frozen=True, slots=True)
class Delete:
    """Delete an object with its children; gone already is fine."""

    resource: Resource
    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class WriteStatus:
    """Replace the status of the object with this UID."""

    resource: Resource
    namespace: str
    name: str
    uid: str
    status: Object


@dataclass(frozen=True, slots=True)
class Announce:
    """Record an Event about an object, for who reads `kubectl describe`."""

    about: Object
    severity: str
    reason: str
    message: str


Action = Create | Apply | Patch | Delete | WriteStatus | Announce


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one sub-reconciler says: one condition."""

    type: str
    status: ConditionStatus
    reason: str
    message: str
