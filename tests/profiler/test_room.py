"""Requests and answers hold an eighth of the memory, and no body more than that leaves."""

from __future__ import annotations

import numpy as np
import pytest

from foretide_profiler.runtimes import ModelInput
from foretide_profiler.serving.protocol import BYTES, JSON, RequestError, answer_bytes, most_bytes, reading_bytes
from foretide_profiler.serving.room import SHARE, Room

FORM = ModelInput("x", (1, 3, 224, 224), "float32")
INPUT_BYTES = 4 * 3 * 224 * 224
SCORES = [("y", np.zeros((1, 1000), np.float32))]
ANSWER_BYTES = answer_bytes(SCORES)


def limit_for(size_bytes: int) -> int:
    return SHARE * size_bytes


def test_requests_have_room_until_their_answers_are_gone() -> None:
    room = Room(FORM, SCORES, limit_bytes=limit_for(2 * (INPUT_BYTES + ANSWER_BYTES)))
    leave = room.take(BYTES, INPUT_BYTES)
    room.take(BYTES, INPUT_BYTES)
    with pytest.raises(RequestError) as refused:
        room.take(BYTES, INPUT_BYTES)
    assert (refused.value.status, refused.value.reason, refused.value.retry_seconds) == (503, "Overloaded", 1)
    leave()
    room.take(BYTES, INPUT_BYTES)


def test_answers_take_room_as_bodies_do() -> None:
    mask = [("y", np.zeros((1, 21, 224, 224), np.float32))]
    limit_bytes = limit_for(INPUT_BYTES + answer_bytes(mask))
    room = Room(FORM, mask, limit_bytes=limit_bytes)
    room.take(BYTES, INPUT_BYTES)
    with pytest.raises(RequestError, match="hold all"):
        room.take(BYTES, 4)
    Room(FORM, SCORES, limit_bytes=limit_bytes).take(BYTES, 2 * INPUT_BYTES)


@pytest.mark.parametrize("mebibytes", [32, 64, 128, 256, 512, 1024])
def test_the_longest_body_in_json_fits_into_the_room_with_what_is_made_of_it(mebibytes: int) -> None:
    room = Room(FORM, SCORES, limit_bytes=mebibytes * 2**20)
    longest_bytes = room.most_bytes(JSON)
    assert 0 <= longest_bytes <= most_bytes(FORM, JSON)
    if longest_bytes:
        room.take(JSON, longest_bytes)
        assert longest_bytes + reading_bytes(FORM) <= mebibytes * 2**20 // SHARE
    assert bool(longest_bytes) == (mebibytes > 32)


def test_one_request_in_bytes_has_room_however_small_the_limit() -> None:
    room = Room(FORM, SCORES, limit_bytes=2**20)
    assert (room.most_bytes(BYTES), room.most_bytes(JSON)) == (INPUT_BYTES, 0)
    room.take(BYTES, INPUT_BYTES)


def test_without_a_limit_there_is_room_for_the_usual() -> None:
    room = Room(FORM, SCORES, limit_bytes=None)
    assert room.most_bytes(JSON) == most_bytes(FORM, JSON)
