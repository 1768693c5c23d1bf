"""A result as a container's termination message: written so that it fits, and read without believing what cannot be."""

from __future__ import annotations

from typing import Final

import msgspec

from foretide.plausibility import check
from foretide.results import SCHEMA, Failure, Result, ResultError
from foretide.signature import Signature

MAX_RESULT_BYTES: Final = 4096
"""As much as Kubernetes keeps of a termination message."""

CLOCK_TOLERANCE_MILLISECONDS: Final = 60_000
"""How far a node's clock may be from the API server's."""

_LONGEST_TEXT = 1024


def encode(result: Result) -> bytes:
    """Write `result` as a document of at most ``MAX_RESULT_BYTES`` bytes that `parse` can read.

    Texts are shortened where they break their bound, and the longest of all until the document fits. Numbers out of
    bounds are the caller's mistake: ResultError ResultInvalid.
    """
    limit = _LONGEST_TEXT
    while True:
        data = msgspec.json.encode(_shortened(result, limit))
        if len(data) <= MAX_RESULT_BYTES or limit == 0:
            _decode(data)
            return data
        limit = limit * 3 // 4


def parse(
    data: bytes,
    *,
    signature: Signature | None = None,
    within: tuple[int, int] | None = None,
    tolerance_milliseconds: int = CLOCK_TOLERANCE_MILLISECONDS,
) -> Result:
    """Read a document, and believe nothing that cannot be.

    ``signature`` is that of the workload measured: it bounds the speed. ``within`` is the earliest and latest moment
    (milliseconds since the epoch) by the API's times; the node's clock may differ by ``tolerance_milliseconds``.
    Raises ResultError: ResultMissing, ResultInvalid, ResultImpossible.
    """
    if not data.strip():
        raise ResultError("ResultMissing", "", "the container ended without writing a result")
    result = _decode(data)
    check(result, signature, within, tolerance_milliseconds)
    return result


def _decode(data: bytes) -> Result:
    if len(data) > MAX_RESULT_BYTES:
        raise ResultError("ResultInvalid", "", f"{len(data)} bytes; at most {MAX_RESULT_BYTES} are allowed")
    try:
        result: Result = _decoder.decode(data)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `")
        raise ResultError("ResultInvalid", path.rstrip("`").removeprefix("$").removeprefix("."), message) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ResultError("ResultInvalid", "", f"not a JSON document of {SCHEMA}: {error}") from error
    return result


def _shortened(value: object, limit: int) -> object:
    """`value` as plain JSON types, its free texts at most `limit` characters long and within their own bound."""
    match value:
        case msgspec.Struct():
            plain = {
                field.encode_name: _shortened(getattr(value, field.name), _bound(value, field.name, limit))
                for field in msgspec.structs.fields(value)
                if getattr(value, field.name) not in (None, ())
            }
            tag = value.__struct_config__.tag
            return {"kind": tag, **plain} if tag else plain
        case str():
            text = value.encode("utf-8", "replace").decode()
            return text if len(text) <= limit else text[: limit - 1] + "…" if limit else ""
        case tuple():
            return [_shortened(item, limit) for item in value]
        case dict():
            return {key: _shortened(item, limit) for key, item in value.items()}
        case _:
            return value


def _bound(owner: msgspec.Struct, name: str, limit: int) -> int:
    """The most characters that this text may have; texts of a fixed form are never cut."""
    if name in _FIXED_FORM:
        return _LONGEST_TEXT
    if isinstance(owner, Failure) and name == "message":
        return limit
    return min(limit, 64 if isinstance(owner, Signature) else 256)


_FIXED_FORM = frozenset({"schema", "reason", "model_sha256"})
_decoder = msgspec.json.Decoder(Result)
