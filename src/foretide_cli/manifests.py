"""AIWorkloads out of manifests, as `kubectl apply -f` takes them: read and judged without a cluster.

What the schema refuses is refused here with its place, but for what needs the object as it was (`foretide_cli.known`
compares with that); unknown fields and keys that stand twice as well: one would be left out in silence, and the answer
be that to another question. Quotas, policies and webhooks have their say when it is applied.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from msgspec.inspect import ListType, StructType, Type, UnionType, VarTupleType, type_info

from foretide.yaml_documents import documents
from foretide_kube.client import Object
from foretide_kube.connecting import DEFAULT_NAMESPACE
from foretide_kube.kinds import aiworkload
from foretide_kube.kinds.aiworkload import AIWorkload, AIWorkloadSpec
from foretide_kube.kinds.common import DNS_LABEL, DNS_SUBDOMAIN, KindError
from foretide_kube.names import API_VERSION

STANDARD_INPUT: Final = "-"
_TOP: Final = frozenset({"apiVersion", "kind", "metadata", "spec", "status"})
_METADATA: Final = frozenset(
    {
        "name",
        "generateName",
        "namespace",
        "labels",
        "annotations",
        "finalizers",
        "ownerReferences",
        "managedFields",
        "selfLink",
        "uid",
        "generation",
        "resourceVersion",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
    }
)
"""What every object of Kubernetes may have there."""
_NAMES: Final = {
    "name": re.compile(DNS_SUBDOMAIN),
    "namespace": re.compile(rf"(?=.{{1,63}}\Z){DNS_LABEL}"),
}


class ManifestError(ValueError):
    """A manifest cannot be used; the message says where, what stands there and what to do."""


def read_workloads(
    files: Sequence[str],
    namespace: str | None,
    standard_input: Callable[[], str],
    own_namespace: Callable[[], str] = lambda: DEFAULT_NAMESPACE,
) -> list[AIWorkload]:
    """All AIWorkloads of ``files`` in order, other kinds left out; ManifestError where one is none, or there are none.

    Those without a namespace are of ``namespace``, or where none is given of what ``own_namespace`` gives; one of
    another namespace than is asked for is refused. ``standard_input`` gives what the file ``-`` holds.
    """
    found: list[AIWorkload] = []
    kinds: set[str] = set()
    for file in files:
        for item in _documents(file, standard_input):
            kinds.add(str(item.get("kind")))
            if item.get("kind") == aiworkload.KIND:
                found.append(_workload(file, item, namespace, own_namespace))
    if not found:
        others = f"found: {', '.join(sorted(kinds))}" if kinds else "it is empty"
        raise ManifestError(f"{', '.join(files)}: no AIWorkload ({others}); give the manifest that you would apply")
    return found


def _documents(file: str, standard_input: Callable[[], str]) -> Iterator[Object]:
    """The objects of a file, those of a List one by one."""
    try:
        found = documents(standard_input() if file == STANDARD_INPUT else Path(file).read_bytes())
    except OSError as error:
        raise ManifestError(
            f"{file}: {error.strerror or error}; give a file that can be read, or - for stdin"
        ) from error
    except ValueError as error:
        raise ManifestError(f"{file}: {error}") from error
    for document in found:
        if document is None:
            continue
        items = document.get("items") if isinstance(document, dict) and document.get("kind") == "List" else [document]
        for item in items if isinstance(items, list) else [items]:
            if not isinstance(item, dict):
                raise ManifestError(f"{file}: {_shown(item)} is not an object; write apiVersion, kind, metadata, spec")
            yield item


def _workload(file: str, item: Object, namespace: str | None, own_namespace: Callable[[], str]) -> AIWorkload:
    if item.get("apiVersion") != API_VERSION:
        raise ManifestError(f"{file}: apiVersion: must be {API_VERSION} (found {_shown(item.get('apiVersion'))})")
    metadata, spec = item.get("metadata"), item.get("spec")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("name"), str):
        raise ManifestError(f"{file}: metadata.name: an AIWorkload needs a name (found {_shown(metadata)})")
    for field, form in _NAMES.items():
        value = metadata.get(field)
        if value and not (isinstance(value, str) and form.fullmatch(value)):
            raise ManifestError(
                f"{file}: metadata.{field}: must be text of lower-case letters, digits and '-', "
                f"first and last a letter or digit (found {_shown(value)})"
            )
    where = f"{file}: AIWorkload {metadata['name']}"
    for field in (*_beyond(item, _TOP, ""), *_beyond(metadata, _METADATA, "metadata.")):
        raise ManifestError(f"{where}: {field}: there is no such field; {_help(field)}")
    if not isinstance(spec, dict):
        raise ManifestError(f"{where}: spec: an AIWorkload needs one (found {_shown(spec)}); {_help('spec.')}")
    for field in _unknown(spec, type_info(AIWorkloadSpec), "spec"):
        raise ManifestError(f"{where}: {field}: there is no such field; {_help(field)}")
    own = metadata.get("namespace") or None
    if own is not None and namespace is not None and own != namespace:
        raise ManifestError(
            f"{file}: metadata.namespace: {metadata['name']} is of {_shown(own)}, but --namespace is {namespace!r}; "
            "leave out one of the two"
        )
    kept = {key: metadata[key] for key in ("name", "labels", "annotations") if key in metadata}
    identity = {**kept, "namespace": own or namespace or own_namespace()}
    try:
        return aiworkload.parse({"kind": aiworkload.KIND, "metadata": identity, "spec": spec})
    except KindError as error:
        raise ManifestError(f"{file}: {error}; {_help(error.field)}") from error


def _help(field: str) -> str:
    """Where it is said what may stand there."""
    path = re.sub(r"\[[^]]*\]", "", field).rpartition(".")[0]
    return f"kubectl explain aiworkload{'.' if path else ''}{path} lists what is allowed there"


def _beyond(value: Mapping[Any, object], known: frozenset[str], path: str) -> Iterator[str]:
    """The paths of keys that are none of the known."""
    return (f"{path}{key}" for key in value if key not in known)


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
