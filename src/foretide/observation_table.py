"""The training table as bytes: bounded, deterministic shards of compressed JSON lines; and what to keep of it."""

from __future__ import annotations

import gzip
import zlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from foretide.observation import Observation

MAX_SHARD_BYTES: Final = 600_000
"""Of one compressed shard: as base64 in a ConfigMap it stays below the API's bound of 1 MiB."""
MAX_PLAIN_BYTES: Final = 32 * 1024 * 1024
"""Of one shard unpacked: a shard that claims more is refused before it is unpacked."""
ROWS_PER_PAIR: Final = 16
"""Rows of one workload on one node class that are kept: more would let one tenant bend the model for the others."""

_encoder = msgspec.json.Encoder(order="deterministic")
_decoder = msgspec.json.Decoder(Observation)


class ShardError(ValueError):
    """A shard that cannot be read; ``shard`` is its name."""

    reason: Final = "ObservationShardCorrupt"

    def __init__(self, shard: str, message: str) -> None:
        super().__init__(f"shard {shard!r} of the training table: {message}; delete it to measure its workloads again")
        self.shard = shard


def encode_shards(observations: Iterable[Observation], *, max_bytes: int = MAX_SHARD_BYTES) -> list[bytes]:
    """As few shards as halving yields, each at most `max_bytes`; equal sets of rows give equal bytes."""
    lines = sorted(_encoder.encode(row) for row in observations)
    return _halved(lines, max_bytes) if lines else []


def decode_shard(name: str, data: bytes) -> list[Observation]:
    """The rows of one shard; ShardError names the shard and the line at fault."""
    unpacker = zlib.decompressobj(wbits=31)
    try:
        plain = unpacker.decompress(data, MAX_PLAIN_BYTES)
    except zlib.error as error:
        raise ShardError(name, f"it is not gzip: {error}") from error
    if unpacker.unconsumed_tail:
        raise ShardError(name, f"it unpacks to more than {MAX_PLAIN_BYTES} bytes")
    if not unpacker.eof:
        raise ShardError(name, "it is cut short")
    rows = []
    for number, line in enumerate(plain.splitlines(), start=1):
        try:
            rows.append(_decoder.decode(line))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ShardError(name, f"line {number}: {error}") from error
    return rows


def decode_shards(shards: Mapping[str, bytes]) -> tuple[list[Observation], list[ShardError]]:
    """The rows of all sound shards, in the order of the shards' names, and what is wrong with the others."""
    rows: list[Observation] = []
    errors: list[ShardError] = []
    for name in sorted(shards):
        try:
            rows += decode_shard(name, shards[name])
        except ShardError as error:
            errors.append(error)
    return rows, errors


def thin(observations: Iterable[Observation], limit: int, *, per_pair: int = ROWS_PER_PAIR) -> list[Observation]:
    """At most `limit` rows, at most `per_pair` of each workload and node class.

    Of each pair profiles stay before runs and newer before older; every pair keeps its first row before any keeps its
    second, and pairs of different namespaces take turns. The order of the result is that of importance.
    """
    pairs: dict[tuple[str, str], list[Observation]] = defaultdict(list)
    for row in observations:
        pairs[row.workload, row.node_class].append(row)
    newest = {pair: max(row.observed_milliseconds for row in rows) for pair, rows in pairs.items()}
    turn: dict[str, int] = defaultdict(int)
    ranked: list[tuple[int, int, str, str, Observation]] = []
    for pair in sorted(pairs, key=lambda pair: (-newest[pair], pair)):
        workload, node_class = pair
        namespace = workload.partition("/")[0]
        rows = sorted(pairs[pair], key=_importance)[:per_pair]
        ranked += [(rank, turn[namespace], workload, node_class, row) for rank, row in enumerate(rows)]
        turn[namespace] += 1
    ranked.sort(key=lambda entry: entry[:4])
    return [entry[4] for entry in ranked[:limit]]


def _importance(row: Observation) -> tuple[bool, int, bytes]:
    return row.origin != "Profile", -row.observed_milliseconds, _encoder.encode(row)


def _halved(lines: Sequence[bytes], max_bytes: int) -> list[bytes]:
    plain = b"\n".join(lines)
    shard = gzip.compress(plain, mtime=0)
    if len(shard) <= max_bytes and len(plain) <= MAX_PLAIN_BYTES:
        return [shard]
    if len(lines) == 1:
        raise ValueError(f"one observation takes {len(shard)} bytes, a shard {max_bytes}: {lines[0][:120]!r}")
    middle = len(lines) // 2
    return _halved(lines[:middle], max_bytes) + _halved(lines[middle:], max_bytes)
