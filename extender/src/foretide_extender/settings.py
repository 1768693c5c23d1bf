"""Every setting of the extender, read once from the environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Final

from foretide_extender.certificates import Files
from foretide_kube.watched import watched_namespaces

DEFAULT_MAX_BODY_BYTES: Final = 2 * 2**20
"""A Pod of the largest that etcd takes (1.5 MiB) and 5,000 names fit in; so does what it costs into 128 MiB."""


_TLS_FILES: Final = ("FORETIDE_TLS_CERT", "FORETIDE_TLS_KEY", "FORETIDE_TLS_CLIENT_CA")


class SettingError(ValueError):
    """A variable of the environment has no usable value; the message names it and says what would be one."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen; an empty host means all interfaces."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Settings:
    """How this process runs.

    ``scheduler_address`` (FORETIDE_SCHEDULER_LISTEN, default ``127.0.0.1:8888``): filter and prioritize. Without TLS
    there is no authentication, so only the loopback interface is accepted.
    ``tls`` (FORETIDE_TLS_CERT, FORETIDE_TLS_KEY, FORETIDE_TLS_CLIENT_CA, default none; all three or none): PEM files by
    which the scheduler's port speaks TLS, with clients that show a certificate which one of the authorities signed.
    ``observe_address`` (FORETIDE_OBSERVE_LISTEN, default ``:8082``): /metrics, /healthz, /readyz and /explain.
    ``decision_deadline_seconds`` (FORETIDE_DECISION_DEADLINE_MILLISECONDS, default 50, 1 to 10000): after which it
    answers without a decision. Keep it well below the scheduler's httpTimeout.
    ``max_body_bytes`` (FORETIDE_MAX_BODY_BYTES, default 2097152, 65536 to 1073741824): the largest request; it costs
    up to about thirteen times as much memory. A scheduler that sends whole Nodes needs some 20 kB for each.
    ``log_level`` (FORETIDE_LOG_LEVEL, default ``INFO``): DEBUG, INFO, WARNING or ERROR.
    ``watch_namespaces`` (FORETIDE_WATCH_NAMESPACES, default empty): the namespaces whose Pods and workloads are
    watched, separated by commas. Empty means all. Pods of others are answered as those of no workload.
    """

    scheduler_address: Address
    tls: Files | None
    observe_address: Address
    decision_deadline_seconds: float
    max_body_bytes: int
    log_level: str
    watch_namespaces: tuple[str, ...] = ()

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Settings:
        """The settings in ``environment``; SettingError for a value that cannot be used."""
        tls = _files(environment)
        scheduler_address = _address(environment, "FORETIDE_SCHEDULER_LISTEN", "127.0.0.1:8888")
        if tls is None and not _is_loopback(scheduler_address.host):
            raise SettingError(
                f"FORETIDE_SCHEDULER_LISTEN is {environment['FORETIDE_SCHEDULER_LISTEN']!r}, where anybody may ask; "
                f"write 127.0.0.1:PORT, or set {', '.join(_TLS_FILES)}"
            )
        return cls(
            scheduler_address=scheduler_address,
            tls=tls,
            observe_address=_address(environment, "FORETIDE_OBSERVE_LISTEN", ":8082"),
            decision_deadline_seconds=_integer(environment, "FORETIDE_DECISION_DEADLINE_MILLISECONDS", 50, 1, 10_000)
            / 1e3,
            max_body_bytes=_integer(environment, "FORETIDE_MAX_BODY_BYTES", DEFAULT_MAX_BODY_BYTES, 2**16, 2**30),
            log_level=_choice(environment, "FORETIDE_LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR")),
            watch_namespaces=watched_namespaces(environment),
        )


def _files(environment: Mapping[str, str]) -> Files | None:
    given = [environment.get(name) for name in _TLS_FILES]
    if not any(given):
        return None
    missing = [name for name, value in zip(_TLS_FILES, given, strict=True) if not value]
    if missing:
        raise SettingError(f"{', '.join(missing)} must be set as well: TLS needs {', '.join(_TLS_FILES)}")
    return Files(*(Path(value) for value in given if value))


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _address(environment: Mapping[str, str], name: str, default: str) -> Address:
    text = environment.get(name) or default
    host, separator, port = text.rpartition(":")
    if not separator or not port.isdecimal() or not 0 <= int(port) <= 65535:
        raise SettingError(f"{name} is {text!r}; write HOST:PORT, such as {default}")
    return Address(host.strip("[]"), int(port))


def _integer(environment: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    text = environment.get(name) or str(default)
    if not text.isdecimal() or not least <= int(text) <= most:
        raise SettingError(f"{name} is {text!r}; write a whole number from {least} to {most}")
    return int(text)


def _choice(environment: Mapping[str, str], name: str, default: str, choices: tuple[str, ...]) -> str:
    text = (environment.get(name) or default).upper()
    if text not in choices:
        raise SettingError(f"{name} is {text!r}; write one of {', '.join(choices)}")
    return text
