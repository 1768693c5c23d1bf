"""Adds up operators into a signature, and follows what lives at once."""

from __future__ import annotations

import math
from collections import defaultdict

from foretide.signature import OperatorCost, OperatorKind, Signature


class Tally:
    """Operators seen so far, by kind."""

    def __init__(self) -> None:
        self._macs: dict[OperatorKind, int] = defaultdict(int)
        self._bytes: dict[OperatorKind, int] = defaultdict(int)
        self._counts: dict[OperatorKind, int] = defaultdict(int)
        self._live_bytes = 0
        self._peak_bytes = 0

    def add(self, kind: OperatorKind, macs: int, bytes_written: int) -> None:
        """Count one operator."""
        self._macs[kind] += macs
        self._bytes[kind] += bytes_written
        self._counts[kind] += 1

    def allocate(self, size_bytes: int) -> None:
        """Something of this size begins to live."""
        self._live_bytes += size_bytes
        self._peak_bytes = max(self._peak_bytes, self._live_bytes)

    def release(self, size_bytes: int) -> None:
        """Something of this size is not needed any more."""
        self._live_bytes -= size_bytes

    def signature(self, family: str, parameter_bytes: int, item: tuple[int, ...], batch_size: int) -> Signature:
        """Close the books. ``item`` is the shape of one input without the batch dimension."""
        by_kind = {
            kind: OperatorCost(macs=self._macs[kind], bytes_written=self._bytes[kind], count=count)
            for kind, count in sorted(self._counts.items())
        }
        return Signature(
            family=family,
            macs=sum(self._macs.values()),
            parameter_bytes=parameter_bytes,
            activation_bytes=sum(self._bytes.values()),
            peak_activation_bytes=self._peak_bytes,
            operator_count=sum(self._counts.values()),
            input_pixels=positions(item),
            batch_size=batch_size,
            by_kind=by_kind,
        )

    def dominating_kind(self) -> str:
        """The kind with the most multiply-adds; empty where there are none."""
        if not any(self._macs.values()):
            return ""
        return max(self._macs, key=lambda kind: self._macs[kind])


def positions(item: tuple[int, ...]) -> int:
    """Spatial positions of an image (channels first), or tokens of a sequence (tokens first)."""
    return math.prod(item[1:]) if len(item) >= 3 else item[0] if item else 1
