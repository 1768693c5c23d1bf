"""Objects of ours that cannot be read: each is left out with one word in the log, and none holds up the others."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import lru_cache
from typing import Final, TypeVar

from foretide_kube.kinds.common import KindError

log = logging.getLogger(__name__)

T = TypeVar("T")

_REMEMBERED: Final = 1024
"""Words that are not said again, however often the object is read."""


def readable(read: Callable[[], T]) -> T | None:
    """What ``read`` gives; None where it finds an object that is not of its kind's form."""
    try:
        return read()
    except KindError as error:
        _say_once(str(error))
        return None


@lru_cache(maxsize=_REMEMBERED)
def _say_once(problem: str) -> None:
    log.warning("left out: %s", problem)
