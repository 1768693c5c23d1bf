"""Manifests in documents are of the forms of their kinds, and values in them are the chart's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import kubernetes_validate
import pytest
import yaml

from foretide_kube.kinds import aiworkload, completiontimemodel, nodeclass, workloadprofile
from foretide_kube.names import API_VERSION
from tests.docs.pages import PAGES, ROOT, Code, code
from tests.docs.test_commands import FREE, VALUES

FORMS = {each.KIND: each for each in (aiworkload, completiontimemodel, nodeclass, workloadprofile)}
BLOCKS = [each for page in PAGES for each in code(page) if each.language == "yaml"]
KUBERNETES = ("v1", "apps/v1", "batch/v1")


def schemas() -> dict[str, Any]:
    found = {}
    for path in (ROOT / "crds").glob("*.yaml"):
        definition = yaml.safe_load(path.read_text())["spec"]
        found[definition["names"]["kind"]] = definition["versions"][0]["schema"]["openAPIV3Schema"]
    return found


SCHEMAS = schemas()


def documents(block: Code) -> list[Any]:
    return [each for each in yaml.safe_load_all(block.text) if each is not None]


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.place)
def test_every_block_of_yaml_is_what_it_says(block: Code) -> None:
    for each in documents(block):
        match each:
            case {"apiVersion": str(version), "kind": str(kind)} if version == API_VERSION:
                FORMS[kind].parse(each)
                assert list(unknown(each, SCHEMAS[kind])) == []
            case {"kind": str(kind), **rest} if kind in FORMS and "apiVersion" not in rest:  # what matters of one
                assert list(unknown(each, SCHEMAS[kind])) == []
            case {"apiVersion": str(version)} if version in KUBERNETES and "kind" in each:
                kubernetes_validate.validate(each, kubernetes_validate.latest_version(), strict=True)
            case dict() if each.keys() <= VALUES.keys():
                assert list(unknown_values(each, VALUES)) == []


def unknown(value: Any, schema: Mapping[str, Any], path: str = "") -> Iterator[str]:
    """Fields that the definition does not have, which kubectl refuses."""
    if isinstance(value, list):
        for each in value:
            yield from unknown(each, schema.get("items", {}), f"{path}[]")
    if isinstance(value, dict) and "properties" in schema:
        for name, each in value.items():
            if name in schema["properties"]:
                yield from unknown(each, schema["properties"][name], f"{path}.{name}")
            elif path != ".metadata":
                yield f"{path}.{name}"


def unknown_values(given: Mapping[str, Any], known: Any, path: str = "") -> Iterator[str]:
    """Values that the chart does not have."""
    for name, value in given.items():
        if name not in known:
            yield f"{path}.{name}"
        elif isinstance(value, dict) and name not in FREE:
            yield from unknown_values(value, known[name], f"{path}.{name}")


def test_there_are_manifests_to_test() -> None:
    assert (
        sum(isinstance(each, dict) and each.get("apiVersion") == API_VERSION for b in BLOCKS for each in documents(b))
        > 8
    )


def test_a_field_that_no_definition_has_is_found() -> None:
    manifest = {
        "apiVersion": API_VERSION,
        "kind": "AIWorkload",
        "metadata": {"name": "a"},
        "spec": {"run": {"mod": "Job"}},
    }
    assert list(unknown(manifest, SCHEMAS["AIWorkload"])) == [".spec.run.mod"]


def test_a_value_that_the_chart_has_not_is_found() -> None:
    assert list(unknown_values({"image": {"tags": "1"}, "operator": {"nodeSelector": {"a": "b"}}}, VALUES)) == [
        ".image.tags"
    ]
