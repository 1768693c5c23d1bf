"""The typed forms say what `crds/*.yaml` says: names, required fields, defaults, enumerations, bounds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from foretide_kube.kinds import aiworkload, completiontimemodel, nodeclass, workloadprofile

CRDS = Path(__file__).parents[2] / "crds"
KINDS = {
    "aiworkloads": aiworkload.AIWorkload,
    "nodeclasses": nodeclass.NodeClass,
    "workloadprofiles": workloadprofile.WorkloadProfile,
    "completiontimemodels": completiontimemodel.CompletionTimeModel,
}
KEYWORDS = ("enum", "minimum", "maximum", "minLength", "maxLength", "pattern", "minItems", "maxItems", "maxProperties")
LOOSER_FORMS = ("Interval", "Prediction", "Signature")
"""Forms of the shared library that leave bounds to the schema."""


def schema_of(plural: str) -> dict[str, Any]:
    crd = yaml.safe_load((CRDS / f"foretide.dev_{plural}.yaml").read_text())
    schema: dict[str, Any] = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema


class Comparison:
    """Walks a form's JSON schema and a CRD's side by side and collects where they differ."""

    def __init__(self, components: dict[str, Any]) -> None:
        self.components = components
        self.differences: list[str] = []

    def resolve(self, form: dict[str, Any]) -> tuple[dict[str, Any], bool]:
        """The form without references and without its null alternative; whether it is one of the loose ones."""
        form = dict(form)
        loose = False
        alternatives = [one for one in form.pop("anyOf", []) if one.get("type") != "null"]
        if len(alternatives) == 1:
            form |= alternatives[0]
        elif alternatives:
            form |= {"alternatives": alternatives}
        if "$ref" in form:
            name = form.pop("$ref").rpartition("/")[2]
            loose = name in LOOSER_FORMS
            form |= self.components[name]
        return form, loose

    def compare(self, at: str, form: dict[str, Any], schema: dict[str, Any], *, loose: bool = False) -> None:
        form, own_loose = self.resolve(form)
        loose = loose or own_loose
        if schema.get("x-kubernetes-int-or-string"):
            if [one["type"] for one in form["alternatives"]] != ["string", "integer"]:
                self.differences.append(f"{at}: a quantity in the schema, {form} in the form")
            return
        if form.get("type", "string") != schema["type"]:
            self.differences.append(f"{at}: {schema['type']} in the schema, {form.get('type')} in the form")
            return
        for keyword in KEYWORDS:
            stated, wanted = form.get(keyword), schema.get(keyword)
            if keyword == "enum" and stated is not None and wanted is not None:
                stated, wanted = sorted(stated), sorted(wanted)
            if stated != wanted and not (loose and stated is None) and not _is_length_of_pattern(keyword, at, stated):
                self.differences.append(f"{at}: {keyword} is {wanted} in the schema, {stated} in the form")
        if schema["type"] == "object" and "properties" in schema:
            self.compare_properties(at, form, schema, loose=loose)
        elif schema["type"] == "object":
            self.compare(f"{at}.*", form["additionalProperties"], schema["additionalProperties"], loose=loose)
        elif schema["type"] == "array":
            self.compare(f"{at}[]", form["items"], schema["items"], loose=loose)

    def compare_properties(self, at: str, form: dict[str, Any], schema: dict[str, Any], *, loose: bool) -> None:
        ours, theirs = form["properties"], schema["properties"]
        if set(ours) != set(theirs):
            self.differences.append(f"{at}: {sorted(set(ours) ^ set(theirs))} only in one of schema and form")
        if set(form.get("required", [])) != set(schema.get("required", [])):
            self.differences.append(f"{at}: required {schema.get('required')} in the schema, {form.get('required')}")
        for name in sorted(set(ours) & set(theirs)):
            where = f"{at}.{name}"
            if "default" in theirs[name] and theirs[name]["default"] not in ({}, []):
                if ours[name].get("default") != theirs[name]["default"]:
                    self.differences.append(f"{where}: default {theirs[name]['default']}, {ours[name].get('default')}")
            elif ours[name].get("default") not in (None, {}, [], (), "") and "$ref" not in str(ours[name]):
                self.differences.append(f"{where}: a default only in the form, {ours[name].get('default')}")
            self.compare(where, ours[name], theirs[name], loose=loose)


def _is_length_of_pattern(keyword: str, at: str, stated: object) -> bool:
    """A digest's pattern fixes its length; the schema repeats it for the estimate of a rule's cost."""
    return keyword == "maxLength" and at.endswith("odelSha256") and stated is None


@pytest.mark.parametrize("plural", KINDS)
def test_form_and_schema_agree(plural: str) -> None:
    schema = schema_of(plural)
    (root,), components = msgspec.json.schema_components([KINDS[plural]])
    comparison = Comparison(components)
    form = components[root["$ref"].rpartition("/")[2]]
    for part in ("spec", "status"):
        comparison.compare(part, form["properties"][part], schema["properties"][part])
    assert comparison.differences == []


@pytest.mark.parametrize("plural", KINDS)
def test_a_form_that_lost_a_bound_is_noticed(plural: str) -> None:
    schema = schema_of(plural)
    (root,), components = msgspec.json.schema_components([KINDS[plural]])
    comparison = Comparison(components)
    form = components[root["$ref"].rpartition("/")[2]]
    schema["properties"]["spec"]["required"] = ["nothing"]
    comparison.compare("spec", form["properties"]["spec"], schema["properties"]["spec"])
    assert any("required" in difference for difference in comparison.differences)


def test_a_node_class_has_the_longest_name_that_the_operator_makes() -> None:
    (rule,) = schema_of("nodeclasses")["x-kubernetes-validations"]
    assert rule["rule"] == f"self.metadata.name.size() <= {nodeclass.MAX_NAME}"


BOUNDS = {
    "array": {"maxItems"},
    "string": {"maxLength"},
    "integer": {"minimum", "maximum"},
    "object": {"maxProperties"},
    "boolean": set(),
}
"""What a field of each type must say of its size."""


def fields_of(at: str, schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every field below and including ``schema``, with its path."""
    yield at, schema
    for name, one in schema.get("properties", {}).items():
        yield from fields_of(f"{at}.{name}", one)
    if "items" in schema:
        yield from fields_of(f"{at}[]", schema["items"])
    if "additionalProperties" in schema:
        yield from fields_of(f"{at}.*", schema["additionalProperties"])


