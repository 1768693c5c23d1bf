"""The training table: the rows in memory, and the ConfigMaps that keep them.

Rows come from WorkloadProfiles and ended Pods. A row is the same however often it is added, so both can be read again
after a restart and nothing is counted twice.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Final

import msgspec

from foretide.observation import Observation
from foretide.observation_table import ROWS_PER_PAIR, ShardEncoder, ShardError, decode_shards, thin
from foretide.signature import Signature, at_batch_size
from foretide_kube.cache import Key, WatchCache
from foretide_kube.client import Object
from foretide_kube.kinds import aiworkload
from foretide_kube.kinds.aiworkload import AIWorkloadSpec
from foretide_kube.kinds.workloadprofile import WorkloadProfile
from foretide_kube.names import CONFIG_MAPS
from foretide_kube.readable import readable
from foretide_kube.times import epoch_milliseconds
from foretide_operator.actions import Action, Apply, Delete
from foretide_operator.config_maps import COMPONENT_LABEL, config_map
from foretide_operator.forecasting import runtime_of, workload_column
from foretide_operator.packed import profile_of

COMPONENT: Final = "observations"
MAX_ROWS: Final = 20_000
KEPT_ROWS: Final = 18_000
"""What a table that outgrew its bound is cut to: not to the bound itself, or each row more would have it cut again."""
_DATA: Final = "rows.jsonl.gz"

_Pair = tuple[str, str]
_Identity = tuple[str, str, str, int, int]


class ObservationTable:
    """Rows by (workload, node class, origin, time of observation, batch size).

    Bounded by `foretide.observation_table.thin`. Rows of a workload share its signature, most of what a row takes.
    """

    def __init__(self, rows: Iterable[Observation] = ()) -> None:
        self._pairs: dict[_Pair, list[Observation]] = {}
        self._signatures: dict[tuple[str, int], Signature] = {}
        self._revision = 0
        self._encoder = ShardEncoder()
        self._shards: dict[int, bytes] = {}
        self._encoded_revision = 0
        self.extend(rows)

    @property
    def revision(self) -> int:
        """A number that grows with every change."""
        return self._revision

    @property
    def rows(self) -> list[Observation]:
        """All rows."""
        return [row for rows in self._pairs.values() for row in rows]

    def __len__(self) -> int:
        """How many rows there are."""
        return sum(map(len, self._pairs.values()))

    def shards(self) -> dict[int, bytes]:
        """The rows as they are to be stored, by the number of the shard; what has not changed is not encoded again."""
        if self._encoded_revision != self._revision:
            self._shards = self._encoder.encode(self.rows)
            self._encoded_revision = self._revision
        return self._shards

    def extend(self, rows: Iterable[Observation]) -> bool:
        """Add rows; gives whether the table changed."""
        by_pair = _by_pair(map(self._sharing, rows))
        changed = {pair: kept for pair, more in by_pair.items() if (kept := self._with(pair, more)) is not None}
        if not changed:
            return False
        pairs = self._pairs | changed
        if sum(map(len, pairs.values())) > MAX_ROWS:
            pairs = _by_pair(thin((row for rows in pairs.values() for row in rows), KEPT_ROWS))
            if pairs == self._pairs:
                return False
        self._pairs = pairs
        self._revision += 1
        return True

    def _sharing(self, row: Observation) -> Observation:
        """A row with the signature that rows of its workload at its batch size have, if it is the same."""
        if len(self._signatures) > MAX_ROWS:
            self._signatures.clear()
        known = self._signatures.setdefault((row.workload, row.signature.batch_size), row.signature)
        return (
            row if known is row.signature or known != row.signature else msgspec.structs.replace(row, signature=known)
        )

    def _with(self, pair: _Pair, more: Sequence[Observation]) -> list[Observation] | None:
        """What a pair keeps if these rows come to it; None if nothing changes."""
        known = {_identity(row): row for row in self._pairs.get(pair, ())}
        kept = thin(({_identity(row): row for row in more} | known).values(), ROWS_PER_PAIR)
        return None if {_identity(row) for row in kept} == known.keys() else kept


class ProfileRows:
    """The rows of WorkloadProfiles, read again only where profile or workload are others than the last time."""

    def __init__(self) -> None:
        self._read: dict[Key, tuple[str, str]] = {}

    def changed(self, profiles: Mapping[Key, Object], workloads: WatchCache) -> list[Observation]:
        """The rows of all profiles that are new, or whose workload was inspected meanwhile."""
        rows: list[Observation] = []
        read: dict[Key, tuple[str, str]] = {}
        for key, item in profiles.items():
            owner = workloads.get(item["spec"]["workload"]["name"], key[0])
            version = item["metadata"]["resourceVersion"] + item["metadata"]["uid"], _inspected_as(owner)
            read[key] = version
            if owner is not None and self._read.get(key) != version:
                rows += readable(partial(_rows_of, item, owner)) or []
        self._read = read
        return rows


def _rows_of(item: Object, owner: Object) -> list[Observation]:
    profile, workload = profile_of(item), aiworkload.parse(owner)
    status = workload.status
    if status.signature is None or status.key != profile.spec.workload.key:
        return []
    return profile_rows(profile, workload.spec, status.signature)


def _inspected_as(workload: Object | None) -> str:
    """What a workload was inspected as; empty where it is gone or was not."""
    status = {} if workload is None else workload.get("status", {})
    return f"{workload['metadata']['uid']} {status.get('key')}" if workload and status.get("signature") else ""


def profile_rows(profile: WorkloadProfile, spec: AIWorkloadSpec, signature: Signature) -> list[Observation]:
    """The rows that a WorkloadProfile is: one, and one for each other batch size; none if its time cannot be read."""
    measured = epoch_milliseconds(profile.spec.measured_time)
    if measured is None:
        return []
    measurement = profile.spec.measurement
    metadata = profile.metadata
    own = Observation(
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
    return [
        own,
        *(
            msgspec.structs.replace(
                own,
                signature=at_batch_size(signature, batch.batch_size),
                inference_microseconds=max(1, batch.mean),
                startup_milliseconds=None,
                memory_peak_bytes=None,
                origin="Sweep",
            )
            for batch in measurement.batches
            if batch.stable and batch.batch_size != signature.batch_size
        ),
    ]


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
    wanted = {
        f"foretide-observations-{number}": shard for number, shard in sorted(table.shards().items(), reverse=True)
    }
    bodies = {name: config_map(name, namespace, COMPONENT, {_DATA: shard}, owner) for name, shard in wanted.items()}
    writes: list[Action] = [
        Apply(CONFIG_MAPS, body)
        for name, body in bodies.items()
        if name not in stored or stored[name].get("binaryData") != body["binaryData"]
    ]
    return [*writes, *(Delete(CONFIG_MAPS, namespace, name) for name in sorted(stored.keys() - wanted.keys()))]


def _ours(config_maps: Iterable[Object]) -> list[Object]:
    return [item for item in config_maps if item["metadata"].get("labels", {}).get(COMPONENT_LABEL) == COMPONENT]


def _by_pair(rows: Iterable[Observation]) -> dict[_Pair, list[Observation]]:
    pairs: dict[_Pair, list[Observation]] = {}
    for row in rows:
        pairs.setdefault((row.workload, row.node_class), []).append(row)
    return pairs


def _identity(row: Observation) -> _Identity:
    return row.workload, row.node_class, row.origin, row.observed_milliseconds, row.signature.batch_size
