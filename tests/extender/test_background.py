"""What runs beside the event loop: in order, with what it raises, and at a pace that leaves time to others."""

from __future__ import annotations

import asyncio
import threading
from functools import partial

import pytest

from foretide_extender.background import CHUNK_SECONDS, Background, Pace


async def test_calls_give_what_they_return_or_raise_and_keep_their_order() -> None:
    background, begun = Background(1, "test"), list[int]()
    calls = [background.run(partial(begun.append, number)) for number in range(10)]
    await asyncio.gather(*calls)
    assert begun == list(range(10))
    assert await background.run(lambda: "done") == "done"
    with pytest.raises(ZeroDivisionError):
        await background.run(lambda: 1 // 0)
    assert await background.run(lambda: "and on") == "and on"


async def test_a_call_that_nobody_waits_for_any_more_is_never_begun() -> None:
    background, goes_on, begun = Background(1, "test"), threading.Event(), list[int]()
    blocked = asyncio.create_task(background.run(partial(goes_on.wait, 20.0)))
    given_up = asyncio.create_task(background.run(partial(begun.append, 1)))
    await asyncio.sleep(0)
    given_up.cancel()
    await asyncio.sleep(0)
    goes_on.set()
    assert await blocked
    await background.run(partial(begun.append, 2))
    assert begun == [2]


def test_long_work_rests_as_long_as_it_worked() -> None:
    now, slept = [0.0], list[float]()

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        now[0] += seconds

    pace = Pace(clock=lambda: now[0], sleep=sleep)
    for _ in range(1000):
        now[0] += CHUNK_SECONDS / 10
        pace()
    assert sum(slept) == pytest.approx(100 * CHUNK_SECONDS, rel=0.15)
    assert max(slept) < 2 * CHUNK_SECONDS
