"""Bodies that are no request: values put where none of their kind belong, then bytes changed."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from typing import Any, Final

from foretide_extender.settings import DEFAULT_MAX_BODY_BYTES
from tests.extender.fuzz.values import BROKEN, TOKENS, pick

Place = tuple[dict[str, Any] | list[Any], Any]
_MOST_BYTES: Final = 500_000
_KEYS: Final = ("NodeNames", "nodeNames", "Nodes", "items", "Pod", "metadata", "spec", "name", "", "\ud800")


def broken_body(sound: bytes, other: bytes, source: random.Random) -> bytes:
    """What becomes of ``sound`` after some mutations; pieces of ``other`` may get into it."""
    if source.random() < 0.0005:
        return pick(source, (b"", b" \n", sound + b" " * DEFAULT_MAX_BODY_BYTES))  # type: ignore[no-any-return]
    body = sound
    if source.random() < 0.6:
        asked = json.loads(body)
        for _ in range(1 + int(source.random() * 3)):
            asked = _reshaped(asked, source)
        body = json.dumps(asked, ensure_ascii=source.random() < 0.5).encode(errors="surrogatepass")
        if source.random() < 0.6:
            return body[:_MOST_BYTES]
    for _ in range(1 + int(source.random() ** 2 * 6)):
        body = pick(source, _BYTES)(body, other, source)
    return body[:_MOST_BYTES]


def _reshaped(asked: Any, source: random.Random) -> Any:
    """The document with one place changed."""
    places: list[Place] = []
    _collect(asked, places)
    if not places or source.random() < 0.01:
        return copy.deepcopy(pick(source, BROKEN))
    container, key = pick(source, places)
    chance = source.random()
    if chance < 0.5:
        container[key] = copy.deepcopy(pick(source, BROKEN))
    elif chance < 0.65:
        del container[key]
    elif chance < 0.75:
        container[key] = [container[key]] * (1 + int(source.random() * 3))
    elif chance < 0.85:
        other, at = pick(source, places)
        container[key] = json.loads(json.dumps(other[at]))
    elif isinstance(container, list):
        container.extend([container[key]] * int(source.random() * 50))
    else:
        container[pick(source, (*_KEYS, str(key).upper(), str(key).lower()))] = container.pop(key)
    return asked


def _collect(value: Any, places: list[Place]) -> None:
    """Every place in a document."""
    keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        places.append((value, key))
        _collect(value[key], places)


def _flip(body: bytes, _: bytes, source: random.Random) -> bytes:
    changed = bytearray(body or b" ")
    changed[int(source.random() * len(changed))] ^= 1 << int(source.random() * 8)
    return bytes(changed)


def _insert(body: bytes, _: bytes, source: random.Random) -> bytes:
    at = int(source.random() * (len(body) + 1))
    token: bytes = pick(source, TOKENS)
    return body[:at] + token + body[at:]


def _overwrite(body: bytes, _: bytes, source: random.Random) -> bytes:
    at = int(source.random() * (len(body) + 1))
    token: bytes = pick(source, TOKENS)
    return body[:at] + token + body[at + len(token) :]


def _delete(body: bytes, _: bytes, source: random.Random) -> bytes:
    begin, end = _range(body, source)
    return body[:begin] + body[end:]


def _repeat(body: bytes, _: bytes, source: random.Random) -> bytes:
    begin, end = _range(body, source)
    times = 1 + int(source.random() * 4)
    return body[:begin] + body[begin:end] * times + body[begin:]


def _cut_off(body: bytes, _: bytes, source: random.Random) -> bytes:
    return body[: int(source.random() * len(body))]


def _splice(body: bytes, other: bytes, source: random.Random) -> bytes:
    begin, end = _range(other, source)
    at = int(source.random() * (len(body) + 1))
    return body[:at] + other[begin:end] + body[at:]


def _range(body: bytes, source: random.Random) -> tuple[int, int]:
    begin = int(source.random() * (len(body) + 1))
    return begin, begin + int(source.random() ** 3 * (len(body) - begin + 1))


_BYTES: Final[tuple[Callable[[bytes, bytes, random.Random], bytes], ...]] = (
    _flip,
    _insert,
    _overwrite,
    _delete,
    _repeat,
    _cut_off,
    _splice,
)
