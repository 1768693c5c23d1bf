"""What a profiler's container may write: /tmp, which the operator bounds and the profiler keeps within."""

from __future__ import annotations

from typing import Final

SCRATCH_MEBIBYTES: Final = 256
"""A Pod that has more in /tmp is evicted, whatever room the node has."""
