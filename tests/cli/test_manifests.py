"""Manifests as `foretide predict` takes them: what is refused names field, value and way out."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from foretide_cli.manifests import ManifestError, read_workloads
from foretide_kube.client import Object
from tests.cli.small_cluster import MANIFEST
from tests.kinds.objects import changed
from tests.kinds.test_acceptance import ACCEPTED, REFUSED

OTHERS = """
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
"""
NINE_TO_THE_NINTH = "  a0: &a0 [x]\n" + "".join(
    f"  a{power}: &a{power} [{','.join([f'*a{power - 1}'] * 9)}]\n" for power in range(1, 10)
)


def read(text: str, namespace: str | None = None) -> list[tuple[str, str]]:
    found = read_workloads(["-"], namespace, lambda: text)
    return [(each.metadata.namespace, each.metadata.name) for each in found]


def test_all_workloads_of_all_files_are_read_in_order_and_other_kinds_left_out(tmp_path: Path) -> None:
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text(MANIFEST + "---" + OTHERS + "---\n")
    second.write_text(MANIFEST.replace("mine", "second") + "---" + MANIFEST.replace("mine", "third"))
    found = read_workloads([str(first), str(second)], None, str)
    assert [each.metadata.name for each in found] == ["mine", "second", "third"]
    assert found[0].spec.inferences == 100


def test_a_list_as_kubectl_gives_it_is_read_without_what_the_cluster_found_out() -> None:
    item = MANIFEST.replace("\n", "\n    ").replace("    apiVersion", "  - apiVersion", 1)
    found = read_workloads(
        ["-"], None, lambda: f"kind: List\nitems:{item.rstrip()}\n    status: {{key: forged, predictions: 7}}\n"
    )
    assert [each.status.key for each in found] == [None]


@pytest.mark.parametrize(
    ("own", "asked", "found"),
    [("x", None, "x"), ("x", "x", "x"), (None, "y", "y"), (None, None, "default")],
)
def test_the_namespace_is_the_manifests_or_the_one_asked_for(own: str | None, asked: str | None, found: str) -> None:
    text = MANIFEST.replace("namespace: team", f"namespace: {own}" if own else "")
    assert read(text, asked) == [(found, "mine")]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (MANIFEST.replace("inferences: 100", "inferences: 0"), ("spec.inferences", "found 0", "kubectl explain")),
        (
            MANIFEST.replace("inferences", "inferencs"),
            ("spec.inferencs: there is no such", "aiworkload.spec lists"),
        ),
        (MANIFEST + "  run: {template: {tolerations: [{kee: a}]}}", ("spec.run.template.tolerations[0].kee",)),
        (MANIFEST.replace("name: resnet18", "name: resnet18, file: {}"), ("spec.model.file", "file")),
        (MANIFEST.replace('cpu: "1"', "cpu: much"), ("spec.resources.limits.cpu", "'much'", "500m")),
        (MANIFEST.replace("v1alpha1", "v1"), ("apiVersion: must be foretide.dev/v1alpha1", "'foretide.dev/v1'")),
        (MANIFEST.replace("name: mine,", ""), ("metadata.name: an AIWorkload needs a name",)),
        (MANIFEST.replace("spec:", "specs:"), ("mine: specs: there is no such field", "explain aiworkload lists")),
        (MANIFEST.partition("spec:")[0], ("mine: spec: an AIWorkload needs one (found None)", "aiworkload.spec lists")),
        (MANIFEST.replace("name: mine", "name: mine, labls: {}"), ("metadata.labls: there is no such",)),
        (MANIFEST.replace("name: mine", "name: mine, labels: {a: 1}"), ("metadata.labels", "found")),
        (MANIFEST.replace("name: mine", "name: Bad Name!"), ("metadata.name: must be text of lower-case",)),
        (MANIFEST.replace("name: mine", "name: " + "a" * 53), ("metadata.name: has at most 52 characters",)),
        (MANIFEST.replace("namespace: team", "namespace: 2024"), ("metadata.namespace: must be text", "found 2024")),
        (MANIFEST.replace("namespace: team", "namespace: a.b"), ("metadata.namespace: must be text",)),
        (MANIFEST + "  1: 2\n", ("spec.1: there is no such field",)),
        (MANIFEST + "  inferences: 5\n", ("line 10: 'inferences' occurs twice; keep one of them",)),
        (MANIFEST.replace("metadata: {", "metadata: &m {labels: *m, "), ("*m is part of what it stands for",)),
        (MANIFEST + NINE_TO_THE_NINTH, ("aliases stand for more than 100000 values; write them out",)),
        (MANIFEST + "  run: {completions: 3}\n", ("spec.run.completions: needs mode Job", "found 3")),
        (MANIFEST + "  run: {mode: Job, replicas: 3}\n", ("spec.run.replicas: needs mode Deployment",)),
        (OTHERS, ("no AIWorkload (found: ConfigMap)", "give the manifest that you would apply")),
        ("", ("no AIWorkload (it is empty)",)),
        ("a: [", ("this is not YAML", "line")),
        ("just words", ("'just words' is not an object",)),
    ],
)
def test_what_the_api_server_would_refuse_is_refused_with_its_place(text: str, words: tuple[str, ...]) -> None:
    with pytest.raises(ManifestError) as refused:
        read(text)
    message = str(refused.value)
    assert message.startswith("-: ")
    assert all(word in message for word in words), message
    assert "\n" not in message


@pytest.mark.parametrize(("what", "item"), [each for each in ACCEPTED if each[1]["kind"] == "AIWorkload"])
def test_what_the_api_server_takes_is_read(what: str, item: Object) -> None:
    assert read(json.dumps(item)) == [("default", item["metadata"]["name"])], what


@pytest.mark.parametrize(("item", "path", "value"), [each[:3] for each in REFUSED if each[0]["kind"] == "AIWorkload"])
def test_what_the_api_server_refuses_is_refused(item: Object, path: str, value: Any) -> None:
    with pytest.raises(ManifestError, match=re.escape(path.rpartition(".")[0] or path)):
        read(json.dumps(changed(item, path, value)))


def test_aliases_stand_for_what_they_name() -> None:
    assert read(MANIFEST.replace("name: mine", "name: &own mine, labels: {app: *own}") + "---\n" + OTHERS) == [
        ("team", "mine")
    ]


def test_an_empty_namespace_is_none_and_then_the_one_of_the_context_holds() -> None:
    text = MANIFEST.replace("namespace: team", "namespace: ''")
    assert read(text, "y") == [("y", "mine")]
    (one,) = read_workloads(["-"], None, lambda: text, lambda: "of-the-context")
    assert one.metadata.namespace == "of-the-context"


def test_what_a_merge_key_brings_along_may_be_set_anew() -> None:
    text = MANIFEST.replace("  resources:", "  objective: {<<: {percentile: 50}, percentile: 60}\n  resources:")
    (one,) = read_workloads(["-"], None, lambda: text)
    assert one.spec.objective.percentile == 60


def test_another_namespace_than_asked_for_is_refused_as_kubectl_does() -> None:
    with pytest.raises(ManifestError, match="mine is of 'team', but --namespace is 'other'"):
        read(MANIFEST, "other")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"none\.yaml: No such file or directory"):
        read_workloads([str(tmp_path / "none.yaml")], None, str)
