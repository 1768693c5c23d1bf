"""Settings of the extender: each bad one is named."""

from __future__ import annotations

import pytest

from foretide_extender.settings import Address, SettingError, Settings


def test_what_is_not_set_has_its_default() -> None:
    assert Settings.read({}) == Settings(Address("127.0.0.1", 8888), None, Address("", 8082), 0.05, 2 * 2**20, "INFO")


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


TLS = {"FORETIDE_TLS_CERT": "/tls/tls.crt", "FORETIDE_TLS_KEY": "/tls/tls.key", "FORETIDE_TLS_CLIENT_CA": "/tls/ca.crt"}


@pytest.mark.parametrize("address", [":8888", "0.0.0.0:8888", "[::]:8888", "10.0.0.1:8888", "example:8888"])
def test_the_scheduler_is_listened_to_beyond_this_machine_by_tls_alone(address: str) -> None:
    given = {"FORETIDE_SCHEDULER_LISTEN": address}
    with pytest.raises(SettingError, match="FORETIDE_TLS_CLIENT_CA"):
        Settings.read(given)
    settings = Settings.read(given | TLS)
    assert settings.tls is not None
    assert [str(path) for path in settings.tls] == list(TLS.values())


@pytest.mark.parametrize("address", ["127.0.0.1:8888", "[::1]:8888", "localhost:8888"])
def test_on_this_machine_alone_no_tls_is_asked_for(address: str) -> None:
    assert Settings.read({"FORETIDE_SCHEDULER_LISTEN": address}).tls is None


@pytest.mark.parametrize("name", TLS)
def test_of_the_files_of_tls_all_are_needed_and_what_is_missing_is_named(name: str) -> None:
    with pytest.raises(SettingError, match=f"^{name} must be set"):
        Settings.read({key: value for key, value in TLS.items() if key != name})
