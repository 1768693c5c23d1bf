"""Questions that take more than a list: what accounts may do, and what each extender says of itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from foretide_cli.doctor.needed import (
    EXTENDER,
    EXTENDER_OF_CLUSTER,
    OPERATOR,
    OPERATOR_AT_HOME,
    OPERATOR_IN_DEFAULT,
    OPERATOR_OF_CLUSTER,
    SCHEDULER,
    Rights,
)
from foretide_cli.doctor.observed import Extender, Lacking
from foretide_cli.extenders import Get, container_status, observers_port
from foretide_kube.client import ApiError, KubeClient, Object
from foretide_kube.connecting import DEFAULT_NAMESPACE
from foretide_kube.forwarding import PodPort
from foretide_kube.times import epoch_seconds

_AT_ONCE: Final = 8
"""Reviews, so that some seventy of them take a second over a slow line."""
_REVIEWS: Final = "/apis/authorization.k8s.io/v1"
_SAMPLE: Final = re.compile(r"^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? ([^ ]+)$")
_LABEL: Final = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')

Needs = tuple[str, Rights, str]
"""An account, its rights, and the namespace that they are for; empty for all."""


def needs(mode: str, namespace: str, watched: Sequence[str] = ()) -> Iterator[Needs]:
    """The rights of the accounts that an installation of this mode has, which watches these namespaces, or all."""
    places = watched or ("",)
    asked = {f"namespaces/{place}": "get" for place in watched}
    yield from (("foretide-operator", OPERATOR, place) for place in places)
    yield "foretide-operator", OPERATOR_OF_CLUSTER, ""
    yield "foretide-operator", OPERATOR_AT_HOME, namespace
    if watched:
        yield "foretide-operator", OPERATOR_IN_DEFAULT, DEFAULT_NAMESPACE
        yield "foretide-operator", asked, ""
    if mode != "none":
        account = "foretide-scheduler" if mode == "secondary" else "foretide-extender"
        yield from ((account, EXTENDER, place) for place in places)
        yield account, EXTENDER_OF_CLUSTER | asked, ""
    if mode == "secondary":
        yield "foretide-scheduler", SCHEDULER, ""


def lacking_rights(client: KubeClient, mode: str, namespace: str, watched: Sequence[str]) -> tuple[Lacking, ...]:
    """Which rights the accounts in ``namespace`` lack; ApiError (403) for who may not ask."""
    wanted = [
        Lacking(account=account, verb=verb, resource=resource, namespace=where)
        for account, rights, where in needs(mode, namespace, watched)
        for verb, resource in _each(rights)
    ]

    def may(one: Lacking) -> bool:
        return _may(client, f"system:serviceaccount:{namespace}:{one.account}", one.verb, one.resource, one.namespace)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return tuple(one for one, is_given in zip(wanted, pool.map(may, wanted), strict=True) if not is_given)


def own_lacking(client: KubeClient, namespace: str, system_namespace: str) -> tuple[Lacking, ...]:
    """What who asks may not do, of what the other commands and users of AIWorkloads need."""
    wanted = (
        ("create", "aiworkloads.foretide.dev", namespace),
        ("patch", "pods", namespace),
        ("create", "serviceaccounts/token", system_namespace),
    )
    return tuple(
        Lacking(account="", verb=verb, resource=resource, namespace=where)
        for verb, resource, where in wanted
        if not _may(client, "", verb, resource, where)
    )


def _each(rights: Rights) -> Iterator[tuple[str, str]]:
    return ((verb, resource) for resource, verbs in rights.items() for verb in verbs.split())


def _may(client: KubeClient, user: str, verb: str, resource: str, namespace: str) -> bool:
    """Whether ``user`` may, or who asks if it is empty."""
    kind = "SubjectAccessReview" if user else "SelfSubjectAccessReview"
    spec: Object = {"resourceAttributes": _attributes(verb, resource, namespace)}
    if user:
        groups = ["system:serviceaccounts", f"system:serviceaccounts:{user.split(':')[2]}", "system:authenticated"]
        spec |= {"user": user, "groups": groups}
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": kind, "spec": spec}
    answer = client.raw("POST", f"{_REVIEWS}/{kind.lower()}s", body=body)
    return bool(answer["status"].get("allowed"))


def _attributes(verb: str, resource: str, namespace: str) -> Object:
    plural, _, below = resource.partition("/")
    plural, _, group = plural.partition(".")
    attributes = {"verb": verb, "resource": plural, "group": group, "namespace": namespace}
    if below:
        attributes["name" if plural in {"leases", "deployments", "namespaces"} else "subresource"] = below
    return attributes


def ask_extender(client: KubeClient, pod: Object, get: Get) -> Extender:
    """What the extender in a Pod says of itself; ApiError (403) for who may not forward ports."""
    name = str(pod["metadata"]["name"])
    running = (container_status(pod).get("state") or {}).get("running") or {}
    started = epoch_seconds(running.get("startedAt"))
    port = observers_port(pod)
    if port is None or started is None:
        return Extender(pod=name, problem="its container is not running", started_seconds=started)
    where = PodPort(pod["metadata"]["namespace"], name, port)
    try:
        ready, said = get(client, where, "/readyz", {})
        _, metrics = get(client, where, "/metrics", {})
    except ApiError as error:
        if error.status == 403:
            raise
        return Extender(pod=name, problem=error.message, started_seconds=started)
    return Extender(
        pod=name,
        started_seconds=started,
        is_ready=ready == 200,
        said=said.decode(errors="replace"),
        metrics=read_metrics(metrics.decode(errors="replace")),
    )


def read_metrics(text: str) -> Mapping[str, Mapping[tuple[tuple[str, str], ...], float]]:
    """Values by name and labels, of the text that Prometheus reads; lines that are none are left out."""
    found: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for line in text.splitlines():
        sample = None if line.startswith("#") else _SAMPLE.match(line)
        if sample is None:
            continue
        try:
            value = float(sample[3])
        except ValueError:
            continue
        found.setdefault(sample[1], {})[tuple(_LABEL.findall(sample[2] or ""))] = value
    return found
