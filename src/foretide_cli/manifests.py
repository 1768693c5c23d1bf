"""AIWorkloads out of manifests, as `kubectl apply -f` takes them: read and judged without a cluster.

What the API server would refuse is refused here with its place, unknown fields included: a misspelt one would be left
out in silence, and the answer be that to another question.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import yaml
from msgspec.inspect import ListType, StructType, Type, UnionType, VarTupleType, type_info

from foretide_kube.client import Object
from foretide_kube.kinds import aiworkload
from foretide_kube.kinds.aiworkload import AIWorkload, AIWorkloadSpec
from foretide_kube.kinds.common import KindError
from foretide_kube.names import API_VERSION

STANDARD_INPUT: Final = "-"


class ManifestError(ValueError):
    """A manifest cannot be used; the message says where, what stands there and what to do."""


def read_workloads(files: Sequence[str], namespace: str | None, standard_input: Callable[[], str]) -> list[AIWorkload]:
    """All AIWorkloads of ``files`` in order, other kinds left out; ManifestError where one is none, or there are none.

    Those without a namespace are of ``namespace``, or of ``default``; one of another namespace than is asked for is
    refused. ``standard_input`` gives what the file ``-`` holds.
    """
    found: list[AIWorkload] = []
    kinds: set[str] = set()
    for file in files:
        for item in _documents(file, standard_input):
            kinds.add(str(item.get("kind")))
            if item.get("kind") == aiworkload.KIND:
                found.append(_workload(file, item, namespace))
    if not found:
        others = f"found: {', '.join(sorted(kinds))}" if kinds else "it is empty"
        raise ManifestError(f"{', '.join(files)}: no AIWorkload ({others}); give the manifest that you would apply")
    return found


def _documents(file: str, standard_input: Callable[[], str]) -> Iterator[Object]:
    """The objects of a file, those of a List one by one."""
    try:
        text = standard_input() if file == STANDARD_INPUT else Path(file).read_text(encoding="utf-8")
        documents = list(yaml.safe_load_all(text))
    except OSError as error:
        raise ManifestError(
            f"{file}: {error.strerror or error}; give a file that can be read, or - for stdin"
        ) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        why = " ".join(str(error).split())
        raise ManifestError(f"{file}: this is no YAML: {why}") from error
    for document in documents:
        if document is None:
            continue
        items = document.get("items") if isinstance(document, dict) and document.get("kind") == "List" else [document]
        for item in items if isinstance(items, list) else [items]:
            if not isinstance(item, dict):
                raise ManifestError(f"{file}: {_shown(item)} is no object; write apiVersion, kind, metadata and spec")
            yield item


def _workload(file: str, item: Object, namespace: str | None) -> AIWorkload:
    if item.get("apiVersion") != API_VERSION:
        raise ManifestError(f"{file}: apiVersion: must be {API_VERSION} (found {_shown(item.get('apiVersion'))})")
    metadata = item.get("metadata")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str):
        raise ManifestError(f"{file}: metadata.name: an AIWorkload needs a name (found {_shown(metadata)})")
    own = metadata.get("namespace")
    if own is not None and namespace is not None and own != namespace:
        raise ManifestError(
            f"{file}: metadata.namespace: {metadata['name']} is of {_shown(own)}, asked for is {namespace!r}; "
            "leave out one of the two"
        )
    identity = {"name": metadata["name"], "namespace": own or namespace or "default"}
    try:
        workload = aiworkload.parse({"kind": aiworkload.KIND, "metadata": identity, "spec": item.get("spec")})
    except KindError as error:
        raise ManifestError(f"{file}: {error}; {_help(error.field)}") from error
    for field in _unknown(item.get("spec"), type_info(AIWorkloadSpec), "spec"):
        raise ManifestError(f"{file}: AIWorkload {metadata['name']}: {field}: there is no such field; {_help(field)}")
    return workload


def _help(field: str) -> str:
    """Where it is said what may stand there."""
    path = re.sub(r"\[[^]]*\]", "", field).rpartition(".")[0] if "." in field else field
    return f"kubectl explain aiworkload.{path} says what may stand there"


def _unknown(value: Any, form: Type, path: str) -> Iterator[str]:  # noqa: ANN401 - any JSON value
    """The paths of fields in ``value`` that ``form`` does not have."""
    match form:
        case StructType():
            if not isinstance(value, dict):
                return
            known = {field.encode_name: field.type for field in form.fields}
            for key, inner in value.items():
                if key in known:
                    yield from _unknown(inner, known[key], f"{path}.{key}")
                else:
                    yield f"{path}.{key}"
        case UnionType():
            for each in form.types:
                yield from _unknown(value, each, path)
        case ListType() | VarTupleType():
            for index, inner in enumerate(value if isinstance(value, list) else ()):
                yield from _unknown(inner, form.item_type, f"{path}[{index}]")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
