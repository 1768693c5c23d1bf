"""What measurements without a result took of node classes: kept for a day, whatever becomes of Job and AIWorkload.

Each Job is booked once, by its UID; the ConfigMap that holds them bounds how many are known.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Mapping
from typing import Final

import msgspec

from foretide.profiling.turns import DAY_SECONDS, Measurement
from foretide_kube.client import Object
from foretide_operator.config_maps import config_map

log = logging.getLogger(__name__)

NAME: Final = "foretide-spent"
COMPONENT: Final = "spending"
MOST: Final = 2_500
"""Beyond so many, those that ended first are forgotten: as base64 these stay below the API's bound of 1 MiB."""
_DATA: Final = "spent.json"

Bookings = Mapping[str, Measurement]
"""Measurements by the UIDs of their Jobs."""


def booked(bookings: Bookings, more: Bookings, *, now_seconds: float) -> Bookings:
    """With ``more``, and without what no budget counts any more; the same if nothing changes."""
    together = {**more, **bookings}
    kept = {uid: each for uid, each in together.items() if abs(now_seconds - each.ended_seconds) < DAY_SECONDS}
    newest = sorted(kept, key=lambda uid: kept[uid].ended_seconds)[-MOST:]
    return bookings if set(newest) == bookings.keys() else {uid: kept[uid] for uid in newest}


def to_config_map(bookings: Bookings, namespace: str, owner: Object | None) -> Object:
    """The ConfigMap that keeps them."""
    return config_map(NAME, namespace, COMPONENT, {_DATA: msgspec.json.encode(bookings)}, owner)


def load(item: Object | None) -> Bookings:
    """What was stored; nothing, with a word in the log, where it cannot be read."""
    if item is None:
        return {}
    try:
        data = base64.b64decode(item.get("binaryData", {}).get(_DATA, ""))
        return msgspec.json.decode(data, type=dict[str, Measurement])
    except ValueError as error:
        log.warning("ConfigMap %s cannot be read (%s): what failed measurements took is forgotten", NAME, error)
        return {}
