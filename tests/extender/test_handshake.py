"""How often strangers may begin a handshake, and what is said of those that fail."""

from __future__ import annotations

from collections import Counter

import pytest

from foretide_extender.handshake import (
    ALL_AT_ONCE,
    ALL_PER_SECOND,
    EACH_AT_ONCE,
    EACH_PER_SECOND,
    MOST_HANDSHAKES,
    Strangers,
)
from foretide_extender.rate import MOST_KNOWN, Rates
from foretide_extender.reception import Reception
from tests.extender.clock import Clock


def test_an_address_begins_so_many_handshakes_at_once_and_a_second_and_all_together_not_many_more() -> None:
    clock = Clock()
    strangers = Strangers(Reception(most_bytes=0, gave_up=lambda _: None), clock)

    def begun(addresses: int) -> int:
        return sum(strangers.may_begin(f"10.0.0.{number % addresses}") for number in range(1000))

    assert begun(1) == EACH_AT_ONCE
    assert strangers.may_begin("10.0.1.1")
    clock.seconds += 1
    assert begun(1) == EACH_PER_SECOND
    clock.seconds += 60
    assert begun(100) == ALL_AT_ONCE
    clock.seconds += 0.25
    assert begun(100) == ALL_PER_SECOND / 4
    assert ALL_AT_ONCE + ALL_PER_SECOND / 4 <= MOST_HANDSHAKES


def test_of_many_handshakes_that_fail_some_are_logged_and_all_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    clock, given_up = Clock(), Counter[str]()
    strangers = Strangers(Reception(most_bytes=0, gave_up=lambda reason: given_up.update([reason])), clock)
    for _ in range(1000):
        strangers.failed("10.0.0.1", OSError("no certificate"))
    lines = len(caplog.records)
    assert 1 <= lines < 20
    assert "no TLS with 10.0.0.1: no certificate" in caplog.text
    clock.seconds += 60
    strangers.failed("10.0.0.1", OSError("no certificate"))
    assert len(caplog.records) == lines + 1
    assert given_up == {"HandshakeFailed": 1001}


def test_addresses_are_remembered_within_a_bound() -> None:
    rates = Rates(per_second=1, burst=1, clock=Clock())
    for number in range(MOST_KNOWN):
        assert rates.take(number)
    assert not rates.take(0)
    assert rates.take(MOST_KNOWN)
    assert not rates.take(0)
    assert rates.take(1)
