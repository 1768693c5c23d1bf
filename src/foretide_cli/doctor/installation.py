"""Whether Foretide is there once and whole: its definitions, its parts and their Pods."""

from __future__ import annotations

from collections.abc import Iterator

from foretide_cli.doctor.finding import INSTALL, Finding, named, one_line
from foretide_cli.doctor.observed import CHART, EXTENDER, LABEL_INSTANCE, OPERATOR, Observed, condition_of
from foretide_cli.doctor.trouble import trouble_of
from foretide_cli.tables import some
from foretide_kube.client import Object
from foretide_kube.names import GROUP


def definitions(observed: Observed) -> Iterator[Finding]:
    """Our kinds are defined, with every field that this version knows."""
    for plural, fields in (observed.fields or {}).items():
        if fields == ():
            continue
        name = f"CustomResourceDefinition {plural}.{GROUP}"
        if fields is None:
            yield Finding(
                severity="Error",
                reason="DefinitionMissing",
                object=name,
                message="this kind of Foretide is not defined in the cluster",
                remedy="helm upgrade with --set crds.enabled=true, or: kubectl apply --server-side -f crds/",
            )
        else:
            yield Finding(
                severity="Error" if observed.installed_version in {"", observed.cli_version} else "Warning",
                reason="DefinitionOutdated",
                object=name,
                field="spec.versions[v1alpha1].schema",
                value=some(fields),
                message="the definition is of another version: it lacks these fields, which are dropped when written",
                remedy="kubectl apply --server-side --force-conflicts -f crds/",
            )


def installation(observed: Observed) -> Iterator[Finding]:
    """Foretide is installed, once, and each of its parts is at work."""
    if observed.deployments is None:
        return
    if not observed.deployments:
        yield Finding(
            severity="Error",
            reason="NotInstalled",
            object=f"Namespace {observed.namespace}",
            message="it has no Deployment of Foretide, nor has any other namespace that you may read",
            remedy=f"helm install foretide {CHART} --namespace {observed.namespace} --create-namespace ({INSTALL})",
        )
        return
    yield from _several(observed)
    yield from _gone(observed)
    for name in observed.expected():
        deployment = observed.deployment(name)
        if deployment is None:
            yield Finding(
                severity="Error",
                reason="PartMissing",
                object=f"Deployment {observed.namespace}/{name}",
                message=f"this part of Foretide (scheduler.mode: {observed.mode or 'unknown'}) is not there",
                remedy=observed.upgrade_command,
            )
        else:
            yield from _part(observed, deployment)
    yield from _surroundings(observed)


def _gone(observed: Observed) -> Iterator[Finding]:
    left = ",".join(each for each in observed.watched if each not in observed.gone)
    for namespace in observed.gone:
        yield Finding(
            severity="Warning",
            reason="WatchedNamespaceGone",
            object=f"Deployment {observed.namespace}/{OPERATOR}",
            field="watchNamespaces",
            value=namespace,
            message="it is watched, and gone or being deleted: the others go on working, but the next upgrade fails",
            remedy=f"{observed.upgrade_command} --set 'watchNamespaces={{{left}}}', or create it again first",
        )


def _several(observed: Observed) -> Iterator[Finding]:
    """One installation serves a cluster: two have the cluster's roles, and so their rights, take turns."""
    operators = [each for each in observed.deployments or () if each["metadata"]["name"] == OPERATOR]
    if len(operators) < 2:
        return
    for each in operators:
        metadata = each["metadata"]
        release = (metadata.get("labels") or {}).get(LABEL_INSTANCE, "")
        yield Finding(
            severity="Error",
            reason="TwoInstallations",
            object=named("Deployment", each),
            field=f"metadata.labels[{LABEL_INSTANCE}]",
            value=release,
            message=f"{len(operators)} installations are in this cluster; one serves all of it, two undo each other",
            remedy=f"if this is the one to go: helm uninstall {release} --namespace {metadata['namespace']}; "
            "then helm upgrade the one that stays, which puts back the roles that both have",
        )


def _part(observed: Observed, deployment: Object) -> Iterator[Finding]:
    """The Pods of a part, as many as it should have."""
    metadata, status = deployment["metadata"], deployment.get("status") or {}
    wanted = deployment["spec"].get("replicas", 1)
    if status.get("availableReplicas", 0) >= wanted > 0:
        return
    found = False
    for pod in _pods_of(observed, deployment):
        trouble = trouble_of(pod, observed.now_seconds)
        if trouble is not None:
            found = True
            yield Finding(severity="Error", object=named("Pod", pod), **trouble._asdict())
    if found:
        return
    refused = condition_of(deployment, "ReplicaFailure")
    why = f": {one_line(refused['message'])}" if refused.get("status") == "True" else ""
    yield Finding(
        severity="Error",
        reason="PartNotReady",
        object=named("Deployment", deployment),
        field="status.availableReplicas" if wanted else "spec.replicas",
        value=str(status.get("availableReplicas", 0) if wanted else 0),
        message=f"{wanted or 'one'} should be available{why}",
        remedy=f"kubectl -n {metadata['namespace']} describe deployment {metadata['name']}",
    )


def _pods_of(observed: Observed, deployment: Object) -> list[Object]:
    wanted = deployment["spec"]["selector"]["matchLabels"].items()
    return [each for each in observed.parts or () if wanted <= (each["metadata"].get("labels") or {}).items()]


def _surroundings(observed: Observed) -> Iterator[Finding]:
    """What stands beside the parts: the policy that bounds the operator, the Service of the external extender."""
    if observed.has_policy is False:
        yield Finding(
            severity="Warning",
            reason="PolicyMissing",
            object="ValidatingAdmissionPolicies foretide-operator-pods, foretide-operator-jobs",
            message="without both and their bindings the operator's account may change any Pod in any way, "
            "and make Jobs that run with any other account",
            remedy=observed.upgrade_command,
        )
    if observed.mode == "external" and observed.has_service is False:
        yield Finding(
            severity="Error",
            reason="ServiceMissing",
            object=f"Service {observed.namespace}/{EXTENDER}",
            message="the cluster's scheduler cannot reach the extender without its Service",
            remedy=observed.upgrade_command,
        )
