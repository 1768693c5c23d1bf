"""Whether the versions suit each other: of Kubernetes, its scheduler and ours, of Foretide's parts and this command."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

from foretide_cli.doctor.finding import INSTALL, Finding, named
from foretide_cli.doctor.needed import OLDEST_KUBERNETES, TESTED_KUBERNETES, Version
from foretide_cli.doctor.observed import EXTENDER, OPERATOR, SCHEDULER, Observed, containers_of, version_of
from foretide_cli.tables import some
from foretide_kube.client import Object

_SCHEDULER_CONTAINER = "kube-scheduler"
_RELEASE = re.compile(r"v\d+\.\d+\.\d+")
"""What distributions have of Kubernetes' own version, as ``v1.36.2`` of ``v1.36.2-eks-1a2b3c``; its images bear it."""
_ALLOWED = "foretide.dev/allow-untested-version"
"""The annotation of our scheduler's Deployment where `scheduler.allowUntestedVersion` is set."""
_PROFILERS = ("FORETIDE_PROFILER_IMAGE_ONNX", "FORETIDE_PROFILER_IMAGE_TORCH")


def versions(observed: Observed) -> Iterator[Finding]:
    """Every pair of versions that has to suit."""
    yield from _kubernetes(observed)
    yield from _scheduler(observed)
    yield from _command(observed)
    yield from _parts(observed)
    yield from _digests(observed)


def _kubernetes(observed: Observed) -> Iterator[Finding]:
    version = observed.kubernetes
    if version is None:
        return
    server = "API server"
    if version < OLDEST_KUBERNETES:
        yield Finding(
            severity="Error",
            reason="KubernetesTooOld",
            object=server,
            field="/version gitVersion",
            value=observed.kubernetes_version,
            message=f"Foretide needs Kubernetes {_words(OLDEST_KUBERNETES)} or newer (CEL rules, admission policies)",
            remedy=f"upgrade the cluster; {INSTALL}#what-it-needs",
        )
    elif version not in TESTED_KUBERNETES and observed.mode in {None, "secondary"}:
        is_allowed = _ALLOWED in ((observed.deployment(SCHEDULER) or {}).get("metadata", {}).get("annotations") or {})
        tested = ", ".join(_words(each) for each in TESTED_KUBERNETES)
        told = "was set to allow others" if is_allowed else "refuses others by default"
        yield Finding(
            severity="Note" if is_allowed else "Warning",
            reason="KubernetesUntested",
            object=server,
            field="/version gitVersion",
            value=observed.kubernetes_version,
            message=f"scheduler and extender were tested together on {tested}; the chart {told}",
            remedy=f"{INSTALL}#tested-versions"
            if is_allowed
            else f"--set scheduler.allowUntestedVersion=true, or scheduler.mode=none; {INSTALL}#what-it-needs",
        )


def _scheduler(observed: Observed) -> Iterator[Finding]:
    """kube-scheduler may be as new as the API server, and one minor older."""
    deployment, cluster = observed.deployment(SCHEDULER), observed.kubernetes
    if deployment is None or cluster is None:
        return
    image = _image(deployment, _SCHEDULER_CONTAINER)
    own = version_of(image.partition("@")[0].rpartition(":")[2])
    if own is None or cluster[0] != own[0] or cluster[1] - 1 <= own[1] <= cluster[1]:
        return
    message = "binds nothing" if own > cluster else "is older than Kubernetes supports"
    release = _RELEASE.match(observed.kubernetes_version)
    tag = release[0] if release else "TAG"
    unpinned = " --set scheduler.image.digest=" if "@" in image else ""  # it is of the version that does not suit
    yield Finding(
        severity="Error",
        reason="SchedulerVersion",
        object=named("Deployment", deployment),
        field=f"spec.template.spec.containers[{_SCHEDULER_CONTAINER}].image",
        value=image,
        message=f"a scheduler of {_words(own)} with an API server of {_words(cluster)} {message}",
        remedy=f"{observed.upgrade_command} --set scheduler.image.tag={tag}{unpinned}",
    )


