"""Every setting of the planner, read once from the environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, get_args

from foretide.placement.order import Order
from foretide_kube.watched import watched_namespaces

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
ORDERS: Final[Mapping[str, Order]] = {name: name for name in get_args(Order)}
"""The order policies, by the names that ``FORETIDE_PLANNER_ORDER`` may have."""


class SettingError(ValueError):
    """A variable of the environment has no usable value; the message names it and says what would be one."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How this process runs.

    ``namespace`` (FORETIDE_NAMESPACE, required): where the Lease is kept.
    ``port`` (FORETIDE_PLANNER_PORT, default 8081): /metrics, /healthz and /readyz on all interfaces.
    ``log_level`` (FORETIDE_LOG_LEVEL, default ``INFO``): DEBUG, INFO, WARNING or ERROR.
    ``pod_uid`` (FORETIDE_POD_UID, default empty): the Pod that this runs in. A container that is started again goes on
    with the Lease that it had; without it, each process waits until the Lease of the one before has expired.
    ``order`` (FORETIDE_PLANNER_ORDER, default ``Balanced``): whose turn comes first.
    ``watch_namespaces`` (FORETIDE_WATCH_NAMESPACES, default empty): the namespaces whose Pods and workloads are
    watched, separated by commas. Empty means all.
    """

    namespace: str
    port: int
    log_level: str
    pod_uid: str
    order: Order
    watch_namespaces: tuple[str, ...] = ()

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Settings:
        """The settings in ``environment``; SettingError for one that is missing or cannot be used."""
        namespace = environment.get("FORETIDE_NAMESPACE", "")
        if not namespace:
            raise SettingError("FORETIDE_NAMESPACE is not set; give the namespace that Foretide is installed in")
        port = environment.get("FORETIDE_PLANNER_PORT") or "8081"
        if not port.isdecimal() or not 0 <= int(port) <= 65535:
            raise SettingError(f"FORETIDE_PLANNER_PORT is {port!r}; write a port number, such as 8081")
        level = (environment.get("FORETIDE_LOG_LEVEL") or "INFO").upper()
        if level not in LOG_LEVELS:
            raise SettingError(f"FORETIDE_LOG_LEVEL is {level!r}; write one of {', '.join(LOG_LEVELS)}")
        order = environment.get("FORETIDE_PLANNER_ORDER") or "Balanced"
        if order not in ORDERS:
            raise SettingError(f"FORETIDE_PLANNER_ORDER is {order!r}; write one of {', '.join(ORDERS)}")
        pod_uid, watched = environment.get("FORETIDE_POD_UID", ""), watched_namespaces(environment)
        return cls(namespace, int(port), level, pod_uid, ORDERS[order], watched)