def is_bounded(at: str, schema: dict[str, Any]) -> bool:
    """Whether a rule's cost can be estimated from the field, and a client cannot fill the store with it."""
    if schema.get("x-kubernetes-int-or-string"):
        return "maxLength" in schema
    if "enum" in schema or schema.get("format") == "date-time" or "properties" in schema:
        return True
    return set(schema) >= BOUNDS[schema["type"]] or at.endswith("observedGeneration")


@pytest.mark.parametrize("plural", KINDS)
def test_every_field_is_described_and_bounded_and_none_is_a_float(plural: str) -> None:
    root = schema_of(plural)
    for part in ("spec", "status"):
        for at, schema in fields_of(part, root["properties"][part]):
            assert schema.get("type") != "number", at
            assert at.endswith(("[]", "*")) or "description" in schema, f"{at} has no description"
            assert is_bounded(at, schema), f"{at} has no bounds"


@pytest.mark.parametrize("plural", KINDS)
def test_columns_show_conditions_and_figures_but_no_phase(plural: str) -> None:
    crd = yaml.safe_load((CRDS / f"foretide.dev_{plural}.yaml").read_text())
    columns = crd["spec"]["versions"][0]["additionalPrinterColumns"]
    assert [column for column in columns if "phase" in column["jsonPath"].lower()] == []
    assert any("conditions" in column["jsonPath"] for column in columns)
    assert crd["spec"]["names"]["categories"] == ["foretide"]
