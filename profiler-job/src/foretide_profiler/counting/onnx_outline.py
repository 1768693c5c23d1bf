"""An ONNX file without its weights, read past them: what it computes is in the rest, and little of the file.

An inspection has the memory of the task, and `onnx` keeps the model several times over while it checks it and infers
shapes. Tensors of 32 and 64 bit integers stay whole, for shapes are computed from them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from enum import Enum, auto
from typing import BinaryIO, Final, NamedTuple

from onnx import TensorProto

LONGEST_KEPT_BYTES: Final = 1024
"""A tensor's data are kept up to this length, whatever they are: `scales` of a Resize are floats."""


class _Message(Enum):
    MODEL = auto()
    GRAPH = auto()
    FUNCTION = auto()
    NODE = auto()
    ATTRIBUTE = auto()
    TENSOR = auto()


_WITHIN: Final[Mapping[_Message, Mapping[int, _Message]]] = {
    _Message.MODEL: {7: _Message.GRAPH, 25: _Message.FUNCTION},
    _Message.GRAPH: {1: _Message.NODE, 5: _Message.TENSOR},
    _Message.FUNCTION: {7: _Message.NODE},
    _Message.NODE: {5: _Message.ATTRIBUTE},
    _Message.ATTRIBUTE: {5: _Message.TENSOR, 6: _Message.GRAPH, 10: _Message.TENSOR, 11: _Message.GRAPH},
    _Message.TENSOR: {},
}
"""The fields, by their numbers in onnx.proto, that lead to tensors."""
_DATA_TYPE: Final = 2
_DATA: Final = frozenset({4, 5, 9, 10})
"""float_data, int32_data (small types too), raw_data and double_data of a tensor."""
_DIMS: Final = 1
_NO_ELEMENTS: Final = b"\x08\x00"
"""dims of 0."""
_VARINT, _LENGTH_DELIMITED = 0, 2
_FIXED_BYTES: Final = {1: 8, 5: 4}
_LONGEST_VARINT: Final = 10


class _Field(NamedTuple):
    """One field as it lies in the file: all of it from ``begin`` to ``end``, its content from ``content`` on."""

    number: int
    wire: int
    begin: int
    content: int
    end: int
    value: int

    @property
    def is_long(self) -> bool:
        return self.wire == _LENGTH_DELIMITED and self.end - self.content > LONGEST_KEPT_BYTES


def outline(stream: BinaryIO, *, has_shapes: bool) -> bytes:
    """The file as a shorter one, in which long weights have no data.

    The checker refuses tensors that lack data: without shapes they hold no elements, so that none are missing.
    Whether there are enough is for the runtime to say. Raises ValueError where the file is no protobuf message.
    """
    return _outlined(stream, _Message.MODEL, (0, stream.seek(0, os.SEEK_END)), has_shapes=has_shapes)


def _outlined(stream: BinaryIO, message: _Message, extent: tuple[int, int], *, has_shapes: bool) -> bytes:
    fields = list(_fields(stream, *extent))
    is_emptied = message is _Message.TENSOR and _is_weight(fields)
    written = bytearray()
    for field in fields:
        within = _WITHIN[message].get(field.number)
        if field.is_long and within is not None:
            inner = _outlined(stream, within, (field.content, field.end), has_shapes=has_shapes)
            written += _varint(field.number << 3 | _LENGTH_DELIMITED) + _varint(len(inner)) + inner
        elif not is_emptied or (field.number not in _DATA and (has_shapes or field.number != _DIMS)):
            stream.seek(field.begin)
            written += stream.read(field.end - field.begin)
    if is_emptied and not has_shapes:
        written += _NO_ELEMENTS
    return bytes(written)


def _is_weight(tensor: list[_Field]) -> bool:
    """Whether a tensor is long, and no shape is computed from it."""
    types = [field.value for field in tensor if field.number == _DATA_TYPE]
    is_whole = types[-1:] in ([TensorProto.INT32], [TensorProto.INT64])
    return not is_whole and any(field.is_long and field.number in _DATA for field in tensor)


def _fields(stream: BinaryIO, begin: int, end: int) -> Iterator[_Field]:
    """The fields of a message in their order, their contents unread."""
    while begin < end:
        stream.seek(begin)
        key = _read_varint(stream)
        wire, value = key & 7, 0
        if wire in {_VARINT, _LENGTH_DELIMITED}:
            value = _read_varint(stream)
        elif wire not in _FIXED_BYTES:
            raise ValueError(f"no field of protobuf at byte {begin}")
        content = stream.tell()
        after = content + (value if wire == _LENGTH_DELIMITED else _FIXED_BYTES.get(wire, 0))
        if after > end:
            raise ValueError(f"the field at byte {begin} ends beyond what holds it: the file is cut off")
        yield _Field(key >> 3, wire, begin, content, after, value)
        begin = after


def _read_varint(stream: BinaryIO) -> int:
    value = 0
    for place in range(_LONGEST_VARINT):
        byte = stream.read(1)
        if not byte:
            break
        value |= (byte[0] & 0x7F) << (7 * place)
        if byte[0] < 0x80:
            return value
    raise ValueError(f"no number of protobuf before byte {stream.tell()}")


def _varint(value: int) -> bytes:
    written = bytearray()
    while value >= 0x80:
        written.append(value & 0x7F | 0x80)
        value >>= 7
    written.append(value)
    return bytes(written)
