"""Carries out what was decided: each action one request, and the caches told of what came back."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from foretide_kube.client import ApiError, KubeClient, Object
from foretide_kube.events import event_body
from foretide_kube.names import ANNOTATION_KEY, DEPLOYMENTS, EVENTS, JOBS
from foretide_operator.actions import Action, Announce, Apply, Create, Delete, Patch, WriteStatus
from foretide_operator.outcome import reason_of_refusal
from foretide_operator.world import World

log = logging.getLogger(__name__)

FIELD_MANAGER: Final = "foretide-operator"


class NameTakenError(Exception):
    """An object of that name is there and was made for something else; it may be on its way out."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A Job or Deployment that the API server would not take, or not change: by a quota, a policy, or as not valid."""

    namespace: str
    name: str
    reason: str
    message: str


def apply_actions(
    actions: Iterable[Action], client: KubeClient, world: World, *, own_namespace: str, now: datetime
) -> tuple[Refusal, ...]:
    """Carry out ``actions`` in order, and give what was refused: the caller decides anew, for the status has to say so.

    After a refused Create or Apply nothing is done, after a refused Patch all but statuses and Events. Raises ApiError
    for what may go better later (nothing after it is done; the next look decides anew) and `NameTakenError`.
    """
    refused: list[Refusal] = []
    for action in actions:
        if refused and isinstance(action, WriteStatus | Announce):
            continue
        try:
            _carry_out(action, client, world, own_namespace=own_namespace, now=now)
        except ApiError as error:
            if not isinstance(action, Create | Apply | Patch) or not _is_refused(action, error):
                raise
            refused.append(_refusal(action, error))
            if not isinstance(action, Patch):
                break
    return tuple(refused)


def _carry_out(action: Action, client: KubeClient, world: World, *, own_namespace: str, now: datetime) -> None:
    match action:
        case Create() | Apply():
            _make(action, client, world)
        case Patch():
            _patch(action, client, world)
        case Delete(resource=resource, namespace=namespace, name=name):
            client.delete(resource, name, namespace)
        case WriteStatus():
            _write_status(action, client, world)
        case Announce(about=about, severity=severity, reason=reason, message=message):
            body = event_body(
                about, severity, reason, message, component=FIELD_MANAGER, fallback_namespace=own_namespace, now=now
            )
            _announce(client, body)


def _is_refused(action: Create | Apply | Patch, error: ApiError) -> bool:
    """Whether what runs a workload's Pods is not taken as it is; a namespace that goes refuses all and is no news."""
    is_judged = error.status in {403, 422} and "being terminated" not in error.message
    return is_judged and action.resource in {JOBS, DEPLOYMENTS}


def _refusal(action: Create | Apply | Patch, error: ApiError) -> Refusal:
    if isinstance(action, Patch):
        namespace, name = action.namespace, action.name
        log.warning("%s %s/%s may not be changed: %s", action.resource.kind, namespace, name, error)
    else:
        namespace, name = action.body["metadata"]["namespace"], action.body["metadata"]["name"]
    return Refusal(namespace, name, reason_of_refusal(error.message), error.message)


def _make(action: Create | Apply, client: KubeClient, world: World) -> None:
    metadata = action.body["metadata"]
    name, namespace = metadata["name"], metadata.get("namespace")
    if isinstance(action, Apply):
        made = client.patch(
            action.resource,
            name,
            action.body,
            namespace,
            patch_type="apply",
            field_manager=FIELD_MANAGER,
            force=True,
        )
        world.absorb(action.resource, made)
        return
    try:
        made = client.create(action.resource, action.body, namespace)
    except ApiError as error:
        if not error.is_already_there:
            raise
        # Listed, not got: watching needs the right to list, which lets one see as much, and nothing needs the other.
        found = client.list_objects(action.resource, namespace, field_selector=f"metadata.name={name}")
        if not found:
            raise
        world.absorb(action.resource, _adopted(action, found[0]))
        return
    log.info("made %s %s", action.resource.kind, "/".join(filter(None, (namespace, name))))
    world.absorb(action.resource, made)


def _adopted(action: Create, found: Object) -> Object:
    wanted = action.body["metadata"]
    existing = found["metadata"]
    same_key = existing.get("annotations", {}).get(ANNOTATION_KEY) == wanted.get("annotations", {}).get(ANNOTATION_KEY)
    owners = {owner["uid"] for owner in existing.get("ownerReferences", [])}
    same_owner = all(owner["uid"] in owners for owner in wanted.get("ownerReferences", []))
    if same_key and same_owner and "deletionTimestamp" not in existing:
        return found
    raise NameTakenError(
        f"{action.resource.kind} {wanted['name']} exists and was made for something else; delete it if it stays"
    )


def _announce(client: KubeClient, event: Object) -> None:
    """An Event's name is a digest of what it says and when, so one that is there says it already.

    One that cannot be written is told in the log alone: what it tells has happened, and must not be decided again.
    """
    try:
        client.create(EVENTS, event, event["metadata"]["namespace"])
    except ApiError as error:
        if not error.is_already_there:
            log.warning("no Event says %s: %s (%s)", event["reason"], event["message"], error)


def _patch(action: Patch, client: KubeClient, world: World) -> None:
    try:
        world.absorb(action.resource, client.patch(action.resource, action.name, action.body, action.namespace))
    except ApiError as error:
        if not error.is_not_found:
            raise


def _write_status(action: WriteStatus, client: KubeClient, world: World) -> None:
    body: list[Object] = [
        {"op": "test", "path": "/metadata/uid", "value": action.uid},
        {"op": "add", "path": "/status", "value": action.status},
    ]
    try:
        made = client.patch(
            action.resource, action.name, body, action.namespace, patch_type="json", subresource="status"
        )
    except ApiError as error:
        if error.is_not_found:
            return
        raise
    world.absorb(action.resource, made)
