"""Extenders asked in turn, some requests each, so that a busy machine slows all of them alike.

A Pod costs one call of each verb, so a figure of an extender is the mean of what its two verbs took.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bench.extender.acceptance import VERBS, Verb
from bench.extender.connection import Connection
from bench.extender.servers import Server
from demo.percentile import percentile

QUANTILES = {"p50_ms": 0.5, "p95_ms": 0.95, "p99_ms": 0.99}


@dataclass(slots=True)
class Taken:
    """What the requests to one extender took."""

    milliseconds: dict[Verb, list[float]] = field(default_factory=lambda: {verb: [] for verb in VERBS})
    cpu_milliseconds: float = 0.0

    @property
    def requests(self) -> int:
        """How many there were."""
        return sum(map(len, self.milliseconds.values()))

    def figures(self) -> dict[str, Any]:
        """Quantiles and CPU time per request in milliseconds, and the quantiles of each verb."""
        by_verb: dict[str, dict[str, float]] = {
            verb: {name: round(percentile(taken, share), 4) for name, share in QUANTILES.items()}
            for verb, taken in self.milliseconds.items()
        }
        means = {name: round(sum(each[name] for each in by_verb.values()) / len(VERBS), 4) for name in QUANTILES}
        return {
            **means,
            "cpu_ms": round(self.cpu_milliseconds / self.requests, 4),
            "requests": self.requests,
            **by_verb,
        }


def ask_in_turn(
    servers: Sequence[Server], bodies: Sequence[bytes], *, seconds: float, pods_per_turn: int
) -> Mapping[str, Taken]:
    """Ask all of them for so long, for ``pods_per_turn`` Pods a turn; the first turn of each does not count."""
    connections = [Connection(server.port) for server in servers]
    taken = {server.name: Taken() for server in servers}
    pairs = list(zip(servers, connections, strict=True))
    try:
        for server, connection in pairs:
            ask_for(server, connection, bodies[:pods_per_turn], Taken())
        number, end = 0, time.monotonic() + seconds
        while time.monotonic() < end or number == 0:
            first = number * pods_per_turn
            chosen = [bodies[index % len(bodies)] for index in range(first, first + pods_per_turn)]
            for server, connection in pairs if number % 2 else reversed(pairs):
                ask_for(server, connection, chosen, taken[server.name])
            number += 1
    finally:
        for connection in connections:
            connection.close()
    return taken


def ask_for(server: Server, connection: Connection, bodies: Sequence[bytes], taken: Taken) -> None:
    """Ask both verbs for each of the Pods; RuntimeError where an answer is none."""
    cpu_before = server.cpu_seconds()
    for body in bodies:
        for verb in VERBS:
            begin = time.perf_counter_ns()
            status = connection.ask(verb, body)
            elapsed = time.perf_counter_ns() - begin
            if status != 200:
                raise RuntimeError(f"{server.name}: {verb} answered {status}: {connection.answer()[:200]!r}")
            taken.milliseconds[verb].append(elapsed / 1e6)
    taken.cpu_milliseconds += (server.cpu_seconds() - cpu_before) * 1e3
