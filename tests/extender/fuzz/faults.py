"""What is wrong with an answer, if anything: to kube-scheduler, or to who asked for a Pod of no concern to us."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

import msgspec

from bench.extender.acceptance import Asked, Refused, check, loosely_read, passed, scores
from tests.extender.fuzz.cases import Case

REASONS: Final = frozenset({"BodyEmpty", "BodyTooLarge", "NotJson", "WrongForm", "NodesMissing"})
"""What a body may be refused with."""
HANG: Final = "hang"
_VARYING: Final = re.compile(r"'[^']*'|\"[^\"]*\"|-?\d+")
"""What differs between faults of one kind."""
_ROLES_OF_TASKS: Final = frozenset({"", "run"})


class Fault(NamedTuple):
    """One kind of fault, and how it shows here."""

    kind: str
    detail: str


def fault_of(case: Case, status: int, reply: bytes) -> Fault | None:
    """What is wrong with the answer to a case; None where nothing is."""
    if status == 400:
        reason = reply.partition(b":")[0].decode(errors="replace")
        if reason not in REASONS:
            return Fault("unknown reason", f"400: {reply[:300]!r}")
        return Fault(f"sound request refused: {reason}", f"{reply[:300]!r}") if case.is_sound else None
    try:
        if case.is_sound:
            asked = Asked.of(case.body)
            check(case.verb, asked, status, reply)
            _check_kindness(case, asked, reply)
        else:
            check(case.verb, _understood(case, reply), status, reply)
    except Refused as error:
        return Fault(f"reply refused: {_VARYING.sub('…', str(error))[:80]}", str(error))
    return None


def _check_kindness(case: Case, asked: Asked, reply: bytes) -> None:
    """No Pod is kept from every node, and one that is none of our tasks neither from any nor sent to some."""
    labels = msgspec.json.decode(case.body)["Pod"]["metadata"].get("labels") or {}
    workload, role = labels.get("foretide.dev/workload", ""), labels.get("foretide.dev/role", "")
    if case.verb == "filter":
        found = passed(asked, reply)
        if found.failed and not found.names:
            raise Refused("every node is refused: the Pod would wait for ever")
        if found.failed and not (workload and role in _ROLES_OF_TASKS):
            raise Refused(f"nodes are refused to a Pod that is no task: {found.failed}")
    elif not (workload and role in _ROLES_OF_TASKS | {"inspect"}):
        found_scores = set(scores(asked, reply).values())
        if len(found_scores) > 1:
            raise Refused(f"a Pod that is not ours gets scores {sorted(found_scores)}")


def _understood(case: Case, reply: bytes) -> Asked:
    """What a broken body that was answered asks about, as far as it can be read; else what the reply says it does."""
    try:
        return Asked.of(case.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, KeyError, TypeError):
        return _claimed(case, reply)


def _claimed(case: Case, reply: bytes) -> Asked:
    """The nodes that a reply is about."""
    try:
        answer = loosely_read(reply)
        if case.verb == "prioritize":
            return Asked([each["Host"] for each in answer], None)
        failed = list(answer["FailedAndUnresolvableNodes"] or {})
        if answer["Nodes"] is None:
            return Asked([*answer["NodeNames"], *failed], None)
        nodes = answer["Nodes"].get("items") or []
    except (AttributeError, KeyError, TypeError) as error:
        raise Refused(f"not a reply: {error!r}: {reply[:200]!r}") from error
    return Asked([*(node["metadata"]["name"] for node in nodes), *failed], [*nodes, *failed])
