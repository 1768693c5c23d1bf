"""How much memory requests and their answers hold at once, and how long a body may be for that."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from foretide_profiler.runtimes import ModelInput
from foretide_profiler.serving import protocol
from foretide_profiler.serving.protocol import BYTES, Outputs, RequestError

SHARE: Final = 8
"""Of its memory limit a service holds one part in so many as requests and answers."""
USUAL_BYTES: Final = 64 * 2**20
"""Where there is no limit."""


class Room:
    """Bytes for bodies and what is made of them, from the announcement of a request to its answer's last byte.

    On top come the numbers of one body or answer at a time, as Python has them while it reads or writes JSON: where
    these alone exceed the room, no JSON is read. One request in bytes has room, however large the model's input.
    """

    def __init__(self, form: ModelInput, outputs: Outputs, *, limit_bytes: int | None) -> None:
        self._form = form
        self._answer_bytes = protocol.answer_bytes(outputs)
        share_bytes = USUAL_BYTES if limit_bytes is None else limit_bytes // SHARE
        self._all_bytes = max(share_bytes, self._held_bytes(BYTES, protocol.most_bytes(form, BYTES)))
        self._left_bytes = self._all_bytes
        self._lock = threading.Lock()

    def most_bytes(self, content_type: str) -> int:
        """The longest body of a type that is read; 0 where none is."""
        longest_bytes = protocol.most_bytes(self._form, content_type)
        if content_type == BYTES:
            return longest_bytes
        beside_bytes = self._held_bytes(content_type, 0) + protocol.reading_bytes(self._form)
        return min(longest_bytes, max(self._all_bytes - beside_bytes, 0))

    def take(self, content_type: str, size_bytes: int) -> Callable[[], None]:
        """Have a request with a body of this size in; what is given back is called when its answer is gone.

        Raises RequestError Overloaded where others have the room.
        """
        held_bytes = self._held_bytes(content_type, size_bytes)
        with self._lock:
            if held_bytes > self._left_bytes:
                message = f"the requests under way hold all of {self._all_bytes} bytes; try again later"
                raise RequestError(503, "Overloaded", message, retry_seconds=1)
            self._left_bytes -= held_bytes

        def leave() -> None:
            with self._lock:
                self._left_bytes += held_bytes

        return leave

    def _held_bytes(self, content_type: str, size_bytes: int) -> int:
        """The body, the tensor that is made of JSON (that of bytes is the body itself), and the answer."""
        tensor_bytes = 0 if content_type == BYTES else protocol.most_bytes(self._form, BYTES)
        return size_bytes + tensor_bytes + self._answer_bytes
