"""Values that are where programs break: the odd ones that are allowed, and those that are not."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

TEXTS: Final = (
    "",
    " ",
    "0",
    "-1",
    "1e9",
    "1000000000",
    "00000000001",
    "9" * 5000,
    "٣",
    "²",
    "null",
    "true",
    "{}",
    "[]",
    '{"node":"fast-1","boundMilliseconds":1e308}',
    '{"node":"fast-1","boundMilliseconds":' + "9" * 400 + "}",
    '{"node":null}',
    "[" * 2000,
    '{"a":' * 500,
    "\u2028<script>&amp;",
    "\ufeff",
    "\u0000",
    "\U0001f422" * 40,
    'quote" backslash\\ slash/ tab\t line\n',
    "edge-node-00000",
    "fast-1",
    "NaN",
    "x" * 70_000,
)
"""Any text may stand in an annotation or a message."""

NAMES: Final = ("a", "0", "node.with.dots", "x" * 253, "xn--bcher-kva", "fast-1.example", "nodenames", "null")
"""Names as API servers admit them."""

LABEL_VALUES: Final = ("", "a", "0", "A_b.c-1", "x" * 63, "resnet", "run", "inspect", "profile", "probe", "null")

QUANTITIES: Final = (
    "0",
    "1",
    "100m",
    "1500m",
    "1n",
    "1u",
    "999999999n",
    "1Ki",
    "512Mi",
    "8Gi",
    "1E",
    "7Ei",
    "9223372036854775807",
    "9223372036854775807m",
    "1e3",
    "12e18",
    "100k",
    "0.5",
)
"""Quantities of the API, of which it admits more than make sense."""

IMAGES: Final = (
    "x",
    "net:1",
    "registry.example:5000/team/net@sha256:ab",
    "registry.example/net:1@sha256:ab",
    ":",
    "@",
    "a/" * 100 + "b",
    "no image at all, and none that is pulled",
    "x" * 513,
    "x" * 20_000,
)
"""Names of images: API servers admit any text."""

TIMES: Final = (
    "1970-01-01T00:00:00Z",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z",
    "2026-02-28T23:59:59Z",
    "2050-01-01T00:00:00Z",
)

BROKEN_TIMES: Final = (
    "0001-01-01",
    "0001-01-01T00:00:00",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "9999-12-31T23:59:59",
    "2026-13-45T99:99:99Z",
    "yesterday",
    "2026",
)

BROKEN: Final[tuple[Any, ...]] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    0.5,
    1e308,
    2**31,
    2**63,
    2**64,
    -(2**63) - 1,
    10**4000,
    float("nan"),
    float("inf"),
    "\ud800",
    [],
    {},
    [None],
    [[]],
    {"": None},
    {"metadata": {"name": "fast-1"}},
    {"items": None},
    {"items": [None]},
    *TEXTS,
    *BROKEN_TIMES,
    *QUANTITIES,
    *("-5", "1e999", "1e-999", ".", "5 Gi", "1Zi", "0x10", "1_000", "٣Gi"),
)
"""What may stand anywhere in a body that is no request."""

TOKENS: Final = (
    b"",
    b"null",
    b"true",
    b"NaN",
    b"-0",
    b"1e400",
    b'"',
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"\\ud83d\\ude00",
    b"\xff",
    b"\xc0\x80",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
    b"\x00",
    b"\n",
    b"\x1f",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"/**/",
    b"[" * 1500,
    b'{"a":' * 1500,
    b'"NodeNames":',
    b'"NodeNames":null,',
    b'"Nodes":{"items":[]},',
    b'"nodeNames":["x"],',
    b'"Pod":{},',
    b"9" * 5000,
    b" " * 10_000,
)
"""Bytes that mean something in JSON, or must not stand in it."""


class Vocabulary(NamedTuple):
    """What the extender under test knows."""

    namespace: str
    workloads: Sequence[str]
    nodes: Sequence[str]


def pick(source: random.Random, values: Sequence[Any]) -> Any:
    """One of the values."""
    return values[int(source.random() * len(values))]
