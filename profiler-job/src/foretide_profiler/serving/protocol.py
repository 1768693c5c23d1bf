"""What a client may ask and is answered: tensors as bytes of HTTP bodies, every refusal with its reason.

JSON bodies have the form of the Open Inference Protocol (v2): ``inputs`` and ``outputs`` with ``name``, ``datatype``,
``shape`` and ``data``. A body of type ``application/octet-stream`` is the input's elements alone, little-endian, the
last dimension first. Nothing of a body is ever run: it is numbers, and only as many as the model takes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from foretide_profiler.failures import ProfilerError
from foretide_profiler.runtimes import ModelInput

JSON: Final = "application/json"
BYTES: Final = "application/octet-stream"
MAX_BYTES_PER_ELEMENT: Final = 32
"""So many characters of JSON are enough for any number, with its comma and a blank."""
MAX_ENVELOPE_BYTES: Final = 65_536
"""What a JSON body may have besides its numbers."""
_ENVELOPE_SIGNS: Final = 1024
"""So many commas, brackets and quotes, too."""
_READ_BYTES_PER_ELEMENT: Final = 48
"""A number as Python has it: in a list, and then as numpy has it while its type is not known."""
_READ_BYTES_PER_LIST: Final = 112
_MOST_ANSWERED_BYTES_PER_ELEMENT: Final = 25
"""-1.2345678901234567e-300, and a comma."""

Tensor = npt.NDArray[np.generic]
Outputs = Sequence[tuple[str, Tensor]]

_DATATYPES: Final = {
    "bool": "BOOL",
    "uint8": "UINT8",
    "uint16": "UINT16",
    "uint32": "UINT32",
    "uint64": "UINT64",
    "int8": "INT8",
    "int16": "INT16",
    "int32": "INT32",
    "int64": "INT64",
    "float16": "FP16",
    "float32": "FP32",
    "float64": "FP64",
}
"""The protocol's names of numpy's types."""


class RequestError(Exception):
    """Why a request is not answered: a status of HTTP, a CamelCase ``reason``, the ``field`` at fault, what to do.

    ``retry_seconds`` is when it may go better, None where the same request never will.
    """

    def __init__(
        self, status: int, reason: str, message: str, field: str = "", *, retry_seconds: int | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
        self.field = field
        self.retry_seconds = retry_seconds

    def document(self) -> bytes:
        """The answer's body; ``error`` is what the protocol calls it."""
        where = f" ({self.field})" if self.field else ""
        return msgspec.json.encode(
            {
                "error": f"{self.reason}{where}: {self.message}",
                "reason": self.reason,
                "field": self.field,
                "message": self.message,
            }
        )


class _Input(msgspec.Struct):
    name: Annotated[str, msgspec.Meta(max_length=256)]
    datatype: Annotated[str, msgspec.Meta(max_length=16)]
    shape: Annotated[list[int], msgspec.Meta(max_length=16)]
    data: msgspec.Raw


class _Request(msgspec.Struct):
    inputs: Annotated[list[_Input], msgspec.Meta(min_length=1, max_length=1)]
    id: Annotated[str, msgspec.Meta(max_length=128)] | None = None


_decoder = msgspec.json.Decoder(_Request)


def datatype_of(name: str) -> str:
    """The protocol's name of a numpy type that a model takes or gives."""
    return _DATATYPES[name]


def most_bytes(form: ModelInput, content_type: str) -> int:
    """The longest body of a type that can be an input."""
    elements = math.prod(form.shape)
    if content_type == BYTES:
        return elements * np.dtype(form.data_type).itemsize
    return MAX_BYTES_PER_ELEMENT * elements + MAX_ENVELOPE_BYTES


def reading_bytes(form: ModelInput) -> int:
    """What the numbers of a JSON body take at most while they are read, besides the body and the tensor."""
    return _READ_BYTES_PER_ELEMENT * math.prod(form.shape) + _READ_BYTES_PER_LIST * _most_lists(form)


def answer_bytes(outputs: Outputs) -> int:
    """What outputs of this form and their JSON take at most."""
    return MAX_ENVELOPE_BYTES + sum(
        tensor.nbytes + _MOST_ANSWERED_BYTES_PER_ELEMENT * tensor.size for _, tensor in outputs
    )


def read(body: bytes | bytearray, content_type: str, form: ModelInput) -> tuple[Tensor, str | None]:
    """The input in a body, and the id that the client gave; RequestError says what is wrong with it.

    The tensor of a body in bytes is that body's memory.
    """
    if content_type == BYTES:
        return _raw(body, form), None
    _check_signs(body, form)
    try:
        request = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _invalid("body", f"not a request of the Open Inference Protocol: {error}") from error
    given = request.inputs[0]
    wanted = _DATATYPES[form.data_type]
    for field, found, expected in (
        ("name", given.name, form.name),
        ("datatype", given.datatype, wanted),
        ("shape", given.shape, list(form.shape)),
    ):
        if found != expected:
            raise _refused(f"inputs[0].{field}", f"the model takes {expected}, not {found}")
    return _numbers(given.data, form), request.id


