"""A cluster in which all is well, in objects as the API gives them: the chart as it is rendered, and what it makes of
nodes and tasks. Tests spoil it."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

import yaml

from foretide_kube.client import ApiError, Object
from foretide_kube.forwarding import PodPort
from foretide_kube.names import Resource
from tests.chart.rendering import NAMESPACE, ROOT, render
from tests.cli.small_cluster import nodes, published
from tests.extender.cluster_values import FACTORS, NOW_SECONDS, class_object
from tests.planner.planner_values import time_text

OLD = time_text(NOW_SECONDS - 3600)
READY = [{"type": "Ready", "status": "True"}, {"type": "PodScheduled", "status": "True", "lastTransitionTime": OLD}]
EXTERNAL = ("scheduler.mode=external", "scheduler.external.tlsSecret=foretide-tls")
CALLED = """\
# HELP foretide_extender_decisions_total Answers by source.
foretide_extender_decisions_total{verb="filter",source="Measured"} 12.0
foretide_extender_request_duration_seconds_count{verb="filter"} 12.0
foretide_extender_watch_age_seconds{resource="pods"} 0.5
foretide_extender_certificate_reload_failed 0.0
"""

FIELDS: dict[str, Callable[[Object], bool]] = {
    "spec.nodeName=,status.phase=Pending": lambda pod: (
        "nodeName" not in pod["spec"] and pod["status"]["phase"] == "Pending"
    ),
    "spec.schedulerName=foretide-scheduler": lambda pod: pod["spec"].get("schedulerName") == "foretide-scheduler",
}
"""What the field selectors that are asked for choose."""


def conditions(**statuses: str) -> list[Object]:
    return [condition(kind, status) for kind, status in statuses.items()]


def condition(kind: str, status: str, reason: str = "AsItIs", message: str = "as it is") -> Object:
    return {"type": kind, "status": status, "reason": reason, "message": message, "lastTransitionTime": OLD}


def task(name: str = "mine-1", *, namespace: str = "team", workload: str = "resnet", **spec: Any) -> Object:
    """A running task of the AIWorkload `resnet`; ``spec`` changes its Pod's."""
    return {
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": name,
            "labels": {"foretide.dev/workload": workload, "foretide.dev/role": "run"},
            "creationTimestamp": OLD,
        },
        "spec": {
            "nodeName": "fast-1",
            "schedulerName": "foretide-scheduler",
            "containers": [{"name": "main", "image": "registry.example/runner:1", "resources": {}}],
        }
        | spec,
        "status": {"phase": "Running", "conditions": copy.deepcopy(READY)},
    }


def waiting(name: str = "waits", **spec: Any) -> Object:
    """A task without a node that no scheduler has looked at."""
    pod = task(name, nodeName=None, **spec)
    del pod["spec"]["nodeName"]
    pod["status"] = {"phase": "Pending"}
    return pod


