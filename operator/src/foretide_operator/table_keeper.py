"""Keeps the training table: fills it with what WorkloadProfiles say, and has it stored."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final

from foretide_kube.client import KubeClient, Object
from foretide_operator.apply import apply_actions
from foretide_operator.metrics import Metrics
from foretide_operator.settings import Settings
from foretide_operator.training import table as tables
from foretide_operator.training.table import ObservationTable
from foretide_operator.world import World

log = logging.getLogger(__name__)

STORING_REST_SECONDS: Final = 20.0
"""Between two writes of the training table on account of profiles; tasks that are paired have theirs at once."""


class TableKeeper:
    """The training table, and what it takes to keep it; ``monotonic`` gives seconds that only grow."""

    def __init__(
        self, client: KubeClient, world: World, settings: Settings, metrics: Metrics, *, monotonic: Callable[[], float]
    ) -> None:
        self._client = client
        self._world = world
        self._settings = settings
        self._metrics = metrics
        self._monotonic = monotonic
        self._table = ObservationTable()
        self._profile_rows = tables.ProfileRows()
        self._told_revision = self._table.revision
        self._stored_revision = -1
        self._stored_seconds = -math.inf

    @property
    def table(self) -> ObservationTable:
        """The table."""
        return self._table

    def load(self, stored: Iterable[Object]) -> None:
        """Read the table out of the ConfigMaps that keep it."""
        self._table, errors = tables.load(stored)
        self._told_revision = self._table.revision
        for error in errors:
            log.warning("%s", error)
        self._metrics.observations.set(len(self._table))

    def read_profiles(self) -> None:
        """Take in the rows of WorkloadProfiles that are new, or whose workload was inspected meanwhile."""
        rows = self._profile_rows.changed(self._world.profiles.snapshot(), self._world.workloads)
        for row in sorted(rows, key=lambda item: item.observed_milliseconds):
            self._metrics.profile_measured.labels(row.node_class).set(row.observed_milliseconds / 1000)
        self._table.extend(rows)

    def has_news(self) -> bool:
        """Whether the table changed since this was last asked, or since it was loaded."""
        if self._table.revision == self._told_revision:
            return False
        self._told_revision = self._table.revision
        self._metrics.observations.set(len(self._table))
        return True

    def store(self, owner: Object | None, now: datetime) -> float | None:
        """Store the table if it changed, but not all the time; gives after how many seconds to ask again.

        What is not stored yet comes again from the WorkloadProfiles. ``owner`` is what the ConfigMaps are to belong to.
        """
        if self._table.revision == self._stored_revision:
            return None
        rest_seconds = self._stored_seconds + STORING_REST_SECONDS - self._monotonic()
        if rest_seconds > 0.0:
            return rest_seconds
        stored = self._world.config_maps.snapshot().values()
        revision = self._table.revision
        actions = tables.store(self._table, stored, self._settings.namespace, owner)
        apply_actions(actions, self._client, self._world, own_namespace=self._settings.namespace, now=now)
        self._stored_revision, self._stored_seconds = revision, self._monotonic()
        return None
