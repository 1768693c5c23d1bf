"""The cases: each follows from the seed and its number."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from bench.extender.acceptance import VERBS, Verb
from tests.extender.fuzz.broken import broken_body
from tests.extender.fuzz.sound import sound_body
from tests.extender.fuzz.values import Vocabulary, pick

GOLDEN: Final = Path(__file__).parents[1] / "golden"
_SOUND_SHARE: Final = 0.4


@dataclass(frozen=True, slots=True)
class Case:
    """A body for a verb; ``is_sound`` where kube-scheduler could have sent it."""

    number: int
    verb: Verb
    body: bytes
    is_sound: bool


class Cases:
    """The cases of a seed, out of bodies that kube-scheduler sent."""

    def __init__(self, seed: int, known: Vocabulary) -> None:
        self._seed = seed
        self._known = known
        self._recorded = [_recorded(form, known) for form in ("names", "names", "names", "nodes")]

    def __getitem__(self, number: int) -> Case:
        """The case of that number."""
        source = random.Random(self._seed << 32 | number)
        verb = pick(source, VERBS)
        body = sound_body(pick(source, self._recorded), source, self._known)
        is_sound = source.random() < _SOUND_SHARE
        if not is_sound:
            body = broken_body(body, pick(source, self._recorded), source)
        return Case(number, verb, body, is_sound)


def _recorded(form: str, known: Vocabulary) -> bytes:
    """A body as it was recorded, for a Pod of a workload that is known."""
    asked = msgspec.json.decode((GOLDEN / f"{form}.json").read_bytes())
    metadata = asked["Pod"]["metadata"]
    metadata["namespace"] = known.namespace
    metadata["labels"]["foretide.dev/workload"] = known.workloads[0]
    return msgspec.json.encode(asked)
