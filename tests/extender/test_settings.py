"""Settings of the extender: each bad one is named."""

from __future__ import annotations

import pytest

from foretide_extender.settings import Address, SettingError, Settings


def test_what_is_not_set_has_its_default() -> None:
    assert Settings.read({}) == Settings(Address("127.0.0.1", 8888), Address("", 8082), 0.05, 2 * 2**20, "INFO")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FORETIDE_SCHEDULER_LISTEN", "8888"),
        ("FORETIDE_OBSERVE_LISTEN", "host:port"),
        ("FORETIDE_OBSERVE_LISTEN", ":70000"),
        ("FORETIDE_DECISION_DEADLINE_MILLISECONDS", "0"),
        ("FORETIDE_DECISION_DEADLINE_MILLISECONDS", "fast"),
        ("FORETIDE_MAX_BODY_BYTES", "64Mi"),
        ("FORETIDE_MAX_BODY_BYTES", "1000"),
        ("FORETIDE_LOG_LEVEL", "LOUD"),
    ],
)
def test_a_bad_setting_is_named_with_its_value(name: str, value: str) -> None:
    with pytest.raises(SettingError, match=f"{name} is '{value}'"):
        Settings.read({name: value})


def test_an_ipv6_address_is_taken() -> None:
    assert Settings.read({"FORETIDE_OBSERVE_LISTEN": "[::1]:9"}).observe_address == Address("::1", 9)
