import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretide.observation import Observation, Question, Runtime
from foretide.startup import DEFAULT_MILLISECONDS, MAX_SLOWNESS, StartupEstimate, Startups
from tests.foretide.workloads import DEVICES, observation, question


def estimate(rows: list[Observation], asked: Question) -> StartupEstimate:
    return Startups(rows, DEVICES).estimate(asked)


def test_a_workloads_own_median_comes_first() -> None:
    rows = [observation(startup_milliseconds=time) for time in (2000, 2200, 60_000)]
    rows.append(observation(workload="team/other/1", startup_milliseconds=9000))
    assert estimate(rows, question()) == StartupEstimate(milliseconds=2200, source="Workload")


def test_other_workloads_of_the_runtime_on_the_class_come_next() -> None:
    rows = [observation(workload=f"team/{name}/1", startup_milliseconds=time) for name, time in (("a", 1), ("b", 3))]
    assert estimate(rows, question()) == StartupEstimate(milliseconds=2, source="Runtime")


def test_another_runtime_on_the_class_is_scaled_by_the_ratio_seen_elsewhere() -> None:
    rows = [
        observation(workload="team/a/1", node_class="slow", runtime="torch", startup_milliseconds=9000),
        observation(workload="team/b/1", node_class="slow", startup_milliseconds=3000),
        observation(workload="team/c/1", runtime="torch", startup_milliseconds=6000),
    ]
    assert estimate(rows, question()) == StartupEstimate(milliseconds=2000, source="Class")


def test_another_class_is_scaled_by_the_probes() -> None:
    rows = [observation(startup_milliseconds=2000)]
    asked = question(node_class="slow")
    assert estimate(rows, asked) == StartupEstimate(milliseconds=8000, source="OtherClass")
    assert estimate(rows, question(node_class="unprobed")).milliseconds == 2000


def test_nothing_known_is_the_default_of_the_runtime() -> None:
    rows = [observation(startup_milliseconds=None)]
    assert estimate(rows, question(runtime="torch")) == StartupEstimate(
        milliseconds=DEFAULT_MILLISECONDS["torch"], source="Default"
    )


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=20))
def test_what_one_namespace_reports_moves_others_only_so_far(reported: list[int]) -> None:
    own = [observation(workload=f"mallory/net-{index}/1", startup_milliseconds=t) for index, t in enumerate(reported)]
    alone = estimate(own, question())
    assert alone.source == "Runtime"
    assert alone.milliseconds <= MAX_SLOWNESS * DEFAULT_MILLISECONDS["onnx"]
    honest = [observation(workload=f"{name}/net/1", startup_milliseconds=2500 + 100 * i) for i, name in enumerate("ab")]
    assert 2500 <= estimate(own + honest, question()).milliseconds <= 2600


@pytest.mark.parametrize("lie", [10, 10**7])
@pytest.mark.parametrize("honest", [2600, 3000])
def test_one_gross_lie_against_one_honest_namespace_moves_others_no_further_than_the_probe(
    honest: int, lie: int
) -> None:
    rows = [observation(workload="mallory/net/1", startup_milliseconds=lie)]
    rows.append(observation(workload="a/net/1", startup_milliseconds=honest))
    probed = msgspec.structs.replace(DEVICES["fast"], startup_milliseconds=2600)
    found = Startups(rows, {"fast": probed}).estimate(question())
    assert found == StartupEstimate(milliseconds=honest if lie > honest else 2600, source="Runtime")


@pytest.mark.parametrize(("runtime", "likely"), [("onnx", 6000), ("torch", 16_000)])
def test_the_probe_decides_between_two_in_the_middle_and_is_scaled_for_torch(runtime: Runtime, likely: int) -> None:
    times = {"a": 1000, "b": 2000, "c": 50_000, "d": 60_000}
    rows = [observation(workload=f"{n}/net/1", runtime=runtime, startup_milliseconds=t) for n, t in times.items()]
    probed = msgspec.structs.replace(DEVICES["fast"], startup_milliseconds=6000)
    assert Startups(rows, {"fast": probed}).estimate(question(runtime=runtime)).milliseconds == likely
    assert estimate(rows, question(runtime=runtime)).milliseconds == DEFAULT_MILLISECONDS[runtime]


def test_a_workloads_own_start_up_is_believed_however_long() -> None:
    assert estimate([observation(startup_milliseconds=10**7)], question()).milliseconds == 10**7
