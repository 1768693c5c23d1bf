"""The plan over waiting tasks: what it is made from, and what it says of each of them.

How it is made: `foretide.placement.placing` commits task after task, `foretide.placement.together` says in which order.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Final

from foretide.placement.completion import quantile_seconds
from foretide.placement.pulls import NO_IMAGES
from foretide.placement.resources import NOTHING, Resources
from foretide.placement.timeline import Commitment, Timeline
from foretide.prediction import Prediction

NOT_PREDICTED: Final = "NotPredicted"
"""Nothing is predicted for any class that it may go to: opened at once, for the node with least committed."""
WAIT_BOUND_REACHED: Final = "WaitBoundReached"
"""It fits nowhere until its wait bound: opened then all the same, and the scheduler holds it until there is room."""
NO_ELIGIBLE_NODE: Final = "NoEligibleNode"
"""No node may run it: taints, selectors, affinity, or no node is there."""
TOO_LARGE: Final = "TooLargeForEveryNode"
"""It requests more than any node that may run it has to give."""
NO_ROOM_FORESEEN: Final = "NoRoomForeseen"
"""What holds the nodes that may run it is not expected to end."""


@dataclass(frozen=True, slots=True)
class NodeState:
    """A node that Pods may be bound to.

    ``in_use`` are the requests of all Pods there of whose end nothing is known, ``steady_cpu_millis`` the CPU that
    these may use (limits where they are known). Running tasks whose end is predicted are in neither. ``lacks`` are
    images that are not there, of those that tasks use.
    """

    name: str
    node_class: str | None
    allocatable: Resources
    in_use: Resources = NOTHING
    steady_cpu_millis: int = 0
    lacks: frozenset[str] = NO_IMAGES


@dataclass(frozen=True, slots=True)
class Expected:
    """A predicted completion alone, from bound to the container's end: its median and its 95 % quantile.

    ``contention`` is the coefficient by which it takes longer beside others. Of both times ``startup_seconds`` are the
    start-up, which is known without an interval.
    """

    median_seconds: float
    upper_seconds: float
    contention: float = 0.0
    startup_seconds: float = 0.0

    @classmethod
    def of(cls, prediction: Prediction, inferences: int) -> Expected:
        """The completion of a task of so many inferences."""
        return cls(
            prediction.completion_seconds(inferences),
            prediction.completion_seconds(inferences, bound="upper"),
            prediction.contention,
            prediction.startup_milliseconds / 1e3,
        )

    def quantile_seconds(self, percent: int) -> float:
        """The seconds that ``percent`` of such tasks keep to, from 50 to 99: the start-up, and those of the work.

        The same as `foretide.prediction.Prediction.completion_quantile_seconds`.
        """
        startup = self.startup_seconds
        return startup + quantile_seconds(self.median_seconds - startup, self.upper_seconds - startup, percent)


@dataclass(frozen=True, slots=True)
class Running:
    """A task that is bound, or whose gate is open: then ``node`` is the planned one and ``bound_seconds`` that time.

    ``expected`` is None where nothing is predicted: it is not expected to end. ``images`` are those that it may still
    be waiting for: none once it has started.
    """

    key: str
    node: str
    requests: Resources
    cpu_millis: int
    bound_seconds: float
    expected: Expected | None
    images: frozenset[str] = NO_IMAGES


@dataclass(frozen=True, slots=True)
class Waiting:
    """A task behind its gate, or pending: the scheduler may bind it at any time.

    ``cpu_millis`` is the CPU that it may use; ``expected`` its completion by node class where its ``images`` are there;
    ``group`` names the nodes that it may go to (see `foretide.placement.placing.Placing`); at ``latest_open_seconds``
    its gate opens wherever it is.

    For `foretide.placement.together` it counts when the task arrived (``arrival_seconds``; None for now), until when it
    should have ended (``due_seconds``), its priority (no task delays one of higher priority), and whose it is
    (``team``: none should be slowed down more than others).
    """

    key: str
    requests: Resources
    cpu_millis: int
    expected: Mapping[str, Expected]
    latest_open_seconds: float
    group: Hashable = None
    arrival_seconds: float | None = None
    due_seconds: float = math.inf
    priority: int = 0
    team: Hashable = None
    images: frozenset[str] = NO_IMAGES


@dataclass(frozen=True, slots=True)
class Assignment:
    """What the plan says of one task.

    ``open_seconds`` is when its gate is to be opened. ``node`` is where it is expected to be bound at
    ``start_seconds`` and to end at ``finish_seconds``; None where nothing is expected. ``waits_for`` is the key of the
    task whose end makes room for it, None if it need not wait for one. ``pull_seconds`` of its time it waits for its
    images. ``reason`` says in one word what is not as it should be, and is empty otherwise.
    """

    key: str
    open_seconds: float
    node: str | None = None
    start_seconds: float | None = None
    finish_seconds: float | None = None
    waits_for: str | None = None
    reason: str = ""
    pull_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Plan:
    """One assignment per waiting task, in their order, and one per pending task: what it is expected to take."""

    assignments: tuple[Assignment, ...]
    made_seconds: float
    pending: tuple[Assignment, ...] = ()

    def due(self) -> tuple[Assignment, ...]:
        """Those whose gates are to be opened now."""
        return tuple(each for each in self.assignments if each.open_seconds <= self.made_seconds)


@dataclass(slots=True)
class Placed:
    """A task and what was found for it. Its end is known when all are placed: later ones may share its cores."""

    key: str
    open_seconds: float
    reason: str = ""
    timeline: Timeline | None = None
    commitment: Commitment | None = None
    pull_seconds: float = 0.0

    def assignment(self) -> Assignment:
        """What the plan says of it."""
        made, timeline = self.commitment, self.timeline
        if made is None or timeline is None or made.open_seconds is None:
            return Assignment(self.key, self.open_seconds, reason=self.reason)
        return Assignment(
            key=self.key,
            open_seconds=self.open_seconds,
            node=timeline.name,
            start_seconds=made.start_seconds,
            finish_seconds=made.end_seconds if made.end_seconds < math.inf else None,
            waits_for=timeline.makes_room(made.open_seconds) if made.open_seconds > timeline.now_seconds else None,
            reason=self.reason,
            pull_seconds=self.pull_seconds,
        )
