"""Whether the input that is asked for is one that the model takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from foretide_profiler.failures import ProfilerError
from foretide_profiler.requests import DataType, ModelRequest


def check_data_type(request: ModelRequest, declared: str) -> None:
    """Raise ProfilerError InputRefused where the model takes other elements; it says what helps, if anything does."""
    if declared == request.data_type:
        return
    known = get_args(DataType)
    way = f"set input.dataType to {declared}" if declared in known else f"only {', '.join(known)} can be fed"
    message = f"the model takes {declared}, not {request.data_type}; {way}"
    raise ProfilerError("InputRefused", message, "input.dataType")


def matching_shape(request: ModelRequest, declared: Sequence[int | str | None], name: str) -> tuple[int, ...]:
    """The batch's full shape: what is asked for, if the shape that the model declares for its input `name` allows it.

    ``declared`` holds an integer where the model fixes a size, a name or None where it leaves it open. Without a shape
    in the request the declared one is taken. Raises ProfilerError InputRefused, saying what the model takes.
    """
    wants = ",".join(str(size) if isinstance(size, int) else "any" for size in declared)
    item = request.input_shape
    if item is None:
        fixed = tuple(size for size in declared[1:] if isinstance(size, int))
        if len(fixed) + 1 != len(declared):
            message = f"{name} has open sizes ({wants}, batch first); say the shape of one item in input.shape"
            raise ProfilerError("InputRefused", message, "input.shape")
        item = fixed
    shape = (request.batch_size, *item)
    if len(shape) != len(declared) or any(
        isinstance(size, int) and size != asked for size, asked in zip(declared, shape, strict=True)
    ):
        asked = ",".join(map(str, shape))
        message = f"{name} takes {wants} (batch first), not {asked}; correct input.shape or batchSize"
        raise ProfilerError("InputRefused", message, "input.shape")
    return shape
