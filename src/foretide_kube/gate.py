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
    others = [{"name": name} for name in gates if name != GATE_PLAN]
    return {"metadata": {"uid": uid}, "spec": {"schedulingGates": others or None}}
