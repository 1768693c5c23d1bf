"""The file that `foretide export` writes: one JSON document with everything that the report needs of a cluster.

Kinds stand in it as the API has them, without what changes with every write (resource versions, managed fields,
annotations). Reading it again is strict: a document of another schema, or with a value out of bounds, is refused.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec

from foretide.pairing import Pairing
from foretide_kube.explanation import Explanation
from foretide_kube.kinds import aiworkload
from foretide_kube.kinds.aiworkload import AIWorkload
from foretide_kube.kinds.common import KindError, Time
from foretide_kube.kinds.completiontimemodel import CompletionTimeModel
from foretide_kube.kinds.nodeclass import NodeClass
from foretide_kube.kinds.workloadprofile import WorkloadProfile

SCHEMA: Literal["foretide.dev/export/v1"] = "foretide.dev/export/v1"
MOST_TASKS: Final = 20_000
"""Tasks that are kept, those that ended last."""
MAX_BYTES: Final = 512 * 1024 * 1024

Ending = Literal["Paired", "Unpredicted", "PredictionRefused", "Failed"]


Moment = Annotated[int, msgspec.Meta(ge=0, le=9_999_999_999_999)]


class Task(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One task that ended. Moments are milliseconds since the epoch by the API's clock, None where it does not say.

    ``reason`` says why it failed, or why its prediction is not believed; ``pairing`` is there where it was held against
    one. ``node_class`` is empty where its node is gone or of none, ``planned_node`` where nobody planned it.
    ``explanation`` is what the extender keeps of its last decision, where somebody asked.
    """

    namespace: str
    pod: str
    workload: str
    node: str
    node_class: str
    ending: Ending
    reason: str = ""
    bound_milliseconds: Moment | None = None
    ended_milliseconds: Moment | None = None
    planned_node: str = ""
    pairing: Pairing | None = None
    explanation: Explanation | None = None


class Export(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A cluster as of ``taken_time``, as far as who took it might read it.

    ``source`` is what the cluster was called by who took it. Without ``namespaces`` it is of all of them. ``missing``
    names the rights that were lacking, ``tasks_left_out`` counts those beyond `MOST_TASKS`.
    """

    schema: Literal["foretide.dev/export/v1"] = SCHEMA
    taken_time: Time
    version: str
    source: str = ""
    namespaces: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    workloads: tuple[AIWorkload, ...] = ()
    profiles: tuple[WorkloadProfile, ...] = ()
    node_classes: tuple[NodeClass, ...] = ()
    model: CompletionTimeModel | None = None
    tasks: Annotated[tuple[Task, ...], msgspec.Meta(max_length=MOST_TASKS)] = ()
    tasks_left_out: int = 0


class _Head(msgspec.Struct):
    schema: str = ""


class ExportError(ValueError):
    """A file is no export that this version can read; the message names the file, the field and what to do."""


def encode(export: Export) -> bytes:
    """The document, indented for people and for version control."""
    return msgspec.json.format(msgspec.json.encode(export), indent=1) + b"\n"


def read(path: Path) -> Export:
    """The document in a file; ExportError where there is none."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ExportError(f"{path}: larger than {MAX_BYTES >> 20} MiB, which no export is")
        data = path.read_bytes()
    except OSError as error:
        raise ExportError(f"{path}: {error.strerror or error}") from error
    try:
        schema = msgspec.json.decode(data, type=_Head).schema
        if schema != SCHEMA:
            what = f"its schema is {schema[:64]!r}" if schema else "it names no schema"
            raise ExportError(f"{path}: {what}; this version reads {SCHEMA}, which foretide export writes")
        export = msgspec.json.decode(data, type=Export)
        for workload in export.workloads:  # their rules are more than their form
            aiworkload.parse(aiworkload.to_object(workload))
    except KindError as error:
        raise ExportError(f"{path}: {error}") from error
    except msgspec.ValidationError as error:
        problem, _, where = str(error).partition(" - at `")
        raise ExportError(f"{path}: {where.rstrip('`').removeprefix('$.') or 'the document'}: {problem}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ExportError(f"{path}: not a JSON document: {error}") from error
    return export
