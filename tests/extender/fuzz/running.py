"""Runs cases one after the other, tells how far it is, and makes what went wrong as small as it gets."""

from __future__ import annotations

import dataclasses
import faulthandler
import time
from collections.abc import Callable, Mapping
from typing import Final, Protocol

from tests.extender.fuzz.cases import Case, Cases
from tests.extender.fuzz.faults import HANG, Fault

TOLD_EVERY_SECONDS: Final = 5.0
_STUCK_SECONDS: Final = 120
_MOST_ATTEMPTS: Final = 2000


class Asking(Protocol):
    """Who is asked."""

    async def fault(self, case: Case) -> Fault | None:
        """What goes wrong with a case; None where nothing does."""


@dataclasses.dataclass(frozen=True, slots=True)
class Found:
    """The first case with a fault of its kind, the same made small, and how many there were."""

    fault: Fault
    case: Case
    smallest: bytes
    count: int = 1


async def run(
    asking: Asking, cases: Cases, numbers: range, say: Callable[[str], None] = lambda _line: None
) -> Mapping[str, Found]:
    """Ask the cases of these numbers; what was found, by kind of fault."""
    found: dict[str, Found] = {}
    began = told = time.monotonic()
    _watch_out()
    for number in numbers:
        case = cases[number]
        fault = await asking.fault(case)
        if fault is not None and fault.kind in found:
            found[fault.kind] = dataclasses.replace(found[fault.kind], count=found[fault.kind].count + 1)
        elif fault is not None:
            found[fault.kind] = Found(fault, case, await smallest(asking, case, fault))
            _watch_out()
            say(f"case {number}: {fault.kind}: {fault.detail[:300]}")
        now = time.monotonic()
        if now - told > TOLD_EVERY_SECONDS or number == numbers[-1]:
            _watch_out()
            told, done = now, number - numbers.start + 1
            say(
                f"{done:,} of {len(numbers):,} cases, {done / (now - began):,.0f} a second; next is {number + 1}; "
                f"{len(found)} kinds of fault"
            )
    faulthandler.cancel_dump_traceback_later()
    return found


def _watch_out() -> None:
    """Where nothing goes on for long from now, end with what all threads are at: no timeout of ours gets through."""
    faulthandler.dump_traceback_later(_STUCK_SECONDS, exit=True)


async def smallest(asking: Asking, case: Case, fault: Fault) -> bytes:
    """A body out of which no piece can be taken without the fault being gone, or what is left after some attempts."""
    body, attempts, size = case.body, 0, max(len(case.body) // 2, 1)
    if fault.kind == HANG:
        return body  # each attempt would take as long
    while size and attempts < _MOST_ATTEMPTS:
        at, was = 0, len(body)
        while at < len(body) and attempts < _MOST_ATTEMPTS:
            shorter, attempts = body[:at] + body[at + size :], attempts + 1
            found = await asking.fault(dataclasses.replace(case, body=shorter))
            if found is not None and found.kind == fault.kind:
                body = shorter
            else:
                at += size
        if size > 1 or len(body) == was:
            size //= 2
    return body
