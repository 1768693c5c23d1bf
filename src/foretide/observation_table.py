"""The training table as bytes: bounded, deterministic shards of compressed JSON lines; and what to keep of it."""

from __future__ import annotations

import gzip
import zlib
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Final

import msgspec

from foretide.observation import Observation, namespace_of

MAX_SHARD_BYTES: Final = 600_000
"""Of one compressed shard: as base64 in a ConfigMap it stays below the API's bound of 1 MiB."""
MAX_PLAIN_BYTES: Final = 32 * 1024 * 1024
"""Of one shard unpacked: a shard that claims more is refused before it is unpacked."""
ROWS_PER_SHARD: Final = 512
"""On average: a new row has one shard encoded and written anew, and no more."""
MAX_SHARDS: Final = 1024
ROWS_PER_PAIR: Final = 16
"""Rows of one workload on one node class that are kept: more would let one tenant bend the model for the others."""
PROFILES_FIRST: Final = 4
"""So many of a pair's profiles stay before its runs; more would push these out where it is measured again and again."""

LOAD_BOUNDS_PERMILLE: Final = (0, 250, 500)
"""Runs are told apart by what others used of the node's cores: nothing, up to a quarter, up to half, more."""

_Pair = tuple[str, str]
_Ranked = tuple[int, Observation]

_encoder = msgspec.json.Encoder(order="deterministic")
_decoder = msgspec.json.Decoder(Observation)


class ShardError(ValueError):
    """A shard that cannot be read; ``shard`` is its name."""

    reason: Final = "ObservationShardCorrupt"

    def __init__(self, shard: str, message: str) -> None:
        super().__init__(f"shard {shard!r} of the training table: {message}; it is left out, and written again")
        self.shard = shard


class ShardEncoder:
    """Encodes a table shard by shard, and again only those shards whose rows are others than the last time."""

    def __init__(self, *, max_bytes: int = MAX_SHARD_BYTES) -> None:
        self._max_bytes = max_bytes
        self._known: dict[tuple[int, int], tuple[list[Observation], bytes]] = {}

    def encode(self, observations: Sequence[Observation]) -> dict[int, bytes]:
        """The shards by number, each at most `max_bytes`; equal sets of rows give equal bytes.

        Rows of one workload on one node class are together. There are 2^k shards, as few as do, none of them empty:
        when they double, what leaves a shard goes into one of a higher number.
        """
        count = 1
        while count * ROWS_PER_SHARD < len(observations):
            count *= 2
        while not self._encode(observations, count):
            if count >= MAX_SHARDS:
                raise ValueError(f"{len(observations)} observations do not fit into {count} shards")
            count *= 2
        return {number: shard for (_, number), (_, shard) in self._known.items()}

    def _encode(self, observations: Sequence[Observation], count: int) -> bool:
        """Encode into that many shards; gives whether each is small enough."""
        rows_of: dict[int, list[Observation]] = defaultdict(list)
        for row in observations:
            rows_of[zlib.crc32(f"{row.workload} {row.node_class}".encode()) % count].append(row)
        before, self._known = self._known, {}
        for number, rows in sorted(rows_of.items()):
            known = before.get((count, number))
            shard = known[1] if known is not None and known[0] == rows else self._shard(rows)
            if shard is None:
                return False
            self._known[count, number] = (rows, shard)
        return True

    def _shard(self, rows: Sequence[Observation]) -> bytes | None:
        plain = b"\n".join(sorted(map(_encoder.encode, rows)))
        shard = gzip.compress(plain, mtime=0)
        return shard if len(shard) <= self._max_bytes and len(plain) <= MAX_PLAIN_BYTES else None


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
    """At most `limit` rows, at most `per_pair` of each workload and node class; the order is that of importance.

    A plain window of the newest forgets what has not occurred for a while: the one slow board, the node under load.
    So all is taken in turns. Within a pair: its `PROFILES_FIRST` newest profiles, then the newest of each *regime*
    (`_regime`: another batch size, or how busy the node was) and the next profile, the second newest, and so on.
    Every pair keeps its first row before any keeps its second. Namespaces take turns, so that nobody's rows crowd out
    the others'; within a namespace strata do, of node class and family for first rows, and of regime for the others.
    """
    pairs: dict[_Pair, list[Observation]] = defaultdict(list)
    for row in observations:
        pairs[row.workload, row.node_class].append(row)
    first, others = [], []
    for _, rows in sorted(pairs.items()):
        ranked = list(enumerate(_by_importance(rows)[:per_pair]))
        first += ranked[:1]
        others += ranked[1:]
    in_turns = [
        *_in_turns(first, lambda row: (row.node_class, row.signature.family)),
        *_in_turns(others, lambda row: (row.node_class, row.signature.family, _regime(row))),
    ]
    return in_turns[:limit]


def _in_turns(ranked: Sequence[_Ranked], stratum_of: Callable[[Observation], Hashable]) -> list[Observation]:
    """Rows, each with its rank within its pair, so that namespaces take turns, and in each of these strata."""
    strata: dict[tuple[str, Hashable], list[_Ranked]] = defaultdict(list)
    for rank, row in sorted(ranked, key=lambda entry: (entry[0], -entry[1].observed_milliseconds)):
        strata[namespace_of(row.workload), stratum_of(row)].append((rank, row))
    turns: dict[str, list[tuple[int, int, int, _Ranked]]] = defaultdict(list)
    for (namespace, _), rows in strata.items():
        turns[namespace] += [
            (place, rank, -row.observed_milliseconds, (rank, row)) for place, (rank, row) in enumerate(rows)
        ]
    placed = [
        (place, namespace, row)
        for namespace, entries in turns.items()
        for place, (_, _, _, (_, row)) in enumerate(sorted(entries, key=lambda entry: entry[:3]))
    ]
    return [row for _, _, row in sorted(placed, key=lambda entry: entry[:2])]


def _by_importance(rows: Iterable[Observation]) -> list[Observation]:
    """The rows of one pair: the first profiles, then regimes in turn, a further profile last; newer before older."""
    newest_first = sorted(rows, key=lambda row: (-row.observed_milliseconds, _encoder.encode(row)))
    turn: dict[str, int] = defaultdict(int, Profile=-PROFILES_FIRST)
    keyed = []
    for row in newest_first:
        regime = _regime(row)
        keyed.append((turn[regime], row.origin == "Profile", row))
        turn[regime] += 1
    return [row for _, _, row in sorted(keyed, key=lambda entry: entry[:2])]


def _regime(row: Observation) -> str:
    """What a pair's rows differ in: measured alone, at another batch size, or run under some load, in four steps."""
    if row.origin != "Run":
        return row.origin
    if row.exposure_permille is None:
        return "LoadUnknown"
    return f"Load{sum(row.exposure_permille > bound for bound in LOAD_BOUNDS_PERMILLE)}"
