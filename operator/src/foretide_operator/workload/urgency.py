"""What of a workload's status has to be written at once when it changes; all else can wait a moment."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final

import msgspec

from foretide_kube.kinds.aiworkload import AIWorkloadStatus
from foretide_operator.line import IN_LINE, WAITING
from foretide_operator.workload.waiting import without_waiting

_ON_ITS_WAY: Final[frozenset[str]] = IN_LINE | {"Started", "InProgress"}
"""Reasons between which a measurement goes back and forth: its Job says which it is (`foretide_operator.line`)."""


def urgent_part(status: AIWorkloadStatus) -> Hashable:
    """Equal for two statuses that differ in figures, messages, and how far a measurement or a waiting task has come.

    Not among it is what a prediction says, but where it comes from is: who places tasks waits for that.
    """
    rows = status.profiles.classes if status.profiles is not None else ()
    return (
        status.observed_generation,
        status.key,
        status.model_sha256,
        None if status.signature is None else msgspec.json.encode(status.signature, order="sorted"),
        tuple((each.type, each.status, _stage(each.reason)) for each in status.conditions),
        tuple((row.node_class, _stage(row.reason)) for row in rows),
        None if status.runs is None else without_waiting(status.runs),
        tuple((each.node_class, each.source, each.measured_time) for each in status.predictions),
    )


def _stage(reason: str) -> str:
    return WAITING if reason in _ON_ITS_WAY else reason
