"""kube-scheduler's extender protocol: requests decoded no further than needed, replies as bytes.

A scheduler with ``nodeCacheCapable: true`` sends names, another sends whole Nodes (tens of megabytes on a large
cluster); the reply has the form of the request. Whole Nodes are never built into objects: only their names are read,
and the bytes of those that pass are sent back as they came.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from foretide_kube.pod_form import PodForm
from foretide_kube.task_pods import TaskPod, read_pod

_NULL = msgspec.Raw(b"null")


class MalformedRequest(ValueError):  # noqa: N818 - named for what it is
    """A body that is no ExtenderArgs. ``reason`` is CamelCase and constant; the message says what was expected."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class _ExtenderArgs(msgspec.Struct, rename="pascal"):
    pod: PodForm
    nodes: msgspec.Raw = _NULL
    node_names: list[str] | None = None


class _NamedMetadata(msgspec.Struct):
    name: str


class _NamedItem(msgspec.Struct):
    metadata: _NamedMetadata


class _NamedList(msgspec.Struct):
    items: list[_NamedItem] | None = None


class _RawList(msgspec.Struct):
    items: list[msgspec.Raw]


class _HostPriority(msgspec.Struct, rename="pascal", gc=False):
    host: str
    score: int


class _FilterResult(msgspec.Struct, rename="pascal"):
    node_names: list[str] | None
    nodes: msgspec.Raw
    failed_and_unresolvable_nodes: Mapping[str, str]
    failed_nodes: dict[str, str] = {}
    error: str = ""


_args_decoder = msgspec.json.Decoder(_ExtenderArgs)
_names_decoder = msgspec.json.Decoder(_NamedList)
_raw_decoder = msgspec.json.Decoder(_RawList)
_encoder = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Request:
    """A Pod and the candidate nodes by name; ``nodes`` is their NodeList as it came, None in the names form."""

    pod: TaskPod
    names: Sequence[str]
    nodes: msgspec.Raw | None = None


def decode(body: bytes) -> Request:
    """Read the body of a filter or prioritize call; MalformedRequest says what is wrong with it."""
    if not body.strip():
        raise MalformedRequest("BodyEmpty", "the body is empty; expected the JSON of ExtenderArgs")
    try:
        args = _args_decoder.decode(body)
        pod = read_pod(args.pod)
        if args.node_names is not None:
            return Request(pod, args.node_names)
        if bytes(args.nodes) == b"null":
            raise MalformedRequest("NodesMissing", "NodeNames and Nodes are both null; expected one of them")
        items = _names_decoder.decode(args.nodes).items or []
    except msgspec.ValidationError as error:
        raise MalformedRequest("WrongForm", f"not ExtenderArgs: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedRequest("NotJson", f"not JSON, or cut off: {error}") from error
    return Request(pod, [item.metadata.name for item in items], args.nodes)


def encode_filter(request: Request, refused: Mapping[str, str]) -> bytes:
    """The reply to filter: all nodes pass but those in ``refused``, each of which has its reason.

    Refused nodes are called unresolvable, or the scheduler would try a preemption that cannot help.
    """
    if request.nodes is None:
        names = [name for name in request.names if name not in refused] if refused else list(request.names)
        return _encoder.encode(_FilterResult(names, _NULL, refused))
    nodes = request.nodes
    if refused:
        kept = [
            item
            for name, item in zip(request.names, _raw_decoder.decode(nodes).items, strict=True)
            if name not in refused
        ]
        nodes = msgspec.Raw(_encoder.encode(_RawList(kept)))
    return _encoder.encode(_FilterResult(None, nodes, refused))


def encode_prioritize(names: Sequence[str], scores: Sequence[int]) -> bytes:
    """The reply to prioritize: one score for each name, in order."""
    return _encoder.encode([_HostPriority(name, score) for name, score in zip(names, scores, strict=True)])