def _command(observed: Observed) -> Iterator[Finding]:
    installed = observed.installed_version
    if installed and observed.cli_version and installed != observed.cli_version:
        yield Finding(
            severity="Warning",
            reason="CommandVersion",
            object="Command foretide",
            field="version",
            value=observed.cli_version,
            message=f"Foretide {installed} is installed, and this command is of another version: its checks may differ",
            remedy=f"pip install '.[kube]' in the checkout of {installed}, or: {observed.upgrade_command}",
        )


def _parts(observed: Observed) -> Iterator[Finding]:
    """All parts have one registry and one tag: the chart gives them so."""
    tags: dict[str, list[str]] = defaultdict(list)
    for name in observed.expected():
        deployment = observed.deployment(name)
        for field, image in () if deployment is None else _own_images(deployment):
            tag = image.partition("@")[0].rpartition(":")[2]
            tags[tag.removesuffix("-onnx").removesuffix("-torch")].append(f"{name} {field}={image}")
    if len(tags) > 1:
        yield Finding(
            severity="Warning",
            reason="PartsDiffer",
            object=f"Deployment {observed.namespace}/{OPERATOR}",
            field="images",
            value=some([images[0] for images in tags.values()]),
            message=f"parts of Foretide are of different tags ({', '.join(sorted(tags))})",
            remedy=observed.upgrade_command,
        )


def _own_images(deployment: Object) -> list[tuple[str, str]]:
    found = []
    for container in containers_of(deployment["spec"]["template"]["spec"]):
        if container["name"] != _SCHEDULER_CONTAINER:
            found.append((container["name"], container["image"]))
        variables = [each for each in container.get("env") or () if "value" in each]  # others stand somewhere else
        found += [(each["name"], each["value"]) for each in variables if each["name"] in _PROFILERS]
    return found


def _digests(observed: Observed) -> Iterator[Finding]:
    """Containers of one image that run different builds of it: a tag that was pushed anew in between."""
    builds: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for pod in observed.parts or ():
        architecture = _architecture(observed, pod["spec"].get("nodeName", ""))
        for status in (pod.get("status") or {}).get("containerStatuses") or ():
            if status.get("imageID") and architecture is not None:
                build = status["imageID"].rpartition("@")[2]
                builds[status["image"], architecture].setdefault(build, named("Pod", pod))
    for (image, _), found in builds.items():
        if len(found) > 1:
            yield Finding(
                severity="Warning",
                reason="ImageDigestsDiffer",
                object=max(found.values()),
                field="status.containerStatuses.imageID",
                value=some(sorted(found)),
                message=f"{image} runs as {len(found)} different builds: the tag was pushed again",
                remedy=f"kubectl -n {observed.namespace} rollout restart deployment {' '.join(observed.expected())}",
            )


def _architecture(observed: Observed, node: str) -> str | None:
    """The architecture of a node; None where it is not known, for images of several have a digest for each."""
    for each in observed.nodes or ():
        if each["metadata"]["name"] == node:
            return str(((each.get("status") or {}).get("nodeInfo") or {}).get("architecture") or "") or None
    return None


def installed_images(observed: Observed) -> dict[str, str]:
    """The images of all parts, for the header: by part."""
    wanted = {OPERATOR: "operator", SCHEDULER: "extender", EXTENDER: "extender"}
    found = {name: observed.deployment(name) for name in observed.expected()}
    images = {wanted[name]: _image(each, wanted[name]) for name, each in found.items() if each is not None}
    if found.get(SCHEDULER) is not None:
        images["scheduler"] = _image(found[SCHEDULER] or {}, _SCHEDULER_CONTAINER)
    return images


def _image(deployment: Object, container: str) -> str:
    containers = deployment["spec"]["template"]["spec"]["containers"]
    return next((str(each["image"]) for each in containers if each["name"] == container), "")


def _words(version: Version) -> str:
    return f"{version[0]}.{version[1]}"