def write(outputs: Outputs, model: str, request_id: str | None) -> bytes:
    """The answer's body; numbers that JSON lacks (NaN, infinities) become null."""
    document: dict[str, object] = {
        "model_name": model,
        "outputs": [
            {
                "name": name,
                "datatype": _DATATYPES[tensor.dtype.name],
                "shape": list(tensor.shape),
                "data": tensor.ravel().tolist(),
            }
            for name, tensor in outputs
        ],
    }
    if request_id is not None:
        document["id"] = request_id
    return msgspec.json.encode(document)


def zeros(form: ModelInput) -> Tensor:
    """An input of the form, which every model takes."""
    return np.zeros(form.shape, form.data_type)


def check_outputs(outputs: Outputs) -> None:
    """Raise ProfilerError OutputUnsupported where a model gives what cannot be answered."""
    for name, tensor in outputs:
        if not isinstance(tensor, np.ndarray) or tensor.dtype.name not in _DATATYPES:
            kind = tensor.dtype.name if isinstance(tensor, np.ndarray) else type(tensor).__name__
            message = f"its output {name} is of type {kind}; only tensors of numbers can be answered: export it without"
            raise ProfilerError("OutputUnsupported", message, "model")


def _most_lists(form: ModelInput) -> int:
    """Lists that an input consists of when it is nested as its shape."""
    return sum(math.prod(form.shape[:depth]) for depth in range(len(form.shape)))


def _check_signs(body: bytes | bytearray, form: ModelInput) -> None:
    """Refuse, before anything is made of it, a body of more parts than the input has: each part takes memory."""
    for sign, most in ((b",", math.prod(form.shape)), (b"[", _most_lists(form)), (b"{", 0), (b'"', 0)):
        if body.count(sign) > most + _ENVELOPE_SIGNS:
            shape = ",".join(map(str, form.shape))
            message = (
                f"more than {most + _ENVELOPE_SIGNS} times {sign.decode()!r}; an input of shape {shape} has no such"
            )
            raise _invalid("body", message)


def _raw(body: bytes | bytearray, form: ModelInput) -> Tensor:
    dtype = np.dtype(form.data_type).newbyteorder("<")
    wanted = math.prod(form.shape) * dtype.itemsize
    if len(body) != wanted:
        shape = ",".join(map(str, form.shape))
        raise _refused("body", f"{len(body)} bytes; {_DATATYPES[form.data_type]} of shape {shape} are {wanted}")
    return np.frombuffer(body, dtype).reshape(form.shape).astype(form.data_type, copy=False)


def _numbers(data: msgspec.Raw, form: ModelInput) -> Tensor:
    dtype = np.dtype(form.data_type)
    values = _decoded(data, is_whole=dtype.kind in "iu")
    try:
        found = np.asarray(values, dtype=None if dtype.kind in "iu" else np.float64)
    except (ValueError, TypeError, OverflowError) as error:
        raise _refused("inputs[0].data", f"not {_DATATYPES[form.data_type]}, flat or nested as its shape") from error
    is_whole = found.dtype.kind in "iu"
    if dtype.kind in "iu" and (not is_whole or _is_out_of_range(found, dtype)):
        raise _refused("inputs[0].data", f"holds what is no {_DATATYPES[form.data_type]}")
    if found.size != math.prod(form.shape) or (found.ndim > 1 and found.shape != form.shape):
        shape = ",".join(map(str, form.shape))
        raise _refused("inputs[0].data", f"{found.size} elements of shape {found.shape}; shape {shape} is wanted")
    with np.errstate(over="ignore"):  # a number too large for its type is infinite in it
        return found.reshape(form.shape).astype(dtype)


def _decoded(data: msgspec.Raw, *, is_whole: bool) -> list[Any]:
    """Numbers, flat, or in lists of lists; most come flat, which is read without a look at each."""
    try:
        return msgspec.json.decode(data, type=list[int] if is_whole else list[float])
    except msgspec.ValidationError:
        pass
    except (msgspec.DecodeError, RecursionError) as error:
        raise _invalid("inputs[0].data", str(error)) from error
    try:
        values = msgspec.json.decode(data)
    except (msgspec.DecodeError, RecursionError) as error:
        raise _invalid("inputs[0].data", str(error)) from error
    if not isinstance(values, list) or _holds_other_than_numbers(values):
        raise _refused("inputs[0].data", "is a list of numbers, flat or nested as its shape")
    return values


def _holds_other_than_numbers(values: list[Any]) -> bool:
    """Whether a list holds, at any depth, what numpy would take for a number and is none."""
    pending = [values]
    while pending:
        for each in pending.pop():
            if isinstance(each, list):
                pending.append(each)
            elif isinstance(each, bool) or not isinstance(each, int | float):
                return True
    return False


def _is_out_of_range(found: Tensor, dtype: np.dtype[Any]) -> bool:
    if not found.size:
        return False
    bounds = np.iinfo(dtype)
    return int(found.min()) < bounds.min or int(found.max()) > bounds.max


def _invalid(field: str, message: str) -> RequestError:
    return RequestError(400, "RequestInvalid", message, field)


def _refused(field: str, message: str) -> RequestError:
    return RequestError(400, "InputRefused", message, field)
