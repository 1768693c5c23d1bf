"""What keeps a Pod from being at work, as far as the Pod itself says."""

from __future__ import annotations

from typing import NamedTuple

from foretide_cli.doctor.finding import INSTALL, one_line
from foretide_cli.doctor.observed import TAKES_SECONDS, condition_of, statuses_of
from foretide_kube.client import Object
from foretide_kube.names import IMAGE_REASONS
from foretide_kube.times import epoch_seconds


class Trouble(NamedTuple):
    """Reason, field, value, message and remedy as in a `Finding`."""

    reason: str
    field: str
    value: str
    message: str
    remedy: str


def trouble_of(pod: Object, now_seconds: float) -> Trouble | None:
    """The first of what keeps a Pod of ours from being Ready; None if nothing does, or it may be on its way yet."""
    if (pod.get("status") or {}).get("phase") in {"Succeeded", "Failed"}:
        return None
    is_new = age_seconds(pod, now_seconds) < TAKES_SECONDS
    for container in statuses_of(pod):
        found = image_trouble(pod, container) or _crash(pod, container)
        if found is not None:
            return found
    if is_new or condition_of(pod, "Ready").get("status") == "True":
        return None
    scheduled = condition_of(pod, "PodScheduled")
    if scheduled.get("status") != "True" and not pod["spec"].get("nodeName"):
        return _unbound(pod, scheduled)
    waiting = next((each for each in statuses_of(pod) if "waiting" in (each.get("state") or {})), None)
    if waiting is not None or not statuses_of(pod):
        return _starting(pod, waiting)
    late = next((each["name"] for each in statuses_of(pod) if not each.get("ready")), "")
    return Trouble("NotReady", "status.conditions[Ready]", "False", f"container {late} is not ready", _logs(pod, late))


def image_trouble(pod: Object, container: Object) -> Trouble | None:
    """Why the image of a container is not to be had; None if it does not wait for one."""
    waiting = (container.get("state") or {}).get("waiting") or {}
    if waiting.get("reason") not in IMAGE_REASONS:
        return None
    image = str(container.get("image", ""))
    said = one_line(waiting.get("message", ""))
    field = f"spec.containers[{container['name']}].image"
    if "@sha256:" in image:
        message = f"no image of this digest can be pulled ({waiting['reason']}): {said}"
        return Trouble(
            "ImageDigestMissing", field, image, message, f"set the digest that the registry has: {_look(pod)}"
        )
    message = f"the image cannot be pulled ({waiting['reason']}): {said}"
    return Trouble(
        "ImageMissing", field, image, message, f"{INSTALL}#what-it-needs (images, pull secrets): {_look(pod)}"
    )


def age_seconds(item: Object, now_seconds: float) -> float:
    """Seconds since an object was made; 0 where that is not known."""
    created = epoch_seconds(item["metadata"].get("creationTimestamp"))
    return 0.0 if created is None else now_seconds - created


def _crash(pod: Object, container: Object) -> Trouble | None:
    waiting = (container.get("state") or {}).get("waiting") or {}
    if waiting.get("reason") != "CrashLoopBackOff":
        return None
    ended = (container.get("lastState") or {}).get("terminated") or {}
    why = f"{ended.get('reason', 'Error')}, exit status {ended.get('exitCode', '?')}"
    times = container.get("restartCount", 0)
    message = f"container {container['name']} was restarted {times} times and keeps ending ({why})"
    remedy = f"{_logs(pod, container['name'])} --previous"
    return Trouble("Crashing", f"status.containerStatuses[{container['name']}]", "CrashLoopBackOff", message, remedy)


def _unbound(pod: Object, scheduled: Object) -> Trouble:
    scheduler = pod["spec"].get("schedulerName", "")
    if not scheduled:
        message = "no scheduler has tried to place it"
        return Trouble("NotScheduled", "spec.schedulerName", scheduler, message, "kubectl -n kube-system get pods")
    message = f"it has no node: {one_line(scheduled.get('message', ''))}"
    return Trouble("Unschedulable", "status.conditions[PodScheduled]", "False", message, _look(pod))


def _starting(pod: Object, waiting: Object | None) -> Trouble:
    """A Pod that has a node and does not begin: mostly for its volumes, of which kubelet tells in Events alone."""
    name, node = ("", "") if waiting is None else (waiting["name"], waiting["state"]["waiting"].get("reason", ""))
    needed = [
        f"{kind} {volume[field][key]}"
        for volume in pod["spec"].get("volumes") or ()
        for kind, field, key in (("Secret", "secret", "secretName"), ("ConfigMap", "configMap", "name"))
        if field in volume
    ]
    wants = f"; it needs {', '.join(needed)}" if needed else ""
    message = f"container {name or '(all)'} does not start{wants}"
    return Trouble("NotStarted", "status.containerStatuses", node or "(none)", message, _look(pod))


def _look(pod: Object) -> str:
    return f"kubectl -n {pod['metadata']['namespace']} describe pod {pod['metadata']['name']}"


def _logs(pod: Object, container: str) -> str:
    return f"kubectl -n {pod['metadata']['namespace']} logs {pod['metadata']['name']} -c {container}"
