"""What kube-scheduler makes of an extender's replies, as of 1.36 (pkg/scheduler/extender.go), and what it should get.

A reply that is no answer to it is dropped, some of them in silence; one that it takes may still be worse than none, as
when nodes vanish without a reason. Both are told as a `Refused`, with what is wrong.
"""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple, TypeVar

import msgspec

Verb = Literal["filter", "prioritize"]

VERBS: Final[tuple[Verb, Verb]] = ("filter", "prioritize")
TOP_SCORE: Final = 10
_MOST_DIGITS: Final = 30


class Refused(Exception):  # noqa: N818 - what the scheduler does
    """The scheduler would refuse this reply, or it says something that no extender may say."""


class Asked(NamedTuple):
    """What a request asks about: the names of nodes, and the whole of them where it has that form."""

    names: Sequence[str]
    nodes: Sequence[Any] | None

    @classmethod
    def of(cls, body: bytes) -> Asked:
        """Read a request as kube-scheduler writes it."""
        args = msgspec.json.decode(body)
        if args["NodeNames"] is not None:
            return cls(args["NodeNames"], None)
        return cls([node["metadata"]["name"] for node in args["Nodes"]["items"]], args["Nodes"]["items"])


class Passed(NamedTuple):
    """What a reply to filter lets pass: the names of nodes, and the others with their reasons."""

    names: Sequence[str]
    failed: Mapping[str, str]


class _FilterResult(msgspec.Struct, rename="pascal"):
    nodes: dict[str, Any] | None = None
    node_names: list[str] | None = None
    failed_nodes: dict[str, str] | None = None
    failed_and_unresolvable_nodes: dict[str, str] | None = None
    error: str = ""


class _HostPriority(msgspec.Struct, rename="pascal"):
    host: str
    score: int


_Form = TypeVar("_Form")


def check(verb: Verb, asked: Asked, status: int, reply: bytes) -> None:
    """Refused unless the scheduler takes this for an answer."""
    if status != 200:
        raise Refused(f"status {status}: {reply[:200]!r}")
    if verb == "filter":
        passed(asked, reply)
    else:
        scores(asked, reply)


def passed(asked: Asked, reply: bytes) -> Passed:
    """What a reply to filter lets pass of the nodes ``asked``."""
    result = _read(_FilterResult, reply)
    if result.error:
        raise Refused(f"Error is {result.error!r}: the attempt to place the Pod fails")
    if result.failed_nodes:
        raise Refused("FailedNodes has nodes: the scheduler tries a preemption that cannot help")
    names = _names_of(result) if asked.nodes is None else _names_of_nodes(result, asked.names, asked.nodes)
    failed = result.failed_and_unresolvable_nodes or {}
    _check_whole(asked.names, names, failed)
    return Passed(names, failed)


def scores(asked: Asked, reply: bytes) -> dict[str, int]:
    """The scores in a reply to prioritize: one for each of the nodes ``asked``."""
    found = _read(list[_HostPriority], reply)
    _check_same(asked.names, [each.host for each in found])
    for each in found:
        if not 0 <= each.score <= TOP_SCORE:
            raise Refused(f"the score of {each.host!r} is {each.score}, not from 0 to {TOP_SCORE}")
    return {each.host: each.score for each in found}


def _read(form: type[_Form], reply: bytes) -> _Form:
    """A reply as Go reads it, which takes no offence at text that is no UTF-8 or at half a surrogate."""
    try:
        return msgspec.json.decode(reply, type=form)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        loose = loosely_read(reply)
    try:
        return msgspec.convert(loose, form)
    except msgspec.ValidationError as error:
        raise Refused(f"not what is expected: {error}") from error


def loosely_read(reply: bytes) -> Any:  # noqa: ANN401 - JSON
    """Any JSON, however it is written and however large its numbers are; Refused where it is none."""
    with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return msgspec.json.decode(reply)
    try:
        return json.loads(reply.decode(errors="replace"), parse_constant=_refuse_constant, parse_int=_number)
    except (ValueError, RecursionError) as error:
        raise Refused(f"not what is expected: {error}") from error


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _number(digits: str) -> int | float:
    return int(digits) if len(digits) < _MOST_DIGITS else float(digits)


def _names_of(result: _FilterResult) -> list[str]:
    if result.node_names is None:
        raise Refused("NodeNames is null where names were asked: every node is rejected")
    if result.nodes is not None:
        raise Refused("Nodes is there where names were asked")
    return result.node_names


def _names_of_nodes(result: _FilterResult, asked: Sequence[str], nodes: Sequence[Any]) -> list[str]:
    if result.nodes is None:
        raise Refused("Nodes is null where Nodes were asked: every node is rejected")
    if result.node_names is not None:
        raise Refused("NodeNames is there where Nodes were asked")
    sent: dict[str, list[Any]] = {}
    for name, node in zip(asked, nodes, strict=True):
        sent.setdefault(name, []).append(node)
    names = []
    for item in result.nodes.get("items") or ():
        try:
            name = item["metadata"]["name"]
        except (KeyError, TypeError) as error:
            raise Refused("a Node in the reply has no name") from error
        if name in sent and item not in sent[name]:
            raise Refused(f"the Node {name!r} came back changed")
        names.append(name)
    return names


def _check_whole(asked: Sequence[str], names: Sequence[str], failed: Mapping[str, str]) -> None:
    """Each node passes or has its reason."""
    _check_same([name for name in asked if name not in failed] if failed else asked, names)
    if strange := failed.keys() - set(asked):
        raise Refused(f"{min(strange)!r} failed and was not asked for")
    if silent := [name for name, reason in failed.items() if not reason]:
        raise Refused(f"{silent[0]!r} failed without a reason")


def _check_same(expected: Sequence[str], found: Sequence[str]) -> None:
    """The same names, each as often, in whatever order."""
    if list(expected) == list(found):
        return
    if more := Counter(found) - Counter(expected):
        raise Refused(f"{min(more)!r} was not asked for, or is there more than once")
    if less := Counter(expected) - Counter(found):
        raise Refused(f"{min(less)!r} is missing and no reason is given")
