"""What tasks of one sort and size are told of each node: its entry in the reply to prioritize, ready to be sent.

A spot's completion is reckoned once, but where cores are shared: what is left of the others there runs out, so it is
reckoned anew each second. Scores are relative to the best of the candidates. Entries are kept for the few spots that
were the best lately, made when they are first asked for, and dropped when their score changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal

from foretide.placement.score import TOP_SCORE, scores
from foretide.placement.task import Task
from foretide.prediction import Source
from foretide_extender.reckoning import Reckoning, pull_times
from foretide_extender.spots import Check, Spot, Spots
from foretide_extender.state import Snapshot
from foretide_extender.wire import entry

MOST_SCALES: Final = 4
"""For so many different best spots entries are kept, about 150 bytes each."""
_UNKNOWN: Final = Spot(None)
"""Where a node is of which nothing is known."""


class Entries(dict[str, str]):
    """The entry of each node with the score that its spot has."""

    def __init__(self, spots: Spots) -> None:
        super().__init__()
        self._spots = spots
        self._score_of: dict[Spot, int] = {}

    def __missing__(self, name: str) -> str:
        spot = self._spots.at.get(name)
        if spot is None:
            return entry(name, self._score_of[_UNKNOWN])
        found = self[name] = entry(name, self._score_of[spot])
        return found

    def rescore(self, score_of: Mapping[Spot, int], gone: Iterable[Spot] = ()) -> None:
        """Take note of other scores, and drop the entries that do not have them."""
        for spot, score in score_of.items():
            if self._score_of.get(spot) != score:
                self._score_of[spot] = score
                for name in spot.names:
                    self.pop(name, None)
        for spot in gone:
            self._score_of.pop(spot, None)


class Board:
    """The completions of all spots, and the entries that follow from them."""

    def __init__(self, spots: Spots, task: Task) -> None:
        workload = spots.workload
        self._spots = spots
        percent = 50 if workload is None else workload.percentile
        self._reckoning = Reckoning(workload, task, spots.cpu_millis, percent)
        self._reckoned_of: tuple[object, ...] = (None, None, None, None)
        self._alone: Mapping[str | None, float] | None = None
        self._seconds: dict[Spot, float] = {}
        self._compared: Mapping[Spot, float] = {}
        self._first = _UNKNOWN
        self._scales: dict[tuple[Spot, int], Entries] = {}

    def follow(self, snapshot: Snapshot, now_seconds: float, check: Check) -> None:
        """Reckon anew what is not as it was; ``now_seconds`` since the epoch."""
        distinct = self._spots.distinct
        second = int(now_seconds) if any(spot.crowd is not None for spot in distinct) else None
        of = (self._spots.changes, second, snapshot.speeds, snapshot.pull_bytes_per_second)
        if of == self._reckoned_of:
            return
        if of[1:] != self._reckoned_of[1:]:
            self._seconds = {spot: known for spot, known in self._seconds.items() if _is_steady(spot)}
            self._reckoned_of = (None, *of[1:])
        alone = self._reckoning.alone_by_class((spot.node_class for spot in distinct), snapshot.speeds)
        if alone != self._alone:
            self._alone, self._seconds = alone, {}
        if alone is not None:
            pulls = pull_times(self._spots.image_bytes, snapshot.pull_bytes_per_second)
            for spot in distinct:
                if spot not in self._seconds:
                    check()
                    terms = self._reckoning.terms(spot, alone[spot.node_class], pulls, int(now_seconds))
                    self._seconds[spot] = terms.seconds
            self._seconds[_UNKNOWN] = alone[None]
        for spot in self._seconds.keys() - distinct.keys() - {_UNKNOWN}:
            del self._seconds[spot]
        self._compare()
        self._reckoned_of = of

    def _compare(self) -> None:
        """Have the entries follow."""
        before, now = self._compared, self._seconds
        self._first = min(now, key=now.__getitem__, default=_UNKNOWN)
        changed = [spot for spot, seconds in now.items() if before.get(spot) != seconds]
        gone = before.keys() - now.keys()
        for (best, most), entries in list(self._scales.items()):
            if before.get(best) == now.get(best):
                entries.rescore(self._scores(best, most, changed), gone)
            else:
                del self._scales[best, most]
        self._compared = now.copy()

    def forget(self, name: str) -> None:
        """Drop what is kept of a node."""
        for entries in self._scales.values():
            entries.pop(name, None)

    def best_of(self, names: Sequence[str]) -> Spot | None:
        """The spot where a task would end first, of those of the candidates; None where nothing tells them apart."""
        if not self._seconds:
            return None
        if not self._first.names.isdisjoint(names):
            return self._first
        at = self._spots.at
        present = {at.get(name, _UNKNOWN) for name in names}
        return min(present, key=self._seconds.__getitem__) if present - {_UNKNOWN} else None

    def source(self, spot: Spot) -> Source | Literal["ClassSpeed"]:
        """What the completion at a spot rests on."""
        prediction = self._reckoning.predictions.get(spot.node_class or "")
        return "ClassSpeed" if prediction is None else prediction.source

    def entries(self, best: Spot, most: int = TOP_SCORE) -> Entries:
        """The entries where ``best`` is the best candidate, with no score above ``most``."""
        found = self._scales.pop((best, most), None)
        if found is None:
            found = Entries(self._spots)
            found.rescore(self._scores(best, most, self._seconds))
        self._scales[best, most] = found
        if len(self._scales) > MOST_SCALES:
            del self._scales[next(iter(self._scales))]
        return found

    def _scores(self, best: Spot, most: int, spots: Iterable[Spot]) -> Mapping[Spot, int]:
        """The scores of spots where ``best`` is the best; what is better than it is no candidate's."""
        least = self._seconds[best]
        found = scores([least, *(max(self._seconds[spot], least) for spot in spots)])[1:]
        return {spot: min(score, most) for spot, score in zip(spots, found, strict=True)}


def _is_steady(spot: Spot) -> bool:
    """Whether the completion at a spot stays the same whatever the time is and however fast images are pulled."""
    return spot.crowd is None and not spot.lacked
