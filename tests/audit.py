"""What accounts may do and what they did: rights by the chart's roles against calls in the API server's audit log."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

Object = dict[str, Any]
_ROLES = "rbac.authorization.k8s.io"


class Right(NamedTuple):
    """A verb on a resource (as in plural.group/subresource); an empty namespace or name stands for all."""

    account: str
    verb: str
    resource: str
    namespace: str = ""
    name: str = ""

    def __str__(self) -> str:
        where = f" in {self.namespace}" if self.namespace else ""
        return f"{self.account.rpartition(':')[2]}: {self.verb} {self.resource} {self.name}".rstrip() + where


class Call(NamedTuple):
    """A right that was asked for, by which program, and the refusal where it was not granted or not carried out."""

    right: Right
    agent: str
    is_forbidden: bool = False
    refusal: str = ""

    def uses(self, right: Right) -> bool:
        """Whether the right is what allowed this."""
        return not self.is_forbidden and all(
            given in {"", asked} for given, asked in zip(right, self.right, strict=True)
        )


def rights(objects: Iterable[Object], accounts: set[str]) -> set[Right]:
    """What the accounts may do by those roles that are among the objects themselves."""
    by_kind: dict[str, list[Object]] = {}
    for one in objects:
        by_kind.setdefault(one["kind"], []).append(one)
    rules = {
        (role["kind"], role["metadata"].get("namespace", ""), role["metadata"]["name"]): role["rules"]
        for role in by_kind.get("ClusterRole", []) + by_kind.get("Role", [])
    }
    return {
        Right(account, verb, resource, namespace, name)
        for binding in by_kind.get("ClusterRoleBinding", []) + by_kind.get("RoleBinding", [])
        for account in accounts & {_account(subject) for subject in binding["subjects"]}
        for namespace in (binding["metadata"].get("namespace", ""),)
        for role in (binding["roleRef"],)
        for rule in rules.get((role["kind"], namespace if role["kind"] == "Role" else "", role["name"]), [])
        for verb, resource, name in _ruled(rule)
    }


def _account(subject: Object) -> str:
    return f"system:serviceaccount:{subject.get('namespace', '')}:{subject['name']}"


def _ruled(rule: Object) -> Iterator[tuple[str, str, str]]:
    names = rule.get("resourceNames", [""])
    for group, resource, verb, name in itertools.product(rule["apiGroups"], rule["resources"], rule["verbs"], names):
        plural, slash, subresource = resource.partition("/")
        yield verb, _resource(plural, group) + slash + subresource, name


def _resource(plural: str, group: str) -> str:
    return f"{plural}.{group}" if group else plural


def calls(log: Path, accounts: set[str]) -> set[Call]:
    """The calls of the accounts in an audit log and the files before it, until helm took the first of their roles away.

    What an account is refused while its Pods end after that, an uninstall cannot spare it.
    """
    found: set[Call] = set()
    for event in _events(log, {*accounts, _ROLES}):
        if event["verb"] == "delete" and event.get("objectRef", {}).get("apiGroup") == _ROLES:
            break
        if event["user"]["username"] in accounts and "objectRef" in event:  # without one: discovery, open to everybody
            found.update(_calls(event, event["objectRef"]))
    return found


def _events(log: Path, words: set[str]) -> Iterator[Object]:
    """The events that one of the words is in, in their order."""
    for path in (*sorted(log.parent.glob(f"{log.stem}-*{log.suffix}")), log):
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                if any(word in line for word in words) and line.endswith("\n"):
                    yield json.loads(line)


def _calls(event: Object, asked: Object) -> Iterator[Call]:
    status = event.get("responseStatus", {})
    resource = _resource(asked["resource"], asked.get("apiGroup", ""))
    if "subresource" in asked:
        resource += f"/{asked['subresource']}"
    verb = event["verb"]
    right = Right(event["user"]["username"], verb, resource, asked.get("namespace", ""), asked.get("name", ""))
    is_forbidden = event.get("annotations", {}).get("authorization.k8s.io/decision") == "forbid"
    refusal = status.get("message", "") if status.get("code") == 403 else ""
    yield Call(right, event.get("userAgent", ""), is_forbidden, refusal)
    if verb in {"patch", "update"} and status.get("code") == 201:  # it made the object, for which it was asked anew
        yield Call(right._replace(verb="create"), event.get("userAgent", ""))
