"""kube-scheduler's extender protocol: requests decoded no further than needed, replies as bytes.

A scheduler with ``nodeCacheCapable: true`` sends names, another sends whole Nodes (tens of megabytes on a large
cluster); the reply has the form of the request. Whole Nodes are never built into objects: only their names are read,
and the bytes of those that pass are sent back as they came, which holds for the list of names too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from foretide.placement.score import TOP_SCORE
from foretide_kube.pod_form import PodForm
from foretide_kube.task_pods import TaskPod, read_pod

_NULL: Final = b"null"
_NO_SCORE: Final = 0
_NAMES_AT_ONCE: Final = 4096
"""Entries of so many names are held together; the reply is made of their bytes."""


class MalformedRequest(ValueError):  # noqa: N818 - named for what it is
    """A body that is no ExtenderArgs. ``reason`` is CamelCase and constant; the message says what was expected."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class _ExtenderArgs(msgspec.Struct, rename="pascal"):
    pod: PodForm
    nodes: msgspec.Raw = msgspec.Raw(_NULL)
    node_names: msgspec.Raw = msgspec.Raw(_NULL)


class _NamedMetadata(msgspec.Struct):
    name: str


class _NamedItem(msgspec.Struct):
    metadata: _NamedMetadata


class _NamedList(msgspec.Struct):
    items: list[_NamedItem] | None = None


class _RawList(msgspec.Struct):
    items: list[msgspec.Raw]


_args_decoder = msgspec.json.Decoder(_ExtenderArgs)
_names_decoder = msgspec.json.Decoder(list[str])
_nodes_decoder = msgspec.json.Decoder(_NamedList)
_raw_decoder = msgspec.json.Decoder(_RawList)
_encoder = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Request:
    """A Pod and the candidate nodes by name; ``sent`` is their list as it came: of names, or of ``whole`` Nodes.

    ``is_plain`` says that for sure no name has anything in it that JSON escapes.
    """

    pod: TaskPod
    names: Sequence[str]
    sent: bytes | msgspec.Raw
    whole: bool = False
    is_plain: bool = False


def decode(body: bytes | bytearray) -> Request:
    """Read the body of a filter or prioritize call; MalformedRequest says what is wrong with it."""
    if not body[:1].strip() and not body.strip():
        raise MalformedRequest("BodyEmpty", "the body is empty; expected the JSON of ExtenderArgs")
    try:
        args = _args_decoder.decode(body)
        pod = read_pod(args.pod)
        sent = bytes(args.node_names)
        if sent != _NULL:
            return Request(pod, _names_decoder.decode(sent), sent, is_plain=b"\\" not in sent)
        if memoryview(args.nodes) == memoryview(_NULL):
            raise MalformedRequest("NodesMissing", "NodeNames and Nodes are both null; expected one of them")
        names = [item.metadata.name for item in _nodes_decoder.decode(args.nodes).items or []]
    except msgspec.ValidationError as error:
        raise MalformedRequest("WrongForm", f"not ExtenderArgs: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedRequest("NotJson", f"not JSON, or cut off: {error}") from error
    return Request(pod, names, args.nodes, whole=True)


def encode_filter(request: Request, refused: Mapping[str, str]) -> bytes:
    """The reply to filter: all nodes pass but those in ``refused``, each of which has its reason.

    Refused nodes are called unresolvable, or the scheduler would try a preemption that cannot help.
    """
    passed: bytes | msgspec.Raw = request.sent
    if refused and request.whole:
        items = zip(request.names, _raw_decoder.decode(request.sent).items, strict=True)
        passed = _encoder.encode(_RawList([item for name, item in items if name not in refused]))
    elif refused:
        passed = _encoder.encode([name for name in request.names if name not in refused])
    names, nodes = (_NULL, passed) if request.whole else (passed, _NULL)
    reasons = _encoder.encode(refused)
    return b"".join(
        (
            b'{"NodeNames":',
            names,
            b',"Nodes":',
            nodes,
            b',"FailedNodes":{},"FailedAndUnresolvableNodes":',
            reasons,
            b',"Error":""}',
        )
    )


def entry(name: str, score: int) -> str:
    """What the reply to prioritize says of a node."""
    return f'{{"Host":{_encoder.encode(name).decode()},"Score":{score}}}'


def encode_prioritize(
    request: Request, entries: Mapping[str, str] | None, top: str | None, check: Callable[[], None] = lambda: None
) -> bytes:
    """The reply to prioritize: the entry of each node, in order; the same score for all where there are none.

    The node ``top`` gets the best score. Raises what ``check`` does, which is called again and again where there are
    thousands of entries.
    """
    names = request.names
    if entries is None and top is None and request.is_plain and names:
        between = f'","Score":{_NO_SCORE}}},{{"Host":"'
        return f'[{{"Host":"{between.join(names)}","Score":{_NO_SCORE}}}]'.encode()
    entry_of = _unscored if entries is None else entries.__getitem__
    top_at = -1 if top is None else names.index(top)
    pieces = []
    for begin in range(0, len(names), _NAMES_AT_ONCE):
        if begin and entries is not None:
            check()
        found = list(map(entry_of, names[begin : begin + _NAMES_AT_ONCE]))
        if top is not None and begin <= top_at < begin + _NAMES_AT_ONCE:
            found[top_at - begin] = entry(top, TOP_SCORE)
        pieces.append(",".join(found).encode())
    return b"[%s]" % b",".join(pieces)


def _unscored(name: str) -> str:
    return entry(name, _NO_SCORE)
