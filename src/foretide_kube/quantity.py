"""Exact integers out of Kubernetes quantities, because schedulers must count as the API server does.

Grammar and rounding as in `k8s.io/apimachinery/pkg/api/resource`: a decimal number with a binary (Ki…Ei), decimal
(n, u, m, none, k…E) or exponent (e3, E-3) suffix. Where a quantity is finer than the unit asked for, it is rounded
up (away from zero), as the API server's ``MilliValue`` and ``Value`` do. The API server lets pass what is too large
for its own 64 bits (``1e999``); such a quantity counts as the largest that they hold.
"""

from __future__ import annotations

import re
from decimal import ROUND_UP, Context, Decimal
from functools import lru_cache
from typing import Final

_PATTERN: Final = re.compile(
    r"(?P<number>[+-]?(?:\d+(?:\.\d*)?|\.\d+))(?:(?P<suffix>[KMGTPE]i|[numkMGTPE]|)|[eE](?P<exponent>[+-]?\d{1,3}))",
    re.ASCII,
)
_FACTORS: Final[dict[str, Decimal]] = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "": Decimal(1),
    "k": Decimal(10**3),
    "M": Decimal(10**6),
    "G": Decimal(10**9),
    "T": Decimal(10**12),
    "P": Decimal(10**15),
    "E": Decimal(10**18),
    "Ki": Decimal(2**10),
    "Mi": Decimal(2**20),
    "Gi": Decimal(2**30),
    "Ti": Decimal(2**40),
    "Pi": Decimal(2**50),
    "Ei": Decimal(2**60),
}
_EXACT: Final = Context(prec=400)
_MAX_LENGTH: Final = 64
_LARGEST: Final = 2**63 - 1
_MOST_KEPT: Final = 1024
"""Of so many different quantities it is kept what they are: thousands of objects have the same few."""


class QuantityError(ValueError):
    """The text is no Kubernetes quantity; the message says what is one."""


def _parse(quantity: str | int) -> Decimal:
    if isinstance(quantity, int):
        return Decimal(quantity)
    match = _PATTERN.fullmatch(quantity) if len(quantity) <= _MAX_LENGTH else None
    if match is None:
        raise QuantityError(
            f"{quantity[:_MAX_LENGTH]!r} is not a quantity; write a number with an optional suffix, "
            "for example 500m, 2 or 512Mi"
        )
    number = Decimal(match["number"])
    if match["exponent"] is not None:
        return _EXACT.scaleb(number, int(match["exponent"]))
    return _EXACT.multiply(number, _FACTORS[match["suffix"]])


def _integer(value: Decimal) -> int:
    amount = int(value.to_integral_value(rounding=ROUND_UP, context=_EXACT))
    return max(min(amount, _LARGEST), -_LARGEST)


@lru_cache(maxsize=_MOST_KEPT)
def whole(quantity: str | int) -> int:
    """The quantity in units (bytes, pieces), rounded up; QuantityError if it is none."""
    return _integer(_parse(quantity))


@lru_cache(maxsize=_MOST_KEPT)
def millis(quantity: str | int) -> int:
    """The quantity in thousandths (milli-CPU), rounded up; QuantityError if it is none."""
    return _integer(_EXACT.scaleb(_parse(quantity), 3))
