"""Exposure to others by hand-computed cases, kinds of workload, and times as if nobody had been beside."""

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretide.contention import Contention, Presence, alone, coefficients_of, exposure_permille, kind_of
from foretide.observation_table import ShardEncoder, decode_shard
from tests.foretide.workloads import SIGNATURE, observation

STILL_THERE = math.inf


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        ([], 0),
        ([Presence(0, 10_000, 1000)], 250),  # one of four cores, all the time
        ([Presence(-5_000, STILL_THERE, 1000)], 250),
        ([Presence(0, 5_000, 1000)], 125),
        ([Presence(2_500, 7_500, 2000)], 250),
        ([Presence(0, 5_000, 1000), Presence(5_000, STILL_THERE, 1000)], 250),  # one after the other
        ([Presence(0, 6_000, 1000), Presence(4_000, 10_000, 1000)], 300),  # both for 2 s
        ([Presence(-5_000, 0, 3000), Presence(10_000, 20_000, 3000)], 0),  # gone before, come after
        ([Presence(9_999, STILL_THERE, 1000)], 0),  # for a millisecond
        ([Presence(0, STILL_THERE, 0)], 0),
    ],
)
def test_exposure_is_the_mean_share_of_the_cores_that_others_use_meanwhile(
    others: list[Presence], expected: int
) -> None:
    assert exposure_permille(1000, 4000, others, begin_milliseconds=0, end_milliseconds=10_000) == expected


def test_what_shared_cores_has_no_exposure_but_for_a_moment_at_its_edge() -> None:
    beside = [Presence(0, STILL_THERE, 3000)]
    briefly = [*beside, Presence(9_700, STILL_THERE, 1000)]  # five cores asked of four for 0.3 s
    longer = [*beside, Presence(5_000, STILL_THERE, 1000)]
    assert exposure_permille(1000, 4000, beside, begin_milliseconds=0, end_milliseconds=10_000) == 750
    assert exposure_permille(1000, 4000, briefly, begin_milliseconds=0, end_milliseconds=10_000) == 752
    assert exposure_permille(1000, 4000, longer, begin_milliseconds=0, end_milliseconds=10_000) is None
    assert exposure_permille(1000, 4000, [], begin_milliseconds=10, end_milliseconds=10) is None


@given(
    st.integers(1, 4000),
    st.integers(1, 16_000),
    st.lists(
        st.builds(lambda begin, took, cpu: Presence(begin, begin + took, cpu), *[st.integers(0, 9_000)] * 3), max_size=8
    ),
)
def test_exposure_is_a_share_whatever_was_there(cpu: int, cores: int, others: list[Presence]) -> None:
    exposed = exposure_permille(cpu, cores, others, begin_milliseconds=1_000, end_milliseconds=8_000)
    assert exposed is None or 0 <= exposed < 1000


moments = st.integers(0, 30)


@given(st.integers(33_000, 64_000), st.lists(st.builds(Presence, moments, moments, st.integers(0, 4000)), max_size=8))
def test_exposure_is_that_of_each_millisecond_by_itself(cores: int, others: list[Presence]) -> None:
    beside = [
        sum(each.cpu_millis for each in others if each.begin_milliseconds <= at < each.end_milliseconds)
        for at in range(10, 20)
    ]
    found = exposure_permille(1000, cores, others, begin_milliseconds=10, end_milliseconds=20)
    assert found == pytest.approx(1000 * sum(beside) / (10 * cores), abs=0.5)


def test_a_network_of_few_multiply_adds_per_byte_is_memory_bound() -> None:
    assert kind_of(SIGNATURE) == "ComputeBound"  # 300 million for 68 MB
    assert kind_of(msgspec.structs.replace(SIGNATURE, macs=200_000_000)) == "MemoryBound"
    assert kind_of(msgspec.structs.replace(SIGNATURE, activation_bytes=60_000_000)) == "MemoryBound"


def test_what_comes_from_others_is_taken_out_of_times_where_it_is_known() -> None:
    beside = observation(origin="Run", exposure_permille=500)
    coefficients = {("fast", kind_of(SIGNATURE)): 400}
    elsewhere = observation(origin="Run", exposure_permille=500, node_class="slow")
    by_itself = observation(origin="Run", exposure_permille=0)
    unknown = observation()
    first, *rest = alone([beside, elsewhere, by_itself, unknown], coefficients)
    assert first == msgspec.structs.replace(beside, inference_microseconds=16_667)  # 20 ms ÷ 1.2
    assert rest == [elsewhere, by_itself, unknown]


def test_only_coefficients_that_are_used_are_given_out() -> None:
    used = Contention(kind="MemoryBound", coefficient_permille=300, pairs=40, reason="BetterThanNone")
    unused = Contention(kind="ComputeBound", coefficient_permille=0, pairs=40, reason="NotBetter")
    assert coefficients_of([("fast", [used, unused]), ("slow", [])]) == {("fast", "MemoryBound"): 300}


def test_a_row_keeps_its_exposure_and_one_of_an_older_table_has_none() -> None:
    rows = [observation(origin="Run", exposure_permille=250), observation()]
    (shard,) = ShardEncoder().encode(rows).values()
    assert sorted(decode_shard("s", shard), key=lambda row: row.origin) == [rows[1], rows[0]]
    fields = msgspec.to_builtins(rows[1])
    del fields["exposurePermille"]
    assert msgspec.convert(fields, type(rows[1])) == rows[1]
