"""Reads all that `foretide doctor` looks at, once; what is refused is left out and remembered as a missing right."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from typing import Final, TypeVar

from foretide_cli.doctor.asking import ask_extender, lacking_rights, own_lacking
from foretide_cli.doctor.finding import named
from foretide_cli.doctor.observed import EXTENDER, OPERATOR, Extender, Lacking, Mode, Observed
from foretide_cli.doctor.schema import PATH, lacking_fields
from foretide_cli.doctor.tasks import is_gated, is_live, is_meant_for_us
from foretide_cli.extenders import EXTENDERS, Get
from foretide_cli.reading import Reader
from foretide_kube.client import ApiError, KubeClient, Object
from foretide_kube.gate import MAY_BE_GATED
from foretide_kube.kinds import aiworkload, nodeclass
from foretide_kube.kinds.common import KindError
from foretide_kube.names import (
    AIWORKLOADS,
    DEPLOYMENTS,
    LABEL_ROLE,
    LABEL_WORKLOAD,
    NODE_CLASSES,
    NODES,
    PODS,
    SCHEDULER_NAME,
    WORKLOAD_PROFILES,
    Resource,
)
from foretide_kube.watched import is_leaving

T = TypeVar("T")

_PART_OF: Final = ("app.kubernetes.io/part-of", "foretide")
_SERVICES: Final = Resource("", "v1", "services", "Service")
_POLICY_NAMES: Final = ("foretide-operator-pods", "foretide-operator-jobs")
_ADMISSION: Final = "admissionregistration.k8s.io"
_POLICIES: Final = (
    Resource(_ADMISSION, "v1", "validatingadmissionpolicies", "ValidatingAdmissionPolicy", namespaced=False),
    Resource(
        _ADMISSION, "v1", "validatingadmissionpolicybindings", "ValidatingAdmissionPolicyBinding", namespaced=False
    ),
)
_OF_OUR_SCHEDULER: Final = f"spec.schedulerName={SCHEDULER_NAME}"
_AUTOSCALERS: Final = ("cluster-autoscaler", "karpenter")


def gather(
    client: KubeClient, namespace: str, system_namespace: str, *, get: Get, clock: Callable[[], float]
) -> Observed:
    """The cluster as ``client`` may see it.

    ``namespace`` is the user's own, which is read where all may not be; ``system_namespace`` where Foretide is if it is
    found nowhere else; ``get`` as in `foretide_cli.extenders`. ApiError where something else than a right is missing.
    """
    return _Gatherer(client, namespace, system_namespace, get).observe(clock)


class _Gatherer:
    def __init__(self, client: KubeClient, namespace: str, system_namespace: str, get: Get) -> None:
        self._client = client
        self._reader = Reader(client)
        self._own, self._home, self._get = namespace, system_namespace, get
        self._unreadable: list[tuple[str, str]] = []

    def observe(self, clock: Callable[[], float]) -> Observed:
        fields = self._reader.may(f"get {PATH}", lambda: lacking_fields(self._definitions()))
        served = {name for name, lacking in (fields or {}).items() if lacking is not None}
        installed = self._installed()
        profiles = self._namespaced(WORKLOAD_PROFILES, _profiled_class, served)
        whole = replace(
            installed,
            fields=fields,
            nodes=self._cluster(NODES, _node, {NODES.plural}),
            classes=self._cluster(NODE_CLASSES, self._parsed("NodeClass", nodeclass.parse), served),
            workloads=self._namespaced(AIWORKLOADS, self._parsed("AIWorkload", aiworkload.parse), served),
            profiled_classes=None if profiles is None else frozenset(profiles),
            unreadable=tuple(self._unreadable),
            tasks=self._namespaced(PODS, _whole, {PODS.plural}, label_selector=LABEL_WORKLOAD),
            unbound=self._namespaced(PODS, _meant_for_us, {PODS.plural}, field_selector=MAY_BE_GATED),
            unlabelled=self._namespaced(PODS, _without_label, {PODS.plural}, field_selector=_OF_OUR_SCHEDULER),
            own_lacking=self._reader.may(
                "create selfsubjectaccessreviews.authorization.k8s.io",
                lambda: own_lacking(self._client, self._own, self._home),
            ),
        )
        return replace(
            whole,
            now_seconds=self._client.answered_seconds() or clock(),
            partly=frozenset(self._reader.unread),
            missing=tuple(self._reader.missing),
        )

    def _installed(self) -> Observed:
        """What is known of the installation itself, and of what it stands on."""
        deployments, scalers = self._deployments()
        self._home = _home(deployments, self._home)
        base = Observed(
            now_seconds=0.0,
            namespace=self._home,
            cli_version=_own_version(),
            kubernetes_version=self._raw("/version").get("gitVersion", ""),
            deployments=deployments,
            parts=self._in_home(PODS, _whole, label_selector="=".join(_PART_OF)),
            autoscalers=self._autoscalers(scalers),
        )
        mode = base.mode
        if mode is None:
            return base
        gone = tuple(each for each in base.watched if is_leaving(self._client, each))
        return replace(
            base,
            has_policy=self._has_policy(),
            gone=gone,
            lacking=self._lacking(mode, tuple(each for each in base.watched if each not in gone)),
            extenders=() if mode == "none" else self._extenders(),
            has_service=self._has_service() if mode == "external" else None,
            cluster_schedulers=self._cluster_schedulers() if mode == "external" else None,
        )

    def _deployments(self) -> tuple[tuple[Object, ...] | None, list[str]]:
        """Foretide's Deployments, and the names of those that add and remove nodes."""
        scalers: list[str] = []

        def ours(item: Object) -> Object | None:
            if is_autoscaler(item):
                scalers.append(named("Deployment", item))
            return item if (item["metadata"].get("labels") or {}).get(_PART_OF[0]) == _PART_OF[1] else None

        found = self._reader.read_all(DEPLOYMENTS, ours)
        if found is not None:
            return tuple(found), scalers
        return self._in_home(DEPLOYMENTS, ours), scalers

    def _in_home(
        self, resource: Resource, reduce: Callable[[Object], T | None], *, label_selector: str = ""
    ) -> tuple[T, ...] | None:
        """The objects of the installation's namespace; None where that is refused."""
        found = self._reader.read_one(self._home, resource, reduce, label_selector=label_selector)
        return None if found is None else tuple(found)

    def _cluster(
        self, resource: Resource, reduce: Callable[[Object], T | None], served: Collection[str]
    ) -> tuple[T, ...] | None:
        """The objects of a kind that has no namespaces; None where that is refused, or there is no such kind."""
        found = self._reader.read_all(resource, reduce) if resource.plural in served else None
        return None if found is None else tuple(found)

    def _namespaced(
        self,
        resource: Resource,
        reduce: Callable[[Object], T | None],
        served: Collection[str],
        *,
        label_selector: str = "",
        field_selector: str = "",
    ) -> tuple[T, ...] | None:
        """The objects of all namespaces, or else of the user's own; None where both are refused."""
        if resource.plural not in served:
            return None
        selectors = {"label_selector": label_selector, "field_selector": field_selector}
        found = self._reader.read_all(resource, reduce, **selectors)
        if found is None:
            found = self._reader.read_one(self._own, resource, reduce, **selectors)
        return None if found is None else tuple(found)

    def _parsed(self, kind: str, parse: Callable[[Object], T]) -> Callable[[Object], T | None]:
        """``parse``, by which an object that is not of its kind's form is remembered and left out."""

        def parsed(item: Object) -> T | None:
            try:
                return parse(item)
            except KindError as error:
                self._unreadable.append((named(kind, item), str(error)))
                return None

        return parsed

    def _extenders(self) -> tuple[Extender, ...] | None:
        """What each extender says; None where its Pods, or their ports, are out of reach for who asks."""
        pods = self._in_home(PODS, _whole, label_selector=EXTENDERS)
        if pods is None:
            return None
        return self._reader.may(
            f"create pods/portforward in namespace {self._home}",
            lambda: tuple(ask_extender(self._client, pod, self._get) for pod in pods if is_live(pod)),
        )

    def _lacking(self, mode: Mode, watched: tuple[str, ...]) -> tuple[Lacking, ...] | None:
        return self._reader.may(
            "create subjectaccessreviews.authorization.k8s.io",
            lambda: lacking_rights(self._client, mode, self._home, watched),
        )

    def _has_service(self) -> bool | None:
        """Whether the external extender has its Service; None where that may not be read."""
        return self._is_there(_SERVICES, EXTENDER, self._home)

    def _has_policy(self) -> bool | None:
        """Whether the policies that bound the operator are there and bound; None where that may not be read."""
        found = [self._is_there(each, name) for each in _POLICIES for name in _POLICY_NAMES]
        return None if None in found else all(found)

    def _is_there(self, resource: Resource, name: str, namespace: str | None = None) -> bool | None:
        where = f" in namespace {namespace}" if namespace else ""
        right = f"get {'.'.join(filter(None, (resource.plural, resource.group)))}{where}"
        return self._reader.may(right, lambda: self._client.find(resource, name, namespace) is not None)

    def _cluster_schedulers(self) -> tuple[Object, ...] | None:
        found = self._reader.read_one("kube-system", PODS, _whole, label_selector="component=kube-scheduler")
        return None if found is None else tuple(found)

    def _autoscalers(self, deployments: Sequence[str]) -> tuple[str, ...]:
        """What adds and removes nodes: by Deployments, or by API groups where the control plane has it within."""
        groups = (each["name"] for each in self._raw("/apis").get("groups", ()))
        found = [f"API group {name}" for name in groups if name == "karpenter.sh"]
        return (*deployments, *(() if deployments else found))

    def _raw(self, path: str) -> Object:
        """What the API server says of itself; nothing where that is refused."""
        return self._reader.may(f"get {path}", lambda: self._client.raw("GET", path)) or {}

    def _definitions(self) -> Object | None:
        """The schemas of our kinds; None where there is none of them."""
        try:
            return self._client.raw("GET", PATH)
        except ApiError as error:
            if error.is_not_found:
                return None
            raise


