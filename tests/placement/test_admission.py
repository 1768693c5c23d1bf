"""Refusals: each with its reason, and never all of the nodes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from foretide.placement.admission import Admission, Candidate, Demand, admit
from foretide.prediction import Interval, Prediction

MIB = 2**20
NO_DEADLINE = Demand(100, 512 * MIB, None)


def candidate(
    *, seconds: float = 10.0, memory_mib: int = 300, node_mib: int | None = 2048, is_predicted: bool = True
) -> Candidate:
    """A node where 100 inferences take ``seconds``, start-up none; the bounds are 0.8 and 1.2 of it."""
    each = round(seconds * 1e4)
    prediction = Prediction(
        node_class="edge",
        work_microseconds_per_inference=Interval(lower=round(each * 0.8), median=each, upper=round(each * 1.2)),
        startup_milliseconds=0,
        memory_bytes=memory_mib * MIB,
        source="Measured",
    )
    return Candidate(prediction if is_predicted else None, None if node_mib is None else node_mib * MIB)


def reasons(admission: Admission) -> list[str | None]:
    return [None if refusal is None else refusal.reason for refusal in admission.refusals]


@pytest.mark.parametrize(
    ("candidates", "demand", "expected", "overruled"),
    [
        ([], NO_DEADLINE, [], ()),
        ([candidate()], NO_DEADLINE, [None], ()),
        ([candidate(), candidate(memory_mib=600)], NO_DEADLINE, [None, "PredictedOutOfMemory"], ()),
        ([candidate(), candidate(memory_mib=600)], Demand(100, None, None), [None, None], ()),
        ([candidate(), candidate(node_mib=256)], NO_DEADLINE, [None, "NodeMemoryTooSmall"], ()),
        ([candidate(), candidate(node_mib=None)], NO_DEADLINE, [None, None], ()),
        ([candidate(memory_mib=600)], NO_DEADLINE, [None], ("PredictedOutOfMemory",)),
        (
            [candidate(memory_mib=600), candidate(node_mib=256)],
            NO_DEADLINE,
            [None, None],
            ("NodeMemoryTooSmall", "PredictedOutOfMemory"),
        ),
        ([candidate(), candidate(seconds=20)], Demand(100, None, 12), [None, "DeadlineUnreachable"], ()),
        ([candidate(), candidate(seconds=20)], Demand(100, None, 22), [None, "DeadlineUnreachable"], ()),
        ([candidate(), candidate(seconds=20)], Demand(100, None, 22, 50), [None, None], ()),
        ([candidate(), candidate(seconds=20)], Demand(100, None, 23), [None, None], ()),  # 90 % make it in 22.9 s
        ([candidate(), candidate(seconds=20)], Demand(100, None, 1), [None, None], ("DeadlineUnreachable",)),
        ([candidate(), candidate(seconds=20)], Demand(100, None, -5), [None, None], ("DeadlineUnreachable",)),
        ([candidate(is_predicted=False), candidate()], Demand(100, None, 1), [None, "DeadlineUnreachable"], ()),
        (
            [candidate(seconds=5, memory_mib=600), candidate(seconds=20), candidate(seconds=30)],
            Demand(100, 512 * MIB, 6),
            ["PredictedOutOfMemory", None, None],
            ("DeadlineUnreachable",),
        ),
    ],
)  # fmt: skip
def test_nodes_are_refused_with_reasons_while_another_would_do(
    candidates: list[Candidate], demand: Demand, expected: list[str | None], overruled: tuple[str, ...]
) -> None:
    admission = admit(candidates, demand)
    assert reasons(admission) == expected
    assert admission.overruled == overruled


def test_a_refusal_gives_the_figures() -> None:
    refusal = admit([candidate(), candidate(seconds=20)], Demand(100, None, 12.34)).refusals[1]
    assert str(refusal) == (
        "DeadlineUnreachable: 90 % of tasks take up to 22.9 s on edge by prediction (Measured), "
        "12.3 s are left until the deadline"
    )


@given(
    st.lists(
        st.builds(
            candidate,
            seconds=st.floats(0.1, 100),
            memory_mib=st.integers(1, 4096),
            node_mib=st.none() | st.integers(1, 4096),
            is_predicted=st.booleans(),
        ),
        min_size=1,
        max_size=8,
    ),
    st.builds(
        Demand,
        st.integers(1, 1000),
        st.none() | st.integers(1, 4096 * MIB),
        st.none() | st.floats(-10, 1000),
    ),
)
def test_at_least_one_node_always_passes(candidates: list[Candidate], demand: Demand) -> None:
    admission = admit(candidates, demand)
    assert len(admission.refusals) == len(candidates)
    assert None in admission.refusals
