"""Our scheduling gate on a Pod: which Pods may carry it, and the patch that opens it and touches nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from foretide_kube.client import Object
from foretide_kube.names import GATE_PLAN

MAY_BE_GATED: Final = "spec.nodeName=,status.phase=Pending"
"""The field selector of Pods that a gate can keep: the API server knows no selector for gates."""


def opening_patch(uid: str, gates: Iterable[str]) -> Object:
    """The merge patch that takes our gate from the Pod of that ``uid`` and leaves the others of its ``gates``.

    The UID makes the API server refuse a namesake; a gate that somebody else took away meanwhile makes it refuse as
    well, for none may be added.
    """
    return {"metadata": {"uid": uid}, "spec": gates_without_ours(gates)}


def gates_without_ours(gates: Iterable[str]) -> Object:
    """The part of a Pod's spec, in a merge patch, that takes our gate from ``gates``."""
    return {"schedulingGates": [{"name": name} for name in gates if name != GATE_PLAN] or None}
