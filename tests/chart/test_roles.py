"""The roles that the chart brings: each gives what it is there for and no more, and users get theirs by themselves."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from devcluster import Cluster
from devcluster.errors import CommandError
from foretide_cli.doctor.needed import Rights
from tests.chart.rendering import Object, render
from tests.chart.rights import IN_THE_CLUSTER, IN_THE_NAMESPACE, may


def given(role: Object) -> Rights:
    """The rights of a rendered role."""
    verbs: dict[str, set[str]] = {}
    for rule in role["rules"]:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                plural, _, subresource = resource.partition("/")
                name = ".".join(filter(None, (plural, group)))
                for below in rule.get("resourceNames", [subresource]):
                    verbs.setdefault("/".join(filter(None, (name, below))), set()).update(rule["verbs"])
    return {resource: " ".join(sorted(one)) for resource, one in verbs.items()}


def ordered(rights: Rights) -> Rights:
    return {resource: " ".join(sorted(verbs.split())) for resource, verbs in rights.items()}


@pytest.mark.parametrize(("kind", "wanted"), [("ClusterRole", IN_THE_CLUSTER), ("Role", IN_THE_NAMESPACE)])
def test_every_role_gives_what_it_is_there_for_and_no_right_more(kind: str, wanted: dict[str, Rights]) -> None:
    rendered = render("scheduler.replicas=2")
    roles = {name: given(one) for (found, name), one in rendered.objects.items() if found == kind}
    assert roles == {name: ordered(rights) for name, rights in wanted.items()}


@pytest.fixture(scope="module")
def users(chart_installed: Cluster) -> Iterator[Cluster]:
    """A namespace with a user for each of the standard roles, named after it."""
    chart_installed.kubectl("create", "namespace", "of-users")
    for role in ("view", "edit", "admin"):
        chart_installed.kubectl(
            "create", "rolebinding", role, f"--clusterrole={role}", f"--user={role}", "-n", "of-users"
        )
    give_up = time.monotonic() + 30
    while not may(chart_installed, "edit", "create", "aiworkloads.foretide.dev", "of-users"):
        assert time.monotonic() < give_up, "a controller puts the roles together, some moments after the chart"
        time.sleep(0.5)
    yield chart_installed
    chart_installed.kubectl("delete", "namespace", "of-users", "--wait=false")


@pytest.mark.cluster
def test_the_standard_roles_hold_our_kinds_and_no_more_than_they_should(users: Cluster) -> None:
    kinds = ("aiworkloads.foretide.dev", "workloadprofiles.foretide.dev", "aiworkloads.foretide.dev/status")
    held = {
        user: {
            (verb, kind)
            for kind in kinds
            for verb in ("get", "watch", "create", "patch", "delete")
            if may(users, user, verb, kind, "of-users")
        }
        for user in ("view", "edit", "admin", "nobody")
    }
    read = {(verb, kind) for verb in ("get", "watch") for kind in kinds[:2]}
    write = {(verb, kinds[0]) for verb in ("create", "patch", "delete")}
    assert held == {"view": read, "edit": read | write, "admin": read | write, "nobody": set()}


@pytest.mark.cluster
def test_who_may_edit_a_namespace_makes_a_workload_there_and_elsewhere_none(users: Cluster) -> None:
    spec = {
        "model": {"source": "TorchVision", "name": "mobilenet_v3_small"},
        "input": {"shape": [3, 224, 224]},
        "resources": {"limits": {"cpu": "1", "memory": "768Mi"}},
    }
    body = {"apiVersion": "foretide.dev/v1alpha1", "kind": "AIWorkload", "metadata": {"name": "theirs"}, "spec": spec}
    made = users.kubectl("create", "-n", "of-users", "--as=edit", "-f", "-", stdin=json.dumps(body))
    assert "theirs created" in made
    assert "theirs" in users.kubectl("get", "aiw", "-n", "of-users", "--as=view")
    with pytest.raises(CommandError, match="forbidden"):
        users.kubectl("create", "-n", "default", "--as=edit", "-f", "-", stdin=json.dumps(body))
