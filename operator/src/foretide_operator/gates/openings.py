"""Which gates are to be opened although no plan said so, and what to tell of it; pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from foretide_kube.task_pods import TaskPod
from foretide_operator.gates.vigil import Vigil

MARGIN_SECONDS: Final = 15.0
"""How much longer than its bound a task may wait before the planner is not waited for."""


class Reason(StrEnum):
    """Why a gate is opened without a plan."""

    PLANNER_SILENT = "PlannerSilent"
    WAITED_TOO_LONG = "WaitedTooLong"


@dataclass(frozen=True, slots=True)
class Gated:
    """A Pod behind our gate: how long it has waited, and how long it may."""

    pod: TaskPod
    waited_seconds: float
    bound_seconds: float


@dataclass(frozen=True, slots=True)
class Opening:
    """A gate that is to be opened, and why."""

    pod: TaskPod
    reason: Reason
    message: str


def openings(gated: Iterable[Gated], vigil: Vigil, now_seconds: float) -> list[Opening]:
    """What to open now, who has waited longest first.

    ``now_seconds`` is of the monotonic clock that ``vigil`` is told by. Pods that are being deleted are left alone.
    """
    if not vigil.may_open(now_seconds):
        return []
    waiting = [each for each in gated if each.pod.is_gated and not each.pod.is_deleting]
    found = (_opening(each, vigil) for each in sorted(waiting, key=lambda each: (-each.waited_seconds, each.pod.uid)))
    return [each for each in found if each is not None]


def _opening(each: Gated, vigil: Vigil) -> Opening | None:
    if each.waited_seconds > each.bound_seconds + MARGIN_SECONDS:
        why = f"it waited {each.waited_seconds:.0f} s and may wait {each.bound_seconds:.0f} s"
        reason = Reason.WAITED_TOO_LONG
    elif vigil.is_silent():
        why, reason = f"the planner has been silent for {vigil.silent_seconds:.0f} s", Reason.PLANNER_SILENT
    else:
        return None
    return Opening(each.pod, reason, f"{why}: placed without a plan, by the prediction for each node")
