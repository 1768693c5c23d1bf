"""One active planner at a time, by a Lease: a pure decision, and the thread that carries it out.

A holder that was not seen to renew for the Lease's duration has lost it. Durations are measured by our own clock
from when we saw the Lease change, so the clocks of different machines need not agree. A leader that could not renew
stops before anybody else may begin.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Final

from foretide_kube.client import ApiError, KubeClient, Object
from foretide_kube.names import LEASES

log = logging.getLogger(__name__)

LEASE_NAME: Final = "foretide-planner"
RENEW_SECONDS: Final = 2.0
EXPIRY_SECONDS: Final = 10
_MARGIN_SECONDS: Final = 2.0
_UNFIT_SECONDS: Final = 0.2
"""Who is not fit to lead looks again so soon: one that was started anew may hold the Lease yet, and not for long."""


class Step(Enum):
    """What to do about the Lease now."""

    CREATE = "create"
    RENEW = "renew"
    TAKE = "take"
    WAIT = "wait"


@dataclass(frozen=True, slots=True)
class Seen:
    """A Lease as it was last seen to change, at ``since_seconds`` of our monotonic clock."""

    holder: str
    renew_time: str
    duration_seconds: int
    transitions: int
    since_seconds: float


def look(lease: Object, before: Seen | None, now_seconds: float) -> Seen:
    """What ``lease`` says, and since when it has said so."""
    spec = lease.get("spec") or {}
    holder, renew_time = spec.get("holderIdentity") or "", spec.get("renewTime") or ""
    is_same = before is not None and (before.holder, before.renew_time) == (holder, renew_time)
    return Seen(
        holder=holder,
        renew_time=renew_time,
        duration_seconds=spec.get("leaseDurationSeconds") or EXPIRY_SECONDS,
        transitions=spec.get("leaseTransitions") or 0,
        since_seconds=before.since_seconds if before is not None and is_same else now_seconds,
    )


def next_step(seen: Seen | None, identity: str, now_seconds: float) -> Step:
    """What the process ``identity`` should do about the Lease that it has ``seen`` (None: there is none)."""
    if seen is None:
        return Step.CREATE
    if seen.holder == identity:
        return Step.RENEW
    if not seen.holder or now_seconds - seen.since_seconds >= seen.duration_seconds:
        return Step.TAKE
    return Step.WAIT


def lease_spec(step: Step, seen: Seen | None, identity: str, now: datetime) -> Object:
    """The spec to write for ``step``, any but WAIT."""
    time = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    spec: Object = {"holderIdentity": identity, "leaseDurationSeconds": EXPIRY_SECONDS, "renewTime": time}
    if step is not Step.RENEW:
        transitions = 0 if seen is None else seen.transitions + 1
        spec |= {"acquireTime": time, "leaseTransitions": transitions}
    return spec


class Elector:
    """Keeps the Lease, or waits for it, on a daemon thread.

    ``clock`` gives monotonic seconds, ``now`` the time of day for the Lease's fields. While ``is_well`` says no, the
    Lease is left alone, so that others take over from a process that hangs.
    """

    def __init__(
        self,
        client: KubeClient,
        namespace: str,
        identity: str,
        *,
        clock: Callable[[], float],
        now: Callable[[], datetime],
        is_well: Callable[[], bool] = lambda: True,
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._identity = identity
        self._clock = clock
        self._now = now
        self._is_well = is_well
        self._on_gain: Callable[[], None] = lambda: None
        self._seen: Seen | None = None
        self._version = ""
        self._valid_until_seconds = 0.0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lease", daemon=True)

    @property
    def is_leader(self) -> bool:
        """Whether this process may act now."""
        return self._clock() < self._valid_until_seconds

    def start(self, on_gain: Callable[[], None]) -> None:
        """Begin to seek the Lease; ``on_gain`` is called on the thread each time that leadership begins."""
        self._on_gain = on_gain
        self._thread.start()

    def stop(self) -> None:
        """Give the Lease back, so that the next process need not wait for it to expire."""
        self._stopped.set()
        self._thread.join(timeout=RENEW_SECONDS)
        if self._thread.is_alive():  # in the middle of a request, which may renew the Lease after all
            log.info("the Lease was not given back and will expire: a request is still under way")
        elif self.is_leader:
            self.give_back()

    def give_back(self) -> None:
        """Leave the Lease without a holder, if it is still as this process wrote it."""
        self._valid_until_seconds = 0.0
        patch = {"metadata": {"resourceVersion": self._version}, "spec": {"holderIdentity": None}}
        try:
            self._client.patch(LEASES, LEASE_NAME, patch, self._namespace)
        except ApiError as error:
            log.info("the Lease was not given back and will expire: %s", error)

    def turn(self) -> None:
        """Look at the Lease once and do what is to be done; ApiError where that did not succeed."""
        begin = self._clock()
        lease = self._client.find(LEASES, LEASE_NAME, self._namespace)
        self._seen = None if lease is None else look(lease, self._seen, begin)
        step = next_step(self._seen, self._identity, begin)
        if step is Step.WAIT:
            self._valid_until_seconds = 0.0
            return
        spec = lease_spec(step, self._seen, self._identity, self._now())
        if lease is None:
            metadata = {"name": LEASE_NAME, "namespace": self._namespace}
            body = {"apiVersion": LEASES.api_version, "kind": LEASES.kind, "metadata": metadata, "spec": spec}
            written = self._client.create(LEASES, body, self._namespace)
        else:
            lease["spec"] = (lease.get("spec") or {}) | spec
            written = self._client.replace(LEASES, lease, self._namespace)
        self._seen, self._version = look(written, self._seen, begin), written["metadata"]["resourceVersion"]
        was_leader = self.is_leader
        self._valid_until_seconds = begin + EXPIRY_SECONDS - _MARGIN_SECONDS
        if not was_leader:
            log.info("%s leads", self._identity)
            self._on_gain()

    def _run(self) -> None:
        while not self._stopped.is_set():
            rest_seconds = _UNFIT_SECONDS
            try:
                if self._is_well():
                    rest_seconds = RENEW_SECONDS
                    self.turn()
            except ApiError as error:
                if not (error.is_conflict or error.is_already_there):  # somebody else was faster: look again
                    log.warning("the Lease: %s", error)
            except Exception:
                log.exception("the Lease")
            self._stopped.wait(rest_seconds)
