"""A signature at another batch size: what is done for each item grows with the items, and nothing else."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from foretide.signature import OperatorCost, Signature, at_batch_size

ONE = Signature(
    family="mobilenet",
    macs=100,
    parameter_bytes=7,
    activation_bytes=40,
    peak_activation_bytes=20,
    operator_count=3,
    input_pixels=9,
    by_kind={"linear": OperatorCost(macs=100, bytes_written=40, count=3)},
)


@given(st.integers(1, 65536), st.integers(1, 65536))
def test_items_cost_alike_in_batches_of_any_size(first: int, second: int) -> None:
    assert at_batch_size(ONE, first) == Signature(
        family="mobilenet",
        macs=100 * first,
        parameter_bytes=7,
        activation_bytes=40 * first,
        peak_activation_bytes=20 * first,
        operator_count=3,
        input_pixels=9,
        batch_size=first,
        by_kind={"linear": OperatorCost(macs=100 * first, bytes_written=40 * first, count=3)},
    )
    assert at_batch_size(at_batch_size(ONE, first), second) == at_batch_size(ONE, second)
