"""Who waits for whom: one inference at a time, in the order of arrival, and no more waiting than was agreed.

The model's threads have the CPU to themselves that way, as when it was measured, and what a request takes follows from
how many are ahead of it.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from foretide_profiler.measuring import SECOND, Clock
from foretide_profiler.serving.protocol import Outputs, RequestError, Tensor


@dataclass(slots=True)
class Turn:
    """One request's place in the line; what came of it is there once ``done`` is set."""

    batch: Tensor
    ahead: int
    came_nanoseconds: int
    begun_nanoseconds: int = 0
    ended_nanoseconds: int = 0
    outputs: Outputs | None = None
    error: RequestError | None = None
    done: threading.Event = field(default_factory=threading.Event)


class Line:
    """Requests wait in `ask`, on threads of their own; `work` performs them, on one."""

    def __init__(self, infer: Callable[[Tensor], Outputs], *, length: int, clock: Clock) -> None:
        self._infer = infer
        self._length = length
        self._clock = clock
        self._waiting: deque[Turn] = deque()
        self._changed = threading.Condition()
        self._is_at_work = False
        self._is_closed = False
        self._usual_nanoseconds = 0.0

    @property
    def in_flight(self) -> int:
        """Requests that wait or are at work."""
        with self._changed:
            return len(self._waiting) + self._is_at_work

    def ask(self, batch: Tensor) -> Turn:
        """Wait for the turn, and for its end. Raises RequestError where there is no room, or the inference fails."""
        with self._changed:
            if self._is_closed:
                raise RequestError(503, "Stopping", "the service is shutting down; try another Pod", retry_seconds=1)
            if len(self._waiting) >= self._length:
                left_seconds = math.ceil(self._usual_nanoseconds * (len(self._waiting) + 1) / SECOND)
                message = f"{len(self._waiting)} requests wait already; try again later, or another Pod"
                raise RequestError(503, "QueueFull", message, retry_seconds=min(max(left_seconds, 1), 3600))
            turn = Turn(batch, len(self._waiting) + self._is_at_work, self._clock())
            self._waiting.append(turn)
            self._changed.notify_all()
        turn.done.wait()
        if turn.error is not None:
            raise turn.error
        return turn

    def work(self) -> None:
        """Perform turns until the line is closed and empty."""
        while True:
            with self._changed:
                self._is_at_work = False
                while not self._waiting and not self._is_closed:
                    self._changed.wait()
                if not self._waiting:
                    return
                turn = self._waiting.popleft()
                self._is_at_work = True
            turn.begun_nanoseconds = self._clock()
            try:
                turn.outputs = self._infer(turn.batch)
            except RequestError as error:
                turn.error = error
            except BaseException as error:  # noqa: BLE001 - whatever it is, who waits must be told
                turn.error = RequestError(500, "InferenceFailed", f"{type(error).__name__}: {error}")
            turn.ended_nanoseconds = self._clock()
            self._usual_nanoseconds += 0.1 * (turn.ended_nanoseconds - turn.begun_nanoseconds - self._usual_nanoseconds)
            turn.done.set()

    def close(self) -> None:
        """Let nobody in any more; who waits is still served."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
