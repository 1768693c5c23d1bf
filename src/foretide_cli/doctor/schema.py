"""Which fields of our kinds the cluster's definitions have, held against those that this version knows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final

import msgspec

from foretide_kube.client import Object
from foretide_kube.kinds import aiworkload, completiontimemodel, nodeclass, workloadprofile
from foretide_kube.names import API_VERSION, GROUP, VERSION

PATH: Final = f"/openapi/v3/apis/{API_VERSION}"
"""Where the API server tells the schemas of our kinds, to every user that it knows; 404 while none is defined."""

_FORMS: Final[Mapping[str, tuple[str, type[msgspec.Struct]]]] = {
    "aiworkloads": ("AIWorkload", aiworkload.AIWorkload),
    "nodeclasses": ("NodeClass", nodeclass.NodeClass),
    "workloadprofiles": ("WorkloadProfile", workloadprofile.WorkloadProfile),
    "completiontimemodels": ("CompletionTimeModel", completiontimemodel.CompletionTimeModel),
}
_PARTS: Final = ("spec", "status")


def lacking_fields(document: Object | None) -> dict[str, tuple[str, ...] | None]:
    """By plural, the fields that ``document`` (OpenAPI v3; None: there is none) lacks; None where it lacks the kind."""
    schemas = {} if document is None else (document.get("components") or {}).get("schemas") or {}
    found: dict[str, tuple[str, ...] | None] = {}
    for plural, (kind, form) in _FORMS.items():
        served = schemas.get(f"{'.'.join(reversed(GROUP.split('.')))}.{VERSION}.{kind}")
        found[plural] = None if served is None else tuple(sorted(known_fields(form) - _paths_of(served, schemas)))
    return found


@cache
def known_fields(form: type[msgspec.Struct]) -> frozenset[str]:
    """The paths of all fields of a kind's spec and status, as ``spec.model.source``."""
    (root,), components = msgspec.json.schema_components([form], ref_template="{name}")
    return frozenset(_paths_of(root, components))


def _paths_of(schema: Mapping[str, Any], components: Mapping[str, Any]) -> set[str]:
    resolved = _resolved(schema, components)
    return {
        path
        for part in _PARTS
        for path in _walk(part, resolved["properties"].get(part) or {}, components)
        if part in resolved["properties"]
    }


def _walk(at: str, schema: Mapping[str, Any], components: Mapping[str, Any]) -> Iterator[str]:
    """The path of this field and of all below; those of lists and maps are those of what they hold."""
    yield at
    resolved = _resolved(schema, components)
    for name, one in (resolved.get("properties") or {}).items():
        yield from _walk(f"{at}.{name}", one, components)
    for held in (resolved.get("items"), resolved.get("additionalProperties")):
        if isinstance(held, dict):
            yield from _walk(at, held, components)


def _resolved(schema: Mapping[str, Any], components: Mapping[str, Any]) -> Mapping[str, Any]:
    """A schema without references, and without the alternative that it is null."""
    for key in ("anyOf", "allOf"):
        alternatives = [each for each in schema.get(key, ()) if each.get("type") != "null"]
        if len(alternatives) == 1:
            return _resolved(alternatives[0], components)
    if "$ref" in schema:
        return _resolved(components[schema["$ref"].rpartition("/")[2]], components)
    return schema