def is_autoscaler(deployment: Object) -> bool:
    """Whether it is one that adds and removes nodes, by its images."""
    containers = deployment["spec"]["template"]["spec"]["containers"]
    return any(word in str(each.get("image")) for each in containers for word in _AUTOSCALERS)


def _home(deployments: Sequence[Object] | None, named_home: str) -> str:
    """The namespace of the installation: the one that is named, or else the only one that has one."""
    found = {each["metadata"]["namespace"] for each in deployments or () if each["metadata"]["name"] == OPERATOR}
    return named_home if named_home in found or len(found) != 1 else next(iter(found))


def _own_version() -> str:
    """The version of this command; empty in an image, where it is of the image's own."""
    try:
        return version("foretide")
    except PackageNotFoundError:
        return ""


def _whole(item: Object) -> Object:
    item["metadata"].pop("managedFields", None)
    return item


def _node(item: Object) -> Object:
    """A Node without what takes most room: its images and managed fields."""
    (item.get("status") or {}).pop("images", None)
    return _whole(item)


def _profiled_class(item: Object) -> str | None:
    """The class that a WorkloadProfile was measured on."""
    return (item.get("spec") or {}).get("nodeClass")


def _without_label(item: Object) -> Object | None:
    """A Pod that names no workload, is none of ours (probes are of a class), and has not ended."""
    labels = item["metadata"].get("labels") or {}
    return _whole(item) if not labels.keys() & {LABEL_WORKLOAD, LABEL_ROLE} and is_live(item) else None


def _meant_for_us(item: Object) -> Object | None:
    """A Pod without a node that is ours to place, or was meant to be."""
    spec, labels = item["spec"], item["metadata"].get("labels") or {}
    is_ours = LABEL_WORKLOAD in labels or is_gated(item) or is_meant_for_us(item, "external")
    return _whole(item) if is_ours or "foretide" in str(spec.get("schedulerName")) else None
