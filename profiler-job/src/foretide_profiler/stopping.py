"""What SIGTERM and SIGINT do: end the process with a word about it, interrupt the work, or tell who serves to end.

An exception raised by a signal handler anywhere else is easily lost: extension modules turn it into errors of their own
while they are imported.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Stopped(BaseException):
    """The process was told to end.

    Like KeyboardInterrupt a request and not an error: no library's `except Exception` may swallow it.
    """


def end_with(report: Callable[[], int]) -> None:
    """From now on a signal makes `report` write why there is no result, and ends the process with its status.

    The process may be in the middle of an import, so `report` must import nothing: of a module that is half there it
    gets an error, or a crash. Whatever comes of it, the process ends.
    """

    def end(_signal: int, _frame: FrameType | None) -> None:
        ignore()
        status = 1
        try:
            status = report()
        finally:
            os._exit(status)

    for number in _SIGNALS:
        signal.signal(number, end)


@contextmanager
def interruptible() -> Iterator[None]:
    """Within, a signal raises Stopped; afterwards signals are ignored, since only the result is still to be written."""

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        ignore()
        raise Stopped

    for number in _SIGNALS:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        ignore()


class Word:
    """From its making on a signal ends `wait`, and nothing else; for the main thread.

    The interpreter writes into a pipe whichever thread the system interrupts. A handler that took a lock could wait for
    ever for the very thread that it interrupts.
    """

    def __init__(self) -> None:
        self._heard, told = os.pipe()
        os.set_blocking(told, False)
        signal.set_wakeup_fd(told, warn_on_full_buffer=False)
        for number in _SIGNALS:
            signal.signal(number, lambda _signal, _frame: None)

    def wait(self) -> None:
        """Return once there was a signal, now or before."""
        while os.read(self._heard, 1)[0] not in _SIGNALS:
            pass


def ignore() -> None:
    """From now on signals do nothing."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
