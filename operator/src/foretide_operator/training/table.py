"""The training table: the rows in memory, and the ConfigMaps that keep them.

Rows come from WorkloadProfiles and ended Pods. A row is the same however often it is added, so both can be read again
after a restart and nothing is counted twice.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from typing import Final

from foretide.observation import Observation
from foretide.observation_table import ShardError, decode_shards, encode_shards, thin
from foretide.signature import Signature
from foretide_kube.client import Object
from foretide_kube.kinds.aiworkload import AIWorkloadSpec
from foretide_kube.kinds.workloadprofile import WorkloadProfile
from foretide_kube.names import CONFIG_MAPS
from foretide_operator.actions import Action, Apply, Delete
from foretide_operator.config_maps import COMPONENT_LABEL, config_map
from foretide_operator.forecasting import runtime_of, workload_column
from foretide_operator.times import epoch_milliseconds

COMPONENT: Final = "observations"
MAX_ROWS: Final = 20_000
_DATA: Final = "rows.jsonl.gz"

_Identity = tuple[str, str, str, int]


class ObservationTable:
    """Rows by (workload, node class, origin, time of observation), bounded by `foretide.observation_table.thin`."""

    def __init__(self, rows: Iterable[Observation] = ()) -> None:
        self._rows: dict[_Identity, Observation] = {}
        self._revision = 0
        self.extend(rows)

    @property
    def revision(self) -> int:
        """A number that grows with every change."""
        return self._revision

    @property
    def rows(self) -> list[Observation]:
        """All rows."""
        return list(self._rows.values())

    def __len__(self) -> int:
        """How many rows there are."""
        return len(self._rows)

    def extend(self, rows: Iterable[Observation]) -> bool:
        """Add rows; gives whether the table changed."""
        before = self._rows
        merged = {**before, **{_identity(row): row for row in rows}}
        if len(merged) == len(before):
            return False
        kept = {_identity(row): row for row in thin(merged.values(), MAX_ROWS)}
        if kept.keys() == before.keys():
            return False
        self._rows = kept
        self._revision += 1
        return True


def profile_row(profile: WorkloadProfile, spec: AIWorkloadSpec, signature: Signature) -> Observation | None:
    """The row that a WorkloadProfile is; None if its time cannot be read."""
    measured = epoch_milliseconds(profile.spec.measured_time)
    if measured is None:
        return None
    measurement = profile.spec.measurement
    metadata = profile.metadata
    return Observation(
        workload=workload_column(metadata.namespace, profile.spec.workload.name, profile.spec.workload.key),
        node_class=profile.spec.node_class,
        signature=signature,
        precision=spec.precision,
        cpu_millis=profile.spec.cpu_millis,
        inference_microseconds=max(1, measurement.inference_microseconds.mean),
        startup_milliseconds=profile.spec.startup_milliseconds,
        memory_peak_bytes=measurement.memory_peak_bytes or None,
        runtime=runtime_of(spec),
        origin="Profile",
        observed_milliseconds=measured,
    )


def load(config_maps: Iterable[Object]) -> tuple[ObservationTable, list[ShardError]]:
    """The table as it was stored, and what is wrong with shards that were left out."""
    shards: dict[str, bytes] = {}
    for item in _ours(config_maps):
        try:
            shards[item["metadata"]["name"]] = base64.b64decode(item.get("binaryData", {}).get(_DATA, ""))
        except ValueError:
            shards[item["metadata"]["name"]] = b""
    rows, errors = decode_shards(shards)
    return ObservationTable(rows), errors


def store(table: ObservationTable, config_maps: Iterable[Object], namespace: str, owner: Object | None) -> list[Action]:
    """What brings the stored shards to the table: changed ones written, the last first, then those left over deleted.

    In that order a table that grows is never without a row, whatever is interrupted.
    """
    stored = {item["metadata"]["name"]: item for item in _ours(config_maps)}
    wanted: Mapping[str, Object] = {
        name: config_map(name, namespace, COMPONENT, {_DATA: shard}, owner)
        for name, shard in (
            (f"foretide-observations-{number}", shard) for number, shard in enumerate(encode_shards(table.rows))
        )
    }
    writes: list[Action] = [
        Apply(CONFIG_MAPS, body)
        for name, body in sorted(wanted.items(), reverse=True)
        if name not in stored or stored[name].get("binaryData") != body["binaryData"]
    ]
    return [*writes, *(Delete(CONFIG_MAPS, namespace, name) for name in sorted(stored.keys() - wanted.keys()))]


def _ours(config_maps: Iterable[Object]) -> list[Object]:
    return [item for item in config_maps if item["metadata"].get("labels", {}).get(COMPONENT_LABEL) == COMPONENT]


def _identity(row: Observation) -> _Identity:
    return row.workload, row.node_class, row.origin, row.observed_milliseconds
