import gzip
import math
import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretide.model.table import Table
from foretide.model.target import SECONDS
from foretide.observation import DeviceFeatures, Observation, of_present_hardware, to_columns
from foretide.observation_table import (
    MAX_PLAIN_BYTES,
    PROFILES_FIRST,
    ROWS_PER_PAIR,
    ROWS_PER_SHARD,
    ShardEncoder,
    ShardError,
    decode_shard,
    decode_shards,
    thin,
)
from foretide.signature import OperatorCost
from tests.foretide.workloads import DEVICES, SIGNATURE, observation


def many(count: int) -> list[Observation]:
    return [
        observation(
            workload=f"team-{index % 3}/net-{index % 40}/k",
            node_class=("fast", "slow")[index % 2],
            inference_microseconds=1000 + 7919 * index % 100_003,
            observed_milliseconds=1_700_000_000_000 + index,
        )
        for index in range(count)
    ]


def test_columns_carry_sizes_kinds_flags_and_probes() -> None:
    rows = [
        observation(precision="int8"),
        observation(node_class="unprobed", runtime="torch", precision="bf16", inference_microseconds=2),
    ]
    columns, seconds = to_columns(rows, DEVICES)
    assert seconds == [0.02, 2e-6]
    assert columns["macs"] == [300e6, 300e6]
    assert columns["x_depthwise_macs"] == [30e6, 30e6]
    assert columns["x_elementwise_bytes"] == [2e6, 2e6]
    assert (columns["x_torch"], columns["x_int8"], columns["x_half"]) == ([0, 1], [1, 0], [0, 1])
    assert columns["device_probe_convnet_seconds"][0] == 0.001
    assert math.isnan(float(columns["device_probe_convnet_seconds"][1]))
    assert len(Table.of(columns)) == 2


def test_slowness_is_the_mean_ratio_of_common_probes_and_gemm_without_them() -> None:
    assert DEVICES["slow"].slowness_against(DEVICES["fast"]) == pytest.approx(4.0)
    only_gemm = DeviceFeatures(node_class="x", gemm_flops_per_second=20_000_000_000)
    assert only_gemm.slowness_against(DEVICES["fast"]) == pytest.approx(2.0)
    assert DeviceFeatures(node_class="y").slowness_against(DEVICES["fast"]) is None


def test_shards_hold_every_row_and_do_not_depend_on_their_order() -> None:
    rows = many(500)
    shuffled = rows.copy()
    random.Random(1).shuffle(shuffled)
    shards = ShardEncoder(max_bytes=3_000).encode(rows)
    assert len(shards) > 1
    assert max(map(len, shards.values())) <= 3_000
    assert ShardEncoder(max_bytes=3_000).encode(shuffled) == shards
    decoded, errors = decode_shards({f"shard-{index:03d}": shard for index, shard in shards.items()})
    assert not errors
    assert sorted(decoded, key=lambda row: row.observed_milliseconds) == rows


