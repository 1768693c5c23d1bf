"""What a workload asks of any hardware, counted from its graph without running it.

An *inference* is one forward pass over one batch; every figure here is for one inference at the workload's own
batch size. Kinds of operator are kept apart because a multiply-add of a depthwise convolution costs several times
one of a dense convolution on the same processor.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

OperatorKind = Literal[
    "denseConvolution", "depthwiseConvolution", "linear", "attention", "normalization", "elementwise", "other"
]
"""Kinds of operator whose costs are counted apart."""

Count = Annotated[int, msgspec.Meta(ge=0, le=10**18)]
"""A non-negative count that no machine of this decade exceeds."""


class OperatorCost(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """Multiply-adds, bytes written and number of operators of one kind."""

    macs: Count = 0
    bytes_written: Count = 0
    count: Count = 0


class Signature(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """The cost of one inference, independent of the node that performs it.

    ``activation_bytes`` is the sum over all operators' outputs; ``peak_activation_bytes`` the most that lives at
    once; ``input_pixels`` the number of spatial positions (or tokens) of one item.
    """

    family: Annotated[str, msgspec.Meta(max_length=64)] = ""
    macs: Count
    parameter_bytes: Count
    activation_bytes: Count
    peak_activation_bytes: Count
    operator_count: Count
    input_pixels: Count
    batch_size: Annotated[int, msgspec.Meta(ge=1, le=65536)] = 1
    by_kind: dict[OperatorKind, OperatorCost] = msgspec.field(default_factory=dict)


def at_batch_size(signature: Signature, batch_size: int) -> Signature:
    """The signature of the same model fed with other batches: all that is done for each item grows, nothing else."""
    own = signature.batch_size
    return msgspec.structs.replace(
        signature,
        macs=signature.macs * batch_size // own,
        activation_bytes=signature.activation_bytes * batch_size // own,
        peak_activation_bytes=signature.peak_activation_bytes * batch_size // own,
        batch_size=batch_size,
        by_kind={
            kind: OperatorCost(
                macs=cost.macs * batch_size // own,
                bytes_written=cost.bytes_written * batch_size // own,
                count=cost.count,
            )
            for kind, cost in signature.by_kind.items()
        },
    )
