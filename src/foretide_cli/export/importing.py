"""`foretide import`: gives the measurements of an export to another cluster, where they count as measured there.

They do where the work is the same (an AIWorkload of that namespace and name with the same key) and the hardware is: a
NodeClass of that name whose probe says so. What is measured there already stays. Each says where it is from
(`foretide_kube.names.ANNOTATION_IMPORTED`), belongs to its AIWorkload there and goes with it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import msgspec

from foretide_cli.export.document import Export
from foretide_cli.reading import Reader, parsed
from foretide_kube.client import ApiError, KubeClient, Object
from foretide_kube.hardware import change
from foretide_kube.kinds import aiworkload, nodeclass, workloadprofile
from foretide_kube.kinds.aiworkload import AIWorkload, workload_key
from foretide_kube.kinds.common import Metadata
from foretide_kube.kinds.nodeclass import NodeClass, Probe
from foretide_kube.kinds.workloadprofile import WorkloadProfile
from foretide_kube.names import (
    AIWORKLOADS,
    ANNOTATION_IMPORTED,
    API_VERSION,
    LABEL_MANAGED_BY,
    LABEL_WORKLOAD,
    MANAGED_BY,
    NODE_CLASSES,
    WORKLOAD_PROFILES,
)

_Pair = tuple[str, str, str, str]
"""A namespace, an AIWorkload's name there, the key of its work, a node class."""


@dataclass(frozen=True, slots=True)
class _There:
    """The cluster that is given to."""

    workloads: Mapping[tuple[str, str], AIWorkload]
    classes: Mapping[str, NodeClass]
    measured: Collection[_Pair]


def import_profiles(
    export: Export,
    client: KubeClient,
    *,
    namespace: str | None,
    trusts_names: bool,
    is_trial: bool,
    say: Callable[[str], None],
    progress: Callable[[str], None],
    complain: Callable[[str], object],
) -> int:
    """Make the WorkloadProfiles of ``export``, of ``namespace`` alone if one is named; 1 if one was refused.

    ``trusts_names`` takes classes of one name for the same hardware, whatever probes say. ``is_trial`` makes none and
    says which. ``progress`` is told what is under way. ApiError where the API server is gone or does not know this
    user.
    """
    profiles = [each for each in _latest(export.profiles) if namespace in {None, each.metadata.namespace}]
    reader = Reader(client, progress)
    there = _look(reader, {each.metadata.namespace for each in profiles})
    if reader.missing:
        complain(f"the rights to {'; '.join(reader.missing)} are missing")
        return 1
    here = {each.metadata.name: each for each in export.node_classes}
    failed = 0
    for number, profile in enumerate(profiles, 1):
        name = f"{profile.metadata.namespace}/{profile.spec.workload.name} on {profile.spec.node_class}"
        why = _why_not(profile, there, None if trusts_names else here)
        if why:
            say(f"{name} left out: {why}")
        elif is_trial:
            say(f"{name} would be imported")
        else:
            progress(f"importing {number} of {len(profiles)}: {name}")
            problem = _make(client, _given(profile, export, there))
            failed += bool(problem)
            if problem:
                complain(f"{name} was not imported: {problem}")
            else:
                say(f"{name} imported")
    if not profiles:
        say("the export holds no WorkloadProfiles" + (f" of namespace {namespace}" if namespace else ""))
    return 1 if failed else 0


def _latest(profiles: Collection[WorkloadProfile]) -> list[WorkloadProfile]:
    """The last measurement of each workload and class, by name."""
    ordered = sorted(profiles, key=lambda each: each.spec.measured_time)
    found = {_pair(each): each for each in ordered}
    return [found[key] for key in sorted(found)]


def _look(reader: Reader, namespaces: Collection[str]) -> _There:
    workloads = reader.read_in(namespaces, AIWORKLOADS, parsed(aiworkload.parse))
    profiles = reader.read_in(namespaces, WORKLOAD_PROFILES, parsed(workloadprofile.parse))
    classes = reader.read_all(NODE_CLASSES, parsed(nodeclass.parse)) or []
    return _There(
        {(each.metadata.namespace, each.metadata.name): each for each in workloads},
        {each.metadata.name: each for each in classes},
        {_pair(each) for each in profiles},
    )


def _pair(profile: WorkloadProfile) -> _Pair:
    workload = profile.spec.workload
    return profile.metadata.namespace, workload.name, workload.key, profile.spec.node_class


def _why_not(profile: WorkloadProfile, there: _There, here: Mapping[str, NodeClass] | None) -> str:
    """Why a measurement tells nothing there; empty if it does. ``here`` are the classes where it was made."""
    spec = profile.spec
    workload = there.workloads.get((profile.metadata.namespace, spec.workload.name))
    if workload is None:
        return "there is no AIWorkload of that name; apply it first"
    if workload_key(workload.spec) != spec.workload.key:
        return "the AIWorkload of that name differs in model, input, precision, batch size or CPU limit"
    if _pair(profile) in there.measured:
        return "it has already been measured there"
    if spec.node_class not in there.classes:
        return "there is no node class of that name"
    status = there.classes[spec.node_class].status
    if spec.measured_time < (status.hardware_changed_time or ""):
        return f"the hardware of the class has changed there since, at {status.hardware_changed_time}"
    return "" if here is None else _other_hardware(here.get(spec.node_class), status.probe)


def _other_hardware(made: NodeClass | None, after: Probe | None) -> str:
    """Why the class where it was measured cannot be of the hardware that was probed there, or need not be."""
    before = None if made is None else made.status.probe
    if before is None or after is None:
        where = "there" if after is None else "where it was measured"
        return f"the class was not probed {where}, so whether it is the same hardware is not known (--trust-names)"
    differs = change(before, after)
    return f"the class is different hardware there: {differs}" if differs else ""


def _given(profile: WorkloadProfile, export: Export, there: _There) -> Object:
    """The measurement as an object of the other cluster. What it replaced where it was made is nothing there."""
    metadata, spec = profile.metadata, profile.spec
    owner = there.workloads[metadata.namespace, spec.workload.name].metadata
    made = WorkloadProfile(
        metadata=Metadata(
            name=metadata.name,
            namespace=metadata.namespace,
            labels={LABEL_MANAGED_BY: MANAGED_BY, LABEL_WORKLOAD: spec.workload.name},
            annotations={ANNOTATION_IMPORTED: f"{export.source or 'a cluster without a name'} {export.taken_time}"},
            owner_references=(
                {
                    "apiVersion": API_VERSION,
                    "kind": aiworkload.KIND,
                    "name": owner.name,
                    "uid": owner.uid,
                    "controller": True,
                },
            ),
        ),
        spec=msgspec.structs.replace(spec, replaced=None),
    )
    body = workloadprofile.to_object(made)
    body.pop("status", None)
    return body


def _make(client: KubeClient, body: Object) -> str:
    """Make it; why not, or nothing. ApiError where no other would fare better."""
    try:
        client.create(WORKLOAD_PROFILES, body, body["metadata"]["namespace"])
    except ApiError as error:
        if error.status in {0, 401}:
            raise
        return error.message or error.reason
    return ""
