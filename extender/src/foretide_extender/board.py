"""What tasks of one sort and size are told of each node: its entry in the reply to prioritize, ready to be sent.

A spot's completion is reckoned once. Where cores are shared, what is left of the others there runs out: such spots are
reckoned again, the oldest first, as many as there is time for. Scores are relative to the best of the candidates.
Entries are kept for the few spots that were the best lately, made when they are first asked for, and dropped when their
score changes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Literal

from foretide.placement.pulls import PullTimes
from foretide.placement.score import TOP_SCORE, scores
from foretide.placement.task import Task
from foretide.prediction import Source
from foretide_extender.reckoning import Reckoning, pull_times
from foretide_extender.spots import Check, Spot, Spots, TooLate
from foretide_extender.state import Snapshot
from foretide_extender.wire import entry

MOST_RENEWED: Final = 64
"""So many spots where cores are shared are reckoned again for a request, though all are young."""
LONGEST_KEPT_SECONDS: Final = 5
"""What was reckoned earlier is reckoned again, however much it is, as long as there is time."""
_UNKNOWN: Final = Spot(None)
"""Where a node is of which nothing is known."""

Scale = tuple[Spot, int]
"""The best spot, and the most that any node may score."""


class Words:
    """The entries of nodes by name and score, each made once for tasks of all sorts; about 150 bytes."""

    def __init__(self) -> None:
        self._by_score: list[dict[str, str]] = [{} for _ in range(TOP_SCORE + 1)]

    def of(self, name: str, score: int) -> str:
        """What is said of a node."""
        known = self._by_score[score]
        found = known.get(name)
        if found is None:
            found = known[name] = entry(name, score)
        return found

    def forget(self, name: str) -> None:
        """Drop what is kept of a node that is gone."""
        for known in self._by_score:
            known.pop(name, None)


class Entries(dict[str, str]):
    """The entry of each node with the score that its spot has."""

    def __init__(self, spots: Spots, words: Words) -> None:
        super().__init__()
        self._spots = spots
        self._words = words
        self._score_of: dict[Spot, int] = {}

    def __missing__(self, name: str) -> str:
        spot = self._spots.at.get(name)
        if spot is None:
            return entry(name, self._score_of[_UNKNOWN])
        found = self[name] = self._words.of(name, self._score_of[spot])
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
    """The completions of all spots, and the entries that follow from them.

    ``used`` is told of each scale that was asked for: whoever bounds what all boards keep may `discard` it later.
    ``asked_seconds`` since the epoch is when a task was told of it last.
    """

    def __init__(self, spots: Spots, task: Task, words: Words, used: Callable[[Board, Scale], None]) -> None:
        workload = spots.workload
        self._spots = spots
        self._words = words
        self._used = used
        percent = 50 if workload is None else workload.percentile
        self._reckoning = Reckoning(workload, task, spots.cpu_millis, percent)
        self._alone: Mapping[str | None, float] | None = None
        self._speeds: Mapping[str, float] | None = None
        self._classes: frozenset[str | None] | None = None
        self._pull_speeds: Mapping[str, float] | None = None
        self._pulls = PullTimes()
        self._pending = dict.fromkeys(spots)
        self._seconds: dict[Spot, float] = {}
        self._second_of: OrderedDict[Spot, int] = OrderedDict()
        self._second = 0
        self._changed: dict[Spot, None] = {}
        self._gone: dict[Spot, None] = {}
        self._best = _UNKNOWN
        self.asked_seconds = 0.0
        self._entries: dict[Scale, Entries] = {}

    def __len__(self) -> int:
        return len(self._seconds)

    def note(self, came: Iterable[Spot], gone: Iterable[Spot], moved: Iterable[str]) -> None:
        """Take note of other spots, and of nodes that are at another than before."""
        self._pending.update(dict.fromkeys(came))
        for spot in gone:
            self._gone[spot] = None
            for known in (self._pending, self._seconds, self._second_of, self._changed):
                known.pop(spot, None)
        for entries in self._entries.values():
            for name in moved:
                entries.pop(name, None)

    def follow(self, snapshot: Snapshot, now_seconds: float, check: Check) -> None:
        """Reckon what is not known, until ``check`` raises; ``now_seconds`` since the epoch."""
        self._follow_speeds(snapshot)
        if self._alone is None:
            self._pending.clear()
        while self._pending:
            spot, _ = self._pending.popitem()
            self._reckon(spot, int(now_seconds))
            if self._pending:
                check()

    def renew(self, now_seconds: float, check: Check, most: int = MOST_RENEWED) -> None:
        """Reckon again what changes with time, the oldest first, as long as there is time; have the entries follow."""
        second, renewed = int(now_seconds), 0
        if second < self._second:  # the clock was set back
            self._second_of = OrderedDict.fromkeys(self._second_of, 0)
        self._second = second
        while self._second_of:
            spot, then = next(iter(self._second_of.items()))
            if then == second or (renewed >= most and second - then <= LONGEST_KEPT_SECONDS):
                break
            try:
                check()
            except TooLate:
                break
            self._reckon(spot, second)
            renewed += 1
        self._compare()

    def best_of(self, names: Sequence[str]) -> Spot | None:
        """The spot where a task would end first, of those of the candidates; None where nothing tells them apart."""
        if not self._seconds:
            return None
        if not self._best.names.isdisjoint(names):
            return self._best
        at = self._spots.at
        present = {at.get(name, _UNKNOWN) for name in names}
        return self._first(present) if present - {_UNKNOWN} else None

    def source(self, spot: Spot) -> Source | Literal["ClassSpeed"]:
        """What the completion at a spot rests on."""
        prediction = self._reckoning.predictions.get(spot.node_class or "")
        return "ClassSpeed" if prediction is None else prediction.source

    def entries(self, best: Spot, most: int = TOP_SCORE) -> Entries:
        """The entries where ``best`` is the best candidate, with no score above ``most``."""
        found = self._entries.get((best, most))
        if found is None:
            found = self._entries[best, most] = Entries(self._spots, self._words)
            found.rescore(self._scores(best, most, self._seconds))
        self._used(self, (best, most))
        return found

    def discard(self, scale: Scale) -> None:
        """Drop the entries of a scale."""
        self._entries.pop(scale, None)

    def _follow_speeds(self, snapshot: Snapshot) -> None:
        """Have what a task takes alone on each class, and pulls, as it is now; what was reckoned with other is void."""
        alone = self._alone
        if snapshot.speeds is not self._speeds or self._spots.classes != self._classes:
            self._speeds, self._classes = snapshot.speeds, self._spots.classes
            alone = self._reckoning.alone_by_class(self._classes, snapshot.speeds)
        if alone != self._alone:
            self._alone = alone
            self._pending = dict.fromkeys(self._spots)
            self._seconds.clear()
            self._second_of.clear()
            self._entries.clear()
            self._changed, self._gone = {}, {}
            if alone is not None:
                self._seconds[_UNKNOWN] = alone[None]
                self._changed[_UNKNOWN] = None
        if snapshot.pull_bytes_per_second != self._pull_speeds:
            self._pull_speeds = snapshot.pull_bytes_per_second
            self._pulls = pull_times(self._spots.image_bytes, snapshot.pull_bytes_per_second)
            self._pending.update(dict.fromkeys(spot for spot in self._spots if spot.lacked))

    def _reckon(self, spot: Spot, second: int) -> None:
        assert self._alone is not None  # noqa: S101 - else nothing is pending
        seconds = self._reckoning.terms(spot, self._alone[spot.node_class], self._pulls, second).seconds
        if self._seconds.get(spot) != seconds:
            self._seconds[spot] = seconds
            self._changed[spot] = None
        if spot.changes_with_time:
            self._second_of[spot] = second
            self._second_of.move_to_end(spot)

    def _compare(self) -> None:
        """Have the best spot and the entries follow what was reckoned since."""
        changed, gone = self._changed, self._gone
        if not changed and not gone:
            return
        is_best_as_it_was = self._best in self._seconds and self._best not in changed
        self._best = self._first([self._best, *changed] if is_best_as_it_was else self._seconds)
        for (best, most), entries in list(self._entries.items()):
            if best in changed or best in gone:
                del self._entries[best, most]
            else:
                entries.rescore(self._scores(best, most, changed), gone)
        self._changed, self._gone = {}, {}

    def _first(self, spots: Iterable[Spot]) -> Spot:
        """The one with the shortest completion, a predicted one before one that is guessed."""
        seconds = [(spot, self._seconds[spot]) for spot in spots]
        least = min((each for _, each in seconds), default=0.0)
        first = [spot for spot, each in seconds if each == least]
        predicted = (spot for spot in first if spot.node_class in self._reckoning.predictions)
        return next(predicted, first[0] if first else _UNKNOWN)

    def _scores(self, best: Spot, most: int, spots: Iterable[Spot]) -> Mapping[Spot, int]:
        """The scores of spots where ``best`` is the best; what is better than it is no candidate's."""
        least = self._seconds[best]
        found = scores([least, *(max(self._seconds[spot], least) for spot in spots)])[1:]
        return {spot: min(score, most) for spot, score in zip(spots, found, strict=True)}
