"""What the simulator's files are made of: camelCase keys, checked values, and the error that says what is wrong."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

MEBI: Final = 2**20
"""Bytes of a mebibyte."""

Positive = Annotated[float, msgspec.Meta(gt=0)]
Share = Annotated[float, msgspec.Meta(ge=0)]
Count = Annotated[int, msgspec.Meta(ge=1)]


class ScenarioError(ValueError):
    """What cannot be simulated; the message names field, value and what would do."""


class Part(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A part of a file: unknown keys are errors."""


class InFile(Part, frozen=True, kw_only=True):
    """Values that stand in a file of their own, beside the one that names it."""

    file: str
