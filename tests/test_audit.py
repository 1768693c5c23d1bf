"""Whether the reading of roles and of an audit log tells a right that is used from one that is not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.audit import Call, Object, Right, calls, rights

US = "system:serviceaccount:home:us"


def role(kind: str, *rules: Object, namespace: str = "") -> list[Object]:
    """A role and its binding to us and another."""
    metadata = {"name": "ours", **({"namespace": namespace} if namespace else {})}
    subjects = [{"kind": "ServiceAccount", "name": name, "namespace": "home"} for name in ("us", "other")]
    ref = {"kind": kind, "name": "ours"}
    return [
        {"kind": kind, "metadata": metadata, "rules": list(rules)},
        {"kind": f"{kind}Binding", "metadata": metadata, "roleRef": ref, "subjects": subjects},
    ]


def event(verb: str, *, user: str = US, code: int = 200, decision: str = "allow", **asked: str) -> dict[str, Any]:
    return {
        "verb": verb,
        "user": {"username": user},
        "objectRef": asked,
        "userAgent": "ours/1",
        "responseStatus": {"code": code, "message": "words"},
        "annotations": {"authorization.k8s.io/decision": decision},
    }


def read(tmp_path: Path, *events: dict[str, Any]) -> set[Call]:
    log = tmp_path / "audit.log"
    log.write_text("".join(json.dumps(one) + "\n" for one in events))
    return calls(log, {US})


def test_a_rule_is_as_many_rights_as_it_has_verbs_resources_and_names() -> None:
    rules = (
        {"apiGroups": ["batch"], "resources": ["jobs", "jobs/status"], "verbs": ["get", "patch"]},
        {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["a", "b"], "verbs": ["get"]},
    )
    everywhere = rights(role("ClusterRole", *rules), {US})
    assert everywhere == {
        *(Right(US, verb, f"jobs.batch{below}") for verb in ("get", "patch") for below in ("", "/status")),
        *(Right(US, "get", "configmaps", name=name) for name in "ab"),
    }
    assert rights(role("Role", *rules, namespace="home"), {US}) == {
        one._replace(namespace="home") for one in everywhere
    }


def test_a_role_of_somebody_else_gives_nothing_of_ours() -> None:
    assert rights(role("ClusterRole", namespace="")[1:], {US}) == set()


def test_a_call_uses_the_rights_that_cover_it_and_no_other(tmp_path: Path) -> None:
    (call,) = read(tmp_path, event("get", resource="jobs", apiGroup="batch", namespace="n", name="x"))
    covering = {
        Right(US, "get", "jobs.batch"),
        Right(US, "get", "jobs.batch", "n"),
        Right(US, "get", "jobs.batch", "n", "x"),
    }
    others = {
        Right(US, "list", "jobs.batch"),
        Right(US, "get", "jobs.batch/status"),
        Right(US, "get", "jobs"),
        Right(US, "get", "jobs.batch", "m"),
        Right(US, "get", "jobs.batch", "n", "y"),
        Right("somebody", "get", "jobs.batch"),
    }
    assert {right for right in covering | others if call.uses(right)} == covering


def test_a_patch_that_made_the_object_has_used_the_right_to_create(tmp_path: Path) -> None:
    asked: dict[str, Any] = {"resource": "configmaps", "namespace": "n", "name": "x"}
    made = {call.right.verb for call in read(tmp_path, event("patch", code=201, **asked))}
    changed = {call.right.verb for call in read(tmp_path, event("patch", **asked))}
    assert (made, changed) == ({"patch", "create"}, {"patch"})


def test_who_was_forbidden_has_used_nothing_and_who_was_refused_by_admission_has(tmp_path: Path) -> None:
    (forbidden,) = read(tmp_path, event("get", code=403, decision="forbid", resource="pods"))
    (refused,) = read(tmp_path, event("create", code=403, resource="jobs", apiGroup="batch"))
    assert (forbidden.is_forbidden, forbidden.uses(Right(US, "get", "pods"))) == (True, False)
    assert (refused.is_forbidden, refused.refusal) == (False, "words")
    assert refused.uses(Right(US, "create", "jobs.batch"))


def test_what_comes_after_the_roles_were_taken_away_tells_nothing_of_them(tmp_path: Path) -> None:
    gone = event("delete", user="helm", resource="rolebindings", apiGroup="rbac.authorization.k8s.io")
    made = read(tmp_path, event("list", resource="pods"), gone, event("get", code=403, decision="forbid", resource="a"))
    assert {call.right.verb for call in made} == {"list"}


def test_calls_of_others_and_lines_half_written_are_passed_over(tmp_path: Path) -> None:
    log = tmp_path / "audit.log"
    log.write_text(json.dumps(event("get", user="other", resource="pods")) + "\n" + f'{{"user": "{US}')
    log.with_name("audit-2026.log").write_text(json.dumps(event("list", resource="pods")) + "\n")
    assert {call.right.verb for call in calls(log, {US})} == {"list"}