def test_a_new_row_changes_one_shard_and_has_one_encoded(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [observation(workload=f"team/net-{index}/k", observed_milliseconds=index) for index in range(4_000)]
    encoder = ShardEncoder()
    before = encoder.encode(rows)
    assert len(before) == 8
    assert max(len(decode_shard("x", shard)) for shard in before.values()) < 2 * ROWS_PER_SHARD
    compress, compressed = gzip.compress, []

    def counted(data: bytes, *, mtime: float) -> bytes:
        compressed.append(data)
        return compress(data, mtime=mtime)

    monkeypatch.setattr(gzip, "compress", counted)
    after = encoder.encode([*rows, observation(workload="team/another/k")])
    assert len(compressed) == 1
    assert sum(after[number] != shard for number, shard in before.items()) == 1


def test_shards_that_double_send_rows_only_to_higher_numbers() -> None:
    """So that one who writes the highest first and is cut off has stored every row somewhere."""
    rows = [observation(workload=f"team/net-{index}/k") for index in range(2 * ROWS_PER_SHARD + 1)]
    few, many_shards = ShardEncoder().encode(rows[:-1]), ShardEncoder().encode(rows)
    assert (sorted(few), sorted(many_shards)) == ([0, 1], [0, 1, 2, 3])
    was_in = {row.workload: number for number, shard in few.items() for row in decode_shard("x", shard)}
    for number, shard in many_shards.items():
        assert all(was_in.get(row.workload, 0) <= number for row in decode_shard("x", shard))


def test_a_row_that_fits_into_no_shard_is_an_error() -> None:
    with pytest.raises(ValueError, match="do not fit"):
        ShardEncoder(max_bytes=10).encode([observation()])


def test_an_empty_table_has_no_shards() -> None:
    assert ShardEncoder().encode([]) == {}
    assert decode_shards({}) == ([], [])


def test_a_corrupt_shard_is_named_and_the_others_are_kept() -> None:
    (sound,) = ShardEncoder().encode(many(3)).values()
    rows, errors = decode_shards({"a": sound, "b": b"garbage", "c": sound[:-9], "d": gzip.compress(b'{"workload": 1}')})
    assert len(rows) == 3
    assert [error.shard for error in errors] == ["b", "c", "d"]
    assert "line 1" in str(errors[2])
    assert {error.reason for error in errors} == {"ObservationShardCorrupt"}


def test_a_shard_that_unpacks_beyond_its_bound_is_refused() -> None:
    with pytest.raises(ShardError, match="unpacks to more"):
        decode_shard("bomb", gzip.compress(b"\n" * (MAX_PLAIN_BYTES + 1)))


@given(st.binary(max_size=300))
def test_garbage_is_a_shard_error(garbage: bytes) -> None:
    with pytest.raises(ShardError):
        decode_shard("x", garbage)


def test_what_ended_before_hardware_changed_speaks_of_a_machine_that_is_no_more() -> None:
    before, then = observation(observed_milliseconds=9), observation(observed_milliseconds=10)
    devices = {"fast": msgspec.structs.replace(DEVICES["fast"], changed_milliseconds=10), "slow": DEVICES["slow"]}
    slow = msgspec.structs.replace(before, node_class="slow")
    unknown = msgspec.structs.replace(before, node_class="gone")
    assert of_present_hardware([before, slow, then, unknown], devices) == [slow, then, unknown]


def test_thinning_keeps_profiles_before_runs_and_newer_before_older() -> None:
    old = observation(observed_milliseconds=1)
    new = observation(observed_milliseconds=3)
    run = observation(origin="Run", observed_milliseconds=9)
    late = observation(origin="Run", observed_milliseconds=10)
    assert thin([run, old, late, new], 10) == [new, old, late, run]
    assert thin([run, old, late, new], 10, per_pair=3) == [new, old, late]


def test_a_pair_that_was_measured_again_and_again_keeps_runs_of_every_load() -> None:
    profiles = [observation(observed_milliseconds=1000 - n) for n in range(20)]
    runs = [
        observation(origin="Run", exposure_permille=load, observed_milliseconds=100 - n)
        for n in range(10)
        for load in (0, 900)
    ]

    def kept(count: int) -> list[Observation]:
        return sorted(
            thin([*profiles, *runs], 100, per_pair=count),
            key=lambda row: (row.origin, -row.observed_milliseconds),
        )

    assert kept(PROFILES_FIRST) == profiles[:PROFILES_FIRST]
    assert kept(PROFILES_FIRST + 2) == [*profiles[:PROFILES_FIRST], *runs[:2]]
    assert kept(PROFILES_FIRST + 3) == [*profiles[: PROFILES_FIRST + 1], *runs[:2]]
    assert kept(ROWS_PER_PAIR) == [*profiles[:8], *runs[:8]]
    assert len(thin([*profiles, *runs[:1]], 100)) == ROWS_PER_PAIR


def test_thinning_keeps_every_pair_before_it_keeps_any_twice() -> None:
    rows = many(500)
    kept = thin(rows, 80)
    pairs = {(row.workload, row.node_class) for row in rows}
    assert {(row.workload, row.node_class) for row in thin(rows, len(pairs))} == pairs
    assert len(kept) == 80
    assert max(row.observed_milliseconds for row in kept) == max(row.observed_milliseconds for row in rows)


def test_a_pair_keeps_runs_of_every_load_however_rare() -> None:
    idle = [observation(origin="Run", exposure_permille=0, observed_milliseconds=100 + n) for n in range(60)]
    rare = [
        observation(origin="Run", exposure_permille=exposure, observed_milliseconds=exposure or 1)
        for exposure in (200, 400, 900, None)
    ]
    sweep = observation(origin="Sweep", observed_milliseconds=3)
    kept = thin([*idle, *rare, sweep, observation(observed_milliseconds=5)], 100)
    assert len(kept) == ROWS_PER_PAIR
    assert kept[0].origin == "Profile"
    assert {row.exposure_permille for row in kept if row.origin == "Run"} == {0, 200, 400, 900, None}
    assert sweep in kept
    assert [row for row in kept if row.exposure_permille == 0] == sorted(
        idle, key=lambda row: -row.observed_milliseconds
    )[: ROWS_PER_PAIR - 6]


def test_a_rare_class_and_a_rare_family_are_kept_when_there_is_room_for_few_pairs() -> None:
    often = [observation(workload=f"team/net-{n}/k", observed_milliseconds=1000 + n) for n in range(200)]
    slow = observation(workload="team/net-1/k", node_class="slow", observed_milliseconds=1)
    odd = observation(
        workload="team/odd/k",
        signature=msgspec.structs.replace(SIGNATURE, family="lstm"),
        observed_milliseconds=2,
    )
    kept = thin([*often, slow, odd], 10)
    assert slow in kept
    assert odd in kept
    assert max(often, key=lambda row: row.observed_milliseconds) in kept


def test_rare_loads_are_kept_across_pairs_when_not_every_pair_keeps_a_second_row() -> None:
    pairs = [f"team/net-{n}/k" for n in range(50)]
    rows = [observation(workload=name) for name in pairs]
    rows += [observation(workload=name, origin="Run", exposure_permille=0, observed_milliseconds=9) for name in pairs]
    busy = observation(workload=pairs[0], origin="Run", exposure_permille=800, observed_milliseconds=1)
    assert busy in thin([*rows, busy], 54)


@given(st.lists(st.tuples(st.integers(0, 1000) | st.none(), st.integers(0, 40)), max_size=40, unique=True))
def test_what_a_pair_dropped_once_it_drops_again(runs: list[tuple[int | None, int]]) -> None:
    rows = [observation(origin="Run", exposure_permille=load, observed_milliseconds=time) for load, time in runs]
    kept = thin(rows, 100, per_pair=5)
    for row in rows:
        assert thin([*kept, *([row] if row not in kept else [])], 100, per_pair=5) == kept


def test_one_namespace_cannot_crowd_out_another() -> None:
    flood = [observation(workload=f"loud/net-{index}/k") for index in range(1000)]
    quiet = [observation(workload=f"quiet/net-{index}/k", observed_milliseconds=5) for index in range(10)]
    kept = thin(flood + quiet, 50)
    assert sum(row.workload.startswith("quiet/") for row in kept) == 10


@given(st.permutations(range(30)), st.integers(0, 40))
def test_thinning_is_bounded_and_independent_of_order(order: list[int], limit: int) -> None:
    rows = many(30)
    kept = thin([rows[index] for index in order], limit)
    assert kept == thin(rows, limit)
    assert len(kept) == min(limit, 30)


def test_no_row_that_can_be_reported_keeps_the_others_from_being_learned() -> None:
    whole = 10**18
    huge = msgspec.structs.replace(
        SIGNATURE,
        macs=whole,
        parameter_bytes=whole,
        activation_bytes=whole,
        by_kind={"elementwise": OperatorCost(macs=whole, bytes_written=whole, count=1)},
    )
    absurd = observation(signature=huge, cpu_millis=10**19, inference_microseconds=10**12)
    columns, seconds = to_columns([absurd, observation()], DEVICES)
    table = Table.of(columns)
    assert len(SECONDS.checked(seconds, len(table))) == 2


def test_signatures_survive_storage() -> None:
    (shard,) = ShardEncoder().encode([observation(memory_peak_bytes=5, startup_milliseconds=0)]).values()
    (row,) = decode_shard("s", shard)
    assert row.signature == SIGNATURE
    assert (row.memory_peak_bytes, row.startup_milliseconds) == (5, 0)