class HealthyCluster:
    """Answers as the API server does of what ``items`` hold, by plural; each part of it can be spoilt.

    ``refused`` are plurals that may not be listed, ``lacking`` rights that reviews deny, as ``account verb resource``,
    and ``unbound_in`` namespaces where they deny all.
    ``said`` is what extenders answer by path, or the error.
    """

    def __init__(self, *values: str) -> None:
        deployments = rendered("Deployment", *values)
        for each in deployments:
            each["status"] = {"availableReplicas": each["spec"]["replicas"]}
        self.items: dict[str, list[Object]] = {
            "deployments": deployments,
            "pods": [task(), *(part_of(each) for each in deployments)],
            "namespaces": [{"metadata": {"name": name}} for name in ("team", "other", NAMESPACE)],
            "nodes": nodes({}),
            "nodeclasses": [_probed(name) for name in FACTORS],
            "aiworkloads": [_ready(published())],
            "workloadprofiles": [
                {"metadata": {"name": name, "namespace": "team"}, "spec": {"nodeClass": name}} for name in FACTORS
            ],
            "services": rendered("Service", *values),
            "validatingadmissionpolicies": rendered("ValidatingAdmissionPolicy"),
            "validatingadmissionpolicybindings": rendered("ValidatingAdmissionPolicyBinding"),
        }
        self.node("bare")["spec"] = {"taints": [{"key": "dedicated", "effect": "NoSchedule"}]}
        self.version = "v1.36.2"
        self.groups = ["apps", "foretide.dev"]
        self.openapi: Object | None = copy.deepcopy(definitions())
        self.refused: set[str] = set()
        self.lacking: set[str] = set()
        self.unbound_in: set[str] = set()
        self.said: dict[str, tuple[int, bytes] | ApiError] = {
            "/readyz": (200, b"ok\n"),
            "/metrics": (200, CALLED.encode()),
        }

    def one(self, plural: str, name: str) -> Object:
        return next(each for each in self.items[plural] if each["metadata"]["name"] == name)

    def node(self, name: str) -> Object:
        return self.one("nodes", name)

    def workload(self) -> Object:
        return self.items["aiworkloads"][0]

    def part(self, deployment: str) -> Object:
        return self.one("pods", f"{deployment}-0")

    # What the client has.

    def answered_seconds(self) -> float:
        return NOW_SECONDS

    def find(self, resource: Resource, name: str, namespace: str | None = None) -> Object | None:
        found = self._list(resource, namespace)
        return next((each for each in found if each["metadata"]["name"] == name), None)

    def list_objects_with_version(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        reduce: Callable[[Object], Object],
        label_selector: str = "",
        field_selector: str = "",
    ) -> tuple[list[Object], str]:
        found = [each for each in self._list(resource, namespace) if _matches(each, label_selector)]
        if field_selector:
            found = [each for each in found if FIELDS[field_selector](each)]
        return [reduce({"kind": resource.kind, **copy.deepcopy(each)}) for each in found], "1"

    def raw(self, method: str, path: str, *, body: Object | None = None) -> Object:
        if method == "POST":
            return self._review(path, body or {})
        match path:
            case "/version":
                return {"gitVersion": self.version}
            case "/apis":
                return {"groups": [{"name": name} for name in self.groups]}
            case "/openapi/v3/apis/foretide.dev/v1alpha1":
                if self.openapi is None:
                    raise ApiError(404, "NotFound", "the server could not find the requested resource")
                return self.openapi
        raise AssertionError(path)

    def get_in_pod(self, _client: object, where: PodPort, path: str, headers: Mapping[str, str]) -> tuple[int, bytes]:
        assert where.pod in {each["metadata"]["name"] for each in self.items["pods"]}
        assert (where.port, dict(headers)) == (8082, {})
        said = self.said[path]
        if isinstance(said, ApiError):
            raise said
        return said

    def _list(self, resource: Resource, namespace: str | None) -> Iterable[Object]:
        if {resource.plural, f"{resource.plural} in {namespace}"} & self.refused:
            raise ApiError(403, "Forbidden", f"{resource.plural} is forbidden")
        return [
            each
            for each in self.items.get(resource.plural, [])
            if namespace is None or each["metadata"].get("namespace") == namespace
        ]

    def _review(self, path: str, body: Object) -> Object:
        plural = path.rpartition("/")[2]
        if plural in self.refused:
            raise ApiError(403, "Forbidden", f"{plural} is forbidden")
        attributes = body["spec"]["resourceAttributes"]
        user = body["spec"].get("user", "you").rpartition(":")[2]
        assert ("user" in body["spec"]) == (plural == "subjectaccessreviews")
        resource = ".".join(filter(None, (attributes["resource"], attributes["group"])))
        below = attributes.get("subresource") or attributes.get("name")
        asked = f"{user} {attributes['verb']} {resource}{f'/{below}' if below else ''}"
        is_bound = attributes["namespace"] not in self.unbound_in
        return {"status": {"allowed": is_bound and asked not in self.lacking}}


def part_of(deployment: Object) -> Object:
    """The Pod of a Deployment, at work."""
    template, name = deployment["spec"]["template"], f"{deployment['metadata']['name']}-0"
    spec = copy.deepcopy(template["spec"]) | {"nodeName": "fast-1"}
    return {
        "metadata": {
            **copy.deepcopy(template["metadata"]),
            "name": name,
            "namespace": NAMESPACE,
            "creationTimestamp": OLD,
        },
        "spec": spec,
        "status": {
            "phase": "Running",
            "conditions": copy.deepcopy(READY),
            "containerStatuses": [
                {
                    "name": each["name"],
                    "image": each["image"],
                    "imageID": f"{each['image']}@sha256:{'0' * 64}",
                    "ready": True,
                    "state": {"running": {"startedAt": OLD}},
                }
                for each in spec["containers"]
            ],
        },
    }


@cache
def _whole_chart(*values: str) -> dict[tuple[str, str], Object]:
    return render("crds.enabled=false", *values).objects


def rendered(kind: str, *values: str) -> list[Object]:
    """The chart's objects of a kind, the caller's own."""
    return [copy.deepcopy(each) for (found, _), each in _whole_chart(*values).items() if found == kind]


@cache
def definitions() -> Object:
    """The schemas of our kinds as the API server tells them; for all who call."""
    found = {}
    for file in (ROOT / "crds").glob("*.yaml"):
        crd = yaml.safe_load(file.read_text())
        schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        found[f"dev.foretide.v1alpha1.{crd['spec']['names']['kind']}"] = schema
    return {"components": {"schemas": found}}


def _ready(workload: Object) -> Object:
    workload["metadata"]["creationTimestamp"] = OLD
    workload["status"]["conditions"] = conditions(
        Inspected="True", Profiled="True", Predicted="True", Admissible="True", Ready="True"
    )
    return workload


def _probed(name: str) -> Object:
    found = class_object(name)
    found["status"]["conditions"] = conditions(NodesSelected="True", Probed="True", Unambiguous="True", Ready="True")
    return found


_IN = re.compile(r"(\S+) in \((.*)\)")


def _matches(item: Object, selector: str) -> bool:
    labels = item["metadata"].get("labels") or {}
    for one in re.split(r",(?![^(]*\))", selector) if selector else ():
        several = _IN.fullmatch(one)
        key, _, value = one.partition("=")
        if several is not None:
            if labels.get(several[1]) not in several[2].split(","):
                return False
        elif key not in labels or (value and labels[key] != value):
            return False
    return True
